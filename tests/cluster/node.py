"""One node of a native cluster: its own network, mount, process and IPC namespaces, held by one process.

That process (the pause program) is number 1 in there. Whatever a node starts, pods included, lives in these namespaces, so
killing number 1 is pulling the plug: the kernel ends every process, and with the last one go mounts, devices, addresses and
nft rules. What else a node leaves are files below its folder, and control groups of its own, which ``remove`` takes away.
Inside, /var/log is a folder of the node, /var/lib is one too or, on a machine with memory to spare, in memory, and /run is
empty, so that each program can use its usual places.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import builder
from tests.cluster.errors import ClusterError

#: In the environment of everything that a cluster starts: the folder of its node.
MARK = "WEIR_TEST_CLUSTER_NODE"
NAMESPACES = ("--mount", "--net", "--pid", "--ipc")
POLL_S = 0.05
#: Bytes that a node may take for its files, where the machine has as many as the second available.
NODE_MEMORY, SPARE_MEMORY = 6 * 2**30, 10 * 2**30

_SET_UP = """
mount --bind "$1/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
if [ "$3" = 0 ]; then mount --bind "$1/lib" /var/lib; else mount -t tmpfs -o "mode=755,size=$3" tmpfs /var/lib; fi
if [ "$3" != 0 ]; then mkdir -p /var/lib/kubelet/pods; mount --bind "$1/pods" /var/lib/kubelet/pods; fi
mount --make-rshared /
ip link set lo up
echo 1 > /proc/sys/net/ipv4/ip_forward
exec "$2"
"""


@dataclass(frozen=True)
class Process:
    """A process of this machine; the start time tells it from a later one with the same number."""

    pid: int
    started: int

    @property
    def lives(self) -> bool:
        return started(self.pid) == self.started

    def kill(self) -> None:
        """SIGKILL, if it is still there."""
        if self.lives:
            os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Node:
    """A node by its name and its folder; all else is read from there."""

    name: str
    folder: Path

    @property
    def control_group(self) -> str:
        """Where its pods are, in each hierarchy: two kubelets that share a group would end each other's pods."""
        place = hashlib.sha256(str(self.folder.parent).encode()).hexdigest()[:8]
        return f"weir-test-{place}-{self.name}"

    @property
    def anchor(self) -> Process | None:
        """The process that is number 1 in there; None where the node is down."""
        return self._recorded().get("anchor")

    @property
    def dead_programs(self) -> list[str]:
        """The programs that were started and do not run any more."""
        return [name for name, process in self._recorded().items() if not process.lives]

    @property
    def lives(self) -> bool:
        anchor = self.anchor
        return anchor is not None and anchor.lives

    def boot(self) -> None:
        """Makes the namespaces, the folders and the control groups.

        Raises:
            ClusterError: the machine refused the namespaces or a mount.
        """
        for part in ("lib", "log", "logs", "pids", "pods"):
            (self.folder / part).mkdir(parents=True, exist_ok=True)
        for group in self.control_group_folders():
            group.mkdir(exist_ok=True)
        log = self.folder / "logs/anchor.log"
        arguments = (str(self.folder), str(builder.binary("pause")), str(memory_for_a_node()))
        set_up = ["sh", "-ec", _SET_UP, "sh", *arguments]
        with log.open("w") as output:
            outer = subprocess.Popen(
                ["unshare", "--fork", *NAMESPACES, "--mount-proc", *set_up],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(lambda: self._booted(outer), 30, f"node {self.name} did not come up; see {log}")

    def _booted(self, outer: subprocess.Popen[bytes]) -> bool:
        if outer.poll() is not None:
            raise ClusterError(f"node {self.name} ended at once; see {self.folder / 'logs/anchor.log'}")
        child = only_child(outer.pid)
        if child is None or not executes(child, "pause"):
            return False
        self._record("anchor", child)
        return True

    def start(self, name: str, command: Sequence[str]) -> None:
        """Starts a program in the node; its output goes to ``logs/NAME.log``."""
        with (self.folder / f"logs/{name}.log").open("w") as output:
            outer = subprocess.Popen(
                self.entered(command, NAMESPACES),
                env=self._environment(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        wait_until(
            lambda: outer.poll() is not None or only_child(outer.pid) is not None, 30, f"{name} did not start"
        )
        child = only_child(outer.pid)
        if child is None:
            raise ClusterError(f"{name} ended at once; see {self.folder / 'logs' / name}.log")
        self._record(name, child)

    def program(self, name: str) -> Process:
        """A program that was started in the node."""
        return self._recorded()[name]

    def entered(self, command: Sequence[str], namespaces: Sequence[str] = ("--net",)) -> list[str]:
        """The command line that runs ``command`` in the node's network (or in more of its namespaces)."""
        anchor = self.anchor
        if anchor is None or not anchor.lives:
            raise ClusterError(f"node {self.name} is down; `python -m tests.cluster up` starts it")
        return ["nsenter", f"--target={anchor.pid}", *namespaces, "--", *command]

    def run(self, command: Sequence[str], *, text: str | None = None) -> str:
        """Runs a command in the node, in all its namespaces, and gives what it printed."""
        done = subprocess.run(
            self.entered(command, NAMESPACES),
            env=self._environment(),
            capture_output=True,
            text=True,
            input=text,
            check=False,
        )
        if done.returncode != 0:
            raise ClusterError(f"`{' '.join(command)}` in node {self.name} failed: {done.stderr.strip()}")
        return done.stdout

    def unplug(self) -> None:
        """Ends every process of the node at once, as a power cut does; returns when all are gone."""
        found = marked(self.folder)
        if self.anchor is not None:
            self.anchor.kill()  # and all that is inside; what started it collects it and ends too
            inside = [process for process in self._recorded().values() if process.lives]
            wait_until(lambda: not any(map(remains, inside)), 60, f"node {self.name} did not end")
        for process in marked(self.folder):
            process.kill()
        wait_until(lambda: not marked(self.folder), 60, f"processes of node {self.name} did not end")
        # The machine's first process collects what is left of them, some at their own pace.
        with suppress(ClusterError):
            wait_until(lambda: not any(map(remains, found)), 5, "not collected yet")
        shutil.rmtree(self.folder / "pids", ignore_errors=True)

    def remove(self) -> None:
        """Ends the node and takes away its files and control groups."""
        self.unplug()
        for group in self.control_group_folders():
            wait_until(lambda: _removed(group), 60, f"control group {group} is still in use")  # noqa: B023
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            raise ClusterError(f"{self.folder} could not be removed")

    def control_group_folders(self) -> Iterator[Path]:
        """The node's folder in each hierarchy of control groups (one on a machine with the second version only)."""
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            mount, _, kind = line.partition(" - ")
            if kind.split()[0] in {"cgroup", "cgroup2"}:
                yield Path(mount.split()[4]) / self.control_group

    def _environment(self) -> dict[str, str]:
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        return {"PATH": path, "HOME": "/root", MARK: str(self.folder)}

    def _record(self, name: str, process: Process) -> None:
        """Whole at once, since others read it at any time."""
        aside = self.folder / f"{name}.{os.getpid()}.new"
        aside.write_text(json.dumps([process.pid, process.started]))
        os.replace(aside, self.folder / "pids" / name)

    def _recorded(self) -> dict[str, Process]:
        """Of a node that is unplugged meanwhile, what is left."""
        found = {}
        with suppress(FileNotFoundError):
            for file in sorted((self.folder / "pids").iterdir()):
                with suppress(FileNotFoundError):
                    found[file.name] = Process(*json.loads(file.read_text()))
        return found


def memory_for_a_node() -> int:
    """Bytes of memory for what a node keeps below /var/lib, its images above all; 0: it goes to the disk.

    What pods write into volumes goes to the disk in any case: in memory it would count as theirs. etcd and containerd sync all that they write, for which a busy disk takes seconds, and none of it outlives the node.
    """
    [available] = [
        int(line.split()[1]) * 1024
        for line in Path("/proc/meminfo").read_text().splitlines()
        if line.startswith("MemAvailable:")
    ]
    return NODE_MEMORY if available > SPARE_MEMORY else 0


def marked(folder: Path) -> list[Process]:
    """The processes that were started for the node with this folder, whoever their parent is by now."""
    mark = f"{MARK}={folder}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                environment = (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            ticks = started(int(entry.name))
            if mark in environment and ticks is not None:
                found.append(Process(int(entry.name), ticks))
    return found


def started(pid: int) -> int | None:
    """When the process began, in clock ticks after boot; None for one that is gone or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in {"Z", "X"} else int(fields[19])


def remains(process: Process) -> bool:
    """Whether the process or its remains (not yet collected by its parent) are there."""
    return os.path.exists(f"/proc/{process.pid}") and started(process.pid) in {None, process.started}


def only_child(pid: int) -> Process | None:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    ticks = started(int(children[0])) if children else None
    return None if ticks is None else Process(int(children[0]), ticks)


def executes(process: Process, program: str) -> bool:
    try:
        return os.path.basename(os.readlink(f"/proc/{process.pid}/exe")) == program
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float, message: str) -> None:
    """Waits for the condition.

    Raises:
        ClusterError: with ``message``, when it does not come true in that time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{message} (waited {seconds:.0f} s)")
        time.sleep(POLL_S)


def _removed(group: Path) -> bool:
    """Removes the control group and those below it; False while one of them still holds a process."""
    if not group.exists():
        return True
    try:
        for folder, _, _ in os.walk(group, topdown=False):
            os.rmdir(folder)
    except OSError:
        return False
    return True

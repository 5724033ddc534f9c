"""``weir run`` as a user starts it: real processes on loopback, found by a mark in their environment, ended by pid.

Every process of a run inherits a variable with the run's own value, whoever its parent is by now; so an orphan is found,
and nothing that the test did not start is ever touched. All waits are conditions with a deadline.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from tests.support.reference_rows import Reference
from tests.support.waiting import LIMIT, stat_of, wait_for
from weir.rpc import lifeline

ROOT = Path(__file__).parent.parent.parent
MARK = "WEIR_TEST_RUN"
T = TypeVar("T")

#: What a process of a run is, by its command line.
KINDS = {
    "worker": "weir.taskmanager.worker",
    "supervisor": "weir.taskmanager",
    "jobmanager": "weir.jobmanager",
    "planner": "weir.api.planner",
}


@dataclass(frozen=True)
class Process:
    pid: int
    started: int  #: clock ticks after boot: with the pid it names the process for ever
    kind: str
    command: tuple[str, ...]

    def signal(self, number: signal.Signals) -> bool:
        """Whether it was still there to get it."""
        if _started(self.pid) != self.started:
            return False
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True

    @property
    def lives(self) -> bool:
        return _started(self.pid) == self.started


class Started:
    """A process of Weir with all that it starts; use it as a context: at its end nothing of it lives."""

    def __init__(
        self,
        folder: Path,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None,
        name: str,
        cwd: Path = ROOT,
        within: Sequence[str] = (),
    ) -> None:
        """``within``: a command that ends in running the one behind it, in its own place."""
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.name = name
        self.mark = secrets.token_hex(8)
        self._stdout = folder / f"{name}.out"
        self._stderr = folder / f"{name}.err"
        with self._stdout.open("wb") as out, self._stderr.open("wb") as err:
            self.process = subprocess.Popen(
                [*within, sys.executable, "-m", *arguments],
                cwd=cwd,
                env=_environment(self.mark, environment),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )

    # ---- what it says ------------------------------------------------------------------------------------------

    @property
    def stdout(self) -> str:
        return self._stdout.read_text(errors="replace")

    @property
    def stderr(self) -> str:
        return self._stderr.read_text(errors="replace")

    def story(self) -> str:
        """Everything it wrote, for the message of a failed test."""
        return f"exit code {self.process.poll()}\n--- stdout\n{self.stdout[-3000:]}\n--- stderr\n{self.stderr[-8000:]}"

    # ---- its processes -----------------------------------------------------------------------------------------

    def processes(self, kind: str | None = None) -> list[Process]:
        """Those alive now, without the foreground process itself."""
        found = [process for process in _marked(self.mark) if process.pid != self.process.pid]
        return [process for process in found if kind is None or process.kind == kind]

    def itself(self) -> Process:
        """The process that was started."""
        return next(process for process in _marked(self.mark) if process.pid == self.process.pid)

    def one(self, kind: str) -> Process:
        """Some process of this kind, waiting until there is one."""
        return self.wait(lambda: self.processes(kind), f"a {kind} process runs")[0]

    # ---- waiting -----------------------------------------------------------------------------------------------

    def wait(self, condition: Callable[[], T], what: str, seconds: float = LIMIT) -> T:
        """As ``wait_for``, but fails at once when the run ends, and tells its story."""

        def or_ended() -> T:
            answer = condition()
            if not answer and self.process.poll() is not None:
                answer = condition()
                if not answer:
                    raise AssertionError(f"the run ended before {what}; {self.story()}")
            return answer

        try:
            return wait_for(or_ended, what, seconds)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.story()}") from None

    def finish(self, seconds: float = LIMIT) -> int:
        """The exit code; no process of the run is left after it."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the run did not end within {seconds:g} s; {self.story()}") from None
        self.assert_nothing_left()
        return code

    def interrupt(self, seconds: float = LIMIT) -> int:
        """Ctrl-C; the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.finish(seconds)

    def assert_nothing_left(self, seconds: float = LIMIT) -> None:
        """Every process of the run ends by itself."""
        left = lambda: [p for p in _marked(self.mark) if p.pid != self.process.pid]
        try:
            wait_for(lambda: not left(), "no process of the run is left", seconds)
        except AssertionError as error:
            commands = [(p.pid, p.kind, " ".join(p.command)[:200]) for p in left()]
            raise AssertionError(f"{error}: {commands}; {self.story()}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        # A killed parent takes its children along; whatever does not go is killed by pid.
        deadline = time.monotonic() + 5

        def nothing_left() -> bool:
            left = _marked(self.mark)
            for process in left:
                if time.monotonic() > deadline or stat_of(process.pid)[0] == "T":
                    process.signal(signal.SIGKILL)
            return not left

        wait_for(nothing_left, "no process of the run is left")


class JobFolder:
    """A folder with a job's files, and the checkpoint root in it."""

    folder: Path

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    def job_folder(self) -> Path:
        """The job's folder below the checkpoint root; there is one job."""
        folders = job_folders(self.checkpoints)
        assert len(folders) == 1, f"expected one job, found {folders}"
        return folders[0]

    def fence(self) -> list[dict[str, Any]]:
        """The records of the fence log in order, by plain json; empty before the job was claimed."""
        folders = job_folders(self.checkpoints)
        return read_fence(folders[0]) if folders else []

    def completed(self) -> list[int]:
        """Numbers of completed checkpoints, by their records."""
        return completed_in(self.fence())


class Run(Started, JobFolder):
    """One ``weir run`` of a StreamJob."""

    def __init__(
        self,
        folder: Path,
        resource: Mapping[str, Any],
        environment: Mapping[str, str] | None = None,
        flags: Sequence[str] = (),
        name: str = "run",
        within: Sequence[str] = (),
    ) -> None:
        self.resource = write_resource(folder, resource)
        arguments = ["weir", "run", str(self.resource), *flags]
        super().__init__(folder, arguments, environment, name, within=within)

    def jobmanager_address(self) -> str:
        """Where the newest JobManager listens for calls."""
        return re.findall(r"event='jobmanager listens' address='([^']+)'", self.stderr)[-1]

    def wait_completed(self, number: int) -> None:
        """Until ``number`` checkpoints are complete."""
        self.wait(lambda: len(self.completed()) >= number, f"{number} checkpoints are complete")


def write_resource(folder: Path, resource: Mapping[str, Any]) -> Path:
    """The StreamJob as a file in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(dict(resource)))
    return path


def resource(
    job: Reference,
    folder: Path,
    *,
    parallelism: int = 2,
    interval: str | None = "200ms",
    slots: int = 1,
    entrypoint: str = "tests.support.reference_job:build",
    config: Mapping[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """A StreamJob; ``spec`` has sections such as ``restart`` that replace the ones here."""
    checkpoints: dict[str, Any] = (
        {"retained": 3} if interval is None else {"interval": interval, "retained": 3}
    )
    sections: dict[str, Any] = {
        "job": {"entrypoint": entrypoint, "args": job.arguments(), "parallelism": parallelism},
        "checkpoints": checkpoints,
        "storage": {"checkpoints": str(folder / "checkpoints")},
        "restart": {"strategy": "FixedDelay", "attempts": 1000, "delay": "100ms"},
        "taskManager": {"slots": slots},
        # Long: a process that stands still because the machine is busy must not cost a restart.
        "config": {"heartbeat.interval": "200ms", "heartbeat.timeout": "60s", **(config or {})},
    }
    for name, section in spec.items():
        both_maps = isinstance(section, Mapping) and name in ("checkpoints", "job")
        sections[name] = {**sections[name], **section} if both_maps else section
    return {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": "reference"},
        "spec": sections,
    }


def small_job(name: str, folder: Path, arguments: Mapping[str, Any], **settings: Any) -> dict[str, Any]:
    """A StreamJob that runs a job of ``small_jobs``."""
    described = resource(Reference(out=""), folder, entrypoint=f"tests.support.small_jobs:{name}", **settings)
    described["spec"]["job"]["args"] = [f"{key}={value}" for key, value in arguments.items()]
    return described


# ---- the checkpoint folder, by plain json --------------------------------------------------------------------------


def job_folders(checkpoints: Path) -> list[Path]:
    if not checkpoints.is_dir():
        return []
    return sorted(path for path in checkpoints.iterdir() if re.fullmatch("[0-9a-f]{32}", path.name))


def read_fence(job_folder: Path) -> list[dict[str, Any]]:
    folder = job_folder / "fence"
    names = [path for path in folder.glob("*") if path.name.isdigit()] if folder.is_dir() else []
    return [json.loads(path.read_bytes()) for path in sorted(names)]


def completed_in(fence: Sequence[Mapping[str, Any]]) -> list[int]:
    return [e["record"]["point"]["checkpoint_id"] for e in fence if e["record"]["type"] == "checkpoint"]


def _environment(mark: str, extra: Mapping[str, str] | None) -> dict[str, str]:
    return {
        **lifeline.inherited(),
        "WEIR_LOG_LEVEL": "INFO",
        "PYTHONUNBUFFERED": "1",
        **(extra or {}),
        MARK: mark,
    }


# ---- the system ----------------------------------------------------------------------------------------------------


def _marked(mark: str) -> list[Process]:
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            environment = Path(f"/proc/{entry}/environ").read_bytes()
            if wanted not in environment.split(b"\0"):
                continue
            command = Path(f"/proc/{entry}/cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        started = _started(int(entry))
        if started is not None:
            arguments = tuple(command.rstrip("\0").split("\0"))
            found.append(Process(int(entry), started, _kind(arguments), arguments))
    return sorted(found, key=lambda process: process.started)


def _kind(command: Sequence[str]) -> str:
    modules = {command[i + 1] for i, word in enumerate(command[:-1]) if word in ("-m", "weir.rpc.lifeline")}
    for kind, module in KINDS.items():
        if module in modules:
            return kind
    return "other"


def _started(pid: int) -> int | None:
    """When the process started; ``None`` if it is gone or only waits to be reaped."""
    stat = stat_of(pid)
    return None if stat[0] in "ZX" else int(stat[19])

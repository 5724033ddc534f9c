"""Kubernetes without a container engine: the real programs, in namespaces of our own, for root on Linux.

Node 1 holds the control plane (etcd, API server, controllers, scheduler, CoreDNS) and, as every node, containerd, kubelet and
kube-proxy. ``up`` does in order: what is missing is installed and built, certificates, node 1, its programs, further nodes,
until all nodes are Ready. It may be called again at any moment and does only what is not done. The programs' logs lie below
``clusters/NAME/NODE/logs`` in the cache folder as long as the cluster stands.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import archive, builder, debian, programs, settings
from tests.cluster.errors import ClusterError, ClusterUnavailable
from tests.cluster.node import NAMESPACES, Node, wait_until
from tests.cluster.pki import Authority

READY_WITHIN_S = 300.0
#: In a node's folder when all its programs were started; without it the `up` before was interrupted.
STARTED = "started"
AUDIT_LOG = "logs/audit.log"
#: In the folder of a node that one test added and will lose: `up` neither waits for it nor takes it away.
SPARE = "spare"
#: One of each module that is built; MinIO's is not the cluster's own, but no cluster is without it.
PROGRAMS = ("pause", "coredns", "minio", "kubelet")


@dataclass(frozen=True)
class NativeCluster:
    """A cluster of this machine by its name."""

    name: str = "weir"
    folder: Path = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", builder.cache_folder() / "clusters" / self.name)

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "pki/admin.kubeconfig"

    @property
    def write_log(self) -> Path | None:
        """Every write that concerns a job, a line each, in the order in which the API server was done with it."""
        log = self._node(1).folder / AUDIT_LOG
        return log if log.exists() else None

    @property
    def kubectl(self) -> Path:
        return builder.binary("kubectl")

    def nodes(self) -> list[Node]:
        """The nodes that were made, up or not."""
        if not self.folder.exists():
            return []
        return [Node(path.name, path) for path in sorted(self.folder.glob("node-*"))]

    def missing(self) -> str | None:
        """Why this machine cannot have a native cluster, in one line; None where it can."""
        if not sys.platform.startswith("linux"):
            return f"a native cluster needs Linux, this is {sys.platform}"
        if os.geteuid() != 0:
            return "a native cluster needs root (namespaces, mounts, control groups)"
        if any(not builder.has(program) for program in PROGRAMS):
            try:
                builder.go_command()
            except ClusterUnavailable as error:
                return str(error)
        return debian.missing()

    def prepare(self) -> None:
        debian.install()
        for program in PROGRAMS:
            builder.binary(program)

    def up(self, nodes: int = 1) -> None:
        """Brings up what is not up; returns when all nodes are Ready.

        Raises:
            ClusterUnavailable: this machine cannot have one.
            ClusterError: a step failed; what was started stays, for its logs, until ``down``.
        """
        if missing := self.missing():
            raise ClusterUnavailable(missing)
        with builder.only_one(self._lock):
            self.prepare()
            self._clear_what_broke()
            self._authority().create()
            first = self._node(1)
            if not first.lives:
                self._start_control_plane(first)
            for number in range(2, nodes + 1):
                if not self._node(number).lives:
                    self._start_further_node(number)
            regular = [node for node in self.nodes() if not (node.folder / SPARE).exists()]
            self._wait_for_nodes(max(nodes, len(regular)))

    def _clear_what_broke(self) -> None:
        """Without its first node the cluster is nothing; another one may be made anew."""
        for node in self.nodes():
            sound = node.lives and not node.dead_programs and (node.folder / STARTED).exists()
            if sound or (node.folder / SPARE).exists():
                continue
            if node.name == self._node(1).name:
                self._down()
                return
            node.remove()
            self._ask("delete", "node", node.name, "--ignore-not-found")

    def down(self) -> None:
        """Ends every process of the cluster and removes every trace."""
        with builder.only_one(self._lock):
            self._down()
            self._lock.unlink()

    def add_spare(self) -> str:
        """Adds a node for one test, which may lose it: nothing is scheduled there but what tolerates ``settings.SPARE``.

        It has no images but the pause image; ``load`` gives it others.
        """
        with builder.only_one(self._lock):
            number = 1 + max(int(node.name.removeprefix("node-")) for node in self.nodes())
            node = self._node(number)
            node.folder.mkdir(parents=True)
            (node.folder / SPARE).touch()
            self._start_further_node(number)
        wait_until(
            lambda: self._readiness(f"kubernetes.io/hostname={node.name}") == ["True"],
            READY_WITHIN_S,
            f"{node.name} is not Ready; see {node.folder}/logs",
        )
        return node.name

    def remove_spare(self, name: str) -> None:
        """Ends a node that ``add_spare`` added, if it still runs, and forgets it."""
        with builder.only_one(self._lock):
            Node(name, self.folder / name).remove()
            self._ask("delete", "node", name, "--ignore-not-found")

    def _down(self) -> None:
        for node in reversed(self.nodes()):
            node.remove()
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.parent.exists() and not any(self.folder.parent.iterdir()):
            self.folder.parent.rmdir()

    def nodes_up(self) -> list[str]:
        return [node.name for node in self.nodes() if node.lives]

    def status(self) -> list[str]:
        """A line for each node and for each program that died."""
        lines = []
        for node in self.nodes():
            lines.append(f"{node.name}: {'up' if node.lives else 'down'} ({node.folder})")
            lines += [f"  {name} ended; see {node.folder / 'logs' / name}.log" for name in node.dead_programs]
        return lines or ["no cluster"]

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command line that runs ``command`` where the cluster's addresses can be reached."""
        return self._node(1).entered(command)

    def load(self, file: Path, only: str | None = None) -> None:
        """Gives the images of a docker-archive to every node but the spare ones, or to one."""
        for node in self.nodes():
            spare = (node.folder / SPARE).exists()
            if node.lives and (node.name == only or (only is None and not spare)):
                node.run(["ctr", "-n", "k8s.io", "images", "import", str(file)])

    def signal(self, node: str, container: str, name: str) -> None:
        kill = ["ctr", "-n", "k8s.io", "tasks", "kill", "--signal", f"SIG{name}", container]
        Node(node, self.folder / node).run(kill)

    def lose(self, name: str) -> None:
        """Pulls a node's plug."""
        self._node(int(name.removeprefix("node-"))).unplug()

    @property
    def _lock(self) -> Path:
        return builder.cache_folder() / f"{self.name}.cluster.lock"

    def _node(self, number: int) -> Node:
        return Node(f"node-{number}", self.folder / f"node-{number}")

    def _authority(self) -> Authority:
        return Authority(self.folder / "pki", settings.SERVER)

    def _start_control_plane(self, node: Node) -> None:
        node.boot()
        for arguments in (
            ("ip", "link", "add", "nodes", "type", "bridge"),
            ("ip", "address", "add", f"{settings.FIRST_NODE}/24", "dev", "nodes"),
            ("ip", "link", "set", "nodes", "up"),
            ("ip", "route", "add", settings.SERVICES, "dev", "nodes"),
        ):
            node.run(arguments)
        authority = self._authority()
        authority.kubeconfig("admin", "/O=system:masters/CN=weir-admin")
        node.start("etcd", programs.etcd())
        policy = node.folder / "audit.json"
        policy.write_text(settings.audit_policy())
        node.start("kube-apiserver", programs.apiserver(authority, policy, node.folder / AUDIT_LOG))
        self._start_runtime(node)
        for name in ("controller-manager", "scheduler"):
            authority.kubeconfig(name, f"/CN=system:kube-{name}")
        _wait_for_api(self)
        node.start("kube-controller-manager", programs.controller_manager(authority))
        node.start("kube-scheduler", programs.scheduler(authority))
        corefile = node.folder / "Corefile"
        corefile.write_text(
            settings.COREDNS.format(
                address=settings.FIRST_NODE, domain=settings.DOMAIN, kubeconfig=self.kubeconfig
            )
        )
        node.start("coredns", programs.coredns(corefile))
        self._start_agents(node, 1)

    def _start_further_node(self, number: int) -> None:
        first, node = self._node(1), self._node(number)
        node.boot()
        assert first.anchor
        near, far = f"node-{number}", "eth0"
        node_address, pods = settings.node_address(number), settings.pod_range(number)
        # Only the network is entered here, so the number of the first node's process is the one of this machine.
        add = ["ip", "link", "add", far, "type", "veth", "peer", "name", near, "netns", str(first.anchor.pid)]
        _checked(node.entered(add))
        first.run(["ip", "link", "set", near, "master", "nodes", "up"])
        node.run(["ip", "address", "add", f"{node_address}/24", "dev", far])
        node.run(["ip", "link", "set", far, "up"])
        for other in self.nodes():
            if other.name != node.name and other.lives:
                its = int(other.name.removeprefix("node-"))
                way = (settings.pod_range(its), "via", settings.node_address(its))
                node.run(["ip", "route", "replace", *way])
                other.run(["ip", "route", "replace", pods, "via", node_address])
        node.run(["ip", "route", "add", settings.SERVICES, "dev", far])
        self._start_runtime(node)
        self._start_agents(node, number)

    def _start_runtime(self, node: Node) -> None:
        configuration = node.folder / "containerd.toml"
        configuration.write_text(settings.containerd(str(node.folder / "net.d")))
        node.start("containerd", ["containerd", "--config", str(configuration)])

    def _start_agents(self, node: Node, number: int) -> None:
        """The kubelet and kube-proxy, once containerd answers and has the pause image."""
        wait_until(lambda: _answers(node, ["ctr", "version"]), 60, "containerd does not answer")
        node.run(["ctr", "-n", "k8s.io", "images", "import", str(pause_archive())])
        authority = self._authority()
        (node.folder / "net.d").mkdir(exist_ok=True)
        (node.folder / "net.d/pods.conflist").write_text(settings.network(number))
        resolver, configuration = node.folder / "resolv.conf", node.folder / "kubelet.json"
        resolver.write_text(f"nameserver {settings.FIRST_NODE}\n")
        content = settings.kubelet(str(authority.certificate), node.control_group, str(resolver))
        configuration.write_text(content)
        identity = authority.kubeconfig(node.name, f"/O=system:nodes/CN=system:node:{node.name}")
        proxy = authority.kubeconfig("kube-proxy", "/CN=system:kube-proxy")
        address, spare = settings.node_address(number), (node.folder / SPARE).exists()
        node.start("kubelet", programs.kubelet(configuration, identity, node.name, address, spare))
        node.start("kube-proxy", programs.proxy(proxy, node.name))
        (node.folder / STARTED).touch()

    def _wait_for_nodes(self, count: int) -> None:
        def ready() -> bool:
            for node in self.nodes():
                if node.dead_programs and not (node.folder / SPARE).exists():
                    name = node.dead_programs[0]
                    raise ClusterError(f"{name} ended; see {node.folder / 'logs' / name}.log")
            accounts = self._ask("get", "serviceaccount", "default", "-o", "name")
            return self._readiness(f"!{settings.SPARE}") == ["True"] * count and bool(accounts)

        wait_until(ready, READY_WITHIN_S, f"nodes are not Ready; see the logs below {self.folder}")

    def _readiness(self, selector: str) -> list[str]:
        """The Ready condition of each node that the labels select."""
        status = "jsonpath={.items[*].status.conditions[?(@.type=='Ready')].status}"
        return self._ask("get", "nodes", "-l", selector, "-o", status).split()

    def _ask(self, *arguments: str) -> str:
        command = [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", "--request-timeout=10s", *arguments]
        return subprocess.run(self.enter(command), capture_output=True, text=True, check=False).stdout


def log_ends(lines: int = 15) -> list[str]:
    """The last lines of each log of a native cluster, for a report that outlives it."""
    found = []
    for log in sorted((builder.cache_folder() / "clusters").glob("*/*/logs/*.log")):
        found += [f"--- {log}", *log.read_text(errors="replace").splitlines()[-lines:]]
    return found


def pause_archive() -> Path:
    """The archive with the image of the process that holds each pod's namespaces."""
    program = builder.binary("pause")
    file = builder.cache_folder() / "images" / f"{program.parent.name}.tar"
    return archive.write_archive(file, settings.PAUSE_IMAGE, {"/pause": program}, ["/pause"])


def _wait_for_api(cluster: NativeCluster) -> None:
    wait_until(
        lambda: cluster._ask("get", "--raw", "/readyz") == "ok",
        READY_WITHIN_S,
        f"the API server does not answer; see {cluster.folder}/node-1/logs",
    )


def _checked(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")


def _answers(node: Node, command: Sequence[str]) -> bool:
    return subprocess.run(node.entered(command, NAMESPACES), capture_output=True, check=False).returncode == 0

"""Kubernetes in containers, where a Docker or podman engine answers: ``kind``, with its node image pinned by digest.

``kind`` and ``kubectl`` of the machine are used where they are there, and built from their modules where not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import builder
from tests.cluster.errors import ClusterError, ClusterUnavailable

#: Of the line that the native provider builds; each release of kind names the digests that go with it.
NODE_IMAGE = "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"


@dataclass(frozen=True)
class KindCluster:
    """A kind cluster by its name."""

    name: str = "weir"

    @property
    def folder(self) -> Path:
        return builder.cache_folder() / "clusters" / f"kind-{self.name}"

    @property
    def kubeconfig(self) -> Path:
        return self.folder / "kubeconfig"

    @property
    def kubectl(self) -> Path:
        return program("kubectl")

    @property
    def write_log(self) -> None:
        """None is kept."""

    def missing(self) -> str | None:
        return None if engine() else "no Docker or podman engine answers, which kind needs"

    def prepare(self) -> None:
        program("kind")
        program("kubectl")

    def up(self, nodes: int = 1) -> None:
        """Makes the cluster, or anew where it has fewer nodes than asked; kind cannot add one."""
        found = self._nodes()
        if found and len(found) < nodes:
            self.down()
            found = []
        self.folder.mkdir(parents=True, exist_ok=True)
        if found:
            self._kind("export", "kubeconfig", "--name", self.name, "--kubeconfig", str(self.kubeconfig))
            return
        roles = ["control-plane", *["worker"] * (nodes - 1)]
        configuration = self.folder / "kind.yaml"
        configuration.write_text(
            json.dumps(
                {
                    "kind": "Cluster",
                    "apiVersion": "kind.x-k8s.io/v1alpha4",
                    "nodes": [{"role": role, "image": NODE_IMAGE} for role in roles],
                }
            )
        )
        arguments = ["--name", self.name, "--config", str(configuration), "--wait", "300s"]
        self._kind("create", "cluster", *arguments, "--kubeconfig", str(self.kubeconfig))

    def down(self) -> None:
        self._kind("delete", "cluster", "--name", self.name, "--kubeconfig", str(self.kubeconfig))
        shutil.rmtree(self.folder, ignore_errors=True)

    def nodes_up(self) -> list[str]:
        return self._nodes()

    def status(self) -> list[str]:
        return [f"{node}: a container of {engine()}" for node in self._nodes()] or ["no cluster"]

    def enter(self, command: Sequence[str]) -> list[str]:
        """The API server is published on loopback; pods and services are reached by port-forward."""
        return list(command)

    def load(self, file: Path, only: str | None = None) -> None:
        nodes = ["--nodes", only] if only else []
        self._kind("load", "image-archive", str(file), "--name", self.name, *nodes)

    def signal(self, node: str, container: str, name: str) -> None:
        kill = ("ctr", "-n", "k8s.io", "tasks", "kill", "--signal", f"SIG{name}", container)
        self._engine("exec", node, *kill)

    def lose(self, name: str) -> None:
        """Kills the container that is the node."""
        self._engine("kill", name)

    def _engine(self, *arguments: str) -> None:
        found = engine()
        if found is None:
            raise ClusterUnavailable("no Docker or podman engine answers")
        done = subprocess.run([found, *arguments], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise ClusterError(f"`{found} {' '.join(arguments)}` failed: {done.stderr.strip()}")

    def _nodes(self) -> list[str]:
        return self._kind("get", "nodes", "--name", self.name).split()

    def _kind(self, *arguments: str) -> str:
        variables = {"KIND_EXPERIMENTAL_PROVIDER": "podman"} if engine() == "podman" else {}
        done = subprocess.run(
            [str(program("kind")), *arguments],
            env=os.environ | variables,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ClusterError(f"`kind {' '.join(arguments)}` failed: {done.stderr.strip()[-2000:]}")
        return done.stdout


def engine() -> str | None:
    """``docker`` or ``podman``, whichever answers."""
    for name in ("docker", "podman"):
        if shutil.which(name):
            asked = subprocess.run(
                [name, "info"], stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60
            )
            if asked.returncode == 0:
                return name
    return None


def program(name: str) -> Path:
    """The machine's own program of this name, else the one built from its module."""
    found = shutil.which(name)
    return Path(found) if found else builder.binary(name)

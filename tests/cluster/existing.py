"""A cluster that somebody else runs: a kubeconfig, asked for by name, never chosen by itself.

Nothing is started or ended here. Images come from a registry that the cluster's nodes can pull from.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.errors import ClusterError
from tests.cluster.kind import program


@dataclass(frozen=True)
class ExistingCluster:
    """The cluster of ``$KUBECONFIG``, by default of ~/.kube/config, at its current context."""

    name: str = "existing"

    @property
    def kubeconfig(self) -> Path:
        return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube/config")

    @property
    def kubectl(self) -> Path:
        return program("kubectl")

    @property
    def write_log(self) -> None:
        """None is kept."""

    def missing(self) -> str | None:
        return None if self.kubeconfig.exists() else f"no kubeconfig at {self.kubeconfig}; set KUBECONFIG"

    def prepare(self) -> None:
        """There is nothing to install or to build."""

    def up(self, nodes: int = 1) -> None:
        """Looks whether it answers and has that many nodes."""
        found = self.status()
        if len(found) < nodes:
            raise ClusterError(f"the cluster has {len(found)} nodes, asked were {nodes}")

    def down(self) -> None:
        """It is not ours to end."""

    def nodes_up(self) -> list[str]:
        return self.status()

    def status(self) -> list[str]:
        done = subprocess.run(
            [str(self.kubectl), f"--kubeconfig={self.kubeconfig}", "get", "nodes", "-o", "name"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise ClusterError(f"the cluster of {self.kubeconfig} does not answer: {done.stderr.strip()}")
        return done.stdout.split()

    def enter(self, command: Sequence[str]) -> list[str]:
        return list(command)

    def load(self, file: Path, only: str | None = None) -> None:
        raise ClusterError(
            f"{file} cannot be loaded into an existing cluster; push the image to its registry"
        )

    def signal(self, node: str, container: str, name: str) -> None:
        raise ClusterError(f"no process on node {node} of an existing cluster is ours to signal")

    def lose(self, name: str) -> None:
        raise ClusterError(f"node {name} of an existing cluster is not ours to end")

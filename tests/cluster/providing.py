"""What a cluster is to those who use it, and which kind of it this machine gets.

``find_cluster`` takes the provider that is asked for (``$WEIR_CLUSTER``: kind, native or existing), else kind where a container engine answers, else
native. An existing cluster is never taken unasked: tests delete what they make, and must not do so in somebody's production.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.cluster.errors import ClusterError, ClusterUnavailable
from tests.cluster.existing import ExistingCluster
from tests.cluster.kind import KindCluster
from tests.cluster.native import NativeCluster

PROVIDERS = {"kind": KindCluster, "native": NativeCluster, "existing": ExistingCluster}
VARIABLE = "WEIR_CLUSTER"


class Provider(Protocol):
    """Gives a cluster and takes it away."""

    @property
    def name(self) -> str: ...

    @property
    def kubeconfig(self) -> Path:
        """Of somebody who may do everything."""
        ...

    @property
    def kubectl(self) -> Path: ...

    @property
    def write_log(self) -> Path | None:
        """The API server's audit log: writes that concern jobs, and all requests of pods' accounts; None: this cluster keeps none."""
        ...

    def missing(self) -> str | None:
        """Why this machine cannot have such a cluster, in one line; None where it can."""
        ...

    def prepare(self) -> None:
        """Installs and builds what ``up`` needs; it does so itself otherwise."""
        ...

    def up(self, nodes: int = 1) -> None:
        """Brings up what is not up; returns when that many nodes are Ready."""
        ...

    def down(self) -> None:
        """Takes away all that ``up`` made; does nothing where there is nothing."""
        ...

    def nodes_up(self) -> list[str]:
        """The names of the nodes that run."""
        ...

    def status(self) -> list[str]:
        """A line for each node."""
        ...

    def enter(self, command: Sequence[str]) -> list[str]:
        """The command line that runs ``command`` where the cluster can be reached."""
        ...

    def load(self, file: Path, only: str | None = None) -> None:
        """Gives the images of a docker-archive to every node, or to one."""
        ...

    def signal(self, node: str, container: str, name: str) -> None:
        """Sends the first process of a container a signal (``KILL``, ``STOP``...), past Kubernetes."""
        ...

    def lose(self, name: str) -> None:
        """Ends a node at once, as a power cut does."""
        ...


@dataclass(frozen=True)
class Cluster:
    """A provider's cluster with what tests do to it."""

    provider: Provider

    def command(self, *arguments: str) -> list[str]:
        """The command line of kubectl with these arguments, to be started by whoever wants the process."""
        kubectl = [str(self.provider.kubectl), f"--kubeconfig={self.provider.kubeconfig}"]
        return self.provider.enter([*kubectl, *arguments])

    def kubectl(self, *arguments: str, text: str | None = None, timeout: float = 120.0) -> str:
        """What kubectl prints.

        Raises:
            ClusterError: with what it said, when it fails.
        """
        done = subprocess.run(
            self.command(*arguments),
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if done.returncode != 0:
            raise ClusterError(f"`kubectl {' '.join(arguments)}` failed: {done.stderr.strip()}")
        return done.stdout

    def apply(self, *resources: dict[str, Any]) -> None:
        """Creates or changes the resources."""
        content = {"apiVersion": "v1", "kind": "List", "items": list(resources)}
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=json.dumps(content))

    def get(self, kind: str, name: str, namespace: str) -> Any:
        """The resource as the API server has it now."""
        return json.loads(self.kubectl("get", kind, name, "-n", namespace, "-o", "json"))


def find_provider(asked: str | None = None, name: str = "weir") -> Provider:
    """The provider for this machine.

    Raises:
        ClusterUnavailable: none can work here; one line says what each of them misses.
        ClusterError: one is asked for that does not exist.
    """
    asked = asked or os.environ.get(VARIABLE)
    if asked and asked not in PROVIDERS:
        raise ClusterError(f"{VARIABLE} is {asked!r}; there are {', '.join(PROVIDERS)}")
    found = []
    for kind in [asked] if asked else ["kind", "native"]:
        provider: Provider = PROVIDERS[kind](name)
        if (missing := provider.missing()) is None:
            return provider
        found.append(f"{kind}: {missing}")
    raise ClusterUnavailable(f"no cluster can be had here ({'; '.join(found)})")

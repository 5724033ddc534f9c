"""Our CRDs on a real API server under a group of their own, so that nobody else's resources are touched."""

from __future__ import annotations

import json
import secrets
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.cluster.providing import Cluster
from tests.support.waiting import wait_for
from weir_operator.models import crd


@dataclass(frozen=True)
class Served:
    """The CRDs of this checkout as ``cluster`` serves them."""

    cluster: Cluster
    group: str

    @property
    def api(self) -> str:
        return f"{self.group}/v1alpha1"

    def job(self, namespace: str, spec: dict[str, Any], name: str = "flights") -> dict[str, Any]:
        return self._resource("StreamJob", namespace, spec, name)

    def snapshot(self, namespace: str, spec: dict[str, Any], name: str = "nightly") -> dict[str, Any]:
        return self._resource("StreamJobSnapshot", namespace, spec, name)

    def _resource(self, kind: str, namespace: str, spec: dict[str, Any], name: str) -> dict[str, Any]:
        return {
            "apiVersion": self.api,
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }

    def said(self, *arguments: str, given: Sequence[Any] = ()) -> tuple[int, str]:
        """kubectl's exit code and all that it printed, when these resources are its input."""
        done = subprocess.run(
            self.cluster.command(*arguments),
            input="\n---\n".join(map(json.dumps, given)),
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr

    def refusal(self, resource: dict[str, Any], *options: str) -> str:
        """What the API server has against a resource; empty: nothing."""
        code, said = self.said("apply", "--dry-run=server", *options, "-f", "-", given=[resource])
        return said if code else ""


@contextmanager
def serving(cluster: Cluster) -> Iterator[Served]:
    """The CRDs while the block runs."""
    group = f"t{secrets.token_hex(4)}.weir.test"
    made = [under(group, found) for found in (crd.stream_job(), crd.stream_job_snapshot())]
    cluster.apply(*made)
    names = [found["metadata"]["name"] for found in made]
    try:
        wait_established(cluster, *names)
        yield Served(cluster, group)
    finally:
        cluster.kubectl("delete", "crd", *names, "--wait=false")


def wait_established(cluster: Cluster, *names: str) -> None:
    """Until the API server serves these CRDs. ``kubectl wait`` fails on one that is so new that it has no conditions at all."""

    def established(name: str) -> bool:
        status = json.loads(cluster.kubectl("get", "crd", name, "-o", "json")).get("status", {})
        return any(
            condition["type"] == "Established" and condition["status"] == "True"
            for condition in status.get("conditions") or ()
        )

    for name in names:
        wait_for(lambda name=name: established(name), f"CRD {name} is established", poll=0.2)


def under(group: str, found: dict[str, Any]) -> dict[str, Any]:
    """A CRD of ours, of another group."""
    name = f"{found['spec']['names']['plural']}.{group}"
    return {
        **found,
        "metadata": {**found["metadata"], "name": name},
        "spec": {**found["spec"], "group": group},
    }

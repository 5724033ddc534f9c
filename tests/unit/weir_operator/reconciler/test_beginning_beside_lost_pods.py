"""A run is begun when no other one is left, read live; pods of a lost node are not waited for, nor the Deployment that stays for them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.planned_jobs import UID, stream_job
from tests.support.stream_jobs import SETTINGS
from weir_operator.clients.kinds import DEPLOYMENT, Kind
from weir_operator.models import StartMode
from weir_operator.observed import StartDirective
from weir_operator.observer.drift import Drift
from weir_operator.observer.world import World
from weir_operator.reconciler.actions import EnsureRun
from weir_operator.reconciler.objects import Unfinished
from weir_operator.reconciler.runs import Runs

LOST = ("lost",)


class Begun(Exception):
    """The first object of the new run is made."""


class Stub:
    """An API server with what an earlier run left."""

    def __init__(self, left: list[tuple[str, str, bool]]) -> None:
        self.left = left

    async def list(self, kind: Kind, namespace: str, labels: str) -> list[dict[str, Any]]:
        return [
            body(name, uid, deleting=deleting)
            for name, uid, deleting in self.left
            if (uid == "deployment") == (kind is DEPLOYMENT)
        ]

    async def create(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        raise Begun


def body(name: str, uid: str, *, deleting: bool) -> dict[str, Any]:
    component = "jobmanager" if "-jm" in name else "taskmanager"
    labels = {"weir.dev/job": "flights", "weir.dev/run": "1", "weir.dev/uid": UID}
    metadata: dict[str, Any] = {
        "name": name,
        "namespace": "ns",
        "uid": uid,
        "labels": {**labels, "weir.dev/component": component},
        "creationTimestamp": "2025-01-01T12:00:00Z",
    }
    if deleting:
        metadata["deletionTimestamp"] = "2025-01-01T13:00:00Z"
    return {"metadata": metadata, "spec": {"replicas": 1}, "status": {"phase": "Running"}}


def begin(*left: tuple[str, str, bool]) -> None:
    client: Any = Stub(list(left))
    world, drift, job = World(), Drift(), stream_job()
    runs = Runs(client, world, drift, SETTINGS, lambda uid, run: "token")
    wanted = EnsureRun(
        run=2, revision=1, spec=job.spec, start=StartDirective(run=2, mode=StartMode.TAIL), given_up=LOST
    )
    asyncio.run(runs.ensure(job, wanted))


@pytest.mark.parametrize("component", ["jm", "tm"])
def test_a_deployment_that_stays_for_lost_pods_alone_is_not_waited_for(component: str) -> None:
    with pytest.raises(Begun):
        begin((f"flights-1-{component}", "deployment", True), (f"flights-1-{component}-a", "lost", True))


@pytest.mark.parametrize(
    "left",
    [
        [("flights-1-tm", "deployment", False), ("flights-1-tm-a", "lost", True)],
        [("flights-1-tm", "deployment", True)],
        [("flights-1-tm", "deployment", True), ("flights-1-jm-a", "lost", True)],
        [("flights-1-tm-a", "lost", True), ("flights-1-tm-b", "well", True)],
    ],
    ids=["may make another pod", "has no pod", "has other pods", "another pod is well"],
)
def test_whatever_else_is_left_is_waited_for(left: list[tuple[str, str, bool]]) -> None:
    with pytest.raises(Unfinished):
        begin(*left)

"""A pass over a resource that was not edited costs little: its spec is judged once, and its objects are rendered once."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Any

from tests.support.stream_jobs import FULL, MINIMAL
from weir_operator.clients.kinds import CONFIG_MAP, STREAM_JOB
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.observed import RevisionFacts
from weir_operator.observer.drift import Drift
from weir_operator.observer.world import World
from weir_operator.reconciler.objects import Objects, Owner
from weir_operator.reconciler.reading import Readings, read


def body(uid: str = "u1", spec: Any = None, **status: Any) -> dict[str, Any]:
    return {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": "flights", "namespace": "air", "uid": uid, "resourceVersion": "1"},
        "spec": deepcopy(FULL if spec is None else spec),
        "status": status,
    }


def test_a_spec_that_was_not_edited_is_not_judged_again() -> None:
    readings = Readings()
    first = readings.read(body(), {}).job
    second = readings.read(body(phase="Running"), {}).job
    assert first is not None
    assert second is not None
    assert second.spec is first.spec
    assert second.status.phase == "Running", "the status is read anew"


def test_whatever_was_read_before_an_edit_is_read_as_if_it_were_the_first() -> None:
    running = {
        "deployed": {
            "run": 1,
            "revision": 1,
            "parallelism": 4,
            "taskManagers": 2,
            "beganAt": "2026-01-01T00:00:00Z",
        }
    }
    wider = {**FULL, "job": {**FULL["job"], "maxParallelism": 256}}
    revisions = {1: RevisionFacts(revision=1, spec_hash="h", spec=deepcopy(FULL))}
    versions = [
        (body(), {}),
        (body(spec=wider), {}),
        (body(spec=wider, **running), revisions),
        (body(spec={"job": 7}), {}),
        (body(**running), revisions),
        (body("another", MINIMAL), {}),
        (body("another", {**MINIMAL, "unknown": 1}), {}),
        ({**body("another", MINIMAL), "extra": 1}, {}),
    ]
    readings = Readings()
    for document, known in versions + versions:
        assert readings.read(document, known) == read(document, known)
    faults = read(body(spec=wider, **running), revisions).faults
    assert any("maxParallelism" in fault for fault in faults), faults


class Server(Kubernetes):
    """Applies what it is given."""

    def __init__(self) -> None:
        self.applied: list[str] = []

    async def find(self, *_: Any) -> None:
        return None

    async def apply(self, manifest: Any, **_: Any) -> dict[str, Any]:
        self.applied.append(manifest["metadata"]["name"])
        metadata = {
            **manifest["metadata"],
            "uid": f"of-{len(self.applied)}",
            "resourceVersion": str(len(self.applied)),
        }
        return {**manifest, "metadata": metadata}


def manifest(name: str, text: str = "a") -> dict[str, Any]:
    labels = {"weir.dev/job": "flights", "weir.dev/uid": "job"}
    metadata = {"name": name, "namespace": "air", "labels": labels}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": text}}


def test_objects_are_rendered_again_when_another_thing_is_asked_for_or_one_of_them_is_not_as_it_was() -> None:
    server, world, drift = Server(), World(), Drift()
    objects, owner = Objects(server, world, drift), Owner("air", "flights", "job")
    rendered: list[str] = []

    def ensure(asked: str, of: Owner = owner) -> list[str]:
        """What it led to."""

        def render() -> list[dict[str, Any]]:
            rendered.append(asked)
            return [manifest("one", asked), manifest("two")]

        rendered.clear()
        server.applied.clear()
        asyncio.run(objects.ensure_all(of, asked, render))
        return [*rendered, *server.applied]

    assert ensure("a") == ["a", "one", "two"]
    assert ensure("a") == []
    assert ensure("b") == ["b", "one"]
    assert ensure("b") == []
    assert ensure("a") == ["a", "one"]
    gone = {
        "metadata": {
            "name": "two",
            "namespace": "air",
            "uid": world.children.get(owner.key, CONFIG_MAP, "two").uid,
        }
    }
    gone["metadata"]["labels"] = manifest("two")["metadata"]["labels"]
    world.forget(CONFIG_MAP, gone)
    assert ensure("a") == ["a", "two"]
    assert ensure("a") == []
    drift.forget(owner.key)
    assert ensure("a") == ["a"], "what is there is as it should be"


def test_only_jobs_that_name_a_snapshot_are_asked_what_they_start_from() -> None:
    world = World()

    def job(name: str, version: int, **restore: Any) -> dict[str, Any]:
        metadata = {"name": name, "namespace": "air", "uid": name, "resourceVersion": str(version)}
        return {"metadata": metadata, "spec": {"restore": restore} if restore else {}}

    for number in range(3):
        world.note(STREAM_JOB, job(f"job-{number}", 1))
    world.note(STREAM_JOB, job("job-1", 2, **{"from": "s3://weir/a"}))
    assert world.restore_sources(besides=("air", "job-0")) == {"s3://weir/a"}
    assert world.restore_sources(besides=("air", "job-1")) == frozenset()
    world.note(STREAM_JOB, job("job-1", 3, **{"from": "s3://weir/b"}))
    assert world.restore_sources(besides=("air", "job-0")) == {"s3://weir/b"}
    world.note(STREAM_JOB, job("job-1", 4))
    assert world.restore_sources(besides=("air", "job-0")) == frozenset()
    world.note(STREAM_JOB, job("job-2", 5, **{"from": "s3://weir/c"}))
    world.forget(STREAM_JOB, job("job-2", 6))
    assert world.restore_sources(besides=("air", "job-0")) == frozenset()

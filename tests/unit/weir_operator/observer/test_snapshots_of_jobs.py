"""Which StreamJobSnapshots are a job's, as they come, change and go."""

from __future__ import annotations

from typing import Any

import pytest

from weir_operator.clients.kinds import STREAM_JOB, STREAM_JOB_SNAPSHOT
from weir_operator.observer.snapshots import path_of, restored_by, snapshot_resources
from weir_operator.observer.world import World

FLIGHTS = ("ns", "flights")


def snapshot(name: str, version: int, job: str | None = "flights", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": str(version)}
    spec = {"job": job} if job else {"external": "s3://weir/x"}
    return {"metadata": {**metadata, **more}, "spec": spec, "status": {"path": f"s3://weir/{name}"}}


def job(name: str, snapshot: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "ns", "uid": f"uid-{name}", "resourceVersion": "1"}
    return {"metadata": metadata, "spec": {"restore": {"snapshot": snapshot}}}


def names(world: World) -> list[str]:
    return [found.name for found in snapshot_resources(world.resources, FLIGHTS, "uid")]


def test_those_that_name_the_job_are_its_own_until_they_go() -> None:
    world = World()
    for body in (
        snapshot("b", 1),
        snapshot("a", 2),
        snapshot("c", 3, job="other"),
        snapshot("d", 4, job=None),
    ):
        world.note(STREAM_JOB_SNAPSHOT, body)
    assert names(world) == ["a", "b"]
    world.note(STREAM_JOB_SNAPSHOT, snapshot("a", 5))
    assert names(world) == ["a", "b"], "a change is no second one"
    world.forget(STREAM_JOB_SNAPSHOT, snapshot("a", 6))
    assert names(world) == ["b"]
    world.resources.replace(STREAM_JOB_SNAPSHOT, None, "9", [snapshot("c", 3, job="other")], reset=False)
    assert names(world) == []


def test_only_what_the_operator_made_for_this_very_resource_is_its_property() -> None:
    world = World()
    ours = {"app.kubernetes.io/managed-by": "weir-operator", "weir.dev/uid": "uid"}
    world.note(STREAM_JOB_SNAPSHOT, snapshot("ours", 1, labels=ours))
    world.note(STREAM_JOB_SNAPSHOT, snapshot("earlier", 2, labels=ours | {"weir.dev/uid": "before"}))
    world.note(STREAM_JOB_SNAPSHOT, snapshot("by-hand", 3))
    found = snapshot_resources(world.resources, FLIGHTS, "uid")
    assert [one.name for one in found if one.owned] == ["ours"]


def test_a_snapshot_concerns_its_job_and_whoever_starts_from_it() -> None:
    world = World()
    world.note(STREAM_JOB, job("fork", "base"))
    world.note(STREAM_JOB, job("else", "another"))
    concerned = world.note(STREAM_JOB_SNAPSHOT, snapshot("base", 2))
    assert concerned == {
        (STREAM_JOB_SNAPSHOT, ("ns", "base")),
        (STREAM_JOB, FLIGHTS),
        (STREAM_JOB, ("ns", "fork")),
    }
    assert list(restored_by(world.resources, ("ns", "base"))) == [("ns", "fork")]
    assert path_of(world.resources, "ns", "base") == "s3://weir/base"
    assert world.users_of("s3://weir/base", besides=FLIGHTS) == ("fork",)
    assert world.users_of("s3://weir/base", besides=("ns", "fork")) == ()


@pytest.mark.parametrize("by", ["from", "snapshot"])
def test_a_slash_at_the_end_names_the_same_folder(by: str) -> None:
    world = World()
    fork = job("fork", "base")
    if by == "from":
        fork["spec"]["restore"] = {"from": "s3://weir/base/"}
    world.note(STREAM_JOB, fork)
    elsewhere = snapshot("base", 1, job=None)
    elsewhere["status"]["path"] += "/"
    world.note(STREAM_JOB_SNAPSHOT, elsewhere)
    assert path_of(world.resources, "ns", "base") == "s3://weir/base"
    assert world.restore_sources(besides=FLIGHTS) == {"s3://weir/base"}
    for path in ("s3://weir/base", "s3://weir/base/"):
        assert world.users_of(path, besides=FLIGHTS) == ("fork",)

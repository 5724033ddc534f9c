"""Edits drawn from the CRD, one after the other: what each settles to is what a fresh job of that spec says, and a revert leaves every error (R27)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.operator_walks import IMAGES
from tests.support.planned_jobs import SPEC
from tests.support.random_stream_jobs import documents, fields
from tests.support.simulated_cluster import Cluster
from tests.support.simulated_engine import Behaviour
from tests.support.simulated_operator import Operator
from weir_operator.models import StreamJobSpec
from weir_operator.models.execution import Code, Restart, StateBackend
from weir_operator.models.pod import Resources
from weir_operator.validation import stream_job_faults

GOOD = ("example/flights:1", "example/flights:2", "example/flights:3")
#: Images with which a job cannot run.
BAD = ("example/missing:1", "example/crashing:1", "example/unfit:1")


#: Fields that are not drawn, by the beginning of their paths, and why.
NOT_DRAWN = {
    "paused": "holds back what this test waits for; test_paused_jobs",
    "job.state": "one that was suspended tells of what it was, and a fresh one was nothing; test_operator_world",
    "job.maxParallelism": "cannot change while state is kept",
    "restore": "asks to go back to a snapshot that a fresh job does not have; test_held_and_skipped_restores",
    "upgrade.rollbackTo": "asks for a revision that a fresh job does not have; test_operator_world",
    "upgrade.restartNonce": "asks for a deed, and not for a state; test_operator_world",
    "upgrade.savepointNonce": "the same; test_operator_snapshots",
    "snapshots.schedule": "the same; test_operator_snapshots",
}
#: Values with which the simulated time of this test suffices, and images that there are.
DRAWN: dict[str, st.SearchStrategy[Any]] = {
    "image": st.sampled_from(GOOD),
    "job.parallelism": st.integers(1, 5),
    "checkpoints.interval": st.sampled_from(["10s", "20s"]),
    "checkpoints.timeout": st.sampled_from(["30s", "1m"]),
    "taskManager.slots": st.integers(1, 3),
    "upgrade.mode": st.sampled_from(["Savepoint", "LastState"]),
    "upgrade.stabilityWindow": st.sampled_from(["0s", "30s"]),
    "upgrade.savepointTimeout": st.sampled_from(["1m", "10m"]),
}
FIELDS = fields(StreamJobSpec) | DRAWN
PATHS = [path for path in FIELDS if not any(path == n or path.startswith(f"{n}.") for n in NOT_DRAWN)]
#: Parts whose fields go together.
PARTS = {
    "job.code": documents(Code, 0),
    "jobManager.resources": documents(Resources, 0),
    "taskManager.resources": documents(Resources, 0),
    "restart": documents(Restart, 0),
    "stateBackend": documents(StateBackend, 0),
}
#: Each gives one field of the spec anew, or takes it away, or gives a part anew.
EDIT = st.sampled_from([*PATHS, *PARTS]).flatmap(
    lambda path: st.tuples(st.just(path), (PARTS | FIELDS)[path] | st.none())
)


def edited(spec: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """With this value at the path; None: without any."""
    name, _, rest = path.partition(".")
    if rest:
        return {**spec, name: edited(spec.get(name, {}), rest, value)}
    left = {key: kept for key, kept in spec.items() if key != name}
    return left if value is None else {**left, name: value}


def valid(spec: dict[str, Any]) -> bool:
    document = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": "flights"},
        "spec": spec,
    }
    return stream_job_faults(document) == []


def said(cluster: Cluster) -> dict[str, Any]:
    """What a status says of now, and nothing of how it came to that."""
    status = cluster.status
    return {
        "conditions": sorted((c.type, c.status, c.reason) for c in status.conditions),
        "phase": status.phase,
        "parallelism": status.parallelism,
        "workloads": sorted((d.component, d.replicas, d.image) for d in cluster.deployments.values()),
    }


def fresh(spec: dict[str, Any]) -> dict[str, Any]:
    cluster = a_cluster(spec)
    Operator(cluster).settle()
    return said(cluster)


def a_cluster(spec: dict[str, Any]) -> Cluster:
    cluster = Cluster(behaviours={image: Behaviour(**vars(found)) for image, found in IMAGES.items()})
    cluster.spec = spec
    return cluster


def test_every_field_of_the_crd_is_drawn_or_said_not_to_be() -> None:
    assert set(DRAWN) <= set(fields(StreamJobSpec))
    for path in NOT_DRAWN:
        assert any(known == path or known.startswith(f"{path}.") for known in FIELDS), path
    assert len(PATHS) > 60


@settings(max_examples=8, deadline=None)
@given(st.lists(EDIT, min_size=6, max_size=10))
def test_what_an_edit_settles_to_is_what_a_fresh_job_of_that_spec_says(edits: list[tuple[str, Any]]) -> None:
    cluster = a_cluster(SPEC)
    operator = Operator(cluster)
    operator.settle()
    for path, value in edits:
        spec = edited(cluster.spec, path, value)
        if valid(spec):
            replace(cluster, spec)
            operator.settle(400)
            assert said(cluster) == fresh(spec), spec


@settings(max_examples=8, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(BAD), st.integers(1, 60)), min_size=1, max_size=4))
def test_a_revert_leaves_every_error(mistakes: list[tuple[str, int]]) -> None:
    cluster = a_cluster(SPEC)
    operator = Operator(cluster)
    operator.settle()
    before = said(cluster)
    for image, passes in mistakes:
        replace(cluster, SPEC | {"image": image})
        operator.run(passes)
    replace(cluster, SPEC)
    operator.settle(400)
    assert said(cluster) == before


def replace(cluster: Cluster, spec: dict[str, Any]) -> None:
    """The whole spec, as ``kubectl replace`` does."""
    cluster.spec = {}
    cluster.edit(**spec)

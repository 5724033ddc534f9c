"""Edits drawn from the CRD, one after the other: what each settles to is what a fresh job of that spec says, and a revert leaves every error (R27)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.operator_walks import IMAGES
from tests.support.planned_jobs import SPEC
from tests.support.random_stream_jobs import documents
from tests.support.simulated_cluster import Cluster
from tests.support.simulated_engine import Behaviour
from tests.support.simulated_operator import Operator
from weir_operator.models.execution import Restart, StateBackend
from weir_operator.models.pod import Resources
from weir_operator.models.scheduling import Toleration
from weir_operator.validation import stream_job_faults

GOOD = ("example/flights:1", "example/flights:2", "example/flights:3")
#: Images with which a job cannot run.
BAD = ("example/missing:1", "example/crashing:1", "example/unfit:1")


def _one(name: str, of: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return of.map(lambda drawn: {name: drawn})


#: Each gives one part of the spec anew.
EDIT = st.one_of(
    _one("image", st.sampled_from(GOOD)),
    _one("job", st.integers(1, 5).map(lambda number: {**SPEC["job"], "parallelism": number})),
    _one("checkpoints", st.sampled_from(["10s", "20s"]).map(lambda text: {"interval": text})),
    _one("jobManager", _one("resources", documents(Resources, 0))),
    _one("taskManager", _one("resources", documents(Resources, 0))),
    _one("taskManager", _one("slots", st.integers(1, 3))),
    _one("taskManager", _one("pod", _one("tolerations", st.lists(documents(Toleration, 0), max_size=2)))),
    _one("restart", documents(Restart, 0)),
    _one("stateBackend", documents(StateBackend, 0)),
    _one("upgrade", st.sampled_from(["Recreate", "Standby"]).map(lambda how: {"handover": how})),
    _one("upgrade", st.sampled_from(["Savepoint", "LastState"]).map(lambda mode: {"mode": mode})),
)


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


@settings(max_examples=8, deadline=None)
@given(st.lists(EDIT, min_size=5, max_size=8))
def test_what_an_edit_settles_to_is_what_a_fresh_job_of_that_spec_says(edits: list[dict[str, Any]]) -> None:
    cluster = a_cluster(SPEC)
    operator = Operator(cluster)
    operator.settle()
    for edit in edits:
        spec = {**cluster.spec, **edit}
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

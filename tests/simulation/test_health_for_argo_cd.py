"""The script that Argo CD judges a StreamJob by, run by Lua over what the operator says in each state of a job (O32)."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from tests.support.documents import ROOT
from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Operator

SCRIPT = (ROOT / "charts/argocd/streamjob-health.lua").read_text()


def health(job: dict[str, Any]) -> tuple[str, str]:
    """As Argo CD runs it: with the resource as the global ``obj`` and nothing of the system."""
    lua = importlib.import_module("lupa").LuaRuntime(unpack_returned_tuples=True)
    lua.globals().obj = _table(lua, job)
    answer = lua.execute(SCRIPT)
    return str(answer["status"]), str(answer["message"])


def _table(lua: Any, value: Any) -> Any:
    if isinstance(value, dict):
        return lua.table_from({key: _table(lua, inner) for key, inner in value.items() if inner is not None})
    if isinstance(value, list):
        return lua.table_from([_table(lua, inner) for inner in value])
    return value


def of(cluster: Cluster) -> str:
    job = cluster.job.model_dump(mode="json", by_alias=True)
    return health({**job, "status": cluster.status.written()})[0]


@pytest.fixture
def operator(cluster: Cluster) -> Operator:
    return Operator(cluster)


def test_a_job_is_progressing_until_it_runs_and_then_healthy(operator: Operator, cluster: Cluster) -> None:
    assert of(cluster) == "Progressing"
    operator.run(1)
    assert of(cluster) == "Progressing"
    operator.settle()
    assert of(cluster) == "Healthy"
    cluster.edit(image="example/flights:2")
    assert of(cluster) == "Progressing", "what is said is about the generation before"
    operator.settle()
    assert of(cluster) == "Healthy"


def test_a_job_that_is_suspended_is_suspended(operator: Operator, cluster: Cluster) -> None:
    operator.settle()
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    assert of(cluster) == "Suspended"


def test_a_job_that_finished_is_healthy(operator: Operator, cluster: Cluster) -> None:
    cluster.behaviour("example/flights:1").finishes_at = 3
    operator.settle()
    assert of(cluster) == "Healthy"


def test_what_waiting_does_not_mend_is_degraded(operator: Operator, cluster: Cluster) -> None:
    operator.settle()
    cluster.behaviour("example/flights:2").fits = False
    cluster.edit(image="example/flights:2")
    operator.settle(or_blocked_by="DoesNotFit")
    assert of(cluster) == "Degraded"
    cluster.edit(image="example/flights:1")
    operator.settle()
    assert of(cluster) == "Healthy"
    cluster.spoil(image=7)
    operator.settle()
    assert of(cluster) == "Degraded"


def test_a_job_that_failed_is_degraded_and_one_that_goes_is_progressing(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviour("example/flights:1").fails = True
    operator.settle(or_blocked_by="NotStable")
    assert of(cluster) == "Degraded"
    cluster.delete()
    assert of(cluster) == "Progressing"

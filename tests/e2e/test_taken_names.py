"""What somebody else has under a name that a job needs is not touched: the job says what is in its way, and goes on when that is gone (R19)."""

from __future__ import annotations

from typing import Any

from tests.e2e import exactness
from tests.e2e.stage import Stage, condition
from weir_operator.resources import names

ROWS = 100_000


def test_a_job_waits_for_names_that_others_have(stage: Stage) -> None:
    revision = {"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {"not": "ours"}}
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"not": "ours"}}
    stage.apply(*({**theirs, "metadata": {"name": "counts-1"}} for theirs in (revision, settings)))
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    give_way(stage, "ControllerRevision", "counts-1")
    give_way(stage, "ConfigMap", "counts-1")
    stage.wait_condition("counts", "Progressing", "False")  # stable
    number = stage.wait_checkpoint("counts", after=1)

    # The pod that would try the next version against the state.
    errand = names.errand("counts", "preflight-1-2")
    stage.apply(nowhere(errand))
    stage.apply(stage.counting("counts", version=2, rows=ROWS, rate=100))
    give_way(stage, "Pod", errand)
    stage.wait_job("counts", lambda job: job["status"].get("revision") == 2, "version 2 runs")
    stage.wait_condition("counts", "Progressing", "False")
    stage.wait_checkpoint("counts", after=number)
    assert stage.runs("counts") == [1, 2]
    assert exactness.faults(stage.output("counts")) == []


def give_way(stage: Stage, kind: str, name: str) -> None:
    """The job tells of it; it is as it was; then somebody deletes it."""
    before = without_what_the_cluster_writes(stage.get(kind, name))

    def told(job: dict[str, Any]) -> bool:
        found = condition(job, "ReconcileFailed") or {}
        return found.get("reason") == "NameTaken" and f"{kind} {name} exists" in found["message"]

    stage.wait_job("counts", told, f"it says that there is {kind} {name}")
    assert without_what_the_cluster_writes(stage.get(kind, name)) == before
    stage.kubectl("delete", kind, name)


def without_what_the_cluster_writes(theirs: dict[str, Any]) -> dict[str, Any]:
    """The scheduler says again and again that it has no node for a pod: that is a new status, and with it a new version."""
    metadata = {
        key: value
        for key, value in theirs["metadata"].items()
        if key not in {"resourceVersion", "managedFields"}
    }
    assert metadata["uid"]
    return {**theirs, "metadata": metadata, "status": None}


def nowhere(name: str) -> dict[str, Any]:
    """A pod that no node takes."""
    container = {
        "name": "theirs",
        "image": "theirs",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    spec = {
        "nodeSelector": {"weir.dev/none": "none"},
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

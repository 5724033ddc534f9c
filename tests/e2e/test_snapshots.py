"""Savepoints by nonce and by resource, and a second job that starts from one of them by its name (O20)."""

from __future__ import annotations

from typing import Any

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000


def snapshot(name: str, **spec: Any) -> dict[str, Any]:
    """A StreamJobSnapshot."""
    return {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJobSnapshot",
        "metadata": {"name": name},
        "spec": spec,
    }


def test_savepoints_by_nonce_and_by_resource_are_recorded_and_another_job_starts_from_one(
    stage: Stage,
) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts")

    stage.edit("counts", {"upgrade": {"savepointNonce": 1}})
    by_nonce = stage.wait_job(
        "counts",
        lambda job: (found := job["status"].get("lastSavepoint", {})).get("trigger") == "Nonce" and found,
        "a savepoint by nonce is recorded",
    )
    assert stage.read_metadata(by_nonce["path"])
    stage.apply(snapshot("before-the-change", job="counts"))
    wait = ("--for=jsonpath={.status.phase}=Completed", "--timeout=120s")
    stage.kubectl("wait", "streamjobsnapshots.weir.dev/before-the-change", *wait)
    told = stage.get("streamjobsnapshots.weir.dev", "before-the-change")["status"]
    assert told["trigger"] == "Resource"
    assert told["bytes"] > 0
    assert told["jobRevision"] == 1
    assert told["duration"]
    metadata = stage.read_metadata(told["path"])
    assert metadata["owner"] == "operator"
    assert stage.runs("counts") == [1], "nothing was restarted"

    fork = stage.counting("fork", rows=ROWS, rate=100, restore={"snapshot": "before-the-change"})
    stage.apply(fork)
    stage.wait_condition("fork", "Ready")
    stage.wait_checkpoint("fork")
    rows = stage.output("fork")
    began = min(line["nth"] for line in rows)
    assert began > 1, "it goes on from the counts of the first job"
    for name in ("counts", "fork"):
        ids = [line["id"] for line in stage.output(name)]
        assert len(ids) == len(set(ids))
    assert exactness.faults(stage.output("counts")) == []

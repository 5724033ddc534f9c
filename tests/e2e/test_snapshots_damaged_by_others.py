"""The snapshot that a job would go on from is damaged: the one before it is restored if nothing was committed since, else the job holds (O6, R12, R13)."""

from __future__ import annotations

from tests.cluster import minio_server
from tests.e2e import exactness
from tests.e2e.stage import Stage, condition

ROWS = 100_000


def test_a_damaged_snapshot_is_skipped_where_that_is_safe_and_else_the_job_holds(stage: Stage) -> None:
    stage.apply(stage.counting("quiet", rows=ROWS, rate=0.01))  # its checkpoints have nothing to commit
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    for job in ("quiet", "counts"):
        stage.wait_condition(job, "Ready")
        stage.wait_checkpoint(job, after=2)
        stage.edit(job, {"job": {"state": "Suspended"}})
    damaged = {}
    for job in ("quiet", "counts"):
        stage.wait_condition(job, "Suspended")
        stage.wait_no_pods(job)
        damaged[job] = path = stage.status(job)["lastSavepoint"]["path"]
        key = f"{path.removeprefix(f's3://{minio_server.BUCKET}/')}/_metadata"
        whole = stage.store.read(key)
        stage.store.put(key, whole[: len(whole) // 2])
        stage.edit(job, {"job": {"state": "Running"}})
    held = stage.output("counts")

    # Nothing was committed with it: its parent is as good.
    stage.wait_condition("quiet", "Ready")
    said = [event for event in stage.events("quiet") if event["reason"] == "SnapshotSkipped"]
    assert len(said) == 1
    assert damaged["quiet"] in said[0]["message"]
    stage.wait_checkpoint("quiet", after=stage.status("quiet")["lastCheckpoint"]["id"])
    assert exactness.faults(stage.output("quiet")) == []

    # Output was committed with it: whatever is older would repeat that, so somebody must choose.
    blocked = stage.wait_condition("counts", "RestoreBlocked", reason="NoSafeSnapshot")
    assert damaged["counts"] in blocked["message"]
    assert f"s3://weir/{stage.namespace}/counts/checkpoints/" in blocked["message"], "the choices are named"
    assert "restore.nonce" in blocked["message"]
    assert stage.output("counts") == held

    stage.store.put(key, whole)  # one of the choices: it is brought back
    stage.edit("counts", {"upgrade": {"restartNonce": 1}})
    stage.wait_condition("counts", "Ready")
    assert condition(stage.job("counts"), "RestoreBlocked") is None
    stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
    rows = stage.output("counts")
    assert len(rows) > len(held)
    assert exactness.faults(rows) == [], "nothing is lost or doubled"

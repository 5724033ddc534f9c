"""The image of a running job changes: it stops with a savepoint, the new version goes on from there, and nothing is lost or doubled (O1, O3)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 6000


def test_a_new_image_goes_on_from_the_savepoint_of_the_old_one(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=150))
    stage.wait_condition("counts", "Ready")
    before = stage.status("counts")
    stage.wait_checkpoint("counts", after=2)

    stage.apply(stage.counting("counts", version=2, rows=ROWS, rate=150))
    stage.wait_job("counts", lambda job: job["status"]["run"] == 2, "another run begins")
    stage.wait_condition("counts", "Ready")
    stage.wait_condition("counts", "Progressing", "False")  # stable, and so at its end
    after = stage.status("counts")
    assert (after["jobId"], after["run"]) == (before["jobId"], before["run"] + 1)
    told = after["lastUpgrade"]
    assert (told["requestedMode"], told["mode"]) == ("Savepoint", "Savepoint"), told
    assert told["reason"]
    assert told["snapshot"].startswith(f"s3://weir/{stage.namespace}/counts/savepoints/savepoint-")
    assert {"stop", "start"} <= told["downtime"].keys()
    assert "snapshotAge" in told
    assert after["lastSavepoint"]["path"] == told["snapshot"]
    assert after["lastSavepoint"]["trigger"] == "Upgrade"
    taken = {key.split("/")[2] for key in stage.objects("counts/savepoints/")}
    assert len(taken) == 1, "one savepoint is taken for one upgrade"

    stage.wait_condition("counts", "Ready", reason="Finished")
    rows = stage.output("counts")
    assert exactness.faults(rows, ROWS) == []
    last_of_old = {line["key"]: line["nth"] for line in rows if line["version"] == 1}
    assert last_of_old, "the old version wrote something"
    for line in rows:
        assert line["version"] == 2 or line["nth"] <= last_of_old[line["key"]]
    assert {line["version"] for line in rows} == {1, 2}
    assert stage.runs_alive_together("counts") == set()

"""A job that fails again and again is changed with mode LastState: the next version begins at its newest checkpoint, never from nothing (O2)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS, BAD = 3000, 1200


def test_a_failing_job_that_is_mended_goes_on_from_its_newest_checkpoint(stage: Stage) -> None:
    upgrade = {"mode": "LastState", "stabilityWindow": "5s"}
    broken = stage.counting("counts", rows=ROWS, rate=150, further=(f"fail-at={BAD}",), upgrade=upgrade)
    stage.apply(broken)
    stage.wait_condition("counts", "Ready")
    cause = stage.wait_job("counts", lambda job: job["status"].get("rootCause"), "the failure is told")
    assert f"row {BAD} cannot be counted" in cause["message"]
    held = stage.output("counts")
    assert exactness.faults(held) == []
    assert 0 < len(held) < ROWS
    newest = stage.status("counts")["lastCheckpoint"]["id"]

    stage.apply(stage.counting("counts", version=2, rows=ROWS, rate=150, upgrade=upgrade))
    stage.wait_condition("counts", "Ready", reason="Finished")
    told = stage.status("counts")["lastUpgrade"]
    assert (told["requestedMode"], told["mode"]) == ("LastState", "LastState")
    assert int(told["snapshot"].rstrip("/").rpartition("chk-")[2]) >= newest
    assert exactness.faults(stage.output("counts"), ROWS) == []
    assert stage.objects("counts/savepoints/") == []

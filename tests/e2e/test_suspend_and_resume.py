"""A job is suspended and has no pods; resumed, it goes on where it stopped."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 3000


def test_a_suspended_job_has_no_pods_and_goes_on_where_it_stopped(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=150))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts", after=1)

    stage.edit("counts", {"job": {"state": "Suspended"}})
    stage.wait_condition("counts", "Suspended")
    stage.wait_condition("counts", "Ready", reason="Suspended")
    stage.wait_no_pods("counts")
    status = stage.status("counts")
    assert status["lastSavepoint"]["trigger"] == "Suspend"
    held = stage.output("counts")
    assert 0 < len(held) < ROWS
    assert exactness.faults(held) == []

    stage.edit("counts", {"job": {"state": "Running"}})
    stage.wait_condition("counts", "Suspended", "False")
    stage.wait_condition("counts", "Ready", reason="Finished")
    assert stage.status("counts")["jobId"] == status["jobId"]
    assert exactness.faults(stage.output("counts"), ROWS) == []

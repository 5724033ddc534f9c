"""A StreamJob becomes Ready, takes checkpoints, loses its TaskManager and its JobManager, and ends with every row there once (O23)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage

#: A minute of them, for four losses.
ROWS = 9000


def test_pods_that_are_killed_are_replaced_and_the_result_is_exact(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=150))
    stage.wait_condition("counts", "Ready")
    job_id = stage.status("counts")["jobId"]
    stage.wait_checkpoint("counts")

    # One after the other, as they are named: a pod that is deleted by force, a process that is killed.
    for component, kill in (
        ("taskmanager", stage.kill),
        ("jobmanager", stage.kill),
        ("taskmanager", stage.signal),
        ("jobmanager", stage.signal),
    ):
        stage.lose("counts", component, kill)
        assert exactness.faults(stage.output("counts")) == []

    stage.wait_condition("counts", "Ready", reason="Finished")
    assert exactness.faults(stage.output("counts"), ROWS) == []
    assert stage.status("counts")["jobId"] == job_id
    assert stage.runs("counts") == [1], "the engine recovers by itself"
    stage.wait_no_pods("counts")

"""A TaskManager that needs more memory than it may have is killed: the status says so, and with more memory the job goes on (O33)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS, LARGE = 3000, 900


def test_a_job_that_runs_out_of_memory_says_so_and_goes_on_with_more(stage: Stage) -> None:
    large = (f"large-at={LARGE}",)
    stage.apply(stage.counting("counts", rows=ROWS, rate=150, further=large))
    stage.wait_condition("counts", "Ready")
    cause = stage.wait_job(
        "counts",
        lambda job: (found := job["status"].get("rootCause", {})).get("kind") == "OutOfMemory" and found,
        "the lack of memory is told",
    )
    assert cause["pod"].startswith("counts-1-tm-")
    assert "taskManager.resources" in cause["message"], "the field that helps is named"
    assert exactness.faults(stage.output("counts")) == []
    assert stage.runs("counts") == [1], "the engine tries again by itself"

    stage.edit("counts", {"taskManager": {"resources": {"limits": {"memory": "1536Mi"}}}})
    stage.wait_condition("counts", "Ready", reason="Finished")
    assert "rootCause" not in stage.status("counts")
    assert exactness.faults(stage.output("counts"), ROWS) == []

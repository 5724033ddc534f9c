"""A resource is deleted and made again under its name: it resumes, refuses, or begins afresh and says so; never silently empty (O13)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000


def test_what_is_made_again_under_a_name_with_state_does_what_its_policy_says(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts", after=2)
    first_id = stage.status("counts")["jobId"]
    gone(stage)

    stage.apply(stage.counting("counts", rows=ROWS, rate=100, restore={"policy": "Refuse"}))
    refused = stage.wait_condition("counts", "RestoreBlocked")
    assert first_id in refused["message"] or "Resume" in refused["message"]
    assert stage.output("counts") == (held := stage.output("counts"))
    gone(stage)

    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts")
    resumed = stage.output("counts")
    assert len(resumed) > len(held)
    assert exactness.faults(resumed) == [], "it goes on where the first one was"
    assert stage.status("counts")["jobId"] != first_id
    gone(stage)

    # Afresh: the same rows once more, into another folder, and an event that says so.
    fresh = stage.counting("counts", rows=ROWS, rate=100, restore={"policy": "Fresh"})
    fresh["spec"]["job"]["args"][2] += "-afresh"
    stage.apply(fresh)
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts")
    afresh = exactness.lines(stage.store.read_all(f"{stage.namespace}/counts/out-afresh/"))
    assert min(line["id"] for line in afresh) == 0
    assert exactness.faults(afresh) == []
    said = " ".join(event["message"] for event in stage.events("counts"))
    assert "without state" in said


def gone(stage: Stage) -> None:
    stage.kubectl("delete", "streamjobs.weir.dev", "counts", "--timeout=120s")
    stage.wait_no_pods("counts")

"""Jobs that end: at the end of their input they are Ready and stay ended; without checkpoints a lost pod is the end."""

from __future__ import annotations

from tests.e2e import exactness, installing
from tests.e2e.stage import Stage, condition

ROWS = 600


def test_a_finished_job_is_ready_without_pods_and_is_not_begun_again(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=150))
    stage.wait_condition("counts", "Ready", reason="Finished")
    stage.wait_no_pods("counts")
    assert exactness.faults(stage.output("counts"), ROWS) == []
    assert stage.status("counts")["phase"] == "Finished"
    assert condition(stage.job("counts"), "Progressing")["status"] == "False"

    installing.restart(stage.cluster, stage.namespace)
    stage.kubectl("annotate", "streamjobs.weir.dev", "counts", "looked-at=again")
    stage.wait_reconciled("counts")
    assert stage.runs("counts") == [1]
    assert stage.pods_of("counts") == []
    assert exactness.faults(stage.output("counts"), ROWS) == []


def test_without_checkpoints_a_lost_pod_means_failed_and_no_empty_start(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=100_000, rate=100, checkpoints=None, restart=None))
    stage.wait_condition("counts", "Ready")

    stage.kill(stage.pod_of("counts", "taskmanager"))
    stage.wait_job("counts", lambda job: job["status"].get("phase") == "Failed", "it has failed")
    stage.wait_condition("counts", "Degraded")
    stage.wait_condition("counts", "Ready", "False")
    assert stage.runs("counts") == [1]
    assert exactness.faults(stage.output("counts")) == [], "no row came a second time"

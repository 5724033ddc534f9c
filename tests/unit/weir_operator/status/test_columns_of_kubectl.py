"""What kubectl prints of a job: no column is ever empty, and a checkpoint alone is no reason to write the status."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.support.planned_jobs import NOW, stream_job
from weir_operator.models import CheckpointRecord, StreamJobStatus
from weir_operator.models.memory import Deployed
from weir_operator.models.stream_job_status import Summary
from weir_operator.observed import JobManagerReport, JobState, Observed
from weir_operator.reconciler.plan import plan
from weir_operator.status.records import reported, worth_writing
from weir_operator.status.summary import summary_of

DEPLOYED = Deployed(run=1, revision=1, parallelism=2, task_managers=2, began_at=NOW)
CHECKPOINT = CheckpointRecord(id=118, path="s3://weir/checkpoints/x/chk-118", completed_at=NOW)


@pytest.mark.parametrize(
    ("status", "interval", "columns"),
    [
        (StreamJobStatus(), "10s", ("0/0", "none")),
        (StreamJobStatus(), "0s", ("0/0", "off")),
        (StreamJobStatus(run=1, deployed=DEPLOYED), "10s", ("0/2", "none")),
        (StreamJobStatus(run=1, deployed=DEPLOYED, last_checkpoint=CHECKPOINT), "10s", ("0/2", "118")),
    ],
)
def test_columns_are_told_from_what_is_known(
    status: StreamJobStatus, interval: str, columns: tuple[str, str]
) -> None:
    spec = stream_job(checkpoints={"interval": interval}).spec
    summary = summary_of(status, Observed(), spec, "waits for pods")
    assert (summary.task_managers, summary.checkpoint, summary.message) == (*columns, "waits for pods")


def test_the_first_status_of_a_job_has_all_columns() -> None:
    written = plan(stream_job(finalizers=()), Observed(), NOW).status.written()
    assert written["phase"] == "Pending"
    assert all(written["summary"].values())
    assert "run" in written
    [ready] = [condition for condition in written["conditions"] if condition["type"] == "Ready"]
    assert ready["status"] == "False"
    assert ready["reason"]


def test_another_checkpoint_alone_is_written_only_now_and_then() -> None:
    def at(seconds: int) -> StreamJobStatus:
        last = CheckpointRecord(
            id=seconds, path=f"chk-{seconds}", completed_at=NOW + timedelta(seconds=seconds)
        )
        summary = Summary(task_managers="2/2", checkpoint=str(seconds), message="runs")
        return StreamJobStatus(run=1, deployed=DEPLOYED, last_checkpoint=last, summary=summary)

    assert worth_writing(at(0), at(10), NOW + timedelta(seconds=10)) == at(0)
    assert worth_writing(at(0), at(70), NOW + timedelta(seconds=70)) == at(70)


def test_the_slow_edge_is_told_at_once_and_another_one_in_its_place_only_now_and_then() -> None:
    def at(seconds: int, edge: str) -> StreamJobStatus:
        last = CheckpointRecord(id=1, path="chk-1", completed_at=NOW + timedelta(seconds=seconds))
        return StreamJobStatus(run=1, deployed=DEPLOYED, last_checkpoint=last, slow_edge=edge or None)

    assert worth_writing(at(0, ""), at(5, "a -> b"), NOW + timedelta(seconds=5)).slow_edge == "a -> b"
    assert worth_writing(at(0, "a -> b"), at(5, ""), NOW + timedelta(seconds=5)).slow_edge is None
    assert worth_writing(at(0, "a -> b"), at(5, "a -> c"), NOW + timedelta(seconds=5)) == at(0, "a -> b")
    assert worth_writing(at(0, "a -> b"), at(70, "a -> c"), NOW + timedelta(seconds=70)).slow_edge == "a -> c"


def test_a_status_tells_of_the_slow_edge_while_the_job_manager_does() -> None:
    report = JobManagerReport(run=1, state=JobState.RUNNING, slow_edge="a -> b")
    slow = reported(StreamJobStatus(run=1), report)
    assert slow.written()["slowEdge"] == "a -> b"
    assert reported(slow, replace(report, slow_edge="")).slow_edge is None

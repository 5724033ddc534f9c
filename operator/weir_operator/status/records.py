"""Facts as entries of the status, and back."""

from __future__ import annotations

from datetime import datetime, timedelta

from weir_operator.models import CheckpointRecord, SavepointRecord, StreamJobStatus, Trigger
from weir_operator.observed import JobManagerReport, JobState, SnapshotFacts, Unreachable
from weir_operator.status.summary import with_checkpoint_of

#: A status that differs in nothing but its checkpoints is written again only after this long: for a run that is young (the
#: setting may say otherwise), and for one that people have stopped watching. A thousand idle jobs must not keep the API server busy.
CLOSELY, SELDOM, YOUNG = timedelta(minutes=1), timedelta(minutes=10), timedelta(minutes=15)


def checkpoint_record(facts: SnapshotFacts) -> CheckpointRecord:
    """A completed checkpoint as the status names it."""
    return CheckpointRecord(
        id=facts.id or 0, path=facts.path, completed_at=facts.completed_at, bytes=facts.bytes
    )


def savepoint_record(facts: SnapshotFacts, trigger: Trigger | None, revision: int | None) -> SavepointRecord:
    """A completed savepoint as the status names it."""
    return SavepointRecord(
        path=facts.path,
        completed_at=facts.completed_at,
        bytes=facts.bytes,
        trigger=trigger,
        revision=revision,
    )


def snapshot_facts(record: CheckpointRecord | None) -> SnapshotFacts | None:
    """What the status remembers, as a fact; it may be old."""
    if record is None:
        return None
    return SnapshotFacts(path=record.path, id=record.id, completed_at=record.completed_at, bytes=record.bytes)


def reported(status: StreamJobStatus, report: JobManagerReport) -> StreamJobStatus:
    """The status with what the live JobManager says of its job."""
    last = report.last_checkpoint
    return status.model_copy(
        update={
            "claimed": status.claimed or report.epoch is not None,
            "epoch": report.epoch if report.epoch is not None else status.epoch,
            "parallelism": report.parallelism if report.parallelism is not None else status.parallelism,
            "slow_edge": report.slow_edge or None,
            "last_checkpoint": checkpoint_record(last) if last is not None else status.last_checkpoint,
            "retained_checkpoints": tuple(map(checkpoint_record, report.retained))
            if report.retained
            else status.retained_checkpoints,
        }
    )


def with_outage(
    status: StreamJobStatus, report: JobManagerReport | Unreachable | None, now: datetime
) -> StreamJobStatus:
    """The status with since when the job does not run. A JobManager that does not answer tells neither."""
    since = status.not_running_since
    if isinstance(report, Unreachable) and status.deployed is not None:
        return status
    runs = isinstance(report, JobManagerReport) and report.state is JobState.RUNNING and not report.standby
    outage = None if runs or status.deployed is None else since or now
    return status if outage == since else status.model_copy(update={"not_running_since": outage})


def worth_writing(
    before: StreamJobStatus, after: StreamJobStatus, now: datetime, closely: timedelta = CLOSELY
) -> StreamJobStatus:
    """``after``, with the checkpoints of ``before`` if they are all that differs and not old yet; so is the edge that is slow, while one is."""
    still_slow = before.slow_edge is not None and after.slow_edge is not None
    kept = after.model_copy(
        update={
            "last_checkpoint": before.last_checkpoint,
            "retained_checkpoints": before.retained_checkpoints,
            "slow_edge": before.slow_edge if still_slow else after.slow_edge,
            "summary": with_checkpoint_of(before.summary, after.summary),
        }
    )
    old, new = before.last_checkpoint, after.last_checkpoint
    if kept != before or old is None or new is None or old.completed_at is None or new.completed_at is None:
        return after
    young = before.deployed is not None and now - before.deployed.began_at < YOUNG
    return after if new.completed_at - old.completed_at >= (closely if young else SELDOM) else kept

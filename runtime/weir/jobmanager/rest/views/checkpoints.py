"""A job's checkpoints as REST shows them: all of them, one with its vertices, their settings. Pure."""

from __future__ import annotations

from typing import Any

from weir.checkpoint.history import CheckpointStats, Status
from weir.checkpoint.metadata import SnapshotKind
from weir.config import CheckpointOptions, ExternalizedCheckpointRetention, JobOptions
from weir.jobmanager.checkpoints.facts import CheckpointFacts, RestoreFacts, stats_by_id
from weir.jobmanager.operations import Operation
from weir.jobmanager.rest.models import checkpoints as models
from weir.jobmanager.rest.models.jobs import FailureCause, QueueStatus
from weir.jobmanager.rest.views.checkpoint_tasks import last_ack, vertex_checkpoints
from weir.jobmanager.rest.views.figures import summary


def checkpoints(facts: CheckpointFacts) -> models.Checkpoints:
    """Counts, summary, the newest of each kind, and the history."""
    counts = facts.counts
    sizes = summary(figures.size for figures in facts.figures)
    return models.Checkpoints(
        counts=models.Counts(
            restored=facts.restores,
            total=counts.triggered,
            in_progress=len(facts.in_progress),
            completed=counts.completed,
            failed=counts.failed,
        ),
        summary=models.CheckpointsSummary(
            checkpointed_size=summary(figures.stored for figures in facts.figures),
            state_size=sizes,
            end_to_end_duration=summary(figures.duration_ms for figures in facts.figures),
            processed_data=summary(figures.processed for figures in facts.figures),
            persisted_data=summary(figures.persisted for figures in facts.figures),
        ),
        latest=models.LatestCheckpoints(
            completed=None if facts.latest_completed is None else _completed(facts.latest_completed, facts),
            savepoint=None if facts.latest_savepoint is None else _completed(facts.latest_savepoint, facts),
            failed=None if facts.latest_failed is None else _failed(facts.latest_failed),
            restored=None if facts.restored is None else _restored(facts.restored),
        ),
        history=tuple(statistics(stats, facts) for stats in stats_by_id(facts)),
    )


def find(facts: CheckpointFacts, number: int) -> CheckpointStats | None:
    """One that is remembered."""
    return next((stats for stats in stats_by_id(facts) if stats.checkpoint_id == number), None)


def statistics(
    stats: CheckpointStats, facts: CheckpointFacts, *, tasks: bool = False
) -> models.CheckpointStatistics:
    """One checkpoint; ``tasks``: with each vertex."""
    if stats.status is Status.COMPLETED:
        return _completed(stats, facts, tasks=tasks)
    if stats.status is Status.FAILED:
        return _failed(stats, tasks=tasks)
    return models.CheckpointStatistics(**_common(stats, tasks=tasks))


def _completed(
    stats: CheckpointStats, facts: CheckpointFacts, *, tasks: bool = False
) -> models.CompletedCheckpoint:
    savepoint = stats.kind is SnapshotKind.SAVEPOINT
    return models.CompletedCheckpoint(
        **_common(stats, tasks=tasks),
        external_path=stats.path or "<not stored>",
        discarded=not savepoint and stats.checkpoint_id not in facts.retained,
    )


def _failed(stats: CheckpointStats, *, tasks: bool = False) -> models.FailedCheckpoint:
    reason = stats.failure.value if stats.failure is not None else "unknown"
    return models.FailedCheckpoint(
        **_common(stats, tasks=tasks),
        failure_timestamp=stats.ended_ms,
        failure_message=f"{reason}: {stats.message}" if stats.message else reason,
    )


def _common(stats: CheckpointStats, *, tasks: bool) -> dict[str, Any]:
    savepoint = stats.kind is SnapshotKind.SAVEPOINT
    return {
        "class_name": stats.status.value.lower(),
        "id": stats.checkpoint_id,
        "status": stats.status.value,
        "is_savepoint": savepoint,
        "savepoint_format": "CANONICAL" if savepoint else None,
        "trigger_timestamp": stats.triggered_ms,
        "latest_ack_timestamp": last_ack(stats.acks.values()),
        "checkpointed_size": stats.stored,
        "state_size": stats.size,
        "end_to_end_duration": round(stats.duration_s * 1000),
        "processed_data": stats.processed,
        "persisted_data": stats.persisted,
        "num_subtasks": stats.subtasks,
        "num_acknowledged_subtasks": stats.acknowledged,
        "checkpoint_type": _type(stats),
        "tasks": vertex_checkpoints(stats) if tasks else {},
    }


def _type(stats: CheckpointStats) -> str:
    """Flink's names. A checkpoint counts as unaligned as soon as one of its subtasks did not wait."""
    if stats.kind is SnapshotKind.SAVEPOINT:
        return "SAVEPOINT"
    return "UNALIGNED_CHECKPOINT" if stats.unaligned else "CHECKPOINT"


def _restored(restored: RestoreFacts) -> models.RestoredCheckpoint:
    return models.RestoredCheckpoint(
        id=restored.summary.id,
        restore_timestamp=restored.at_ms,
        is_savepoint=restored.savepoint,
        external_path=restored.summary.path,
    )


def config(options: JobOptions, storage: str | None) -> models.CheckpointConfig:
    """The settings of a job's checkpoints; ``storage``: the URI of its folder."""
    checkpoints: CheckpointOptions = options.checkpoints
    retention = checkpoints.retention
    externalization = models.Externalization(
        enabled=retention is not ExternalizedCheckpointRetention.NO_EXTERNALIZED_CHECKPOINTS,
        delete_on_cancellation=retention is not ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION,
    )
    return models.CheckpointConfig(
        mode=checkpoints.mode.value.lower(),
        interval=_ms(checkpoints.interval or 0.0),
        timeout=_ms(checkpoints.timeout),
        min_pause=_ms(checkpoints.min_pause),
        max_concurrent=checkpoints.max_concurrent,
        externalization=externalization,
        state_backend=options.state_backend.type.value,
        checkpoint_storage=storage or "",
        unaligned_checkpoints=checkpoints.unaligned,
        tolerable_failed_checkpoints=checkpoints.tolerable_failures,
        aligned_checkpoint_timeout=_ms(checkpoints.aligned_timeout),
        num_retained=checkpoints.num_retained,
    )


def operation(found: Operation) -> models.CheckpointOperation:
    """How an asked-for checkpoint fares."""
    if not found.done:
        return models.CheckpointOperation(status=QueueStatus(id="IN_PROGRESS"))
    cause = None
    if found.failure is not None:
        cause = FailureCause(class_="CheckpointException", stack_trace=found.failure)
    return models.CheckpointOperation(
        status=QueueStatus(id="COMPLETED"),
        operation=models.CheckpointOutcome(
            checkpoint_id=found.checkpoint, failure_cause=cause, external_path=found.path
        ),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)

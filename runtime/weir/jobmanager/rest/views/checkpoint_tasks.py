"""One checkpoint by vertex and by subtask: sync, async, alignment, bytes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from weir.checkpoint.events import AckStats
from weir.checkpoint.history import CheckpointStats, Status
from weir.ids import SubtaskId, VertexId
from weir.jobmanager.rest.models import checkpoints as models
from weir.jobmanager.rest.views.figures import summary


def vertex_checkpoints(stats: CheckpointStats) -> dict[str, models.VertexCheckpoint]:
    """Every vertex that takes part."""
    vertices = sorted({subtask.vertex for subtask in stats.awaited})
    return {vertex: _vertex(stats, vertex) for vertex in vertices}


def last_ack(acks: Iterable[AckStats]) -> int:
    """Wall time of the newest one, -1 if there is none."""
    return max((ack.at_ms for ack in acks), default=-1)


def details(stats: CheckpointStats, vertex: VertexId) -> models.VertexCheckpointDetails:
    """One vertex with each of its subtasks."""
    whole = _vertex(stats, vertex)
    acks = _acks(stats, vertex)
    subtasks = sorted(subtask for subtask in stats.awaited if subtask.vertex == vertex)
    return models.VertexCheckpointDetails(
        id=whole.id,
        status=whole.status,
        latest_ack_timestamp=whole.latest_ack_timestamp,
        checkpointed_size=whole.checkpointed_size,
        state_size=whole.state_size,
        end_to_end_duration=whole.end_to_end_duration,
        processed_data=whole.processed_data,
        persisted_data=whole.persisted_data,
        num_subtasks=whole.num_subtasks,
        num_acknowledged_subtasks=whole.num_acknowledged_subtasks,
        summary=_summary(stats, acks.values()),
        subtasks=tuple(_subtask(stats, subtask, acks.get(subtask)) for subtask in subtasks),
    )


def _acks(stats: CheckpointStats, vertex: VertexId) -> Mapping[SubtaskId, AckStats]:
    return {subtask: ack for subtask, ack in stats.acks.items() if subtask.vertex == vertex}


def _vertex(stats: CheckpointStats, vertex: VertexId) -> models.VertexCheckpoint:
    acks = _acks(stats, vertex)
    awaited = sum(subtask.vertex == vertex for subtask in stats.awaited)
    size = sum(ack.size for ack in acks.values())
    latest = last_ack(acks.values())
    return models.VertexCheckpoint(
        id=stats.checkpoint_id,
        status=Status.COMPLETED.value if len(acks) == awaited else stats.status.value,
        latest_ack_timestamp=latest,
        checkpointed_size=size - sum(ack.reused for ack in acks.values()),
        state_size=size,
        end_to_end_duration=max(0, latest - stats.triggered_ms),
        processed_data=sum(ack.processed for ack in acks.values()),
        persisted_data=sum(ack.persisted for ack in acks.values()),
        num_subtasks=awaited,
        num_acknowledged_subtasks=len(acks),
    )


def _summary(stats: CheckpointStats, acks: Iterable[AckStats]) -> models.SubtasksSummary:
    acks = tuple(acks)
    sizes = summary(ack.size for ack in acks)
    return models.SubtasksSummary(
        checkpointed_size=summary(ack.size - ack.reused for ack in acks),
        state_size=sizes,
        end_to_end_duration=summary(_duration(stats, ack) for ack in acks),
        checkpoint_duration=models.DurationSummary(
            sync=summary(ack.sync_ms for ack in acks), async_=summary(ack.async_ms for ack in acks)
        ),
        alignment=models.AlignmentSummary(
            processed=summary(ack.processed for ack in acks),
            persisted=summary(ack.persisted for ack in acks),
            duration=summary(ack.alignment_ms for ack in acks),
        ),
        start_delay=summary(ack.start_delay_ms for ack in acks),
    )


def _subtask(stats: CheckpointStats, subtask: SubtaskId, ack: AckStats | None) -> models.SubtaskCheckpoint:
    if ack is None:
        return models.SubtaskCheckpoint(class_name="pending", index=subtask.index, status="pending_or_failed")
    return models.SubtaskCheckpoint(
        class_name="completed",
        index=subtask.index,
        status="completed",
        ack_timestamp=ack.at_ms,
        end_to_end_duration=_duration(stats, ack),
        checkpointed_size=ack.size - ack.reused,
        state_size=ack.size,
        checkpoint=models.CheckpointDuration(sync=ack.sync_ms, async_=ack.async_ms),
        alignment=models.Alignment(
            processed=ack.processed, persisted=ack.persisted, duration=ack.alignment_ms
        ),
        start_delay=ack.start_delay_ms,
        unaligned_checkpoint=ack.unaligned,
        aborted=False,
    )


def _duration(stats: CheckpointStats, ack: AckStats) -> int:
    return max(0, ack.at_ms - stats.triggered_ms)

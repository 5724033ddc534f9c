"""What subtasks answer to a barrier, in the words of the checkpoint coordinator. Pure."""

from __future__ import annotations

from weir.checkpoint import events
from weir.errors import CheckpointFailureReason
from weir.ids import CheckpointId, SubtaskId
from weir.rpc import messages


def ack_of(ack: messages.CheckpointAck, at_ms: int) -> events.Ack:
    """A subtask's snapshot is durable; heard at ``at_ms``, wall time."""
    return events.Ack(
        checkpoint_id=CheckpointId(ack.checkpoint_id),
        epoch=ack.execution.epoch,
        attempt=ack.execution.attempt,
        subtask=SubtaskId(ack.vertex, ack.index),
        states=ack.states,
        stats=_stats(ack.stats, at_ms),
    )


def decline_of(decline: messages.CheckpointDeclined) -> events.Decline:
    """A subtask could not snapshot."""
    return events.Decline(
        checkpoint_id=CheckpointId(decline.checkpoint_id),
        epoch=decline.execution.epoch,
        attempt=decline.execution.attempt,
        subtask=SubtaskId(decline.vertex, decline.index),
        reason=CheckpointFailureReason.ASYNC_FAILURE,
        message=decline.message,
    )


def _stats(stats: messages.SnapshotStats, at_ms: int) -> events.AckStats:
    return events.AckStats(
        size=stats.bytes,
        sync_ms=round(stats.sync_ms),
        async_ms=round(stats.async_ms),
        alignment_ms=round(stats.alignment_ms),
        start_delay_ms=round(stats.start_delay_ms),
        at_ms=at_ms,
    )

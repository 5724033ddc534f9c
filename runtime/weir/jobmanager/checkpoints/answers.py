"""What subtasks answer to a barrier, in the words of the checkpoint coordinator. Pure."""

from __future__ import annotations

from weir.checkpoint import events, paths
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
        stats=_stats(ack, at_ms),
        sent=ack.counts.sent,
        received=ack.counts.received,
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


def _stats(ack: messages.CheckpointAck, at_ms: int) -> events.AckStats:
    stats, number = ack.stats, CheckpointId(ack.checkpoint_id)
    shared = (handle for state in ack.states.values() for handle in state.shared or ())
    return events.AckStats(
        size=stats.bytes,
        reused=sum(handle.size for handle in shared if paths.stored_earlier(handle.path or "", number)),
        sync_ms=round(stats.sync_ms),
        async_ms=round(stats.async_ms),
        alignment_ms=round(stats.alignment_ms),
        start_delay_ms=round(stats.start_delay_ms),
        unaligned=stats.unaligned,
        processed=stats.processed,
        persisted=stats.persisted,
        at_ms=at_ms,
    )

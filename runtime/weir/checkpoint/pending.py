"""One snapshot from its trigger to its last acknowledgement, and the metadata that it becomes. Decides; no I/O.

The coordinator owns these; tasks that never answer are found by its clock, not here.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from weir.checkpoint.events import Ack, AckResult, TriggerRequested
from weir.checkpoint.job_facts import JobFacts, OperatorInfo
from weir.checkpoint.metadata import (
    FORMAT_VERSION,
    IN_FLIGHT_FORMAT_VERSION,
    OperatorState,
    SnapshotKind,
    SnapshotMetadata,
)
from weir.ids import AttemptId, CheckpointId, OperatorId, SubtaskId
from weir.state.snapshot import OperatorSubtaskState


class Phase(enum.Enum):
    """How far a pending snapshot is."""

    COLLECTING = "collecting"  #: acknowledgements are missing
    READY = "ready"  #: all are there; an earlier snapshot is published first
    PUBLISHING = "publishing"  #: ``_metadata`` and the fence record are being written


@dataclass
class PendingCheckpoint:
    """A snapshot that is neither complete nor failed."""

    checkpoint_id: CheckpointId
    attempt: AttemptId
    #: Those that must acknowledge; fixed at the trigger.
    awaited: frozenset[SubtaskId]
    #: Those that were gone before the trigger: their operators count as finished.
    gone: frozenset[SubtaskId]
    triggered_at: float  #: monotonic seconds
    triggered_ms: int  #: wall time
    #: None: a periodic checkpoint.
    request: TriggerRequested | None
    phase: Phase = Phase.COLLECTING
    acks: dict[SubtaskId, Ack] = field(default_factory=dict)
    #: When a publishing of unknown outcome is tried again, monotonic seconds.
    retry_at: float | None = None

    @property
    def savepoint(self) -> bool:
        """Whether it is a savepoint."""
        return self.request is not None and self.request.kind is SnapshotKind.SAVEPOINT

    @property
    def final(self) -> bool:
        """Whether nothing follows it."""
        return self.request is not None and self.request.final

    @property
    def drain(self) -> bool:
        """Whether it ends the input first."""
        return self.request is not None and self.request.drain

    @property
    def target(self) -> str | None:
        """Where a savepoint goes."""
        return self.request.target if self.request else None

    @property
    def missing(self) -> frozenset[SubtaskId]:
        """Subtasks that have not acknowledged."""
        return self.awaited - self.acks.keys()

    @property
    def size(self) -> int:
        """Bytes of state acknowledged so far."""
        return sum(state.size for ack in self.acks.values() for state in ack.states.values())

    @property
    def reused(self) -> int:
        """Bytes of it that earlier checkpoints stored."""
        return sum(ack.stats.reused for ack in self.acks.values())

    def acknowledge(self, ack: Ack) -> AckResult:
        """Take an acknowledgement of this snapshot."""
        if ack.subtask in self.acks:
            return AckResult.DUPLICATE
        if ack.attempt != self.attempt or ack.subtask not in self.awaited:
            return AckResult.UNKNOWN
        self.acks[ack.subtask] = ack
        if not self.missing:
            self.phase = Phase.READY
        return AckResult.SUCCESS

    def lost(self) -> str | None:
        """The channel whose receiver did not get what its sender sent before the barrier, if there is one.

        Only channels of which both ends acknowledged are compared.
        """
        sent = {
            number: (subtask, count)
            for subtask, ack in self.acks.items()
            for number, count in ack.sent.items()
        }
        for receiver, ack in sorted(self.acks.items()):
            for number, received in ack.received.items():
                sender, count = sent.get(number, (receiver, received))
                if count != received:
                    return f"{sender} sent {count} bytes of rows to {receiver}, which received {received}"
        return None

    def metadata(self, facts: JobFacts) -> SnapshotMetadata:
        """The contents of ``_metadata``; every awaited subtask has acknowledged."""
        assert not self.missing
        operators = tuple(self._operator(info) for info in facts.operators)
        subtasks = [subtask for operator in operators for subtask in operator.subtasks]
        overtaken = any(subtask.in_flight is not None for subtask in subtasks)
        extra = {} if self.request is None else {"owner": self.request.owner}
        return SnapshotMetadata(
            format_version=IN_FLIGHT_FORMAT_VERSION if overtaken else FORMAT_VERSION,
            job_id=facts.job_id,
            job_name=facts.job_name,
            kind=SnapshotKind.SAVEPOINT if self.savepoint else SnapshotKind.CHECKPOINT,
            checkpoint_id=self.checkpoint_id,
            epoch=facts.epoch,
            attempt=self.attempt,
            triggered_ms=self.triggered_ms,
            max_watermark=_largest(subtask.watermark for subtask in subtasks),
            has_commits=any(subtask.has_commits for subtask in subtasks),
            final=self.final,
            operators=operators,
            **extra,
        )

    def _operator(self, info: OperatorInfo) -> OperatorState:
        acks = [ack for subtask, ack in self.acks.items() if subtask.vertex == info.vertex]
        states = [ack.states[info.operator_id] for ack in acks if info.operator_id in ack.states]
        # An end of input is remembered without any state, too, or it would be repeated after a restore.
        ended = [ack.subtask.index for ack in acks if ack.finished and info.operator_id not in ack.states]
        ended += [gone.index for gone in self.gone if gone.vertex == info.vertex]
        states += [OperatorSubtaskState(subtask=index, finished=True) for index in ended]
        return OperatorState(
            operator_id=info.operator_id,
            uid=info.uid,
            name=info.name,
            parallelism=info.parallelism,
            max_parallelism=info.max_parallelism,
            subtasks=tuple(sorted(states, key=lambda state: state.subtask)),
        )


def unknown_operators(states: Mapping[OperatorId, OperatorSubtaskState], facts: JobFacts) -> set[OperatorId]:
    """Operators in an acknowledgement that the plan does not have: a bug of ours, never to be dropped silently."""
    return set(states) - {info.operator_id for info in facts.operators}


def _largest(watermarks: Iterable[int | None]) -> int | None:
    return max((mark for mark in watermarks if mark is not None), default=None)

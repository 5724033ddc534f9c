"""What the coordinator remembers of its snapshots for people: counts, a bounded history, the latest of each kind."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from weir.checkpoint.events import AckStats
from weir.checkpoint.metadata import SnapshotKind
from weir.checkpoint.pending import PendingCheckpoint
from weir.errors import CheckpointFailureReason
from weir.ids import CheckpointId, SubtaskId

#: Snapshots kept for display, with what each subtask measured.
HISTORY = 20
#: Completed snapshots whose duration and size are kept for summaries.
FIGURES = 1000


class Status(enum.StrEnum):
    """Flink's names."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


@dataclass(frozen=True)
class CheckpointStats:
    """One snapshot, for display."""

    checkpoint_id: CheckpointId
    kind: SnapshotKind
    status: Status
    triggered_ms: int  #: wall time
    duration_s: float  #: so far, when in progress
    size: int  #: bytes
    acknowledged: int
    subtasks: int
    reused: int = 0  #: bytes of ``size`` that earlier checkpoints stored
    alignment_ms: int = 0  #: the longest of any subtask
    path: str | None = None
    failure: CheckpointFailureReason | None = None
    message: str = ""
    #: Those that had to acknowledge, and what those that did measured.
    awaited: frozenset[SubtaskId] = frozenset()
    acks: Mapping[SubtaskId, AckStats] = field(default_factory=dict)

    @property
    def stored(self) -> int:
        """Bytes that were stored for it."""
        return self.size - self.reused

    @property
    def unaligned(self) -> bool:
        """Whether barriers overtook rows in any subtask."""
        return any(ack.unaligned for ack in self.acks.values())

    @property
    def processed(self) -> int:
        """Bytes of rows that subtasks processed between their first barrier and their last."""
        return sum(ack.processed for ack in self.acks.values())

    @property
    def persisted(self) -> int:
        """Bytes that barriers overtook."""
        return sum(ack.persisted for ack in self.acks.values())

    @property
    def ended_ms(self) -> int:
        """Wall time of its end, or of now while it is in progress."""
        return self.triggered_ms + round(self.duration_s * 1000)


@dataclass(frozen=True, slots=True)
class Figures:
    """What summaries are made of."""

    duration_ms: int
    size: int  #: bytes
    stored: int  #: bytes of it that were stored for this one
    processed: int = 0  #: bytes of rows, between the barriers
    persisted: int = 0  #: bytes that barriers overtook


@dataclass(frozen=True, slots=True)
class Kept:
    """A completed snapshot that exists, as far as it is known."""

    path: str  #: URI of its folder
    completed_ms: int  #: wall time
    size: int | None = None  #: bytes; ``None``: taken by a process before this one


@dataclass
class Counts:
    """Since this process took over the job."""

    triggered: int = 0
    completed: int = 0
    failed: int = 0


@dataclass
class History:
    """Filled by the coordinator only."""

    counts: Counts = field(default_factory=Counts)
    #: Oldest first.
    recent: deque[CheckpointStats] = field(default_factory=lambda: deque(maxlen=HISTORY))
    latest_completed: CheckpointStats | None = None
    latest_savepoint: CheckpointStats | None = None
    latest_failed: CheckpointStats | None = None
    #: Of completed snapshots, oldest first.
    figures: deque[Figures] = field(default_factory=lambda: deque(maxlen=FIGURES))
    #: Checkpoints that are retained, oldest first.
    kept: dict[CheckpointId, Kept] = field(default_factory=dict)

    def completed(self, pending: PendingCheckpoint, now: float, path: str, size: int) -> None:
        """Note a completed snapshot."""
        stats = stats_of(pending, now, Status.COMPLETED, path=path, size=size or pending.size)
        self.counts.completed += 1
        duration_ms = round(stats.duration_s * 1000)
        self.figures.append(Figures(duration_ms, stats.size, stats.stored, stats.processed, stats.persisted))
        self.recent.append(stats)
        if pending.savepoint:
            self.latest_savepoint = stats
        else:
            self.latest_completed = stats
            self.kept[stats.checkpoint_id] = Kept(path, stats.ended_ms, stats.size)

    def dropped(self, checkpoints: Iterable[CheckpointId]) -> None:
        """Note that these checkpoints are not retained any more."""
        for number in checkpoints:
            self.kept.pop(number, None)

    def failed(
        self, pending: PendingCheckpoint, now: float, reason: CheckpointFailureReason, message: str
    ) -> None:
        """Note a failed snapshot."""
        stats = stats_of(pending, now, Status.FAILED, failure=reason, message=message)
        self.counts.failed += 1
        self.recent.append(stats)
        self.latest_failed = stats


def stats_of(
    pending: PendingCheckpoint,
    now: float,
    status: Status,
    *,
    path: str | None = None,
    size: int | None = None,
    failure: CheckpointFailureReason | None = None,
    message: str = "",
) -> CheckpointStats:
    """What is known of ``pending`` at ``now`` (monotonic seconds)."""
    return CheckpointStats(
        checkpoint_id=pending.checkpoint_id,
        kind=SnapshotKind.SAVEPOINT if pending.savepoint else SnapshotKind.CHECKPOINT,
        status=status,
        triggered_ms=pending.triggered_ms,
        duration_s=now - pending.triggered_at,
        size=pending.size if size is None else size,
        reused=pending.reused,
        acknowledged=len(pending.acks),
        subtasks=len(pending.awaited),
        alignment_ms=max((ack.stats.alignment_ms for ack in pending.acks.values()), default=0),
        path=path,
        failure=failure,
        message=message,
        awaited=pending.awaited,
        acks={subtask: ack.stats for subtask, ack in pending.acks.items()},
    )

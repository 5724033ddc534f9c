"""What the coordinator is told, and what it orders: plain values, so that every run can be replayed from them.

Events come from the JobManager's shell: tasks started or stopped, time passed, somebody asked, a subtask answered, an
order was carried out. Instructions go back to it and are carried out in their order.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from weir.checkpoint.job_facts import JobFacts
from weir.checkpoint.metadata import Owner, SnapshotKind, SnapshotMetadata
from weir.errors import CheckpointFailureReason
from weir.ids import AttemptId, CheckpointId, Epoch, OperatorId, SubtaskId
from weir.state.snapshot import OperatorSubtaskState

# ---- events ----


@dataclass(frozen=True)
class TasksRunning:
    """All subtasks of an attempt are restored and run."""

    attempt: AttemptId
    subtasks: frozenset[
        SubtaskId
    ]  #: every one of them must acknowledge; enumerators too, where they are subtasks
    trigger_at: frozenset[SubtaskId]  #: where a checkpoint begins
    facts: JobFacts | None = None  #: if the job was planned anew since the last attempt


@dataclass(frozen=True)
class TasksEnding:
    """The attempt, or a part of it, is about to be stopped: no further snapshot of it; one that is being published may complete."""


@dataclass(frozen=True)
class TasksResumed:
    """After ``TasksEnding``: the same subtasks run, some of them restored from the newest snapshot; go on."""


@dataclass(frozen=True)
class TasksStopped:
    """The attempt is over (failure, restart, cancel, end); nothing that is open can complete."""


@dataclass(frozen=True)
class Tick:
    """Time has passed; due at ``next_deadline()`` at the latest."""


@dataclass(frozen=True)
class TriggerRequested:
    """Somebody wants a snapshot besides the periodic ones. Answered by a ``RequestAnswered``."""

    request: str  #: names the request in its answer
    kind: SnapshotKind = SnapshotKind.CHECKPOINT
    target: str | None = None  #: URI of the folder in which a savepoint's folder is made
    owner: Owner = Owner.USER
    #: Nothing follows it (end of input, stop with savepoint): periodic checkpoints end when it has completed.
    final: bool = False
    #: All input ends at once, and the snapshot is taken after what followed from that.
    drain: bool = False
    #: A native savepoint, or a checkpoint that is no increment.
    whole: bool = False


@dataclass(frozen=True, slots=True)
class AckStats:
    """What a subtask measured; for display only."""

    size: int = 0  #: bytes
    reused: int = 0  #: bytes of it that earlier checkpoints stored
    sync_ms: int = 0
    async_ms: int = 0
    alignment_ms: int = 0
    start_delay_ms: int = 0  #: from the trigger to the first barrier
    unaligned: bool = False  #: barriers overtook rows
    processed: int = 0  #: bytes of rows, between the first barrier and the last
    persisted: int = 0  #: bytes that barriers overtook
    at_ms: int = 0  #: wall time at which it was heard


@dataclass(frozen=True)
class Ack:
    """A subtask has snapshotted and uploaded; it reports the state of each operator in its chain."""

    checkpoint_id: CheckpointId
    epoch: Epoch
    attempt: AttemptId
    subtask: SubtaskId
    states: Mapping[OperatorId, OperatorSubtaskState] = field(default_factory=dict)
    #: The subtask had reached the end of its input.
    finished: bool = False
    stats: AckStats = AckStats()
    #: Bytes of rows before the barrier by channel, sent by the subtask and received by it.
    sent: Mapping[int, int] = field(default_factory=dict)
    received: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Decline:
    """A subtask cannot take part in a checkpoint."""

    checkpoint_id: CheckpointId
    epoch: Epoch
    attempt: AttemptId
    subtask: SubtaskId
    reason: CheckpointFailureReason = CheckpointFailureReason.DECLINED
    message: str = ""


@dataclass(frozen=True)
class Published:
    """A ``Publish`` was carried out: the fence has the record."""

    checkpoint_id: CheckpointId
    path: str  #: as in the record
    size: int = 0  #: bytes of state and metadata


class PublishFault(enum.Enum):
    """How a ``Publish`` went wrong."""

    FAILED = "failed"  #: certainly no record; the snapshot's files may go
    NUMBER_TAKEN = (
        "number-taken"  #: a dead process left a ``_metadata`` under this number; the next number will do
    )
    UNKNOWN = "unknown"  #: the record may exist: to be tried again until that is known
    FENCED = "fenced"  #: another process owns the job: stop


@dataclass(frozen=True)
class PublishFailed:
    """A ``Publish`` was not carried out, or not knowingly."""

    checkpoint_id: CheckpointId
    fault: PublishFault
    message: str


@dataclass(frozen=True)
class SubtaskFinished:
    """A subtask is gone for good after it took part in a final checkpoint; later ones do without it."""

    subtask: SubtaskId


Event = (
    TasksRunning
    | TasksEnding
    | TasksResumed
    | TasksStopped
    | Tick
    | TriggerRequested
    | Ack
    | Decline
    | Published
    | PublishFailed
    | SubtaskFinished
)

# ---- instructions ----


@dataclass(frozen=True)
class Trigger:
    """Tell ``targets`` to begin a snapshot."""

    checkpoint_id: CheckpointId
    epoch: Epoch
    attempt: AttemptId
    targets: frozenset[SubtaskId]
    timestamp_ms: int
    savepoint: bool
    final: bool
    target: str | None  #: URI of the folder in which a savepoint's folder is made
    drain: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Publish:
    """Write ``_metadata``, then the fence record; answer with ``Published`` or ``PublishFailed``."""

    checkpoint_id: CheckpointId
    metadata: SnapshotMetadata
    target: str | None


@dataclass(frozen=True)
class NotifyComplete:
    """Tell all subtasks that the snapshot is complete; what belongs to it and to earlier ones is committed."""

    checkpoint_id: CheckpointId


@dataclass(frozen=True)
class NotifyAborted:
    """Tell all subtasks that the snapshot will not complete."""

    checkpoint_id: CheckpointId
    reason: CheckpointFailureReason


@dataclass(frozen=True)
class DiscardFiles:
    """Delete what this epoch wrote for a snapshot that did not complete."""

    checkpoint_id: CheckpointId
    target: str | None  #: of a savepoint


@dataclass(frozen=True)
class DeleteCheckpoints:
    """Delete completed checkpoints that are no longer retained."""

    checkpoint_ids: tuple[CheckpointId, ...]


@dataclass(frozen=True)
class FailJob:
    """Fail the running attempt: more checkpoints failed in a row than are tolerated."""

    message: str


@dataclass(frozen=True)
class StopProcess:
    """Another process owns the job: stop at once, touch nothing."""

    message: str


@dataclass(frozen=True)
class RequestAnswered:
    """The end of a ``TriggerRequested``: the snapshot's path, or why there is none."""

    request: str
    checkpoint_id: CheckpointId | None
    path: str | None
    failure: CheckpointFailureReason | None = None
    message: str = ""


class AckResult(enum.Enum):
    """What became of an acknowledgement."""

    SUCCESS = "success"
    DUPLICATE = "duplicate"
    UNKNOWN = "unknown"  #: no such checkpoint, or another epoch or attempt
    DISCARDED = "discarded"  #: the checkpoint had failed already


@dataclass(frozen=True)
class AckAnswered:
    """How an ``Ack`` was taken; for logs and counters."""

    checkpoint_id: CheckpointId
    subtask: SubtaskId
    result: AckResult


Instruction = (
    Trigger
    | Publish
    | NotifyComplete
    | NotifyAborted
    | DiscardFiles
    | DeleteCheckpoints
    | FailJob
    | StopProcess
    | RequestAnswered
    | AckAnswered
)

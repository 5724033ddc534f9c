"""What happens to a job (events) and what is to be done about it (instructions): the words of ``job_state``.

Events of a deployed attempt carry its :class:`~weir.rpc.messages.Execution`, so that ``job_state`` drops what an
older attempt still says.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from weir.ids import AttemptId, Epoch, SubtaskId, WorkerId
from weir.jobmanager.lifecycle.region_events import (
    CheckpointsPaused,
    RegionGraceOver,
    RegionInstruction,
    RegionRestartDue,
)
from weir.jobmanager.lifecycle.regions import Region
from weir.jobmanager.lifecycle.restart import RestartStrategy
from weir.rpc.messages import Execution, Failure
from weir.rpc.requests import JobState

# ---- events --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Planned:
    """The job's code was loaded and planned."""

    slots: int
    subtasks: frozenset[SubtaskId]
    strategy: RestartStrategy
    checkpointing: bool
    #: Seconds that tasks get to close when the job is stopped by a person.
    cancel_grace: float
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True)
class PlanningFailed:
    """The job's code cannot be loaded or planned."""

    failure: Failure


@dataclass(frozen=True)
class Claimed:
    """This JobManager owns the job: its start record is the log's tail."""

    epoch: Epoch


@dataclass(frozen=True)
class ClaimFailed:
    """The job cannot be started: storage, or no restore point that is safe."""

    failure: Failure


@dataclass(frozen=True)
class FoundSettled:
    """The job's log ends in a terminal record: there is nothing left to do."""

    state: JobState


@dataclass(frozen=True)
class StartHeld:
    """The job's log went on since the operator planned the start: nothing was claimed."""


@dataclass(frozen=True)
class Activated:
    """The operator says how a job that stands by is to begin."""


@dataclass(frozen=True)
class SlotsGranted:
    """As many workers as were asked for, now this job's alone."""

    workers: tuple[WorkerId, ...]


@dataclass(frozen=True)
class SlotsMissing:
    """The slots that were asked for did not come in time."""

    failure: Failure


@dataclass(frozen=True)
class DeployFailed:
    """The attempt could not be described: its snapshot does not fit the plan."""

    execution: Execution
    failure: Failure


@dataclass(frozen=True)
class SubtaskRunning:
    """A subtask processes."""

    execution: Execution
    subtask: SubtaskId


@dataclass(frozen=True)
class SubtaskEnded:
    """A subtask processed the end of its input."""

    execution: Execution
    subtask: SubtaskId


@dataclass(frozen=True)
class AttemptFailed:
    """A task failed, or too many checkpoints in a row did."""

    execution: Execution
    failure: Failure
    #: Where the task ran; ``None``: it concerns the whole job.
    worker: WorkerId | None = None


@dataclass(frozen=True)
class WorkerStopped:
    """A worker closed the attempt's functions and runs nothing of it any more."""

    execution: Execution
    worker: WorkerId


@dataclass(frozen=True)
class WorkerGone:
    """A worker process does not exist any more, or its TaskManager is lost."""

    worker: WorkerId
    failure: Failure


@dataclass(frozen=True)
class FinalCheckpointDone:
    """The snapshot that nothing follows is complete and its commits are acknowledged."""

    execution: Execution


@dataclass(frozen=True)
class SavepointStopRequested:
    """A person stops the job with a savepoint; it may be."""

    execution: Execution


@dataclass(frozen=True)
class SavepointStopFailed:
    """There is no savepoint to stop with."""

    execution: Execution


@dataclass(frozen=True)
class RescaleReady:
    """The job was planned again with another parallelism, and a checkpoint to go on from is complete."""

    execution: Execution
    slots: int
    subtasks: frozenset[SubtaskId]
    regions: tuple[Region, ...] = ()


@dataclass(frozen=True)
class CommitsDelivered:
    """Every completed checkpoint of the attempt is committed, and no other will complete."""

    execution: Execution


@dataclass(frozen=True)
class CheckpointsStopped:
    """No checkpoint of the attempt is under way and none is being written."""

    execution: Execution


@dataclass(frozen=True)
class GraceOver:
    """The time for closing functions has passed."""

    execution: Execution


@dataclass(frozen=True)
class RestartDue:
    """The pause before the next attempt has passed."""

    after: AttemptId


class StopKind(enum.Enum):
    """What a person wants of a job that is to stop."""

    SUSPEND = "suspend"
    CANCEL = "cancel"


@dataclass(frozen=True)
class StopRequested:
    """A person stops the job."""

    kind: StopKind


@dataclass(frozen=True)
class TerminalWritten:
    """The terminal record is in the log, and what it lets be deleted is deleted."""


@dataclass(frozen=True)
class FencedOut:
    """A newer epoch exists."""

    message: str


AttemptEvent = (
    DeployFailed
    | SubtaskRunning
    | SubtaskEnded
    | AttemptFailed
    | WorkerStopped
    | FinalCheckpointDone
    | SavepointStopRequested
    | SavepointStopFailed
    | RescaleReady
    | CommitsDelivered
    | CheckpointsStopped
    | CheckpointsPaused
    | RegionGraceOver
    | RegionRestartDue
    | GraceOver
)
Event = (
    AttemptEvent
    | Planned
    | PlanningFailed
    | Claimed
    | ClaimFailed
    | FoundSettled
    | StartHeld
    | Activated
    | SlotsGranted
    | SlotsMissing
    | WorkerGone
    | RestartDue
    | StopRequested
    | TerminalWritten
    | FencedOut
)

# ---- instructions --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MakePlan:
    """Load the job's code in a child process; ``Planned`` or ``PlanningFailed``."""


@dataclass(frozen=True)
class AbandonPlan:
    """End the child that loads the code; no answer."""


@dataclass(frozen=True)
class LookBack:
    """The job stands by: find out whether a process of its run began it before; ``Activated`` follows then."""


@dataclass(frozen=True)
class ClaimJob:
    """Append this process's start to the job's log; ``Claimed``, ``ClaimFailed`` or ``FoundSettled``."""

    #: Why what was restored by the claim before is not to be restored again; ``None``: this is the first claim.
    damaged: Failure | None = None


@dataclass(frozen=True)
class RequestSlots:
    """Ask the pool for workers; ``SlotsGranted`` or ``SlotsMissing``."""

    count: int


@dataclass(frozen=True)
class WithdrawSlotRequest:
    """The workers are not wanted any more."""


@dataclass(frozen=True)
class DeployAttempt:
    """Deploy all subtasks from the newest restore point."""

    execution: Execution
    workers: tuple[WorkerId, ...]


@dataclass(frozen=True)
class StartCheckpoints:
    """All subtasks process: begin to trigger."""

    execution: Execution


@dataclass(frozen=True)
class TakeFinalCheckpoint:
    """All input ended: one last checkpoint at once; ``FinalCheckpointDone``."""

    execution: Execution


@dataclass(frozen=True)
class TakeStopSavepoint:
    """Nothing is to follow this savepoint; ``FinalCheckpointDone`` or ``SavepointStopFailed``."""

    execution: Execution


@dataclass(frozen=True)
class DeliverCommits:
    """Begin no checkpoint, abort what tasks work on; when what is complete is committed: ``CommitsDelivered``."""

    execution: Execution


@dataclass(frozen=True)
class StopCheckpoints:
    """Abort what is under way, wait for what is being written; ``CheckpointsStopped``."""

    execution: Execution


@dataclass(frozen=True)
class CancelTasks:
    """Tell workers to close functions; ``WorkerStopped`` each."""

    execution: Execution
    workers: tuple[WorkerId, ...]


@dataclass(frozen=True)
class FinishTasks:
    """Tell workers that the job is complete; ``WorkerStopped`` each."""

    execution: Execution
    workers: tuple[WorkerId, ...]


@dataclass(frozen=True)
class StartGrace:
    """``GraceOver`` after ``seconds``."""

    execution: Execution
    seconds: float


@dataclass(frozen=True)
class ReleaseWorkers:
    """End these processes; ``WorkerGone`` each."""

    workers: tuple[WorkerId, ...]


@dataclass(frozen=True)
class RecordFailure:
    """Add to the job's history."""

    failure: Failure
    attempt: AttemptId


@dataclass(frozen=True)
class ScheduleRestart:
    """``RestartDue`` after ``delay`` seconds."""

    after: AttemptId
    delay: float


@dataclass(frozen=True)
class WriteTerminal:
    """Append the terminal record, then delete what may go; ``TerminalWritten``."""

    state: JobState
    failure: Failure | None
    #: It stopped with a savepoint, from which it goes on when it is started again.
    stopped: bool = False


@dataclass(frozen=True)
class Settle:
    """The job is over for this JobManager: tell who waits."""

    state: JobState


Instruction = (
    MakePlan
    | AbandonPlan
    | LookBack
    | ClaimJob
    | RequestSlots
    | WithdrawSlotRequest
    | DeployAttempt
    | StartCheckpoints
    | TakeFinalCheckpoint
    | TakeStopSavepoint
    | DeliverCommits
    | StopCheckpoints
    | CancelTasks
    | FinishTasks
    | StartGrace
    | ReleaseWorkers
    | RecordFailure
    | ScheduleRestart
    | RegionInstruction
    | WriteTerminal
    | Settle
)

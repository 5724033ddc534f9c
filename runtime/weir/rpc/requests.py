"""What a client asks a JobManager, and what it answers: one struct a call, and the job's status as data.

The CLI, the local cluster and (later) REST all read :class:`JobStatus`; state names are Flink's. A refused
call is answered by :class:`Refused`, which names the exception of ``weir.errors`` that the client raises.
"""

from __future__ import annotations

import enum

import msgspec

from weir.checkpoint.start_directive import StartDirective
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, TaskManagerId, VertexId, WorkerId
from weir.rpc.messages import Failure, JobSpec, WorkerInfo
from weir.rpc.task_gauges import TaskGauges


class JobState(enum.StrEnum):
    """Flink's job states."""

    CREATED = "CREATED"
    RUNNING = "RUNNING"
    FAILING = "FAILING"
    RESTARTING = "RESTARTING"
    CANCELLING = "CANCELLING"
    SUSPENDED = "SUSPENDED"
    FINISHED = "FINISHED"
    CANCELED = "CANCELED"
    FAILED = "FAILED"

    @property
    def is_settled(self) -> bool:
        """Whether this JobManager will do nothing more about the job by itself."""
        return self in _SETTLED


_SETTLED = frozenset({JobState.SUSPENDED, JobState.FINISHED, JobState.CANCELED, JobState.FAILED})


class TaskState(enum.StrEnum):
    """Flink's execution states, as far as a subtask here passes through them."""

    CREATED = "CREATED"
    SCHEDULED = "SCHEDULED"  #: waits for slots
    INITIALIZING = "INITIALIZING"  #: deployed: loads code, opens functions, restores state
    RUNNING = "RUNNING"
    FINISHED = "FINISHED"  #: its input ended
    CANCELING = "CANCELING"
    CANCELED = "CANCELED"
    FAILED = "FAILED"


class TaskRates(msgspec.Struct, frozen=True, kw_only=True):
    """What a subtask did lately, by second. The three times add up to 1000."""

    busy_ms: int
    idle_ms: int
    backpressured_ms: int
    records_in: float
    records_out: float
    bytes_in: float
    bytes_out: float


class TaskStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One subtask of the current attempt."""

    index: int
    state: TaskState
    #: The number of its deployment, from 1 on; a region that failed alone is ahead of the others.
    attempt: int = 0
    worker: WorkerId | None = None
    records_in: int = 0
    records_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    busy_ms: int = 0
    idle_ms: int = 0
    backpressured_ms: int = 0
    queued_bytes: int = 0
    watermark: int | None = None
    gauges: TaskGauges = TaskGauges()
    rates: TaskRates | None = None  #: ``None``: it does not run, or not long enough
    #: Wall time at which it entered each state, in that order.
    entered: dict[TaskState, int] = {}


class VertexStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One vertex of the plan; records are those of the current attempt."""

    id: VertexId
    name: str
    kind: str
    parallelism: int
    max_parallelism: int
    records_in: int
    records_out: int
    tasks: tuple[TaskStatus, ...]


class CheckpointSummary(msgspec.Struct, frozen=True, kw_only=True):
    """One completed checkpoint."""

    id: CheckpointId
    path: str | None  #: URI of its folder; ``None``: it is not stored
    duration_ms: int
    bytes: int
    completed_at_ms: int
    external: bool = False  #: restored from, not taken by this job


class CheckpointsStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the job's checkpoints since this JobManager took over."""

    enabled: bool = False
    completed: int = 0
    failed: int = 0
    in_progress: int = 0
    last: CheckpointSummary | None = None
    #: Where the newest attempt started from.
    restored: CheckpointSummary | None = None
    last_failure: str | None = None


class FailureRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One failure in the job's history."""

    failure: Failure
    at_ms: int
    attempt: AttemptId


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that people ask about a job."""

    job_id: JobId
    name: str
    state: JobState
    attempt: AttemptId
    epoch: Epoch | None
    started_at_ms: int
    ended_at_ms: int | None
    restarts: int
    #: Rows read by sources and rows given to sinks, over all attempts of this JobManager.
    records_in: int = 0
    records_out: int = 0
    vertices: tuple[VertexStatus, ...] = ()
    checkpoints: CheckpointsStatus = CheckpointsStatus()
    failures: tuple[FailureRecord, ...] = ()  #: the newest 16, oldest first
    parallelism: int = 0  #: of operators that have none of their own; 0: not planned yet
    slots_required: int = 0
    slots_available: int = 0  #: free ones and those that the job holds
    checkpoint_root: str | None = None
    #: Things a person should know (state found under this name, a lost hint); oldest first.
    notes: tuple[str, ...] = ()

    @property
    def failure(self) -> Failure | None:
        """The newest failure: the root cause of a FAILED job."""
        return self.failures[-1].failure if self.failures else None


class CertificateSlot(msgspec.Struct, frozen=True, kw_only=True):
    """Certificates of one authority, as they lie in the folder of ``--tls-dir``."""

    name: str  #: of the slot's folder
    authority: str  #: sixteen hex digits that another issue does not share
    not_before_ms: int  #: when its certificate is presented
    not_after_ms: int  #: when nobody takes it any more


class TaskManagerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One TaskManager that is registered, or was."""

    id: TaskManagerId
    pid: int
    slots: int
    free: int
    lost: bool  #: no heartbeat in time: whoever started it should end and replace it
    silent_ms: int = 0  #: since its last heartbeat
    host: str = ""  #: in a cluster the pod's name
    workers: tuple[WorkerInfo, ...] = ()
    #: Whose certificates it takes, as its last heartbeat said.
    authorities: tuple[str, ...] = ()


# ---- calls ---------------------------------------------------------------------------------------------------


class Submit(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Run a job. Answered as soon as it is accepted; its status tells how it fares."""

    job: JobSpec
    #: The same job ran before under a JobManager that is gone: it goes on from its log, and without
    #: checkpointing it fails instead of starting anew.
    recovering: bool = False
    job_id: JobId | None = None  #: ``None``: found by name, else a new one
    #: Names the call, so that repeating it (its answer was lost) does not submit the job twice.
    token: str = ""
    #: ``Resume``, ``Refuse`` or ``Fresh``: what to do with state that an earlier life of the name left.
    restore_policy: str = "Resume"
    #: How an operator wants it to begin; ``None``: no operator has to do with it.
    directive: StartDirective | None = None
    #: It is planned, and begins when the operator activates it.
    standby: bool = False


class Submitted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The job is known and will be planned and started."""

    job_id: JobId


class GetStatus(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """``job`` is an id or a name."""

    job: str


class StatusAnswer(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """How the job fares now."""

    status: JobStatus


class Suspend(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stop at the last completed checkpoint, keep everything; answered when the job's tasks are gone."""

    job: str


class Cancel(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stop for good; checkpoints are kept or deleted as the job says. Answered when that is done."""

    job: str


class TriggerSavepoint(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Take a savepoint in a new folder below ``target``; ``None``: below the configured folder.

    Answered by ``SavepointAnswer`` at once; repeated with the same trigger id it begins nothing.
    """

    job: str
    target: str | None = None
    trigger: str = ""  #: 32 lower-case hex digits; "": a new one


class GetSavepoint(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """How a savepoint, or a stop with one, fares; answered when it is done, or after ``wait`` seconds."""

    job: str
    trigger: str
    wait: float = 0.0


class Stop(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Stop with a savepoint; as ``TriggerSavepoint``. Done when the job is over. When it fails, the job goes on."""

    job: str
    target: str | None = None
    #: End the input first, so that every event-time timer fires.
    drain: bool = False
    trigger: str = ""


class Rescale(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Go on with another parallelism, from a checkpoint taken for it; answered when all subtasks run again."""

    job: str
    parallelism: int
    trigger: str = ""


class SavepointAnswer(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """How a savepoint, or a stop with one, fares."""

    trigger: str
    done: bool
    path: str | None = None  #: URI of its folder, once it is complete
    #: Why there is no savepoint, or why the job was not stopped with it.
    failure: str | None = None


class GetCluster(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """All TaskManagers and jobs."""


class ClusterAnswer(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Everything that the JobManager knows."""

    task_managers: tuple[TaskManagerStatus, ...]
    jobs: tuple[JobStatus, ...]


class Shutdown(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """End this JobManager and its TaskManagers; running jobs are suspended."""


class Done(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The call has done what it says."""


class Refused(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The call was not carried out."""

    error: str  #: name of a class in ``weir.errors``
    message: str


Request = (
    Submit
    | GetStatus
    | Suspend
    | Cancel
    | TriggerSavepoint
    | GetSavepoint
    | Stop
    | Rescale
    | GetCluster
    | Shutdown
)
Answer = Submitted | StatusAnswer | SavepointAnswer | ClusterAnswer | Done | Refused

"""Every control message between processes, as msgspec structs; ``codec`` turns them into bytes.

Two conversations. A TaskManager's supervisor and the JobManager share one bidirectional gRPC stream, the session;
it opens with ``Register``/``Registered`` and dies with either side. A supervisor and each of its workers share a
socket; what the JobManager has to say to a worker travels through the session inside ``ToWorker`` and back in
``FromWorker``. Everything about a deployed task names job, epoch and attempt, so that what an older attempt still
says is recognised and dropped.
"""

from __future__ import annotations

import msgspec
from msgspec import structs

from weir.errors import FailureKind, as_text, require_text
from weir.graph.physical import PhysicalPlan
from weir.ids import AttemptId, Epoch, JobId, OperatorId, TaskManagerId, VertexId, WorkerId
from weir.rpc.task_gauges import TaskGauges
from weir.state.snapshot import OperatorSubtaskState


class Execution(msgspec.Struct, frozen=True, array_like=True):
    """One deployment of a job: the fence of everything below it."""

    job_id: JobId
    epoch: Epoch
    attempt: AttemptId


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why something failed, as data: what status, CLI and logs show."""

    kind: FailureKind
    message: str  #: one line; for user code it begins with the user's ``file:line``
    operator: str | None = None  #: name (and uid) of the operator
    subtask: int | None = None
    traceback: str = ""
    worker: WorkerId | None = None
    #: Whether a restart can help (a config error or a missing module cannot be cured by one).
    restartable: bool = True
    #: Whether it met a damaged file of the snapshot that was restored: another attempt needs another snapshot.
    damaged: bool = False
    #: Names the failure wherever it is shown; see ``fingerprint``. "": it was not recorded yet.
    fingerprint: str = ""

    def __post_init__(self) -> None:
        # Exceptions quote what they like, such as half a character of a row.
        structs.force_setattr(self, "message", as_text(self.message))
        structs.force_setattr(self, "traceback", as_text(self.traceback))


# ---- job description -----------------------------------------------------------------------------------------


class JobSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What is submitted: where the code is, and every setting by its key, already merged by origin."""

    name: str
    entrypoint: str  #: ``package.module:function`` or a path ending in ``.py``
    #: The same, a script relative to the working folder: what stays the same when the whole folder is moved.
    target: str = ""
    #: Nobody gave the job a name; it is that of the code, which other code may have, too.
    named_after_code: bool = False
    args: tuple[str, ...] = ()
    #: Folders put before ``sys.path`` in the processes that load the code.
    python_path: tuple[str, ...] = ()
    parallelism: int = 1
    max_parallelism: int = 128
    #: Settings below the job's code (file, ``spec.config``, environment).
    defaults: dict[str, str] = {}
    #: Settings above the job's code (fields of the resource that are set, CLI flags).
    overrides: dict[str, str] = {}
    #: By key of ``overrides``, else of ``defaults``: where exactly it is set; for people.
    places: dict[str, str] = {}
    #: Root URI of checkpoints; ``None``: checkpoints are not stored anywhere.
    checkpoint_storage: str | None = None
    namespace: str = "local"
    #: ``NAMESPACE/NAME`` of the StreamJob whose operator steers the job; "": people do.
    managed_by: str = ""
    allow_non_restored_state: bool = False
    #: Folder or ``_metadata`` of a snapshot to start from.
    restore_from: str | None = None

    def __post_init__(self) -> None:
        """Raises ``ConfigError`` for a text that is none: no process could be told of it."""
        require_text("the job's name", self.name)
        require_text("the path of its code", self.entrypoint, self.target, *self.python_path)
        require_text("an argument", *self.args)
        require_text("the snapshot to start from", self.restore_from)
        require_text("the folder of checkpoints", self.checkpoint_storage)


# ---- JobManager <-> worker -----------------------------------------------------------------------------------


class SubtaskRef(msgspec.Struct, frozen=True, array_like=True):
    """One subtask and where it runs."""

    vertex: VertexId
    index: int
    worker: WorkerId
    data_address: str  #: host:port of the worker's data plane


class RestoredOperator(msgspec.Struct, frozen=True, kw_only=True):
    """State for one operator of one subtask: handles, to be read by the worker."""

    operator_id: OperatorId
    old_parallelism: int
    states: tuple[OperatorSubtaskState, ...]
    #: The states' operator part is the subtask's own list and not to be dealt anew.
    own_only: bool


class TaskDeployment(msgspec.Struct, frozen=True, kw_only=True):
    """One subtask to run."""

    vertex: VertexId
    index: int
    restored: tuple[RestoredOperator, ...] = ()


class Deploy(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Run these tasks. The worker loads the code, plans, and refuses if its digest differs."""

    execution: Execution
    job: JobSpec
    #: Effective settings after merging the code's in.
    settings: dict[str, str]
    plan: PhysicalPlan
    tasks: tuple[TaskDeployment, ...]
    #: Every subtask of the job, so that channels find their peers.
    placement: tuple[SubtaskRef, ...]
    #: URI under which restored handles' paths are relative, and where state is written.
    checkpoint_root: str | None
    #: Root of the snapshot restored from, if it is not ``checkpoint_root``.
    restore_root: str | None = None


class TriggerCheckpoint(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """To workers with enumerators: begin snapshot ``checkpoint_id``."""

    execution: Execution
    checkpoint_id: int
    timestamp_ms: int
    #: URI of the savepoint's folder; "": a checkpoint.
    savepoint: str = ""
    #: The job stops with this snapshot: nothing is emitted after its barrier.
    stop: bool = False
    #: With ``stop``: all input ends at once, before the barrier.
    drain: bool = False
    #: The backend's own files, all stored for this snapshot: a native savepoint, or a checkpoint that is no increment.
    whole: bool = False


class NotifyComplete(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The checkpoint's record exists: commit what belongs to it and to all before it."""

    execution: Execution
    checkpoint_id: int


class NotifyAborted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The checkpoint will not complete; barriers of it still pass, uploads of it may stop."""

    execution: Execution
    checkpoint_id: int


class CancelTasks(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Close functions and stop all tasks of this execution; answered by ``TasksCancelled``."""

    execution: Execution


class FinishTasks(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """All input ended, the final commits are acknowledged: close functions and stop; ``TasksCancelled``."""

    execution: Execution


ToWorkerMessage = Deploy | TriggerCheckpoint | NotifyComplete | NotifyAborted | CancelTasks | FinishTasks


class SampleStacks(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What do your threads do? Of no deployment: answered beside the data thread, by ``StackSamples``."""

    trigger: str
    samples: int = 1
    interval: float = 0.0  #: seconds between two


class TaskRunning(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Functions are open, state and restored commits are done: the subtask processes."""

    execution: Execution
    vertex: VertexId
    index: int


class TaskEnded(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The subtask processed the end of its input (it stays, for barriers and commits)."""

    execution: Execution
    vertex: VertexId
    index: int


class TaskFailed(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The subtask (or the whole deployment in this worker, then without vertex) failed."""

    execution: Execution
    failure: Failure
    vertex: VertexId | None = None
    index: int | None = None


class SnapshotStats(msgspec.Struct, frozen=True, kw_only=True):
    """How a subtask's snapshot went; milliseconds and bytes."""

    sync_ms: float = 0.0
    async_ms: float = 0.0
    alignment_ms: float = 0.0
    start_delay_ms: float = 0.0
    bytes: int = 0
    unaligned: bool = False  #: barriers overtook rows
    processed: int = 0  #: of rows, between the first barrier and the last
    persisted: int = 0  #: of what barriers overtook


class ChannelCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Bytes of rows on each channel before the barrier, by the channel's number, since the deployment."""

    sent: dict[int, int] = {}
    #: Processed, or stored as on their way.
    received: dict[int, int] = {}


class CheckpointAck(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The subtask's snapshot is durable; one state per operator of its chain that has any."""

    execution: Execution
    checkpoint_id: int
    vertex: VertexId
    index: int
    states: dict[OperatorId, OperatorSubtaskState]
    finished: bool
    stats: SnapshotStats
    counts: ChannelCounts = ChannelCounts()


class CheckpointDeclined(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The subtask could not snapshot (its upload failed); it goes on."""

    execution: Execution
    checkpoint_id: int
    vertex: VertexId
    index: int
    message: str


class CommitsDone(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """All commits of checkpoints <= ``checkpoint_id`` of this subtask are acknowledged by the outside."""

    execution: Execution
    checkpoint_id: int
    vertex: VertexId
    index: int


class TaskMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """Counters of a subtask since it was deployed.

    Busy, idle and back-pressured time add up to the time since the subtask runs. Bytes are those that credit counts.
    """

    vertex: VertexId
    index: int
    records_in: int = 0
    records_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    busy_ms: int = 0
    idle_ms: int = 0
    backpressured_ms: int = 0
    watermark: int | None = None
    queued_bytes: int = 0
    #: Per operator of the chain: rows given to it.
    operator_records_in: dict[OperatorId, int] = {}
    gauges: TaskGauges = TaskGauges()


class MetricsReport(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Sent each second by a worker with tasks."""

    execution: Execution
    tasks: tuple[TaskMetrics, ...]


class StackSample(msgspec.Struct, frozen=True, array_like=True):
    """Where the data thread was, so many times."""

    vertex: str  #: name of the vertex that ran; "": it waited for something to do
    frames: tuple[str, ...]  #: ``function (file:line)``, outermost first
    count: int
    kind: str = "engine"  #: whose work it was: user, state, serialisation, network, engine


class StackSamples(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Answers ``SampleStacks``."""

    trigger: str
    samples: tuple[StackSample, ...]
    threads: dict[str, str]  #: by name: the stack of each thread at the last sample


class TasksCancelled(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Nothing of this execution runs in the worker any more."""

    execution: Execution


FromWorkerMessage = (
    TaskRunning
    | TaskEnded
    | TaskFailed
    | CheckpointAck
    | CheckpointDeclined
    | CommitsDone
    | MetricsReport
    | TasksCancelled
)

# ---- worker <-> supervisor -----------------------------------------------------------------------------------


class WorkerReady(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """First message of a worker: its data plane listens."""

    worker: WorkerId
    pid: int
    data_address: str


# ---- supervisor <-> JobManager (the session) -----------------------------------------------------------------


class WorkerInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A worker process that is ready; each is one slot."""

    worker: WorkerId
    slot: int
    pid: int
    data_address: str


class Register(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """First message of a session."""

    task_manager: TaskManagerId
    slots: int
    version: str
    pid: int
    host: str = ""  #: in a cluster the pod's name


class TaskManagerHeartbeat(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Sent each heartbeat interval by the supervisor, for itself and its workers."""

    sequence: int
    #: Whose certificates it takes (``CertificateSlot.authority``); its workers have the same folder.
    authorities: tuple[str, ...] = ()


class WorkerStarted(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A worker process can take a deployment."""

    info: WorkerInfo


class WorkerLost(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A worker process ended or was ended (crash, stall, release); a new one follows in its slot."""

    worker: WorkerId
    failure: Failure
    expected: bool = False  #: the JobManager asked for it


class FromWorker(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A worker's message, passed on."""

    worker: WorkerId
    payload: bytes  #: an encoded ``FromWorkerMessage``


class LogText(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Answers ``ReadLog``."""

    trigger: str
    size: int  #: bytes
    modified_ms: int  #: wall time of the last line
    text: bytes = b""


SessionUp = Register | TaskManagerHeartbeat | WorkerStarted | WorkerLost | FromWorker | LogText


class Registered(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The session is open. A supervisor that cannot heartbeat for ``timeout`` ends its workers."""

    session: str
    version: str  #: of the JobManager; a supervisor of another release goes away
    heartbeat_interval: float  #: seconds
    heartbeat_timeout: float  #: seconds


class JobManagerHeartbeat(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """Answers each ``TaskManagerHeartbeat``."""

    sequence: int


class ToWorker(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """A message for a worker, to be passed on."""

    worker: WorkerId
    payload: bytes  #: an encoded ``ToWorkerMessage``


class ReleaseWorker(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """End this worker process at once and start a fresh one in its slot."""

    worker: WorkerId


class ReadLog(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """What did this TaskManager and its workers log? Answered by ``LogText``."""

    trigger: str
    text: bool  #: false: only how much there is


class Goodbye(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The session is over: end (refused version, cluster shutdown)."""

    reason: str
    shutdown: bool = False  #: end the TaskManager process too


SessionDown = Registered | JobManagerHeartbeat | ToWorker | ReleaseWorker | ReadLog | Goodbye

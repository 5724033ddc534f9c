"""Answers about jobs: lists, details, plan, settings, exceptions, the end."""

from __future__ import annotations

import msgspec


class JobIdWithStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One of ``/jobs``."""

    id: str
    status: str


class JobIds(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs``."""

    jobs: tuple[JobIdWithStatus, ...]


class JobStatusInfo(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/status``."""

    status: str


class JobOverview(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """One of ``/jobs/overview``. Times are wall milliseconds, -1 while there is none."""

    jid: str
    name: str
    start_time: int
    end_time: int
    duration: int
    state: str
    last_modification: int
    tasks: dict[str, int]  #: subtasks by state in lower case, and ``total``


class JobsOverview(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/overview``."""

    jobs: tuple[JobOverview, ...]


class IoMetrics(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a vertex or subtask moved, and how its time was spent (milliseconds), in the current attempt.

    The last five are by second, ``None`` where nothing is known: Flink has them as metrics only.
    """

    read_bytes: int
    read_bytes_complete: bool
    write_bytes: int
    write_bytes_complete: bool
    read_records: int
    read_records_complete: bool
    write_records: int
    write_records_complete: bool
    accumulated_backpressured_time: int
    accumulated_idle_time: int
    accumulated_busy_time: float
    busy: float | None = msgspec.field(name="busyTimeMsPerSecond")
    idle: float | None = msgspec.field(name="idleTimeMsPerSecond")
    backpressured: float | None = msgspec.field(name="backPressuredTimeMsPerSecond")
    records_in: float | None = msgspec.field(name="numRecordsInPerSecond")
    records_out: float | None = msgspec.field(name="numRecordsOutPerSecond")


class PlanInput(msgspec.Struct, frozen=True, kw_only=True):
    """An edge, at its target."""

    num: int
    id: str
    ship_strategy: str
    exchange: str = "pipelined_bounded"


class PlanOperator(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An operator of a chain; Weir's own."""

    id: str
    name: str
    uid: str | None
    type: str


class PlanNode(msgspec.Struct, frozen=True, kw_only=True):
    """A vertex of the plan."""

    id: str
    parallelism: int
    operator: str = ""
    operator_strategy: str = ""
    description: str
    inputs: tuple[PlanInput, ...]
    optimizer_properties: dict[str, str] = {}
    operators: tuple[PlanOperator, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The job's graph."""

    jid: str
    name: str
    type: str = "STREAMING"
    nodes: tuple[PlanNode, ...]


class PlanInfo(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/plan``."""

    plan: Plan


class VertexSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A vertex in ``/jobs/:id``."""

    id: str
    slot_sharing_group: str = msgspec.field(name="slotSharingGroupId")
    name: str
    max_parallelism: int = msgspec.field(name="maxParallelism")
    parallelism: int
    status: str
    start_time: int = msgspec.field(name="start-time")
    end_time: int = msgspec.field(name="end-time")
    duration: int
    tasks: dict[str, int]
    metrics: IoMetrics


class EdgeEnd(msgspec.Struct, frozen=True, kw_only=True):
    """A subtask at an end of an edge."""

    vertex: str
    name: str
    subtask: int
    taskmanager: str = msgspec.field(name="taskmanager-id")


class SlowEdge(msgspec.Struct, frozen=True, kw_only=True):
    """The edge on which rows wait longest for credit; Weir's own. Figures are by second."""

    source: EdgeEnd
    target: EdgeEnd
    starved: int = msgspec.field(name="starvedTimeMsPerSecond")
    bytes_out: float = msgspec.field(name="bytesPerSecond")
    cause: str  #: ``receiver``: it works, or its queues are full; ``link``: it waits for rows


class JobDetails(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id``."""

    jid: str
    name: str
    is_stoppable: bool = msgspec.field(name="isStoppable")
    state: str
    job_type: str = msgspec.field(name="job-type", default="STREAMING")
    start_time: int = msgspec.field(name="start-time")
    end_time: int = msgspec.field(name="end-time")
    duration: int
    max_parallelism: int = msgspec.field(name="maxParallelism")
    now: int
    timestamps: dict[str, int]
    vertices: tuple[VertexSummary, ...]
    status_counts: dict[str, int] = msgspec.field(name="status-counts")
    plan: Plan
    stream_graph: dict[str, str] = msgspec.field(name="stream-graph", default_factory=dict)
    pending_operators: int = msgspec.field(name="pending-operators", default=0)
    attempt: int
    epoch: int | None
    restarts: int
    slots_required: int = msgspec.field(name="slotsRequired")
    slots_available: int = msgspec.field(name="slotsAvailable")
    records_in: int = msgspec.field(name="recordsIn")
    records_out: int = msgspec.field(name="recordsOut")
    checkpoint_root: str | None = msgspec.field(name="checkpointRoot")
    #: ``None``: no edge holds rows up.
    slow_edge: SlowEdge | None = msgspec.field(name="slowEdge", default=None)
    notes: tuple[str, ...]


class SettingOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """One effective setting of a job; Weir's own."""

    key: str
    value: str
    origin: str


class ExecutionConfig(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """How a job runs."""

    execution_mode: str = "PIPELINED"
    restart_strategy: str
    job_parallelism: int
    object_reuse_mode: bool = True
    user_config: dict[str, str]


class JobConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/config``."""

    jid: str
    name: str
    execution_config: ExecutionConfig | None = msgspec.field(name="execution-config")
    settings: tuple[SettingOrigin, ...]


class Accumulators(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """``/jobs/:id/accumulators``: there are none in Weir; user code counts in state or in metrics."""

    job_accumulators: tuple[str, ...] = ()
    user_task_accumulators: tuple[str, ...] = ()
    serialized_user_task_accumulators: dict[str, str] = {}


class ExceptionEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One failure; ``stacktrace`` begins with the user's file and line, where it is theirs."""

    exception_name: str = msgspec.field(name="exceptionName")
    stacktrace: str
    timestamp: int
    task_name: str | None = msgspec.field(name="taskName")
    endpoint: str | None
    location: str | None
    task_manager_id: str | None = msgspec.field(name="taskManagerId")
    failure_labels: dict[str, str] = msgspec.field(name="failureLabels")
    concurrent_exceptions: tuple[ExceptionEntry, ...] = msgspec.field(name="concurrentExceptions", default=())
    message: str
    attempt: int
    fingerprint: str


class ExceptionHistory(msgspec.Struct, frozen=True, kw_only=True):
    """Newest first."""

    entries: tuple[ExceptionEntry, ...]
    truncated: bool


class ExceptionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """An entry of the list that Flink keeps for older clients."""

    exception: str
    task: str | None
    location: str | None
    timestamp: int
    task_manager_id: str | None = msgspec.field(name="taskManagerId")


class Exceptions(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """``/jobs/:id/exceptions``."""

    root_exception: str | None
    timestamp: int | None
    all_exceptions: tuple[ExceptionInfo, ...]
    truncated: bool
    exception_history: ExceptionHistory = msgspec.field(name="exceptionHistory")


class QueueStatus(msgspec.Struct, frozen=True, kw_only=True):
    """``IN_PROGRESS`` or ``COMPLETED``."""

    id: str


class FailureCause(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Why something that was asked for did not succeed."""

    class_: str = msgspec.field(name="class")
    stack_trace: str
    serialized_throwable: str | None = None


class JobResult(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """How a job ended."""

    id: str
    application_status: str
    accumulator_results: dict[str, str] = {}
    net_runtime: int
    failure_cause: FailureCause | None = None


class JobExecutionResult(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """``/jobs/:id/execution-result``."""

    status: QueueStatus
    job_execution_result: JobResult | None = None

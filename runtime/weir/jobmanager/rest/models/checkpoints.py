"""Answers about checkpoints, and the bodies that trigger them. Times in milliseconds, sizes in bytes."""

from __future__ import annotations

import enum

import msgspec

from weir.jobmanager.rest.models.jobs import FailureCause, QueueStatus


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Since this JobManager took over."""

    restored: int
    total: int
    in_progress: int
    completed: int
    failed: int


class StatsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Of one figure; all zero where there is none."""

    min: int = 0
    max: int = 0
    avg: int = 0
    p50: float = 0.0
    p90: float = 0.0
    p95: float = 0.0
    p99: float = 0.0
    p999: float = 0.0


class CheckpointsSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Over completed ones."""

    checkpointed_size: StatsSummary
    state_size: StatsSummary
    end_to_end_duration: StatsSummary
    alignment_buffered: StatsSummary = StatsSummary()
    processed_data: StatsSummary = StatsSummary()
    persisted_data: StatsSummary = StatsSummary()


class VertexCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One vertex in one checkpoint. ``processed_data``: between barriers; ``persisted_data``: what they overtook; nothing is buffered."""

    id: int
    status: str
    latest_ack_timestamp: int
    checkpointed_size: int
    state_size: int
    end_to_end_duration: int
    alignment_buffered: int = 0
    processed_data: int = 0
    persisted_data: int = 0
    num_subtasks: int
    num_acknowledged_subtasks: int


class CheckpointStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint; as it is, one that is in progress."""

    class_name: str = msgspec.field(name="className")
    id: int
    status: str
    is_savepoint: bool
    savepoint_format: str | None = msgspec.field(name="savepointFormat")
    trigger_timestamp: int
    latest_ack_timestamp: int
    checkpointed_size: int
    state_size: int
    end_to_end_duration: int
    alignment_buffered: int = 0
    processed_data: int = 0
    persisted_data: int = 0
    num_subtasks: int
    num_acknowledged_subtasks: int
    checkpoint_type: str
    tasks: dict[str, VertexCheckpoint]


class CompletedCheckpoint(CheckpointStatistics, frozen=True, kw_only=True):
    """One that completed."""

    external_path: str
    discarded: bool  #: it does not exist any more


class FailedCheckpoint(CheckpointStatistics, frozen=True, kw_only=True):
    """One that did not complete."""

    failure_timestamp: int
    failure_message: str


class RestoredCheckpoint(msgspec.Struct, frozen=True, kw_only=True):
    """The snapshot that the newest attempt started from."""

    id: int
    restore_timestamp: int
    is_savepoint: bool
    external_path: str | None


class LatestCheckpoints(msgspec.Struct, frozen=True, kw_only=True):
    """The newest of each kind."""

    completed: CompletedCheckpoint | None
    savepoint: CompletedCheckpoint | None
    failed: FailedCheckpoint | None
    restored: RestoredCheckpoint | None


class Checkpoints(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/checkpoints``; history newest first."""

    counts: Counts
    summary: CheckpointsSummary
    latest: LatestCheckpoints
    history: tuple[CheckpointStatistics, ...]


class DurationSummary(msgspec.Struct, frozen=True, kw_only=True):
    """The two parts of a snapshot."""

    sync: StatsSummary
    async_: StatsSummary = msgspec.field(name="async")


class AlignmentSummary(msgspec.Struct, frozen=True, kw_only=True):
    """How long barriers waited for each other."""

    buffered: StatsSummary = StatsSummary()
    processed: StatsSummary = StatsSummary()
    persisted: StatsSummary = StatsSummary()
    duration: StatsSummary


class SubtasksSummary(msgspec.Struct, frozen=True, kw_only=True):
    """Over the subtasks of a vertex that acknowledged."""

    checkpointed_size: StatsSummary
    state_size: StatsSummary
    end_to_end_duration: StatsSummary
    checkpoint_duration: DurationSummary
    alignment: AlignmentSummary
    start_delay: StatsSummary


class CheckpointDuration(msgspec.Struct, frozen=True, kw_only=True):
    """The two parts of a subtask's snapshot."""

    sync: int
    async_: int = msgspec.field(name="async")


class Alignment(msgspec.Struct, frozen=True, kw_only=True):
    """How long a subtask's barriers waited for each other."""

    buffered: int = 0
    processed: int = 0
    persisted: int = 0
    duration: int


class SubtaskCheckpoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One subtask in one checkpoint; one that has not acknowledged has only index and status."""

    class_name: str = msgspec.field(name="className")
    index: int
    status: str
    ack_timestamp: int | None = None
    end_to_end_duration: int | None = None
    checkpointed_size: int | None = None
    state_size: int | None = None
    checkpoint: CheckpointDuration | None = None
    alignment: Alignment | None = None
    start_delay: int | None = None
    unaligned_checkpoint: bool | None = None
    aborted: bool | None = None


class VertexCheckpointDetails(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/checkpoints/details/:cid/subtasks/:vid``."""

    id: int
    status: str
    latest_ack_timestamp: int
    checkpointed_size: int
    state_size: int
    end_to_end_duration: int
    alignment_buffered: int = 0
    processed_data: int = 0
    persisted_data: int = 0
    num_subtasks: int
    num_acknowledged_subtasks: int
    summary: SubtasksSummary
    subtasks: tuple[SubtaskCheckpoint, ...]


class Externalization(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of checkpoints when the job is cancelled."""

    enabled: bool
    delete_on_cancellation: bool


class CheckpointConfig(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/checkpoints/config``."""

    mode: str
    interval: int
    timeout: int
    min_pause: int
    max_concurrent: int
    externalization: Externalization
    state_backend: str
    checkpoint_storage: str
    unaligned_checkpoints: bool
    tolerable_failed_checkpoints: int
    aligned_checkpoint_timeout: int
    checkpoints_after_tasks_finish: bool = True
    state_changelog_enabled: bool = False
    changelog_storage: str | None = None
    changelog_periodic_materialization_interval: int = -1
    num_retained: int


class CheckpointType(enum.StrEnum):
    """What kind of checkpoint is asked for."""

    CONFIGURED = "CONFIGURED"
    FULL = "FULL"
    INCREMENTAL = "INCREMENTAL"


class CheckpointTrigger(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Body of ``POST /jobs/:id/checkpoints``."""

    checkpoint_type: CheckpointType = CheckpointType.CONFIGURED
    trigger_id: str | None = None


class Triggered(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Answer to whatever is polled for."""

    request_id: str


class CheckpointOutcome(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How an asked-for checkpoint ended."""

    checkpoint_id: int | None = None
    failure_cause: FailureCause | None = None
    external_path: str | None = None


class CheckpointOperation(msgspec.Struct, frozen=True, kw_only=True):
    """``GET /jobs/:id/checkpoints/:triggerid``."""

    status: QueueStatus
    operation: CheckpointOutcome | None = None

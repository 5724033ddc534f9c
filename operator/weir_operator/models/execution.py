"""What the engine runs and how: ``job``, ``checkpoints``, ``stateBackend``, ``storage`` and ``restart`` of a StreamJob.

Most fields are settings of the engine. They reach it only when they were set, because code may say otherwise; their defaults
here are the engine's, apart from ``onCancel``, and a contract test compares them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from annotated_types import MaxLen
from pydantic import Field

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import DefaultText, Rule, SchemaDefault
from weir_operator.models.texts import Archive, Endpoint, Entrypoint, Folder, ObjectName, Sha256
from weir_operator.models.values import Duration, at_least

#: Largest count of anything; what 32 bits hold.
MAX_COUNT = 2**31 - 1
MAX_PARALLELISM = 32768
#: Completed checkpoints that may be kept; each is listed in the status.
MAX_RETAINED = 1000


class JobState(StrEnum):
    """What a user wants of a job."""

    RUNNING = "Running"
    SUSPENDED = "Suspended"


class CheckpointMode(StrEnum):
    """The guarantee."""

    EXACTLY_ONCE = "ExactlyOnce"
    AT_LEAST_ONCE = "AtLeastOnce"


class OnCancel(StrEnum):
    """What becomes of the last checkpoints when the job is cancelled."""

    RETAIN = "Retain"
    DELETE = "Delete"


class StateBackendType(StrEnum):
    """Where keyed state lives."""

    MEMORY = "Memory"
    FILE_SYSTEM = "FileSystem"
    ROCKS_DB = "RocksDB"


class RestartStrategy(StrEnum):
    """What follows a failure."""

    NONE = "None"
    FIXED_DELAY = "FixedDelay"
    EXPONENTIAL_DELAY = "ExponentialDelay"
    FAILURE_RATE = "FailureRate"


class Code(SpecModel):
    """Where the code is, if not in the image: one of configMap and uri."""

    rules: ClassVar = (
        Rule(
            "code has both configMap ({configMap}) and uri ({uri}); keep the one that holds the code",
            "!(has(self.configMap) && has(self.uri))",
            lambda code: code.config_map is None or code.uri is None,
        ),
        Rule(
            "code.uri {uri} has no code.sha256; say it, so that what runs is what you built: sha256sum FILE",
            "!has(self.uri) || has(self.sha256)",
            lambda code: code.uri is None or code.sha256 is not None,
            at="sha256",
        ),
        Rule(
            "code.sha256 is the hash of the archive in code.uri, which is not set; set it or drop the hash",
            "!has(self.sha256) || has(self.uri)",
            lambda code: code.sha256 is None or code.uri is not None,
            at="sha256",
        ),
    )

    config_map: ObjectName | None = Field(
        default=None,
        description="ConfigMap of the same namespace whose keys are the files of the job; they appear in /opt/weir/jobs, from where modules are imported.",
    )
    uri: Archive | None = Field(
        default=None,
        description="Archive (zip or tar.gz) with the files of the job, as s3://bucket/app.zip; it is fetched with the credentials of storage.s3 and unpacked to /opt/weir/jobs.",
    )
    sha256: Sha256 | None = Field(
        default=None,
        description="SHA-256 of the archive in uri, which must have it; needed with uri. A changed archive is an upgrade because this changes.",
    )


class Job(SpecModel):
    """What runs."""

    rules: ClassVar = (
        Rule(
            "parallelism is {parallelism}, but maxParallelism is {maxParallelism}; lower the first or, while no state is kept, raise the second",
            "self.parallelism <= (has(self.maxParallelism) ? self.maxParallelism : 128)",
            lambda job: job.parallelism <= job.max_parallelism,
            at="parallelism",
        ),
    )

    entrypoint: Entrypoint = Field(
        description="What builds the job: package.module:function, or a script such as flights/job.py; found in the image, or in code."
    )
    code: Code = Field(
        default=Code(), description="Where the code is, if not in the image: one of configMap and uri."
    )
    args: Annotated[tuple[Annotated[str, MaxLen(4096)], ...], MaxLen(64)] = Field(
        default=(),
        description="Arguments handed to the entry point, in this order. No secrets: use env of the pods.",
    )
    parallelism: Annotated[int, SchemaDefault()] = Field(
        default=1,
        ge=1,
        le=MAX_PARALLELISM,
        description="Subtasks of each operator that does not say its own; changed in place with state, by an edit, kubectl scale or an autoscaler.",
    )
    max_parallelism: int = Field(
        default=128,
        ge=1,
        le=MAX_PARALLELISM,
        description="Key groups that keyed state is divided into, and so the highest parallelism. It cannot change while state is kept.",
    )
    state: JobState = Field(
        default=JobState.RUNNING,
        description="Running, or Suspended: stopped with a savepoint, no pods; Running again goes on from there.",
    )
    allow_non_restored_state: bool = Field(
        default=False,
        description="Start although a snapshot holds state that no operator of the job claims; that state is dropped. Otherwise the start is refused, with the uids.",
    )


class Checkpoints(SpecModel):
    """Checkpoints, from which the job recovers."""

    rules: ClassVar = (
        Rule(
            "unaligned checkpoints belong to mode ExactlyOnce, but mode is {mode}; drop one of the two",
            "!(has(self.unaligned) && self.unaligned && has(self.mode) && self.mode == 'AtLeastOnce')",
            lambda checkpoints: not checkpoints.unaligned or checkpoints.mode is CheckpointMode.EXACTLY_ONCE,
            at="unaligned",
        ),
        Rule(
            "alignedTimeout is {alignedTimeout}, but unaligned is {unaligned}; set unaligned to true or drop alignedTimeout",
            "!has(self.alignedTimeout) || (has(self.unaligned) && self.unaligned)",
            lambda checkpoints: (
                "aligned_timeout" not in checkpoints.model_fields_set or checkpoints.unaligned
            ),
            at="alignedTimeout",
        ),
    )

    interval: Annotated[
        Duration | None, DefaultText("not set: no checkpoints, and a lost pod fails the job")
    ] = Field(
        default=None,
        description="Time from the start of one checkpoint to the next; 0s: none. Without checkpoints a lost pod means Failed, never an empty restart.",
    )
    mode: CheckpointMode = Field(
        default=CheckpointMode.EXACTLY_ONCE,
        description="Guarantee for state and transactional sinks: ExactlyOnce, or AtLeastOnce, which may repeat rows after a failure.",
    )
    timeout: Annotated[Duration, at_least("10ms")] = Field(
        default=Duration.of(600), description="A checkpoint that takes longer is given up."
    )
    min_pause: Duration = Field(
        default=Duration.of(0),
        description="Least time from the end of a checkpoint to the start of the next.",
    )
    max_concurrent: int = Field(
        default=1, ge=1, le=100, description="Checkpoints that may be under way at once."
    )
    tolerable_failures: int = Field(
        default=0, ge=0, le=MAX_COUNT, description="Checkpoints in a row that may fail before the job does."
    )
    unaligned: bool = Field(
        default=False,
        description="Barriers overtake rows, which become part of the checkpoint; short checkpoints under back pressure.",
    )
    aligned_timeout: Duration = Field(
        default=Duration.of(0), description="With unaligned: alignment is tried this long first."
    )
    retained: int = Field(
        default=1,
        ge=1,
        le=MAX_RETAINED,
        description="Completed checkpoints that are kept; the oldest goes first.",
    )
    on_cancel: OnCancel = Field(
        default=OnCancel.RETAIN,
        description="What becomes of the last checkpoints when the job is cancelled: Retain or Delete. Only about cancelling; `weir run` deletes unless told.",
    )

    @property
    def enabled(self) -> bool:
        """Whether the resource asks for checkpoints."""
        return self.interval is not None and self.interval.seconds > 0


class StateBackend(SpecModel):
    """Where keyed state lives while the job runs."""

    rules: ClassVar = (
        Rule(
            "incremental checkpoints need type RocksDB, but type is {type}; change type or set incremental to false",
            "!(has(self.incremental) && self.incremental) || (has(self.type) && self.type == 'RocksDB')",
            lambda backend: not backend.incremental or backend.type is StateBackendType.ROCKS_DB,
            at="incremental",
        ),
    )

    type: StateBackendType = Field(
        default=StateBackendType.MEMORY,
        description="Memory (small state, inside the checkpoint's metadata), FileSystem (in memory, stored as files) or RocksDB (on local disk, larger than memory).",
    )
    incremental: bool = Field(
        default=False, description="Store only what changed since the last checkpoint; with RocksDB."
    )


class S3(SpecModel):
    """How the object store is reached."""

    endpoint: Annotated[Endpoint | None, DefaultText("that of AWS")] = Field(
        default=None, description="URL of an S3 server that is not AWS, such as http://minio.storage:9000."
    )
    region: Annotated[
        Annotated[str, MaxLen(64)] | None, DefaultText("us-east-1, or what the server says")
    ] = Field(default=None, description="Region of the buckets.")
    credentials_secret: Annotated[
        ObjectName | None,
        DefaultText("not set: what the pods' environment gives, such as a role of the node"),
    ] = Field(
        default=None,
        description="Secret of the same namespace with the keys access-key and secret-key. Only the job's pods read it.",
    )


class Storage(SpecModel):
    """Where checkpoints and savepoints are stored."""

    checkpoints: Folder | None = Field(
        default=None,
        description="Folder of all checkpoints, s3://bucket/folder or file:///folder of a volume that all pods mount. The job has its own folder in it, named by its id. Needed with checkpoints.interval.",
    )
    savepoints: Folder | None = Field(
        default=None,
        description="Folder of savepoints. Needed for upgrades with savepoint, Suspended, schedules and deletionPolicy Savepoint.",
    )
    s3: S3 = Field(default=S3(), description="How the object store is reached.")


#: By field of ``restart``: the strategies that have it.
RESTART_FIELDS: dict[str, tuple[str, ...]] = {
    "attempts": ("FixedDelay",),
    "delay": ("FixedDelay", "FailureRate"),
    "initial": ("ExponentialDelay",),
    "max": ("ExponentialDelay",),
    "multiplier": ("ExponentialDelay",),
    "resetAfter": ("ExponentialDelay",),
    "jitter": ("ExponentialDelay",),
    "failures": ("FailureRate",),
    "interval": ("FailureRate",),
}


def _belongs(name: str, strategies: tuple[str, ...]) -> Rule:
    attribute = "reset_after" if name == "resetAfter" else name

    def holds(restart: Any) -> bool:
        return getattr(restart, attribute) is None or restart.effective_strategy in strategies

    listed = ", ".join(f"'{strategy}'" for strategy in strategies)
    return Rule(
        f"{name} belongs to strategy {' or '.join(strategies)}, but strategy is {{strategy}}; drop it or change strategy",
        f"!has(self.{name}) || (has(self.strategy) ? self.strategy : 'ExponentialDelay') in [{listed}]",
        holds,
        at=name,
    )


class Restart(SpecModel):
    """What follows a failure of the job; fields belong to one strategy or another."""

    rules: ClassVar = tuple(_belongs(name, strategies) for name, strategies in RESTART_FIELDS.items())

    strategy: Annotated[
        RestartStrategy | None, DefaultText("ExponentialDelay with checkpoints, None without")
    ] = Field(
        default=None,
        description="None, FixedDelay (attempts, delay), ExponentialDelay (initial, max, multiplier, resetAfter, jitter) or FailureRate (failures, interval, delay). All but None need checkpoints.",
    )
    attempts: Annotated[int | None, DefaultText("1")] = Field(
        default=None, ge=0, le=MAX_COUNT, description="With FixedDelay: restarts before the job fails."
    )
    delay: Annotated[Duration | None, DefaultText("1s")] = Field(
        default=None, description="With FixedDelay and FailureRate: pause before each restart."
    )
    initial: Annotated[Annotated[Duration, at_least("1ms")] | None, DefaultText("1s")] = Field(
        default=None, description="With ExponentialDelay: pause before the first restart."
    )
    max: Annotated[Annotated[Duration, at_least("1ms")] | None, DefaultText("1m")] = Field(
        default=None, description="With ExponentialDelay: the pause grows no further."
    )
    multiplier: Annotated[float | None, DefaultText("1.5")] = Field(
        default=None,
        ge=1,
        le=1000,
        description="With ExponentialDelay: growth of the pause from restart to restart.",
    )
    reset_after: Annotated[Annotated[Duration, at_least("1ms")] | None, DefaultText("1h")] = Field(
        default=None,
        description="With ExponentialDelay: after running this long without a failure the pause is the initial one again.",
    )
    jitter: Annotated[float | None, DefaultText("0.1")] = Field(
        default=None,
        ge=0,
        le=1,
        description="With ExponentialDelay: share of the pause that is left to chance.",
    )
    failures: Annotated[int | None, DefaultText("1")] = Field(
        default=None,
        ge=1,
        le=MAX_COUNT,
        description="With FailureRate: more failures than this within interval fail the job.",
    )
    interval: Annotated[Annotated[Duration, at_least("1ms")] | None, DefaultText("1m")] = Field(
        default=None, description="With FailureRate: time over which failures are counted."
    )

    @property
    def effective_strategy(self) -> RestartStrategy:
        """The strategy that the other fields are read for."""
        return self.strategy or RestartStrategy.EXPONENTIAL_DELAY

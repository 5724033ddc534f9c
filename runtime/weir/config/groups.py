"""Merged settings, and the frozen groups of options that the engine reads from them.

``merge_settings`` lays origins over each other (lowest first: defaults of file and environment, the job's code,
set fields and flags) and remembers who won; ``JobOptions.from_settings`` checks every key and value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from weir.config import options
from weir.config.options import (
    CheckpointingMode,
    ExternalizedCheckpointRetention,
    OnError,
    Option,
    RestartStrategyType,
    StateBackendType,
)
from weir.errors import ConfigError

T = TypeVar("T")


class MergedSettings(Mapping[str, str]):
    """Settings by key, and for each the origin that won."""

    def __init__(self, values: Mapping[str, str], origins: Mapping[str, str]) -> None:
        self._values = dict(values)
        #: By key: what messages call the place where the value was set.
        self.origins = dict(origins)

    def __getitem__(self, key: str) -> str:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def merge_settings(
    defaults: Mapping[str, str],
    code: Mapping[str, str],
    overrides: Mapping[str, str],
    places: Mapping[str, str] | None = None,
) -> MergedSettings:
    """``overrides`` (set fields, flags) win over the job's ``code``, which wins over ``defaults``.

    ``places`` says, by key, where exactly it is set in ``overrides``, or else in ``defaults``.
    """
    origins: dict[str, str] = {}
    values: dict[str, str] = {}
    for origin, settings in (
        ("defaults (spec.config, file or environment)", defaults),
        ("the job's code", code),
        ("a field of the StreamJob or a flag", overrides),
    ):
        values.update(settings)
        known = {} if settings is code or places is None else places
        origins.update({key: known.get(key, origin) for key in settings})
    return MergedSettings(values, origins)


class _Reader:
    """Reads options from settings and collects every fault."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        origins = settings.origins if isinstance(settings, MergedSettings) else {}
        self._origins = {key: f" (set by {origin})" for key, origin in origins.items()}
        self.faults = [
            f"{options.unknown_key(key)}{self._origins.get(key, '')}"
            for key in settings
            if key not in options.OPTIONS
        ]

    def get(self, option: Option[T]) -> T:
        text = self._settings.get(option.key)
        if text is None:
            return option.default
        try:
            return option.kind.parse(text)
        except ValueError:
            fault = f"{option.key}: got {text!r}{self._origins.get(option.key, '')}, expected {option.kind.accepted}"
            if fault not in self.faults:
                self.faults.append(fault)
            return option.default

    def finish(self) -> None:
        if self.faults:
            raise ConfigError("\n".join(self.faults))


@dataclass(frozen=True)
class CheckpointOptions:
    """When checkpoints are taken, what they guarantee and what is kept. Times in seconds."""

    interval: float | None = None  #: ``None``: checkpointing is off
    mode: CheckpointingMode = CheckpointingMode.EXACTLY_ONCE
    timeout: float = 600.0
    min_pause: float = 0.0
    max_concurrent: int = 1
    tolerable_failures: int = 0
    retention: ExternalizedCheckpointRetention = ExternalizedCheckpointRetention.NO_EXTERNALIZED_CHECKPOINTS
    num_retained: int = 1
    unaligned: bool = False
    aligned_timeout: float = 0.0
    incremental: bool = False
    claims: bool = False  #: whether a snapshot that the job is told to start from becomes its own
    local_backup: bool = False  #: whether TaskManagers keep copies on their disk
    local_backup_directory: str | None = None
    from_local: bool = False  #: whether they restore from them
    directory: str | None = None
    savepoint_directory: str | None = None

    @property
    def enabled(self) -> bool:
        """Whether checkpoints are taken by themselves."""
        return self.interval is not None

    @property
    def exactly_once(self) -> bool:
        """Whether barriers are aligned and sinks transactional."""
        return self.mode is CheckpointingMode.EXACTLY_ONCE


@dataclass(frozen=True)
class NoRestart:
    """The first failure fails the job."""


@dataclass(frozen=True)
class FixedDelay:
    """``attempts`` restarts, each after ``delay`` seconds."""

    attempts: int = 1
    delay: float = 1.0


@dataclass(frozen=True)
class ExponentialDelay:
    """Restarts for ever, with a growing pause. Times in seconds."""

    initial: float = 1.0
    max: float = 60.0
    multiplier: float = 1.5
    reset_after: float = 3600.0
    jitter: float = 0.1


@dataclass(frozen=True)
class FailureRate:
    """Restarts until there were more than ``failures`` within ``interval`` seconds."""

    failures: int = 1
    interval: float = 60.0
    delay: float = 1.0


RestartOptions = NoRestart | FixedDelay | ExponentialDelay | FailureRate


@dataclass(frozen=True)
class StateBackendOptions:
    """Where keyed state lives."""

    type: StateBackendType = StateBackendType.MEMORY
    incremental: bool = False
    local_directory: str | None = None  #: of RocksDB; ``None``: the machine's folder for temporary files
    memory: int = 256 * 2**20  #: bytes for RocksDB's state in one slot
    pickle_key_file: str | None = None  #: ``None``: nothing is pickled


@dataclass(frozen=True)
class PipelineOptions:
    """What shapes the plan and the flow of rows. Times in seconds."""

    parallelism: int = 1
    max_parallelism: int = 128
    auto_uids: bool = True
    chaining: bool = True
    on_error: OnError = OnError.FAIL
    watermark_interval: float = 0.2
    buffer_timeout: float = 0.1


@dataclass(frozen=True)
class ProcessOptions:
    """How processes watch each other. Times in seconds."""

    heartbeat_interval: float = 2.0
    heartbeat_timeout: float = 8.0
    cancellation_timeout: float = 30.0
    stall_timeout: float | None = 60.0  #: ``None``: never
    load_timeout: float = 60.0
    task_slots: int = 1


@dataclass(frozen=True)
class JobOptions:
    """All options of a job."""

    checkpoints: CheckpointOptions = field(default_factory=CheckpointOptions)
    restart: RestartOptions = field(default_factory=NoRestart)
    state_backend: StateBackendOptions = field(default_factory=StateBackendOptions)
    pipeline: PipelineOptions = field(default_factory=PipelineOptions)
    process: ProcessOptions = field(default_factory=ProcessOptions)

    @classmethod
    def from_settings(cls, settings: Mapping[str, str]) -> JobOptions:
        """The options that ``settings`` give; what is not set has its default.

        Raises ``ConfigError`` with one line for each unknown key (and the nearest one) and each wrong value.
        """
        reader = _Reader(settings)
        _check_unaligned(reader)
        _refuse_unmet(reader)
        checkpoints = _checkpoints(reader)
        made = cls(
            checkpoints=checkpoints,
            restart=_restart(reader, checkpoints.enabled),
            state_backend=StateBackendOptions(
                type=reader.get(options.STATE_BACKEND),
                incremental=reader.get(options.INCREMENTAL),
                local_directory=reader.get(options.ROCKSDB_DIRECTORY),
                memory=reader.get(options.ROCKSDB_MEMORY),
                pickle_key_file=reader.get(options.PICKLE_KEY_FILE),
            ),
            pipeline=_pipeline(reader),
            process=_process(reader),
        )
        reader.finish()
        return made


def _check_unaligned(reader: _Reader) -> None:
    """As in Flink: they are exactly once, and one at a time."""
    if not reader.get(options.UNALIGNED):
        return
    mode, concurrent = reader.get(options.CHECKPOINT_MODE), reader.get(options.MAX_CONCURRENT_CHECKPOINTS)
    if mode is not CheckpointingMode.EXACTLY_ONCE:
        reader.faults.append(
            f"{options.UNALIGNED.key}: unaligned checkpoints belong to mode EXACTLY_ONCE, but "
            f"{options.CHECKPOINT_MODE.key} is {mode.value}; drop one of the two"
        )
    if concurrent > 1:
        reader.faults.append(
            f"{options.UNALIGNED.key}: unaligned checkpoints are taken one at a time, but "
            f"{options.MAX_CONCURRENT_CHECKPOINTS.key} is {concurrent}; set it to 1, or drop one of the two"
        )


def _checkpoints(reader: _Reader) -> CheckpointOptions:
    return CheckpointOptions(
        interval=reader.get(options.CHECKPOINT_INTERVAL) or None,
        mode=reader.get(options.CHECKPOINT_MODE),
        timeout=reader.get(options.CHECKPOINT_TIMEOUT),
        min_pause=reader.get(options.CHECKPOINT_MIN_PAUSE),
        max_concurrent=reader.get(options.MAX_CONCURRENT_CHECKPOINTS),
        tolerable_failures=reader.get(options.TOLERABLE_FAILED_CHECKPOINTS),
        retention=reader.get(options.CHECKPOINT_RETENTION),
        num_retained=reader.get(options.CHECKPOINTS_RETAINED),
        unaligned=reader.get(options.UNALIGNED),
        aligned_timeout=reader.get(options.ALIGNED_TIMEOUT),
        incremental=reader.get(options.INCREMENTAL),
        claims=reader.get(options.CLAIM_MODE) is options.RestoreClaimMode.CLAIM,
        local_backup=reader.get(options.LOCAL_BACKUP),
        local_backup_directory=reader.get(options.LOCAL_BACKUP_DIRECTORY),
        from_local=reader.get(options.FROM_LOCAL),
        directory=reader.get(options.CHECKPOINT_DIRECTORY),
        savepoint_directory=reader.get(options.SAVEPOINT_DIRECTORY),
    )


def _refuse_unmet(reader: _Reader) -> None:
    """A setting that another one makes impossible is refused, never silently something else."""
    backend = reader.get(options.STATE_BACKEND)
    if reader.get(options.INCREMENTAL) and backend is not options.StateBackendType.ROCKSDB:
        reader.faults.append(
            f"{options.INCREMENTAL.key} is true, and only RocksDB stores increments: {options.STATE_BACKEND.key} is "
            f"{backend.value}; set it to RocksDB, or leave {options.INCREMENTAL.key} out"
        )


def _restart(reader: _Reader, checkpointing: bool) -> RestartOptions:
    fixed = FixedDelay(reader.get(options.FIXED_ATTEMPTS), reader.get(options.FIXED_DELAY))
    exponential = ExponentialDelay(
        initial=reader.get(options.EXPONENTIAL_INITIAL),
        max=reader.get(options.EXPONENTIAL_MAX),
        multiplier=reader.get(options.EXPONENTIAL_MULTIPLIER),
        reset_after=reader.get(options.EXPONENTIAL_RESET),
        jitter=reader.get(options.EXPONENTIAL_JITTER),
    )
    rate = FailureRate(
        reader.get(options.RATE_FAILURES), reader.get(options.RATE_INTERVAL), reader.get(options.RATE_DELAY)
    )
    chosen = reader.get(options.RESTART_STRATEGY)
    if chosen is None:
        return exponential if checkpointing else NoRestart()
    by_type: dict[RestartStrategyType, RestartOptions] = {
        RestartStrategyType.NONE: NoRestart(),
        RestartStrategyType.FIXED_DELAY: fixed,
        RestartStrategyType.EXPONENTIAL_DELAY: exponential,
        RestartStrategyType.FAILURE_RATE: rate,
    }
    if not checkpointing and chosen is not RestartStrategyType.NONE:
        reader.faults.append(
            f"{options.RESTART_STRATEGY.key}: {chosen.value} needs checkpoints, which are off, so a restart would "
            f"begin with empty state; set {options.CHECKPOINT_INTERVAL.key}, or restart-strategy.type to none"
        )
    return by_type[chosen]


def _pipeline(reader: _Reader) -> PipelineOptions:
    return PipelineOptions(
        parallelism=reader.get(options.PARALLELISM),
        max_parallelism=reader.get(options.MAX_PARALLELISM),
        auto_uids=reader.get(options.AUTO_UIDS),
        chaining=reader.get(options.CHAINING),
        on_error=reader.get(options.ON_ERROR),
        watermark_interval=reader.get(options.WATERMARK_INTERVAL),
        buffer_timeout=reader.get(options.BUFFER_TIMEOUT),
    )


def _process(reader: _Reader) -> ProcessOptions:
    made = ProcessOptions(
        heartbeat_interval=reader.get(options.HEARTBEAT_INTERVAL),
        heartbeat_timeout=reader.get(options.HEARTBEAT_TIMEOUT),
        cancellation_timeout=reader.get(options.CANCELLATION_TIMEOUT),
        stall_timeout=reader.get(options.STALL_TIMEOUT) or None,
        load_timeout=reader.get(options.LOAD_TIMEOUT),
        task_slots=reader.get(options.TASK_SLOTS),
    )
    if made.heartbeat_timeout <= made.heartbeat_interval:
        reader.faults.append(
            f"{options.HEARTBEAT_TIMEOUT.key} is {made.heartbeat_timeout:g}s and {options.HEARTBEAT_INTERVAL.key} "
            f"is {made.heartbeat_interval:g}s; the time-out must be the longer one"
        )
    return made

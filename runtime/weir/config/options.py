"""The table of all settings: key, kind, default, description. Keys are Flink's where Flink has one.

The only place where a key is spelled. ``groups`` reads merged settings through these; ``weir config explain`` and
the reference page are made from ``OPTIONS``.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from weir.config.values import (
    BOOLEAN,
    TEXT,
    Kind,
    SettingValue,
    at_least,
    choice,
    duration,
    integer,
    number,
    text_of,
)
from weir.errors import ConfigError, is_text

T = TypeVar("T")

MAX_PARALLELISM_LIMIT = 32768


class CheckpointingMode(enum.Enum):
    """What a failure may do to results: nothing (exactly once), or repeat some (at least once)."""

    EXACTLY_ONCE = "EXACTLY_ONCE"
    AT_LEAST_ONCE = "AT_LEAST_ONCE"


class ExternalizedCheckpointRetention(enum.Enum):
    """Whether the last checkpoints stay when the job ends: never, if it failed, if it failed or was cancelled."""

    NO_EXTERNALIZED_CHECKPOINTS = "NO_EXTERNALIZED_CHECKPOINTS"
    DELETE_ON_CANCELLATION = "DELETE_ON_CANCELLATION"
    RETAIN_ON_CANCELLATION = "RETAIN_ON_CANCELLATION"


class RestoreClaimMode(enum.Enum):
    """Whose a snapshot is from which a job was started: still its owner's, or the job's, which deletes it in time."""

    NO_CLAIM = "NO_CLAIM"
    CLAIM = "CLAIM"


class StateBackendType(enum.Enum):
    """Where keyed state lives while the job runs."""

    MEMORY = "Memory"
    FILE_SYSTEM = "FileSystem"
    ROCKSDB = "RocksDB"


class RestartStrategyType(enum.Enum):
    """What happens after a failure."""

    NONE = "none"
    FIXED_DELAY = "fixed-delay"
    EXPONENTIAL_DELAY = "exponential-delay"
    FAILURE_RATE = "failure-rate"


class OnError(enum.Enum):
    """What an exception of a function does: fail the job, or divert the record to the operator's dead letters."""

    FAIL = "fail"
    DEAD_LETTER = "dead-letter"


@dataclass(frozen=True)
class Option(Generic[T]):
    """One setting."""

    key: str
    kind: Kind[T]
    default: T
    description: str


_TABLE: dict[str, Option[Any]] = {}


def _option(key: str, kind: Kind[T], default: T, description: str) -> Option[T]:
    option = Option(key, kind, default, description)
    _TABLE[key] = option
    return option


def _unset(kind: Kind[T]) -> Kind[T | None]:
    return Kind(kind.accepted, kind.parse, kind.write)


_SECONDS = duration()
_BACKOFF = duration(0.001)

# ---- the job and its plan
PARALLELISM = _option("parallelism.default", integer(1, MAX_PARALLELISM_LIMIT), 1, "Subtasks of an operator.")
MAX_PARALLELISM = _option(
    "pipeline.max-parallelism",
    integer(1, MAX_PARALLELISM_LIMIT),
    128,
    "Key groups, and so the highest parallelism. It cannot change while state is kept.",
)
AUTO_UIDS = _option(
    "pipeline.auto-generate-uids",
    BOOLEAN,
    True,
    "Whether operators may go without uid(...); ids are made then.",
)
CHAINING = _option(
    "pipeline.operator-chaining.enabled",
    BOOLEAN,
    True,
    "Whether operators may share a task with their input.",
)
ON_ERROR = _option(
    "pipeline.on-error",
    choice(OnError),
    OnError.FAIL,
    "What an exception of a function does where the operator has no on_error(...) of its own and its dead letters are read "
    "(get_dead_letters()): fail the job, or divert the record. Elsewhere it fails the job.",
)
WATERMARK_INTERVAL = _option(
    "pipeline.auto-watermark-interval",
    _SECONDS,
    0.2,
    "How often watermarks are emitted; 0s: with each batch.",
)
BUFFER_TIMEOUT = _option(
    "execution.buffer-timeout",
    _SECONDS,
    0.1,
    "After this long rows are sent on even if their batch is small.",
)

# ---- checkpoints
CHECKPOINT_INTERVAL = _option(
    "execution.checkpointing.interval",
    _unset(_SECONDS),
    None,
    "Time from the start of one checkpoint to the next. Not set (or 0s): no checkpoints, and a failed job stays failed.",
)
CHECKPOINT_MODE = _option(
    "execution.checkpointing.mode",
    choice(CheckpointingMode),
    CheckpointingMode.EXACTLY_ONCE,
    "The guarantee for state and transactional sinks.",
)
CHECKPOINT_TIMEOUT = _option(
    "execution.checkpointing.timeout", duration(0.01), 600.0, "A checkpoint that takes longer is given up."
)
CHECKPOINT_MIN_PAUSE = _option(
    "execution.checkpointing.min-pause", _SECONDS, 0.0, "Least time from the end of a checkpoint to the next."
)
MAX_CONCURRENT_CHECKPOINTS = _option(
    "execution.checkpointing.max-concurrent-checkpoints", integer(1), 1, "Checkpoints under way at once."
)
TOLERABLE_FAILED_CHECKPOINTS = _option(
    "execution.checkpointing.tolerable-failed-checkpoints",
    integer(0),
    0,
    "Checkpoints in a row that may fail before the job does.",
)
CHECKPOINT_RETENTION = _option(
    "execution.checkpointing.externalized-checkpoint-retention",
    choice(
        ExternalizedCheckpointRetention,
        {
            "Retain": ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION,
            "Delete": ExternalizedCheckpointRetention.DELETE_ON_CANCELLATION,
        },
    ),
    ExternalizedCheckpointRetention.NO_EXTERNALIZED_CHECKPOINTS,
    "What becomes of the last checkpoints when the job is cancelled or fails for good: by default both delete them, by "
    "DELETE_ON_CANCELLATION only a cancellation does, by RETAIN_ON_CANCELLATION neither.",
)
CHECKPOINTS_RETAINED = _option(
    "execution.checkpointing.num-retained", integer(1), 1, "Completed checkpoints that are kept."
)
UNALIGNED = _option(
    "execution.checkpointing.unaligned.enabled", BOOLEAN, False, "Barriers overtake rows, which become state."
)
ALIGNED_TIMEOUT = _option(
    "execution.checkpointing.aligned-checkpoint-timeout",
    _SECONDS,
    0.0,
    "With unaligned checkpoints: alignment is tried this long first.",
)
INCREMENTAL = _option(
    "execution.checkpointing.incremental",
    BOOLEAN,
    False,
    "Store only what changed since the last checkpoint.",
)
LOCAL_BACKUP = _option(
    "execution.checkpointing.local-backup.enabled",
    BOOLEAN,
    False,
    "TaskManagers keep a copy of the newest checkpoint on their own disk. Not of state that lies in _metadata itself.",
)
LOCAL_BACKUP_DIRECTORY = _option(
    "execution.checkpointing.local-backup.dirs",
    _unset(TEXT),
    None,
    "Folder for those copies. Not set: state.backend.rocksdb.localdir, or the machine's folder for temporary files.",
)
FROM_LOCAL = _option(
    "execution.state-recovery.from-local",
    BOOLEAN,
    False,
    "What is restored is taken from those copies where they are whole, and from storage where they are not.",
)
CLAIM_MODE = _option(
    "execution.state-recovery.claim-mode",
    choice(RestoreClaimMode),
    RestoreClaimMode.NO_CLAIM,
    "What becomes of the snapshot that a job is told to start from. NO_CLAIM: nothing; from its first checkpoint on the job needs "
    "nothing of it. CLAIM: it counts as the job's oldest checkpoint, is deleted when newer ones replace it, and a checkpoint's former "
    "job cannot be started any more from then on.",
)
CHECKPOINT_DIRECTORY = _option(
    "state.checkpoints.dir", _unset(TEXT), None, "Root URI of checkpoints: file:///... or s3://bucket/folder."
)
SAVEPOINT_DIRECTORY = _option(
    "state.savepoints.dir", _unset(TEXT), None, "Root URI of savepoints taken without naming a target."
)
STATE_BACKEND = _option(
    "state.backend.type",
    choice(StateBackendType, {"hashmap": StateBackendType.MEMORY}),
    StateBackendType.MEMORY,
    "Where keyed state lives while the job runs.",
)
ROCKSDB_DIRECTORY = _option(
    "state.backend.rocksdb.localdir",
    _unset(TEXT),
    None,
    "Folder on a local disk for RocksDB's files. Not set: the machine's folder for temporary files.",
)
ROCKSDB_MEMORY = _option(
    "state.backend.rocksdb.memory.fixed-per-slot",
    at_least(16 * 2**20),
    256 * 2**20,
    "Memory for the state of all operators of a slot: half for RocksDB, half for decoded values.",
)
PICKLE_KEY_FILE = _option(
    "state.pickle.key-file",
    _unset(TEXT),
    None,
    "File with the job's secret, at least 32 bytes, on every TaskManager: with it PickleSerializer() is allowed, and pickled state is "
    "signed and read only with a good signature. Not set: state that would be pickled is refused.",
)

# ---- restarts
RESTART_STRATEGY = _option(
    "restart-strategy.type",
    _unset(
        choice(RestartStrategyType, {"off": RestartStrategyType.NONE, "disable": RestartStrategyType.NONE})
    ),
    None,
    "What follows a failure. Not set: exponential-delay with checkpointing on, none with it off.",
)
FIXED_ATTEMPTS = _option("restart-strategy.fixed-delay.attempts", integer(0), 1, "Restarts before giving up.")
FIXED_DELAY = _option("restart-strategy.fixed-delay.delay", _SECONDS, 1.0, "Pause before each restart.")
EXPONENTIAL_INITIAL = _option(
    "restart-strategy.exponential-delay.initial-backoff", _BACKOFF, 1.0, "Pause before the first restart."
)
EXPONENTIAL_MAX = _option(
    "restart-strategy.exponential-delay.max-backoff", _BACKOFF, 60.0, "The pause grows no further."
)
EXPONENTIAL_MULTIPLIER = _option(
    "restart-strategy.exponential-delay.backoff-multiplier",
    number(1.0),
    1.5,
    "Growth of the pause by restart.",
)
EXPONENTIAL_RESET = _option(
    "restart-strategy.exponential-delay.reset-backoff-threshold",
    _BACKOFF,
    3600.0,
    "After running this long without a failure, the pause is the initial one again.",
)
EXPONENTIAL_JITTER = _option(
    "restart-strategy.exponential-delay.jitter-factor",
    number(0.0, 1.0),
    0.1,
    "Share of the pause left to chance.",
)
RATE_FAILURES = _option(
    "restart-strategy.failure-rate.max-failures-per-interval",
    integer(1),
    1,
    "More failures than this end the job.",
)
RATE_INTERVAL = _option(
    "restart-strategy.failure-rate.failure-rate-interval",
    _BACKOFF,
    60.0,
    "Time over which failures are counted.",
)
RATE_DELAY = _option("restart-strategy.failure-rate.delay", _SECONDS, 1.0, "Pause before each restart.")

# ---- processes
HEARTBEAT_INTERVAL = _option(
    "heartbeat.interval", duration(0.01), 2.0, "Between two heartbeats of a TaskManager."
)
HEARTBEAT_TIMEOUT = _option("heartbeat.timeout", duration(0.02), 8.0, "A process silent for longer is lost.")
CANCELLATION_TIMEOUT = _option(
    "task.cancellation.timeout", _SECONDS, 30.0, "A worker whose tasks do not stop within this time is ended."
)
STALL_TIMEOUT = _option(
    "task.stall-timeout",
    _SECONDS,
    60.0,
    "A worker whose data thread makes no progress for longer is ended; 0s: never.",
)
LOAD_TIMEOUT = _option(
    "job.load-timeout", duration(0.1), 60.0, "Time for loading the job's code and for build()."
)
TASK_SLOTS = _option("taskmanager.numberOfTaskSlots", integer(1), 1, "Worker processes of a TaskManager.")

#: All settings by key, in the order of this file.
OPTIONS: Mapping[str, Option[Any]] = _TABLE


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` was probably meant to be."""
    known = list(known)
    lowered = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    return lowered[found[0]] if found else None


def unknown_key(key: str) -> ConfigError:
    """The error for a setting that does not exist; names the nearest one."""
    near = nearest(key, OPTIONS)
    hint = f"; did you mean {near}?" if near else ""
    return ConfigError(f"unknown setting {key}{hint}")


def setting_text(key: str, value: SettingValue) -> str:
    """The text under which ``value`` is kept for ``key``. Raises ``ConfigError`` if key or value are wrong."""
    if key not in OPTIONS:
        raise unknown_key(key)
    try:
        text = text_of(value)
        if not is_text(text):
            raise ValueError("lone surrogates")
        OPTIONS[key].kind.parse(text)
    except (TypeError, ValueError):
        raise ConfigError(f"{key}: got {value!r}, expected {OPTIONS[key].kind.accepted}") from None
    return text


def environment_key(key: str) -> str:
    """The environment variable that sets ``key``: ``WEIR_HEARTBEAT_INTERVAL`` for ``heartbeat.interval``."""
    return "WEIR_" + key.upper().replace(".", "_").replace("-", "_")


def settings_from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Settings that environment variables give. Raises ``ConfigError`` for a wrong value."""
    variables = {environment_key(key): key for key in OPTIONS}
    found = {variables[name]: value for name, value in environ.items() if name in variables}
    return {key: setting_text(key, value) for key, value in found.items()}

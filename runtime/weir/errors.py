"""The exception tree: everything Weir raises on purpose.

::

    WeirError
    +-- UserError                 the job, its code or its input is wrong; retrying does not help
    |   +-- ConfigError           a setting or a field of the resource
    |   +-- JobLoadError          module, function or script cannot be loaded, or build() raised
    |   +-- GraphError            the job graph is impossible (duplicate uid, no source, bad parallelism)
    |   +-- StateAccessError      state used without a key, outside open(), or a duplicate name
    |   +-- SerializationError    a value does not fit its serializer
    |   +-- UserCodeError         a user function raised, returned the wrong shape, hung or ended the process
    |   +-- RecordFormatError     an input record cannot be parsed
    +-- StorageError              object storage answered with an error
    |   +-- StorageUnavailable    may pass: time-outs, 5xx, refused connections (retryable)
    |   +-- StorageDenied         keys or rights are wrong
    |   +-- StorageUnfit          the store breaks a promise on which exactly-once stands
    |   +-- ObjectNotFound        no such object
    |   +-- ObjectExists          create-if-absent lost
    +-- SnapshotError             a checkpoint or savepoint
    |   +-- SnapshotCorrupt       missing, cut or damaged file, named
    |   +-- SnapshotMismatch      state that no operator claims, or other max parallelism
    |   +-- RestoreBlocked        no restore point that is safe; carries the choices
    +-- LocalDiskError            a worker's own disk is full, read-only or broken (retryable)
    +-- StateDamaged              a worker's state database cannot be read (retryable: the last checkpoint is elsewhere)
    +-- Fenced                    a newer epoch exists: this process must stop
    +-- AddressInUse              a port is taken
    +-- UnknownJob                no job of that name or id here
    +-- WrongState                what a job does now forbids what is asked of it
    +-- JobFailed                 a job ended FAILED; carries the failure
    +-- FolderLocked              another process runs the job in this folder

A message names the thing, both values and the next step. ``retryable`` is part of the type.
"""

from __future__ import annotations

import enum


class WeirError(Exception):
    """Root of the tree."""

    #: Whether the same call may succeed later without anything being changed by a person.
    retryable = False


class UserError(WeirError):
    """The job, its code or its input is wrong; retrying does not help."""


class ConfigError(UserError):
    """A setting or a field of the resource is unknown, has the wrong type or an impossible value."""


class JobLoadError(UserError):
    """The job's module, function or script cannot be loaded, or ``build`` raised."""

    #: The user's frames, when their code raised.
    user_traceback = ""


class GraphError(UserError):
    """The job graph is impossible: duplicate uid, no source, parallelism above the maximum."""


class StateAccessError(UserError):
    """State was used without a key, outside ``open``, or under a duplicate name."""


class SerializationError(UserError):
    """A value does not fit its serializer."""


class UserCodeError(UserError):
    """A user function raised, returned the wrong shape, hung or ended its process."""


class RecordFormatError(UserError):
    """An input record cannot be parsed."""


class StorageError(WeirError):
    """Object storage answered with an error; the message names URI and operation."""


class StorageUnavailable(StorageError):
    """Storage does not answer now: a time-out, a 5xx, a refused connection."""

    retryable = True


class StorageDenied(StorageError):
    """Keys or rights are wrong."""


class StorageUnfit(StorageError):
    """The store breaks a promise on which the fence stands; the message names the check that it fails."""


class ObjectNotFound(StorageError):
    """No such object."""


class ObjectExists(StorageError):
    """Create-if-absent found an object there."""


class SnapshotError(WeirError):
    """Something about a checkpoint or savepoint."""


class SnapshotCorrupt(SnapshotError):
    """A file of a snapshot is missing, cut or damaged; the message names it."""


class SnapshotMismatch(SnapshotError, UserError):
    """State that no operator claims, or a changed max parallelism."""


class RestoreBlocked(SnapshotError):
    """No restore point is safe; the message lists the choices and what each one costs."""

    def __init__(self, message: str, choices: tuple[str, ...] = ()) -> None:
        """``choices``: ways on, each with its cost."""
        super().__init__(message)
        self.choices = choices


class LocalDiskError(WeirError):
    """A worker's own disk is full, read-only or broken; the message names the folder."""

    retryable = True


class StateDamaged(WeirError):
    """A worker's state database cannot be read; the message names the file. The last checkpoint lies elsewhere."""

    retryable = True


class Fenced(WeirError):
    """A newer epoch of the job exists; this process must stop and touch nothing more."""


class AddressInUse(WeirError):
    """A port to listen on is taken by another process."""


class UnknownJob(WeirError):
    """No job of that name or id here; the message names the nearest one."""


class WrongState(WeirError):
    """What a job does now forbids what is asked of it, or that could not be done; the job was not harmed."""


class FolderLocked(WeirError):
    """Another process runs this job in this folder."""


class JobFailed(WeirError):
    """A job ended in FAILED; the message is its root cause."""


class FailureKind(enum.StrEnum):
    """Whose fault a failure is; decides whether and how a job is restarted, and what status says."""

    USER = "user"  #: user code raised, hung, ended the process, or returned the wrong shape
    STORAGE = "storage"  #: object storage
    WORKER_LOST = "worker-lost"  #: a process or its TaskManager is gone
    ENGINE = "engine"  #: a bug of ours
    DISK = "disk"  #: a worker's own disk is full, read-only or broken
    CORRUPTION = "corruption"  #: a worker's state database cannot be read
    CHECKPOINT = "checkpoint"  #: more checkpoints failed in a row than are tolerated


class CheckpointFailureReason(enum.StrEnum):
    """Why a checkpoint did not complete; the names follow Flink's ``CheckpointFailureReason``."""

    EXPIRED = "Checkpoint expired before completing"
    DECLINED = "A task declined the checkpoint"
    ASYNC_FAILURE = "Asynchronous part of a task's snapshot failed"
    JOB_FAILURE = "The job failed or was cancelled"
    STORAGE = "The checkpoint could not be written to storage"
    ROWS_LOST = "Subtasks did not receive what was sent to them"
    SUBSUMED = "A newer checkpoint completed first"
    FENCED = "A newer epoch of the job exists"


def is_text(value: str) -> bool:
    """Whether UTF-8 can hold it: lone surrogates, as in the name of a file that is no text, are none."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def as_text(value: str) -> str:
    r"""``value`` for messages and terminals, with lone surrogates written out: ``caf\udce9.csv``."""
    return value.encode("utf-8", "backslashreplace").decode()


def require_text(what: str, *values: str | None) -> None:
    """Raises ``ConfigError`` for the first of ``values`` that UTF-8 cannot hold; ``what`` they are, for its message."""
    for value in values:
        if value is not None and not is_text(value):
            raise ConfigError(f"{what} is not UTF-8 text: {value!r}; rename what it names")

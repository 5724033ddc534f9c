"""From an exception to the ``Failure`` that is reported: whose fault, whether a restart can help, what to show."""

from __future__ import annotations

import traceback

from weir.errors import (
    ConfigError,
    FailureKind,
    GraphError,
    JobLoadError,
    LocalDiskError,
    SnapshotCorrupt,
    SnapshotMismatch,
    StateAccessError,
    StateDamaged,
    StorageError,
    UserError,
    WeirError,
)
from weir.ids import WorkerId
from weir.operators.failures import OperatorFailure, user_location
from weir.operators.redaction import redacted
from weir.rpc.messages import Failure

#: A restart would meet the same again.
_PERMANENT = (ConfigError, GraphError, JobLoadError, SnapshotCorrupt, SnapshotMismatch, StateAccessError)


class PeerLost(WeirError):
    """The data connection to another worker broke."""

    retryable = True


def failure_of(error: BaseException, worker: WorkerId, subtask: int | None) -> Failure:
    """The report of ``error``."""
    cause = error.__cause__ if isinstance(error, OperatorFailure) and error.__cause__ else error
    return Failure(
        kind=_kind(error, cause),
        message=_message(error),
        operator=error.operator if isinstance(error, OperatorFailure) else None,
        subtask=subtask,
        traceback=error.trace if isinstance(error, OperatorFailure) else _trace(error),
        worker=worker,
        restartable=not isinstance(cause, _PERMANENT),
        damaged=isinstance(cause, SnapshotCorrupt),
    )


def _kind(error: BaseException, cause: BaseException) -> FailureKind:
    if isinstance(cause, PeerLost):
        return FailureKind.WORKER_LOST
    if isinstance(cause, (StorageError, SnapshotCorrupt)):
        return FailureKind.STORAGE
    if isinstance(cause, LocalDiskError):
        return FailureKind.DISK
    if isinstance(cause, StateDamaged):
        return FailureKind.CORRUPTION
    if isinstance(cause, (UserError, SystemExit, KeyboardInterrupt)):
        return FailureKind.USER
    if user_location(cause.__traceback__) is not None:
        return FailureKind.USER
    # Builtins as user functions (int, itemgetter) leave no frame; our own faults are told by their types.
    if isinstance(error, OperatorFailure) and not isinstance(cause, (WeirError, AssertionError)):
        return FailureKind.USER
    return FailureKind.ENGINE


def _message(error: BaseException) -> str:
    if isinstance(error, WeirError):
        return str(error)
    place = user_location(error.__traceback__)
    said = f"{type(error).__name__}: {redacted(str(error))}"
    return f"{place}: {said}" if place else said


def _trace(error: BaseException) -> str:
    return redacted("".join(traceback.format_exception(error)))

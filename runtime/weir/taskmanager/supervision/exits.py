"""Why a worker process ended, as a :class:`Failure` that a person understands. Pure.

The supervisor knows the exit status, which operator's code ran, what the process wrote to stderr last and, where
there is one, the dump of a hang or a crash.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass

from weir.errors import FailureKind
from weir.ids import WorkerId
from weir.rpc.messages import Failure
from weir.taskmanager.supervision.traces import Frame

#: Signals that a fault inside the process raises: native code of a library that user code called.
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT, signal.SIGFPE, signal.SIGILL}


@dataclass(frozen=True)
class LastSigns:
    """What is known of a worker that ended."""

    worker: WorkerId
    label: str  #: operator whose code ran; empty: none
    stderr: str  #: the last 4 KiB
    user_frame: Frame | None = None
    dump: str = ""


def ended(status: int, signs: LastSigns) -> Failure:
    """It ended by itself; ``status`` as ``subprocess`` reports it (negative: by that signal)."""
    where = f" while {signs.label} ran" if signs.label else ""
    if status < 0:
        return _by_signal(signal.Signals(-status), where, signs)
    if signs.label:
        what = f"code called os._exit({status}) or ended the interpreter"
        return _failure(
            FailureKind.USER, f"the worker process ended with exit code {status}{where}: {what}", signs
        )
    return _failure(FailureKind.WORKER_LOST, f"the worker process ended with exit code {status}", signs)


def stalled(seconds: float, timeout: float, signs: LastSigns) -> Failure:
    """It was ended since its data thread did not come back from one call."""
    label = signs.label or "an operator"
    return _failure(
        FailureKind.USER,
        f"{label} did not return from one call for {seconds:.1f} s (task.stall-timeout is {timeout:g} s); the worker "
        f"process was ended. If a call may take that long, raise task.stall-timeout",
        signs,
    )


def never_ready(seconds: float, signs: LastSigns) -> Failure:
    """It was ended since it did not report itself ready."""
    message = f"the worker process was not ready after {seconds:g} s and was ended"
    return _failure(FailureKind.WORKER_LOST, message, signs)


def released(signs: LastSigns) -> Failure:
    """The JobManager asked for its end."""
    return Failure(kind=FailureKind.WORKER_LOST, message="the worker was released", worker=signs.worker)


def _by_signal(number: signal.Signals, where: str, signs: LastSigns) -> Failure:
    if number in _CRASHES:
        hint = "native code that the job uses crashed"
        return _failure(
            FailureKind.USER if signs.label else FailureKind.WORKER_LOST,
            f"the worker process crashed with {number.name}{where}: {hint}",
            signs,
        )
    hint = ""
    if number == signal.SIGKILL:
        hint = "; somebody killed it, or the system was out of memory (see the kernel log)"
    return _failure(
        FailureKind.WORKER_LOST, f"the worker process was killed by {number.name}{where}{hint}", signs
    )


def _failure(kind: FailureKind, message: str, signs: LastSigns) -> Failure:
    frame = signs.user_frame
    if frame is not None:
        message = f"{frame.file}:{frame.line} in {frame.function}: {message}"
    details = [signs.dump.strip(), signs.stderr.strip()]
    return Failure(
        kind=kind,
        message=message,
        operator=signs.label or None,
        traceback="\n".join(text for text in details if text),
        worker=signs.worker,
    )

"""What ``weir run`` tells people on stderr: a live line on a terminal, plain lines elsewhere, and the summary."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator

from weir.rpc.messages import Failure
from weir.rpc.requests import CheckpointSummary, JobState, JobStatus

#: Seconds between plain lines, where there is no terminal.
_PLAIN_INTERVAL = 10.0
_TRACE_LINES = 30


class Progress:
    """Follows one job's status; ``draw`` shows the line that changes, ``say`` adds one that stays."""

    def __init__(self, say: Callable[[str], None], draw: Callable[[str], None]) -> None:
        self.say = say
        self._draw = draw
        self._state: JobState | None = None
        self._notes = 0
        self._failures = 0
        self._before: tuple[float, int] | None = None
        self._rate = 0.0

    def update(self, status: JobStatus) -> None:
        """Show what is new."""
        self.say_notes(status)
        if not status.state.is_settled:
            for record in status.failures[self._failures :]:
                failure = record.failure
                told = f"attempt {record.attempt} failed, restarting: {failure.message}"
                self.say(f"weir: {told} [{failure.fingerprint}]")
        self._failures = len(status.failures)
        self._draw(self._line(status))

    def say_notes(self, status: JobStatus) -> None:
        """Say what was noted since the last time."""
        for note in status.notes[self._notes :]:
            self.say(f"weir: {status.name}: {note}")
        self._notes = len(status.notes)

    def _line(self, status: JobStatus) -> str:
        now = time.monotonic()
        if self._before is not None and now > self._before[0]:
            rate = (status.records_in - self._before[1]) / (now - self._before[0])
            self._rate = max(0.0, rate if self._rate == 0.0 else 0.7 * self._rate + 0.3 * rate)
        self._before = (now, status.records_in)
        parts = [
            f"{status.name} {status.state.value}",
            f"{status.records_in:,} in",
            f"{status.records_out:,} out",
            f"{self._rate:,.0f}/s",
        ]
        if status.slots_available < status.slots_required and status.state is not JobState.RUNNING:
            parts.append(f"slots {status.slots_available} of {status.slots_required}")
        if status.checkpoints.enabled:
            last = status.checkpoints.last
            parts.append(f"checkpoint {last.id}" if last else "no checkpoint yet")
        if status.restarts:
            parts.append(f"{status.restarts} restarts")
        return " | ".join(parts)


@contextlib.contextmanager
def progress() -> Iterator[Progress]:
    """A live line where stderr is a terminal, else a plain line now and then."""
    if not sys.stderr.isatty() or os.environ.get("TERM", "dumb") == "dumb":
        yield Progress(_say, _EveryNowAndThen())
        return
    line = _LiveLine()
    line.draw("starting")
    try:
        yield Progress(line.say, line.draw)
    finally:
        line.draw("")


class _LiveLine:
    """One line of the terminal, written over and over; what is said stays above it."""

    #: To the first column, and clear the line.
    _CLEAR = "\r\x1b[2K"

    def __init__(self) -> None:
        self._text = ""

    def draw(self, text: str) -> None:
        """Show ``text`` instead, cut to the width of the terminal."""
        self._text = text[: shutil.get_terminal_size().columns - 1]
        sys.stderr.write(self._CLEAR + self._text)
        sys.stderr.flush()

    def say(self, text: str) -> None:
        """Add a line that stays."""
        sys.stderr.write(f"{self._CLEAR}{text}\n{self._text}")
        sys.stderr.flush()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


class _EveryNowAndThen:
    """Prints the line at intervals, and whenever the state in its head changes."""

    def __init__(self) -> None:
        self._last = 0.0
        self._head = ""

    def __call__(self, line: str) -> None:
        head = line.partition(" | ")[0]
        now = time.monotonic()
        if head != self._head or now - self._last >= _PLAIN_INTERVAL:
            self._head, self._last = head, now
            _say(f"weir: {line}")


def summary(status: JobStatus, *, interrupted: bool) -> list[str]:
    """The lines that end ``weir run``."""
    lines = [_outcome(status)]
    if status.state is JobState.FAILED and status.failure is not None:
        lines = [*_failure(status.failure), *lines]
    if status.checkpoints.enabled and status.checkpoint_root is not None:
        lines.append(f"checkpoints: {status.checkpoint_root}")
    if interrupted and status.state is JobState.SUSPENDED:
        lines.append(_how_to_go_on(status))
    return lines


def _outcome(status: JobStatus) -> str:
    seconds = ((status.ended_at_ms or status.started_at_ms) - status.started_at_ms) / 1000
    text = (
        f"job {status.name} ({status.job_id}) is {status.state.value} after {seconds:.1f} s: "
        f"{status.records_in:,} records in, {status.records_out:,} out"
    )
    if status.checkpoints.enabled:
        text += f", {status.checkpoints.completed} checkpoints"
        if status.checkpoints.failed:
            text += f" ({status.checkpoints.failed} failed)"
    return f"{text}, {status.restarts} restarts"


def _failure(failure: Failure) -> list[str]:
    """The user's file and line first, then what was on the stack, then whose fault it is."""
    lines = [f"weir: {failure.message}"]
    trace = failure.traceback.strip().splitlines()
    lines += trace[-_TRACE_LINES:]
    place = [f"operator {failure.operator}"] if failure.operator else []
    place += [f"subtask {failure.subtask}"] if failure.subtask is not None else []
    place += [f"failure {failure.fingerprint}"] if failure.fingerprint else []
    lines.append(f"weir: cause: {failure.kind.value}" + (f" ({', '.join(place)})" if place else ""))
    return lines


def _how_to_go_on(status: JobStatus) -> str:
    point: CheckpointSummary | None = status.checkpoints.last or status.checkpoints.restored
    if point is not None:
        return f"the same command goes on from checkpoint {point.id} ({point.path})"
    if status.checkpoints.enabled:
        return "no checkpoint was completed yet: the same command starts from the beginning"
    return "checkpointing is off, so nothing was kept: the same command starts from the beginning"

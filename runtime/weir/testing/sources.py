"""A source whose data holds crashes, and a step that crashes on a given row: for whole jobs, also on a real cluster.

What is to happen once over all restarts is marked by a file in a folder of the test's, since the process that did it is
gone. Without a folder it is remembered by the object, which is enough where the job stays in one process.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from weir.config import parse_duration
from weir.connectors.fixed_splits import FixedSplits, unassigned_in
from weir.connectors.source import (
    EnumeratorContext,
    Fetched,
    ReaderContext,
    Source,
    SplitEnumerator,
    SplitReader,
)
from weir.errors import UserError
from weir.records import Watermark
from weir.testing.script import Checkpoint, Crash, Eof, InjectedCrash, Row, Wait

T = TypeVar("T")

#: A second snapshot begins when the first one is complete, or was given up.
_SNAPSHOTS_OF_A_CHECKPOINT = 2


class Once:
    """Events that happen once over all processes (``folder``: for marker files), or once in this one (``None``)."""

    def __init__(self, folder: str | os.PathLike[str] | None) -> None:
        self.folder = None if folder is None else os.path.abspath(folder)
        self._passed: set[str] = set()

    def first(self, name: str) -> bool:
        """Whether ``name`` happens for the first time; from now on it has happened."""
        if self.folder is None:
            if name in self._passed:
                return False
            self._passed.add(name)
            return True
        os.makedirs(self.folder, exist_ok=True)
        try:
            os.close(os.open(os.path.join(self.folder, name), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            return False
        return True


def crash(how: str, what: str) -> NoReturn:
    """Die in one of the ways of ``Crash.how``."""
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "exit":
        sys.stderr.write(f"{what}\n")
        sys.stderr.flush()
        os._exit(1)
    raise InjectedCrash(what)


def crash_when(
    condition: Callable[[T], bool], markers: str | os.PathLike[str] | None = None, how: str = "raise"
) -> Callable[[T], T]:
    """For ``map``: hands rows on and dies at the first for which ``condition`` is true, once over all restarts.

    ``markers``: a folder that tells it after a restart; give one wherever workers are processes. ``how``: as for ``Crash``.
    """
    once = Once(markers)

    def crashing(row: T) -> T:
        if condition(row) and once.first("crashed-when"):
            crash(how, f"the test asked for a crash at {row!r:.80}")
        return row

    return crashing


class ScriptedSplit(msgspec.Struct, frozen=True):
    """The items of script ``index`` from ``position`` on."""

    index: int
    position: int = 0

    @property
    def split_id(self) -> str:
        return str(self.index)


class ScriptedSource(Source[T, ScriptedSplit], Generic[T]):
    """Rows and events of a list: ``ScriptedSource([1, 2, Checkpoint(), 3, Crash(), 4], markers=tmp_path)``; bounded.

    Besides values: ``Row`` (a value with its event time), ``Checkpoint`` (wait until a checkpoint of what comes before is
    complete), ``Crash``, ``Wait`` (on the engine's clock), ``Eof``. Each of ``more`` is a split of its own, for another
    reader. ``markers``: a folder for what happens once; needed where workers are processes. Raises ``UserError`` for what
    a source cannot do.
    """

    def __init__(
        self, script: Iterable[Any], *more: Iterable[Any], markers: str | os.PathLike[str] | None = None
    ) -> None:
        self._scripts = [list(items) for items in (script, *more)]
        self._once = Once(markers)
        rows = [item for items in self._scripts for item in items if not isinstance(item, _EVENTS)]
        self._stamped = any(isinstance(row, Row) and row.timestamp is not None for row in rows)
        for row in rows:
            _check_row(row, self._stamped)
        if markers is None:
            for item in (item for items in self._scripts for item in items):
                if isinstance(item, Crash) and item.how != "raise":
                    raise UserError(f"{item} ends its process; give ScriptedSource(..., markers=FOLDER)")

    @property
    def split_type(self) -> type[ScriptedSplit]:
        return ScriptedSplit

    def create_enumerator(self, context: EnumeratorContext) -> SplitEnumerator[ScriptedSplit]:
        return FixedSplits([ScriptedSplit(index) for index in range(len(self._scripts))])

    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> SplitEnumerator[ScriptedSplit]:
        return FixedSplits(unassigned_in(state, ScriptedSplit))

    def create_reader(self, context: ReaderContext) -> SplitReader[T, ScriptedSplit]:
        return _Reader(self._scripts, self._stamped, self._once, context)


_EVENTS = (Checkpoint, Crash, Wait, Eof)


def _check_row(row: Any, stamped: bool) -> None:
    if isinstance(row, Watermark):
        raise UserError(
            "a source has no watermarks of its own; give event times (Row(value, timestamp)) and a WatermarkStrategy"
        )
    if isinstance(row, Row) and row.input:
        raise UserError(f"{row} is for the second input of a harness; a source has one output")
    if stamped and not (isinstance(row, Row) and row.timestamp is not None):
        raise UserError(
            f"{row!r:.80} has no timestamp, and other rows of the script do; give all of them one"
        )


class _Reader(SplitReader[T, ScriptedSplit]):
    """Plays its scripts one after the other."""

    def __init__(self, scripts: list[list[Any]], stamped: bool, once: Once, context: ReaderContext) -> None:
        self._scripts = scripts
        self._stamped = stamped
        self._once = once
        self._context = context
        self._splits: deque[int] = deque()
        self._positions: dict[int, int] = {}
        self._finished: list[str] = []
        #: Snapshots since the reader stands at a ``Checkpoint``, and when a ``Wait`` is over.
        self._snapshots = 0
        self._due: float | None = None

    def add_splits(self, splits: Sequence[ScriptedSplit]) -> None:
        for split in splits:
            self._splits.append(split.index)
            self._positions[split.index] = split.position
        self._drop_finished()

    def fetch(self, max_rows: int) -> Fetched | None:
        while self._splits:
            index = self._splits[0]
            rows = self._rows(index, max_rows)
            if rows:
                values = [row.value if isinstance(row, Row) else row for row in rows]
                stamps = [row.timestamp for row in rows] if self._stamped else None
                self._drop_finished()
                return Fetched(values, stamps, str(index))
            if not self._pass_event(index):
                return None
            self._drop_finished()
        return None

    def _rows(self, index: int, most: int) -> list[Any]:
        """Up to the next event."""
        script, start = self._scripts[index], self._positions[index]
        end = start
        while end < len(script) and end - start < most and not isinstance(script[end], _EVENTS):
            end += 1
        self._positions[index] = end
        return script[start:end]

    def _pass_event(self, index: int) -> bool:
        """Let the event at the position happen; whether the reader goes on behind it."""
        position = self._positions[index]
        event = self._scripts[index][position]
        match event:
            case Crash(how):
                if self._once.first(f"crashed-{index}-{position}"):
                    crash(how, f"the test asked for a crash at item {position} of script {index}")
            case Checkpoint():
                if self._snapshots < _SNAPSHOTS_OF_A_CHECKPOINT:
                    return False
            case Wait(duration):
                if self._due is None:
                    self._due = self._context.monotonic() + parse_duration(duration)
                if self._context.monotonic() < self._due:
                    return False
            case Eof():
                self._positions[index] = len(self._scripts[index])
                return True
        self._snapshots, self._due = 0, None
        self._positions[index] = position + 1
        return True

    def _drop_finished(self) -> None:
        while self._splits and self._positions[self._splits[0]] >= len(self._scripts[self._splits[0]]):
            self._finished.append(str(self._splits.popleft()))

    def finished_splits(self) -> list[str]:
        finished, self._finished = self._finished, []
        return finished

    def is_idle(self) -> bool:
        return not self._splits

    def next_fetch_at(self) -> float | None:
        return self._due

    def snapshot(self) -> list[ScriptedSplit]:
        if self._splits and self._at_checkpoint():
            self._snapshots += 1
            self._context.wake()
        return [ScriptedSplit(index, self._positions[index]) for index in self._splits]

    def _at_checkpoint(self) -> bool:
        index = self._splits[0]
        return isinstance(self._scripts[index][self._positions[index]], Checkpoint)

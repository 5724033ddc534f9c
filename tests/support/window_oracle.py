"""What windows must give, in plain Python: no panes, no timers, no state, every row looked at anew. And a harness to compare."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from weir import (
    AggregateFunction,
    EventTimeSessionWindows,
    EventTimeTrigger,
    OutputTag,
    ProcessWindowFunction,
    SlidingEventTimeWindows,
)
from weir.records import MIN_TIMESTAMP
from weir.state.backend import HEAP, StateBackend
from weir.testing import stream_harness
from weir.testing.drive import Harness
from weir.testing.subject import Settings

LATE = OutputTag("late")


class Row(NamedTuple):
    key: str
    value: int
    time: int


@dataclass(frozen=True)
class Windows:
    """``slide`` of 0: sessions whose gap is ``size``."""

    size: int
    slide: int
    offset: int
    lateness: int

    def starts(self, time: int) -> list[int]:
        """Of all windows that cover a time, the latest first."""
        return [
            start for start in range(time, time - self.size, -1) if (start - self.offset) % self.slide == 0
        ]

    def ordered(self, values: Iterable[int]) -> tuple[int, ...]:
        """Values of a window as they are compared: in the order of their rows, but for sessions, whose parts meet anyhow."""
        return tuple(values) if self.slide else tuple(sorted(values))


class Result(NamedTuple):
    key: str
    start: int
    end: int
    values: tuple[int, ...]


class Oracle:
    """Is told rows and watermarks in the order in which they come."""

    def __init__(self, windows: Windows) -> None:
        self._windows = windows
        #: By key: start, end, values.
        self._open: dict[str, list[tuple[int, int, list[int]]]] = defaultdict(list)
        self._watermark = MIN_TIMESTAMP
        self.results: list[Result] = []
        self.late: list[Row] = []

    def row(self, row: Row) -> None:
        taken = [
            window for window in self._of(row) if window[1] - 1 + self._windows.lateness > self._watermark
        ]
        for start, end, values in taken:
            values.append(row.value)
            if end - 1 <= self._watermark:
                self._give(row.key, start, end, values)
        if not taken and row.time + self._windows.lateness <= self._watermark:
            self.late.append(row)

    def _of(self, row: Row) -> list[tuple[int, int, list[int]]]:
        known = self._open[row.key]
        if self._windows.slide:
            return [self._find(known, start) for start in self._windows.starts(row.time)]
        start, end = row.time, row.time + self._windows.size
        near = [window for window in known if window[0] <= end and window[1] >= start]
        merged = (
            min([start, *(window[0] for window in near)]),
            max([end, *(window[1] for window in near)]),
            [value for window in near for value in window[2]],
        )
        known[:] = [window for window in known if window not in near]
        if merged[1] - 1 + self._windows.lateness > self._watermark:
            known.append(merged)
        return [merged]

    def _find(self, known: list[tuple[int, int, list[int]]], start: int) -> tuple[int, int, list[int]]:
        for window in known:
            if window[0] == start:
                return window
        made: tuple[int, int, list[int]] = (start, start + self._windows.size, [])
        known.append(made)
        return made

    def _give(self, key: str, start: int, end: int, values: list[int]) -> None:
        self.results.append(Result(key, start, end, self._windows.ordered(values)))

    def watermark(self, timestamp: int) -> None:
        if timestamp <= self._watermark:
            return
        before, self._watermark = self._watermark, timestamp
        for key, known in self._open.items():
            for start, end, values in sorted(known):
                if values and before < end - 1 <= timestamp:
                    self._give(key, start, end, values)
            known[:] = [window for window in known if window[1] - 1 + self._windows.lateness > timestamp]

    @property
    def by_key(self) -> dict[str, list[Result]]:
        """What each key must give, in order."""
        found: dict[str, list[Result]] = defaultdict(list)
        for result in self.results:
            found[result.key].append(result)
        return dict(found)


# ---- the engine's


class Rows(ProcessWindowFunction[Row, Result, str, Any]):
    def process(self, key, context, elements):  # type: ignore[no-untyped-def]
        yield Result(key, *context.window(), tuple(value for _, value, _ in elements))


class Folded(ProcessWindowFunction[Any, Result, str, Any]):
    def process(self, key, context, elements):  # type: ignore[no-untyped-def]
        (values,) = elements
        yield Result(key, *context.window(), tuple(values))


class Collected(AggregateFunction[Row, list[int], list[int]]):
    def create_accumulator(self) -> list[int]:
        return []

    def add(self, value: Row, accumulator: list[int]) -> list[int]:
        accumulator.append(value[1])
        return accumulator

    def get_result(self, accumulator: list[int]) -> list[int]:
        return accumulator

    def merge(self, a: list[int], b: list[int]) -> list[int]:
        return a + b


class SameTrigger(EventTimeTrigger):
    """The default one, under another name: the operator that asks triggers is to give the same."""


class Engine:
    """A harness through crashes, and through rescaling on other backends; what came out of all of it."""

    def __init__(
        self, windows: Windows, kind: str, backend: StateBackend = HEAP, *, tagged: bool, asked: bool
    ) -> None:
        #: The job with and without a trigger of its own; the state of one is the other's.
        self._subjects = [
            stream_harness(lambda stream, own=own: self._job(stream, windows, kind, tagged, own))._subject
            for own in (False, True)
        ]
        self._asked = asked
        self._windows = windows
        self._harness: Harness[Any, Any] = Harness(self._subjects[asked], Settings(backend=backend))
        self._results: list[Result] = []
        self._late: list[Row] = []
        self._dropped = self._dropped_then = 0
        self._operators = [subtask.operator for subtask in self._harness._subtasks]

    @staticmethod
    def _job(stream: Any, windows: Windows, kind: str, tagged: bool, asked: bool) -> Any:
        assigner = (
            SlidingEventTimeWindows(windows.size, windows.slide, windows.offset)
            if windows.slide
            else EventTimeSessionWindows(windows.size)
        )
        windowed = stream.key_by(lambda row: row[0]).window(assigner)
        windowed = windowed.allowed_lateness(windows.lateness / 1000)
        if tagged:
            windowed = windowed.side_output_late_data(LATE)
        if asked:
            windowed = windowed.trigger(SameTrigger())
        if kind == "process":
            return windowed.process(Rows())
        if kind == "aggregate":
            return windowed.aggregate(Collected(), Folded())
        return windowed.reduce(lambda a, b: (*a, *b[3:], b[1]), Reduced())

    def rows(self, rows: Iterable[Row]) -> None:
        given = list(rows)
        self._harness.process_all([tuple(row) for row in given], [row.time for row in given])

    def watermark(self, timestamp: int) -> None:
        self._harness.watermark(timestamp)

    def snapshot(self) -> None:
        self._harness.snapshot()
        self._dropped_then = self.dropped

    def crash(self) -> None:
        self._harness.crash()
        self._dropped = self._dropped_then
        self._track()
        self._harness.replay()

    def rescale(self, parallelism: int, backend: StateBackend, *, other_trigger: bool) -> None:
        self._results += self._harness.output
        self._late += [Row(*row) for row in self._harness.side_output(LATE)]
        self._dropped = self._dropped_then = self.dropped
        self._asked ^= other_trigger
        settings = Settings(parallelism, backend=backend)
        snapshot = self._harness._taken()
        self._harness = Harness(self._subjects[self._asked], settings, restored=snapshot)
        self._track()

    def _track(self) -> None:
        self._operators += [subtask.operator for subtask in self._harness._subtasks]

    @property
    def dropped(self) -> int:
        return self._dropped + sum(subtask.operator.late_rows for subtask in self._harness._subtasks)

    @property
    def late(self) -> Counter[Row]:
        return Counter([*self._late, *(Row(*row) for row in self._harness.side_output(LATE))])

    @property
    def by_key(self) -> dict[str, list[Result]]:
        found: dict[str, list[Result]] = defaultdict(list)
        for result in [*self._results, *self._harness.output]:
            found[result.key].append(result._replace(values=self._windows.ordered(result.values)))
        return dict(found)

    @property
    def timers(self) -> list[Any]:
        return self._harness.timers()

    def kept(self) -> Iterator[str]:
        """Keys with anything left in keyed state."""
        for descriptor in self._descriptors():
            yield from self._harness._taken().state(descriptor)

    def _descriptors(self) -> list[Any]:
        store: Any = self._harness._subtasks[0].operator
        return [descriptor for descriptor, _ in store._store._known.values()]

    def close(self) -> None:
        for operator in self._operators:
            operator.close()


class Reduced(ProcessWindowFunction[Any, Result, str, Any]):
    """Rows are folded into ``(key, first value, first time, value, value, ...)``."""

    def process(self, key, context, elements):  # type: ignore[no-untyped-def]
        ((_, first, _, *others),) = elements
        yield Result(key, *context.window(), (first, *others))

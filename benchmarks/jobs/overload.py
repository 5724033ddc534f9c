"""Rows that are due by the clock, as in a log that others write, before a function that takes a fixed number of them a second.

Arguments: capacity (rows a second), factor of the overload, its seconds, factor afterwards, seconds in all. What is due and not
read yet is the lag: nothing is lost, and nothing comes before its time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import msgspec

from benchmarks.jobs.full_load import Nowhere
from weir import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment, ValueStateDescriptor
from weir.connectors.fixed_splits import FixedSplits, unassigned_in
from weir.connectors.source import (
    EnumeratorContext,
    Fetched,
    ReaderContext,
    Source,
    SplitEnumerator,
    SplitReader,
)
from weir.functions import KeyedContext

Row = tuple[int, str]
#: Of a row of about 100 bytes.
_TEXT = "x" * 90
KEYS = 1000


class Load(msgspec.Struct, frozen=True):
    """How many rows are due after so many seconds."""

    capacity: float
    factor: float
    seconds: float
    afterwards: float

    def due(self, elapsed: float) -> int:
        over = min(elapsed, self.seconds) * self.factor
        return int(self.capacity * (over + max(0.0, elapsed - self.seconds) * self.afterwards))


class LoadSplit(msgspec.Struct, frozen=True):
    """``position`` rows were read of a load that began at ``began`` (seconds since 1970), or begins with the reader (0)."""

    split_id: str = "0"
    position: int = 0
    began: float = 0.0


class LoadSource(Source[Row, LoadSplit]):
    def __init__(self, load: Load, seconds: float) -> None:
        self._load = load
        self._seconds = seconds

    @property
    def split_type(self) -> type[LoadSplit]:
        return LoadSplit

    def create_enumerator(self, context: EnumeratorContext) -> SplitEnumerator[LoadSplit]:
        return FixedSplits([LoadSplit()])

    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> SplitEnumerator[LoadSplit]:
        return FixedSplits(unassigned_in(state, LoadSplit))

    def create_reader(self, context: ReaderContext) -> SplitReader[Row, LoadSplit]:
        return _Reader(self._load, self._load.due(self._seconds))


class _Reader(SplitReader[Row, LoadSplit]):
    def __init__(self, load: Load, total: int) -> None:
        self._load = load
        self._total = total
        self._split: LoadSplit | None = None
        self._finished: list[str] = []

    def add_splits(self, splits: Sequence[LoadSplit]) -> None:
        for split in splits:
            self._split = msgspec.structs.replace(split, began=split.began or time.time())

    def fetch(self, max_rows: int) -> Fetched | None:
        split = self._split
        if split is None:
            return None
        due = min(self._load.due(time.time() - split.began), self._total)
        end = min(due, split.position + max_rows)
        if end == split.position:
            return None
        self._split = msgspec.structs.replace(split, position=end)
        if end == self._total:
            self._split = None
            self._finished.append(split.split_id)
        return Fetched(
            [(number % KEYS, _TEXT) for number in range(split.position, end)], None, split.split_id
        )

    def next_fetch_at(self) -> float | None:
        return None if self._split is None else time.monotonic() + 0.005

    def is_idle(self) -> bool:
        return self._split is None

    def finished_splits(self) -> list[str]:
        found, self._finished = self._finished, []
        return found

    def snapshot(self) -> list[LoadSplit]:
        return [] if self._split is None else [self._split]

    def close(self) -> None:
        pass


class Paced(KeyedProcessFunction[int, Row, int]):
    """A count a key, not faster than ``capacity`` rows a second; what it did not use it cannot save."""

    def __init__(self, capacity: float) -> None:
        self._pause = 100 / capacity
        self._rows = 0
        self._next = 0.0

    def open(self, runtime_context: RuntimeContext) -> None:
        self._seen = runtime_context.get_state(ValueStateDescriptor("seen", int))

    def process_element(  # type: ignore[override]
        self, value: Row, ctx: KeyedContext, out: Callable[[int], None]
    ) -> None:
        seen = (self._seen.value() or 0) + 1
        self._seen.update(seen)
        out(seen)
        self._rows += 1
        if self._rows % 100 == 0:
            now = time.monotonic()
            # A sleep that was too long may be made up for, else the capacity is less than it says.
            self._next = max(self._next, now - 0.05) + self._pause
            time.sleep(max(0.0, self._next - now))


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    capacity, factor, over, afterwards, seconds = map(float, args)
    source = LoadSource(Load(capacity, factor, over, afterwards), seconds)
    rows = env.from_source(source, name="rows").uid("rows")
    counted = rows.key_by(lambda row: row[0]).process(Paced(capacity)).uid("count")
    counted.slot_sharing_group("second").sink_to(Nowhere()).uid("out")

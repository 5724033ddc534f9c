"""The input of a simulated job: rows whose fate can be followed, and sources of several kinds that give them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from weir import (
    Assignment,
    CollectionSource,
    DataGeneratorSource,
    EnumeratorContext,
    Fetched,
    ReaderContext,
    Source,
    SplitEnumerator,
    SplitReader,
    WatermarkStrategy,
)


class Row(NamedTuple):
    number: int  #: unique over all sources
    key: int
    time: int  #: event time, milliseconds
    split: int  #: rows of one split keep their order


class Input(NamedTuple):
    """One source."""

    rows: tuple[Row, ...]
    kind: str  #: generator, collection, trickle
    splits: int
    rate: float
    disorder: int
    idleness: float | None

    def source(self) -> Source[Row, Any]:
        rows = self.rows
        if self.kind == "generator":
            return DataGeneratorSource(
                rows.__getitem__, len(rows), rows_per_second=self.rate, num_splits=self.splits
            )
        if self.kind == "collection":
            return CollectionSource(rows, num_splits=self.splits)
        return TrickleSource(rows, self.splits, self.rate)

    def strategy(self) -> WatermarkStrategy:
        strategy = WatermarkStrategy.for_bounded_out_of_orderness(self.disorder / 1000)
        if self.idleness is not None:
            strategy = strategy.with_idleness(self.idleness)
        return strategy.with_timestamp_assigner(lambda row, _: row.time)

    @property
    def whole_from_the_start(self) -> bool:
        """All splits are read at once and hold the watermark back, so no row is late."""
        return (self.kind == "generator" or self.splits == 1) and self.idleness is None


def make_input(chance: random.Random, first: int, most: int) -> Input:
    """Rows numbered from ``first`` on."""
    kind = chance.choice(["generator", "generator", "collection", "trickle"])
    count = chance.randint(0 if chance.random() < 0.1 else 8, most)
    splits = chance.randint(1, 4)
    keys = chance.choice([1, 3, 7])
    disorder = chance.choice([0, 50, 400])
    step = chance.choice([1, 20, 100])
    seconds = chance.choice([0.5, 2.0, 5.0, 8.0])
    bounds = [count * i // splits for i in range(splits + 1)]
    rows = []
    for i in range(count):
        split = i % splits if kind == "generator" else sum(1 for b in bounds[1:] if b <= i)
        at = 1_000_000 + i * step - chance.randint(0, disorder)
        rows.append(Row(first + i, chance.randrange(keys), at, first + split))
    idleness = chance.choice([None, None, 0.2, 1.0])
    return Input(tuple(rows), kind, splits, max(1.0, count / seconds), disorder, idleness)


class TrickleSplit(msgspec.Struct, frozen=True):
    split_id: str
    position: int
    end: int


class TrickleSource(Source[Row, TrickleSplit]):
    """Splits turn up one by one; a few rows a fetch, at a rate."""

    def __init__(self, rows: Sequence[Row], splits: int, rate: float) -> None:
        self.rows = tuple(rows)
        self.splits = splits
        self.rate = rate

    @property
    def split_type(self) -> type[TrickleSplit]:
        return TrickleSplit

    def create_enumerator(self, context: EnumeratorContext) -> TrickleEnumerator:
        bounds = [len(self.rows) * i // self.splits for i in range(self.splits + 1)]
        splits = [TrickleSplit(str(i), bounds[i], bounds[i + 1]) for i in range(self.splits)]
        return TrickleEnumerator(splits, [], context.parallelism)

    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> TrickleEnumerator:
        hidden, known = msgspec.msgpack.decode(state, type=tuple[list[TrickleSplit], list[TrickleSplit]])
        return TrickleEnumerator(hidden, known, context.parallelism)

    def create_reader(self, context: ReaderContext) -> TrickleReader:
        return TrickleReader(self.rows, self.rate, context)


class TrickleEnumerator(SplitEnumerator[TrickleSplit]):
    discovery_interval = 0.3

    def __init__(self, hidden: list[TrickleSplit], known: list[TrickleSplit], parallelism: int) -> None:
        self._hidden = hidden
        self._known = known
        self._waiting: list[int] = []
        self._parallelism = parallelism

    def start(self) -> list[Assignment]:
        return self._deal()

    def handle_request(self, reader: int) -> list[Assignment]:
        if reader not in self._waiting:
            self._waiting.append(reader)
        return self._deal()

    def discover(self) -> list[Assignment]:
        if self._hidden:
            self._known.append(self._hidden.pop(0))
        return self._deal()

    def _deal(self) -> list[Assignment]:
        out = []
        while self._known and self._waiting:
            reader = self._waiting.pop(0)
            out.append(Assignment(reader, [self._known.pop(0)]))
        if not self._known and not self._hidden:
            out.extend(Assignment(reader, [], no_more=True) for reader in range(self._parallelism))
        return out

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode((self._hidden, self._known))


class TrickleReader(SplitReader[Row, TrickleSplit]):
    def __init__(self, rows: Sequence[Row], rate: float, context: ReaderContext) -> None:
        self._rows = rows
        self._rate = rate
        self._monotonic = context.monotonic
        self._splits: list[TrickleSplit] = []
        self._finished: list[str] = []
        self._due = 0.0

    def add_splits(self, splits: Sequence[TrickleSplit]) -> None:
        self._splits.extend(splits)

    def fetch(self, max_rows: int) -> Fetched | None:
        if not self._splits or self._monotonic() < self._due:
            return None
        split = self._splits[0]
        end = min(split.position + 3, split.end)
        self._due = self._monotonic() + (end - split.position) / self._rate
        if end == split.end:
            self._finished.append(split.split_id)
            del self._splits[0]
        else:
            self._splits[0] = msgspec.structs.replace(split, position=end)
        return Fetched(list(self._rows[split.position : end]), None, split.split_id)

    def finished_splits(self) -> list[str]:
        finished, self._finished = self._finished, []
        return finished

    def is_idle(self) -> bool:
        return not self._splits

    def next_fetch_at(self) -> float | None:
        return self._due if self._splits else None

    def snapshot(self) -> list[TrickleSplit]:
        return list(self._splits)

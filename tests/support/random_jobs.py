"""Random jobs for simulations, and what they must put out, computed without the engine.

A row is ``(source, sequence number, key, value)``. ``random_job(rng)`` draws sources, stages and how they join; every job
ends in a count by key whose results, totals (by a timer at the end) and side output go to two-phase sinks.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.support.task_harness import Snapshot
from weir.api.environment import StreamExecutionEnvironment
from weir.api.stream import DataStream
from weir.connectors.collect import CollectSink
from weir.connectors.collection import CollectionReader, CollectionSource, CollectionSplit
from weir.connectors.source import ReaderContext
from weir.functions import KeyedCoProcessFunction, KeyedProcessFunction, OutputTag
from weir.graph.identity import enumerator_id
from weir.ids import OperatorId, operator_id_of_uid
from weir.state.descriptors import ListStateDescriptor, ValueStateDescriptor
from weir.state.keyed import KeyCell, KeyedStateStore
from weir.state.operator_state import OperatorStateStore

Row = tuple[str, int, int, int]
THIRD = OutputTag("third")
END = 10**12
_COUNT = ValueStateDescriptor("count", int)


class ChunkedSource(CollectionSource):
    """A collection read a few rows at a time, so that a short input makes many batches."""

    def __init__(self, rows: list[Any], *, num_splits: int, chunk: int) -> None:
        super().__init__(rows, num_splits=num_splits)
        self._chunk = chunk

    def create_reader(self, context: ReaderContext) -> ChunkedReader:
        return ChunkedReader(self._values, self._chunk)


class ChunkedReader(CollectionReader):
    def __init__(self, rows: list[Any], chunk: int) -> None:
        super().__init__(rows, None)
        self._chunk = chunk

    def fetch(self, max_rows: int):
        return super().fetch(min(max_rows, self._chunk))


class PassThrough(KeyedProcessFunction):
    """Keeps state on the way; what it sees, it emits."""

    def open(self, ctx) -> None:
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, row, ctx, out) -> None:
        self.seen.update((self.seen.value() or 0) + 1)
        out(row)


class Counting:
    """Counts by key; tells the total when all input has ended."""

    def open(self, ctx) -> None:
        self.count = ctx.get_state(_COUNT)

    def _count(self, row, ctx):
        count = (self.count.value() or 0) + 1
        self.count.update(count)
        ctx.timer_service().register_event_time_timer(END)
        if count % 3 == 0:
            ctx.output(THIRD, (ctx.get_current_key(), count))
        return ("row", row, count)

    def on_timer(self, timestamp, ctx):
        yield ("total", ctx.get_current_key(), self.count.value())


class CountByKey(Counting, KeyedProcessFunction):
    def process_element(self, row, ctx):
        yield self._count(row, ctx)


class CountByKeyWithOut(Counting, KeyedProcessFunction):
    def process_element(self, row, ctx, out):
        out(self._count(row, ctx))


class CountBoth(Counting, KeyedCoProcessFunction):
    def process_element1(self, row, ctx):
        return [self._count(row, ctx)]

    def process_element2(self, row, ctx):
        yield self._count(row, ctx)


@dataclass(frozen=True)
class Stage:
    """One step of a branch; ``number`` is its parameter."""

    kind: str
    number: int
    parallelism: int | None = None

    def apply(self, stream: DataStream[Row]) -> DataStream[Row]:
        number = self.number
        if self.kind == "map":
            made = stream.map(lambda row: (*row[:3], row[3] * number % 997))
        elif self.kind == "filter":
            made = stream.filter(lambda row: row[3] % number)
        elif self.kind == "flat_map":
            made = stream.flat_map(lambda row: copies(row, number))
        elif self.kind == "rekey":
            made = stream.map(lambda row: (*row[:2], row[3] % number, row[3]))
        elif self.kind == "process":
            made = stream.key_by(lambda row: row[2]).process(PassThrough())
        else:
            made = getattr(stream, self.kind)().map(lambda row: row)
        return made if self.parallelism is None else made.set_parallelism(self.parallelism)

    def expected(self, rows: Iterable[Row]) -> list[Row]:
        if self.kind == "map":
            return [(*row[:3], row[3] * self.number % 997) for row in rows]
        if self.kind == "filter":
            return [row for row in rows if row[3] % self.number]
        if self.kind == "flat_map":
            return [made for row in rows for made in copies(row, self.number)]
        if self.kind == "rekey":
            return [(*row[:2], row[3] % self.number, row[3]) for row in rows]
        return list(rows)

    @property
    def keeps_order(self) -> bool:
        """Whether rows of one split still come in order by key afterwards."""
        return self.kind in {"map", "filter", "flat_map"} and self.parallelism is None


def copies(row: Row, number: int):
    for copy in range(row[3] % number):
        yield (*row[:3], row[3] + copy)


@dataclass(frozen=True)
class Branch:
    """A source and its stages."""

    name: str
    rows: list[Row]
    splits: int
    chunk: int
    stages: tuple[Stage, ...]

    def build(self, env: StreamExecutionEnvironment) -> DataStream[Row]:
        source = ChunkedSource(self.rows, num_splits=self.splits, chunk=self.chunk)
        stream: DataStream[Row] = env.from_source(source, name=self.name).uid(self.name)
        for position, stage in enumerate(self.stages):
            stream = stage.apply(stream).uid(f"{self.name}-{position}")
        return stream

    def expected(self, rows: Sequence[Row] | None = None) -> list[Row]:
        made = list(self.rows if rows is None else rows)
        for stage in self.stages:
            made = stage.expected(made)
        return made


@dataclass
class RandomJob:
    """A job, its sinks, and what they must hold in the end."""

    branches: list[Branch]
    join: str  #: ``union`` or ``connect``
    with_out: bool
    results: CollectSink = field(default_factory=lambda: CollectSink(two_phase=True))
    thirds: CollectSink = field(default_factory=lambda: CollectSink(two_phase=True))

    def build(self, env: StreamExecutionEnvironment) -> None:
        first, *others = [branch.build(env) for branch in self.branches]
        key = lambda row: row[2]
        if self.join == "connect":
            counted = first.union(*others[1:]).connect(others[0]).key_by(key, key).process(CountBoth())
        else:
            function = CountByKeyWithOut() if self.with_out else CountByKey()
            counted = first.union(*others).key_by(key).process(function)
        counted.uid("count")
        counted.map(lambda result: result).uid("same").sink_to(self.results).uid("results")
        counted.get_side_output(THIRD).rebalance().map(lambda t: t).uid("more").sink_to(self.thirds).uid(
            "thirds"
        )

    def expected(self) -> list[Row]:
        return [row for branch in self.branches for row in branch.expected()]

    def check(self, *, exactly: bool = True) -> None:
        """The committed output against the oracle: nothing lost, nothing doubled, order kept."""
        rows = [row for kind, row, *_ in self.results.results if kind == "row"]
        wanted = self.expected()
        if not exactly:
            lost = Counter(wanted) - Counter(rows)
            assert not lost, f"lost: {lost}"
            return
        assert Counter(rows) == Counter(wanted)
        totals = Counter(row[2] for row in wanted)
        assert sorted(r[1:] for r in self.results.results if r[0] == "total") == sorted(totals.items())
        thirds = [(key, n) for key, total in totals.items() for n in range(3, total + 1, 3)]
        assert sorted(self.thirds.results) == sorted(thirds)
        self._check_order(totals)

    def _check_order(self, totals: Counter[int]) -> None:
        counts: dict[int, list[int]] = {key: [] for key in totals}
        sequences: dict[tuple[Any, ...], list[int]] = {}
        for result in self.results.results:
            if result[0] != "row":
                continue
            _, (name, sequence, key, _), count = result
            counts[key].append(count)
            branch = next(branch for branch in self.branches if branch.name == name)
            if all(stage.keeps_order for stage in branch.stages):
                split = split_of(branch, sequence)
                sequences.setdefault((name, split, key), []).append(sequence)
        assert counts == {key: list(range(1, total + 1)) for key, total in totals.items()}
        for where, seen in sequences.items():
            assert seen == sorted(seen), f"order of {where}"

    def check_snapshot(self, snapshot: Snapshot) -> None:
        """Counters equal the number of records below the stored positions of the sources (scorecard A3)."""
        read = [row for branch in self.branches for row in branch.expected(rows_read(snapshot, branch))]
        assert keyed_values(snapshot, operator_id_of_uid("count")) == Counter(row[2] for row in read), (
            f"checkpoint {snapshot.number}"
        )


def split_of(branch: Branch, sequence: int) -> int:
    size, count = len(branch.rows), max(1, min(branch.splits, len(branch.rows)))
    return next(i for i in range(count) if sequence < size * (i + 1) // count)


def rows_read(snapshot: Snapshot, branch: Branch) -> list[Row]:
    """The rows before the positions that a snapshot holds."""
    reader = operator_id_of_uid(branch.name)
    left: list[CollectionSplit] = [
        msgspec.msgpack.decode(data, type=CollectionSplit)
        for data in listed(snapshot, reader, ListStateDescriptor("_splits", bytes))
    ]
    for data in listed(snapshot, enumerator_id(reader), ListStateDescriptor("_enumerator", bytes)):
        left.extend(msgspec.msgpack.decode(data, type=list[CollectionSplit]))
    unread = {number for split in left for number in range(split.position, split.end)}
    return [row for number, row in enumerate(branch.rows) if number not in unread]


def listed(snapshot: Snapshot, operator: OperatorId, descriptor: ListStateDescriptor[bytes]) -> list[bytes]:
    """All elements of an operator list state of a snapshot."""
    store = OperatorStateStore()
    blobs = [
        state.operator.data for state in snapshot.operators[operator].subtasks if state.operator is not None
    ]
    store.restore(blobs, 0, 1)
    return list(store.get_list_state(descriptor).get())


def keyed_values(snapshot: Snapshot, operator: OperatorId) -> dict[Any, Any]:
    """The whole table of ``_COUNT`` in a snapshot."""
    state = snapshot.operators[operator]
    store = KeyedStateStore(KeyCell(), state.max_parallelism, range(state.max_parallelism), "count")
    store.restore([subtask.keyed.data for subtask in state.subtasks if subtask.keyed is not None])
    store.get_state(_COUNT)
    return dict(store.table_of(_COUNT))


_STAGES = ("map", "filter", "flat_map", "rekey", "process", "rebalance", "rescale", "shuffle")


def random_job(rng: random.Random, rows: int = 60) -> RandomJob:
    """Draw a job."""
    branches = []
    for name in ("a", "b", "c")[: rng.choice((1, 1, 2, 2, 3))]:
        keys = rng.choice((1, 3, 10))
        stages = tuple(
            Stage(kind, rng.randint(2, 5), rng.choice((None, None, None, 1, 2, 3)))
            for kind in rng.choices(_STAGES, k=rng.randint(0, 3))
        )
        size = rng.choice((0, 1, rows, rows, rows * 2))
        made = [(name, i, rng.randrange(keys), rng.randrange(1000)) for i in range(size)]
        branches.append(Branch(name, made, rng.randint(1, 4), rng.choice((1, 3, 8)), stages))
    join = rng.choice(("union", "connect")) if len(branches) > 1 else "union"
    return RandomJob(branches, join, rng.random() < 0.5)

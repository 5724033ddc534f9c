"""The reference job: replayable partitions, a keyed counter with value and map state and timers, exactly-once files.

Run by ``weir run`` as ``tests.support.reference_job:build``. What it must write is said by ``reference_rows`` and checked
by ``oracle``. Variants change how rows reach the counter, never what must come out.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tests.support.reference_rows import GATE_SHARE, Reference, event_time, window_end
from weir import (
    Committer,
    DataGeneratorSource,
    FileSink,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    MapStateDescriptor,
    ReaderContext,
    Sink,
    SplitReader,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
    WatermarkStrategy,
    Writer,
    WriterContext,
)

Row = dict[str, Any]
RULES = MapStateDescriptor("rules", int, int)
HOLD_POLL_S = 0.02


class Counting:
    """The counter itself, whatever kind of function it is part of."""

    def __init__(self, mutating: bool, ballast: int = 0) -> None:
        self.mutating = mutating
        self.ballast = ballast

    def open(self, ctx: Any) -> None:
        kind = dict[str, int] if self.mutating else int
        self.count = ctx.get_state(ValueStateDescriptor("count", kind))
        self.by_partition = ctx.get_map_state(MapStateDescriptor("by-partition", int, int))
        self.windows = ctx.get_map_state(MapStateDescriptor("windows", int, int))
        self.kept = ctx.get_state(ValueStateDescriptor("kept", str))

    def next_number(self) -> int:
        if not self.mutating:
            number = (self.count.value() or 0) + 1
            self.count.update(number)
            return number
        # What value() returned is changed before update(): a pending snapshot must not see it.
        state = self.count.value() or {"n": 0}
        state["n"] += 1
        self.count.update(state)
        return state["n"]

    def row(self, value: Row, ctx: Any) -> Iterator[Row]:
        number = self.next_number()
        if self.ballast and number == 1:
            self.kept.update(value["k"][0] * self.ballast)
        nth = (self.by_partition.get(value["p"]) or 0) + 1
        self.by_partition.put(value["p"], nth)
        end = window_end(ctx.timestamp())
        self.windows.put(end, (self.windows.get(end) or 0) + 1)
        ctx.timer_service().register_event_time_timer(end - 1)
        yield {"kind": "row", **value, "seq": number, "nth": nth, "pid": os.getpid()}

    def on_timer(self, timestamp: int, ctx: Any) -> Iterator[Row]:
        end = timestamp + 1
        yield {"kind": "window", "k": ctx.get_current_key(), "end": end, "rows": self.windows.get(end)}
        self.windows.remove(end)


class Counter(KeyedProcessFunction):
    def __init__(self, mutating: bool = False, ballast: int = 0) -> None:
        self.counting = Counting(mutating, ballast)

    def open(self, ctx):
        self.counting.open(ctx)

    def process_element(self, value, ctx):
        return self.counting.row(value, ctx)

    def on_timer(self, timestamp, ctx):
        return self.counting.on_timer(timestamp, ctx)


class TwoInputCounter(KeyedCoProcessFunction):
    def __init__(self) -> None:
        self.counting = Counting(mutating=False)

    def open(self, ctx):
        self.counting.open(ctx)

    def process_element1(self, value, ctx):
        return self.counting.row(value, ctx)

    def process_element2(self, value, ctx):
        return self.counting.row(value, ctx)

    def on_timer(self, timestamp, ctx):
        return self.counting.on_timer(timestamp, ctx)


class RuledCounter(KeyedBroadcastProcessFunction):
    """Each row carries how many rules its instance knew: that never falls along a key, also over a restore."""

    def __init__(self) -> None:
        self.counting = Counting(mutating=False)

    def open(self, ctx):
        self.counting.open(ctx)

    def process_element(self, value, ctx):
        rules = sum(1 for _ in ctx.get_broadcast_state(RULES))
        for row in self.counting.row(value, ctx):
            yield {**row, "rules": rules}

    def process_broadcast_element(self, value, ctx):
        ctx.get_broadcast_state(RULES).put(value, value)
        return ()

    def on_timer(self, timestamp, ctx):
        return self.counting.on_timer(timestamp, ctx)


class ReferenceSource(DataGeneratorSource):
    """The generator, with readers that note what they are asked for and wait at the gate, if the job says so."""

    def __init__(self, job: Reference, share: float, **settings: Any) -> None:
        """``share``: of all partitions, those that this source has."""
        super().__init__(**settings)
        self.job = job
        self.share = share

    def create_reader(self, context: ReaderContext) -> SplitReader:
        reader = super().create_reader(context)
        if self.job.journal:
            reader = JournalingReader(reader, self.job.journal, context.subtask_index)
        if self.job.gate:
            limit = int(self.job.rows * GATE_SHARE)
            rate = self.job.rate / context.parallelism * self.share
            reader = GatedReader(reader, self.job.gate, limit, rate, context.monotonic)
        return reader


class Delegating(SplitReader):
    """Passes every call on."""

    def __init__(self, reader: SplitReader) -> None:
        self.reader = reader

    def add_splits(self, splits):
        self.reader.add_splits(splits)

    def fetch(self, max_rows):
        return self.reader.fetch(max_rows)

    def finished_splits(self):
        return self.reader.finished_splits()

    def is_idle(self):
        return self.reader.is_idle()

    def next_fetch_at(self):
        return self.reader.next_fetch_at()

    def snapshot(self):
        return self.reader.snapshot()

    def close(self):
        self.reader.close()


class JournalingReader(Delegating):
    """Notes each split that it is handed, with the position that it is asked to read from."""

    def __init__(self, reader: SplitReader, journal: str, index: int) -> None:
        super().__init__(reader)
        self.path = Path(journal) / f"{index}-{os.getpid()}.jsonl"

    def add_splits(self, splits):
        with self.path.open("a") as lines:
            for split in splits:
                asked = {"at": time.time_ns(), "partition": split.index, "position": split.position}
                lines.write(json.dumps(asked) + "\n")
        super().add_splits(splits)


class GatedReader(Delegating):
    """Reads at a rate, and holds at a number of rows, until a file exists; then as fast as it goes.

    So rows flow for as long as a test needs them to, and the end comes quickly when the test wants it.
    """

    def __init__(
        self, reader: SplitReader, gate: str, limit: int, rate: float, monotonic: Callable[[], float]
    ) -> None:
        super().__init__(reader)
        self.gate = gate
        self.limit = limit
        self.rate = rate  #: rows a second; 0: as fast as it goes
        self.monotonic = monotonic
        self.open = False
        self.due = 0.0

    def wait_until(self) -> float:
        """When rows may be read; the past, if they may be read now."""
        if not self.open:
            self.open = os.path.exists(self.gate)
        if self.open:
            return 0.0
        held = any(split.position >= self.limit for split in self.reader.snapshot())
        return self.monotonic() + HOLD_POLL_S if held else self.due

    def fetch(self, max_rows):
        now = self.monotonic()
        if self.wait_until() > now:
            return None
        if self.open:
            return super().fetch(max_rows)
        fetched = super().fetch(min(max_rows, 20))
        if fetched is not None and self.rate:
            self.due = max(now, self.due) + len(fetched.values) / self.rate
        return fetched

    def next_fetch_at(self):
        return min(self.wait_until(), self.monotonic() + HOLD_POLL_S) or super().next_fetch_at()


class SlowSink(Sink):
    """A file sink that takes its time for a snapshot; its first subtask does not end it while a file exists."""

    def __init__(self, sink: Sink, job: Reference) -> None:
        self.sink = sink
        self.job = job

    @property
    def committable_type(self):
        return self.sink.committable_type

    def create_writer(self, context: WriterContext) -> Writer:
        hold = self.job.hold if context.subtask_index == 0 else ""
        return SlowWriter(self.sink.create_writer(context), self.job.slow_ms / 1000, hold)

    def create_committer(self) -> Committer:
        return self.sink.create_committer()


class SlowWriter(Writer):
    def __init__(self, writer: Writer, seconds: float, hold: str) -> None:
        self.writer = writer
        self.seconds = seconds
        self.hold = hold

    def write(self, values, timestamps):
        self.writer.write(values, timestamps)

    def prepare_commit(self):
        return self.writer.prepare_commit()

    def finish_prepare(self, committables: Sequence[Any]) -> None:
        time.sleep(self.seconds)
        while self.hold and os.path.exists(self.hold):
            Path(f"{self.hold}.held").touch()
            time.sleep(HOLD_POLL_S)
        self.writer.finish_prepare(committables)

    def close(self):
        self.writer.close()


def source(job: Reference, numbers: range | None = None) -> DataGeneratorSource:
    """All partitions, or those of ``numbers``; a partition is a split."""
    if numbers is None:
        numbers = range(job.partitions)
    ours, first = len(numbers), numbers.start

    def number_of(i: int) -> int:
        offset, partition = divmod(i, ours)
        return offset * job.partitions + first + partition

    return ReferenceSource(
        job,
        ours / job.partitions,
        generator_fn=lambda i: job.row(number_of(i)),
        timestamp_fn=lambda i: event_time(i // ours),
        count=ours * job.rows,
        rows_per_second=job.rate * ours / job.partitions if job.rate and not job.gate else None,
        num_splits=ours,
    )


def by_key(row: Row) -> str:
    return row["k"]


def counted(env: StreamExecutionEnvironment, job: Reference) -> Any:
    """The stream of results, by variant."""
    times = WatermarkStrategy.for_monotonous_timestamps()
    half = job.partitions // 2
    if job.variant in ("two-inputs", "union"):
        first = env.from_source(source(job, range(half)), times, "first").uid("first")
        second = env.from_source(source(job, range(half, job.partitions)), times, "second").uid("second")
        if job.variant == "union":
            return first.union(second).key_by(by_key).process(Counter()).uid("count")
        return first.key_by(by_key).connect(second.key_by(by_key)).process(TwoInputCounter()).uid("count")
    rows = env.from_source(source(job), times, "rows").uid("rows")
    if job.variant == "broadcast":
        numbers = DataGeneratorSource(lambda i: i, count=200, rows_per_second=100)
        # The rules say nothing about time, so they must not hold it back.
        always = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(lambda _v, _t: 2**62)
        rules = env.from_source(numbers, always, "rules").uid("rules").set_parallelism(1)
        connected = rows.key_by(by_key).connect(rules.broadcast(RULES))
        return connected.process(RuledCounter()).uid("count")
    return rows.key_by(by_key).process(Counter(job.variant == "mutating", job.ballast)).uid("count")


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    job = Reference.parse(arguments)
    sink: Sink = FileSink.for_json_lines(job.out)
    if job.hold or job.slow_ms:
        sink = SlowSink(sink, job)
    counted(env, job).sink_to(sink).uid("out")

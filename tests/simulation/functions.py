"""User functions of the simulated jobs. Each emits enough to tell what became of every row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.simulation.rows import Row
from weir import (
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    ListStateDescriptor,
    MapFunction,
    MapStateDescriptor,
    OutputTag,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)

#: Event time of the last watermark: what is left goes out then.
END_OF_TIME = 2**63 - 2
ODD = OutputTag("odd")
RULES = MapStateDescriptor("rules", int, int)


class Poison:
    """Makes the next call of a user function fail, anywhere."""

    doses = 0

    @classmethod
    def taste(cls) -> None:
        if cls.doses:
            cls.doses -= 1
            raise ValueError("poison")


class Passing(MapFunction):
    """Counts its rows in operator state, which must be dealt out and restored with everything else."""

    def open(self, ctx):
        self.counts = ctx.get_operator_list_state(ListStateDescriptor("counts", int))

    def map(self, row: Row) -> Row:
        Poison.taste()
        counts = list(self.counts.get())
        self.counts.update([sum(counts) + 1])
        return row


class Count(KeyedProcessFunction):
    """(number, key, nth of its key, split); state in several kinds that must agree."""

    def __init__(self, padding: int = 0) -> None:
        self.padding = padding

    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", dict))
        self.by_split = ctx.get_map_state(MapStateDescriptor("by-split", int, int))
        self.total = ctx.get_reducing_state(ReducingStateDescriptor("total", lambda a, b: a + b, int))
        self.pad = ctx.get_state(ValueStateDescriptor("pad", bytes))

    def process_element(self, row: Row, ctx) -> Iterator[Any]:
        Poison.taste()
        seen = self.seen.value() or {"n": 0}
        seen["n"] += 1  # mutated in place, then updated
        self.seen.update(seen)
        self.by_split.put(row.split, (self.by_split.get(row.split) or 0) + 1)
        self.total.add(1)
        if self.padding:
            self.pad.update(bytes(self.padding))
        if not seen["n"] == sum(self.by_split.values()) == self.total.get():
            raise AssertionError(
                f"states disagree: {seen}, {dict(self.by_split.items())}, {self.total.get()}"
            )
        yield row.number, row.key, seen["n"], row.split


class Windows(KeyedProcessFunction):
    """(key, end, numbers): the rows of each second of event time, when the watermark has passed it."""

    size = 1000

    def open(self, ctx):
        self.rows = ctx.get_map_state(MapStateDescriptor("rows", int, list[int]))

    def process_element(self, row: Row, ctx) -> None:
        Poison.taste()
        end = row.time - row.time % self.size + self.size
        self.rows.put(end, [*(self.rows.get(end) or []), row.number])
        ctx.timer_service().register_event_time_timer(end - 1)

    def on_timer(self, timestamp: int, ctx) -> Iterator[Any]:
        if ctx.timer_service().current_watermark() < timestamp:
            raise AssertionError(f"timer {timestamp} fired at {ctx.timer_service().current_watermark()}")
        numbers = self.rows.get(timestamp + 1)
        if numbers:
            self.rows.remove(timestamp + 1)
            yield ctx.get_current_key(), timestamp + 1, tuple(numbers)


class Batches(KeyedProcessFunction):
    """(key, numbers): what gathered until a timer of processing time, the rest at the end of time."""

    def open(self, ctx):
        self.numbers = ctx.get_list_state(ListStateDescriptor("numbers", int))
        self.timer = ctx.get_state(ValueStateDescriptor("timer", int))

    def process_element(self, row: Row, ctx) -> None:
        Poison.taste()
        self.numbers.add(row.number)
        if self.timer.value() is None:
            at = ctx.timer_service().current_processing_time() + 150
            self.timer.update(at)
            ctx.timer_service().register_processing_time_timer(at)
            ctx.timer_service().register_event_time_timer(END_OF_TIME)

    def on_timer(self, timestamp: int, ctx) -> Iterator[Any]:
        self.timer.clear()
        numbers = tuple(self.numbers.get())
        self.numbers.clear()
        if numbers:
            yield ctx.get_current_key(), numbers


class Sides(KeyedProcessFunction):
    """Even numbers to the main output, odd ones to the side."""

    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, row: Row, ctx) -> Iterator[Any]:
        Poison.taste()
        nth = (self.seen.value() or 0) + 1
        self.seen.update(nth)
        if row.number % 2:
            ctx.output(ODD, (row.number, row.key, nth, row.split))
        else:
            yield row.number, row.key, nth, row.split


class Join(KeyedCoProcessFunction):
    """Every pair of a left and a right row of a key, once."""

    def open(self, ctx):
        self.left = ctx.get_list_state(ListStateDescriptor("left", int))
        self.right = ctx.get_map_state(MapStateDescriptor("right", int, bool))

    def process_element1(self, row: Row, ctx) -> Iterator[Any]:
        Poison.taste()
        self.left.add(row.number)
        for other in self.right:
            yield row.number, other

    def process_element2(self, row: Row, ctx) -> Iterator[Any]:
        Poison.taste()
        self.right.put(row.number, True)
        for other in self.left.get():
            yield other, row.number


class Ruled(KeyedBroadcastProcessFunction):
    """Rows with the number of rules that their instance knows; each rule once an instance."""

    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, row: Row, ctx) -> Iterator[Any]:
        Poison.taste()
        nth = (self.seen.value() or 0) + 1
        self.seen.update(nth)
        yield "row", row.number, row.key, nth, row.split, len(list(ctx.get_broadcast_state(RULES).keys()))

    def process_broadcast_element(self, row: Row, ctx) -> Iterator[Any]:
        Poison.taste()
        state = ctx.get_broadcast_state(RULES)
        state.put(row.number, row.key)
        yield "rule", row.number


def total(a: tuple[int, int, int], b: tuple[int, int, int]) -> tuple[int, int, int]:
    """For ``reduce``: (key, rows so far, the last number)."""
    Poison.taste()
    return a[0], a[1] + b[1], b[2]

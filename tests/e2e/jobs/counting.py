"""The job of most scenarios: rows by number, counted by key, each written with its place among its key's rows.

Arguments: how many rows, how many a second, the folder for the results, and for some scenarios ``fail-at=N``, the row that the function
cannot take, ``fail-after=N``, how many rows it can take, ``large-at=N``, the row that needs much memory for a moment, or ``ballast=N``, bytes of state that
each row leaves. A row of the result is ``{"id", "key", "nth", "version"}``; ``exactness.py`` says what must be there. An image of the next version differs in ``VERSION``.
"""

from __future__ import annotations

import os

from weir import (
    DataGeneratorSource,
    FileSink,
    KeyedProcessFunction,
    MapStateDescriptor,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)

VERSION = 1
KEYS = 17
#: Bytes: more than a TaskManager of the scenarios may have.
LARGE = 600 * 1024 * 1024


class Count(KeyedProcessFunction):
    def __init__(self, fail_at=None, fail_after=None, large_at=None, ballast=None):
        self.fail_at, self.left, self.large_at, self.ballast = fail_at, fail_after, large_at, ballast

    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))
        if self.ballast is not None:
            self.heap = ctx.get_map_state(MapStateDescriptor("heap", int, bytes))

    def process_element(self, row, ctx):
        if self.left is not None:
            self.left -= 1
        if row == self.fail_at or self.left == 0:
            raise ValueError(f"row {row} cannot be counted")
        if row == self.large_at:
            len(b"x" * LARGE)
        nth = (self.seen.value() or 0) + 1
        self.seen.update(nth)
        if self.ballast is not None:
            self.heap.put(nth, os.urandom(self.ballast))
        yield {"id": row, "key": ctx.get_current_key(), "nth": nth, "version": VERSION}


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows, rate, target, *further = args
    options = {name.replace("-", "_"): int(row) for name, _, row in (text.partition("=") for text in further)}
    source = DataGeneratorSource(lambda i: i, int(rows), float(rate))
    numbers = env.from_source(source, name="numbers").uid("numbers")
    counts = numbers.key_by(lambda i: i % KEYS).process(Count(**options)).uid("count")
    counts.sink_to(FileSink.for_json_lines(target)).uid("out")

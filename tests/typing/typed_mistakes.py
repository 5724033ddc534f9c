"""Mistakes that mypy must report: each line marked ``# error:`` with its codes, and no other. Never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typed_jobs import (
    Apply,
    CountWords,
    Join,
    Length,
    Merge,
    Sum,
)

from weir import (
    CollectSink,
    DataStream,
    KeyedContext,
    KeyedProcessFunction,
    RuntimeContext,
    Sink,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)


class CountNumbers(KeyedProcessFunction[int, int, int]):
    def process_element(self, value: int, ctx: KeyedContext) -> Iterator[int]:
        yield value


def element_types(lines: DataStream[str], numbers: DataStream[int], texts: Sink[str, Any]) -> None:
    numbers.map(lambda n: n.upper())  # error: attr-defined
    lines.map(lambda line: line.split()).map(lambda words: words.upper())  # error: attr-defined
    numbers.map(Length())  # error: arg-type
    numbers.flat_map(lambda n: n)  # error: arg-type return-value
    lines.key_by(lambda line: len(line) + 1).process(CountWords())  # error: arg-type
    lines.key_by(lambda line: line).process(CountNumbers())  # error: arg-type
    lines.key_by(lambda line: line).reduce(Sum())  # error: arg-type
    lines.process(CountWords())  # error: arg-type
    lines.union(numbers)  # error: arg-type
    numbers.sink_to(texts)  # error: arg-type


def two_streams(lines: DataStream[str], numbers: DataStream[int]) -> None:
    numbers.connect(lines).process(Merge())  # error: arg-type
    lines.connect(numbers).process(Join())  # error: arg-type
    lines.connect(numbers).process(Apply())  # error: arg-type
    lines.connect(numbers).key_by(len, lambda n: n).process(Join())  # error: arg-type


def settings(env: StreamExecutionEnvironment, lines: DataStream[str]) -> None:
    lines.uid(5)  # error: arg-type
    lines.set_parallelism("4")  # error: arg-type
    lines.print().map(len)  # error: attr-defined
    env.enable_checkpointing(["10s"])  # error: arg-type
    env.set_restart_strategy("none")  # error: arg-type
    lines.sink_to(CollectSink)  # error: arg-type


def state(ctx: RuntimeContext) -> None:
    ctx.get_state(ValueStateDescriptor("n", int)).update("one")  # error: arg-type

"""Mistakes that mypy must report, with their codes: strict mypy finds an ignore that nothing needs. Never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from typed_jobs import (
    Apply,
    CountWords,
    Join,
    Labelled,
    Length,
    Lines,
    Longest,
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
    TumblingEventTimeWindows,
    ValueStateDescriptor,
)


class CountNumbers(KeyedProcessFunction[int, int, int]):
    def process_element(self, value: int, ctx: KeyedContext) -> Iterator[int]:
        yield value


def element_types(lines: DataStream[str], numbers: DataStream[int], texts: Sink[str, Any]) -> None:
    numbers.map(lambda n: n.upper())  # type: ignore[attr-defined]
    lines.map(lambda line: line.split()).map(lambda words: words.upper())  # type: ignore[attr-defined]
    numbers.map(Length())  # type: ignore[arg-type]
    numbers.flat_map(lambda n: n)  # type: ignore[arg-type, return-value]
    lines.key_by(lambda line: len(line) + 1).process(CountWords())  # type: ignore[arg-type]
    lines.key_by(lambda line: line).process(CountNumbers())  # type: ignore[arg-type]
    lines.key_by(lambda line: line).reduce(Sum())  # type: ignore[arg-type]
    lines.process(CountWords())  # type: ignore[arg-type]
    lines.union(numbers)  # type: ignore[arg-type]
    numbers.sink_to(texts)  # type: ignore[arg-type]


def two_streams(lines: DataStream[str], numbers: DataStream[int]) -> None:
    numbers.connect(lines).process(Merge())  # type: ignore[arg-type]
    lines.connect(numbers).process(Join())  # type: ignore[arg-type]
    lines.connect(numbers).process(Apply())  # type: ignore[arg-type]
    lines.connect(numbers).key_by(len, lambda n: n).process(Join())  # type: ignore[arg-type]


def settings(env: StreamExecutionEnvironment, lines: DataStream[str]) -> None:
    lines.uid(5)  # type: ignore[arg-type]
    lines.set_parallelism("4")  # type: ignore[arg-type]
    lines.print().map(len)  # type: ignore[attr-defined]
    env.enable_checkpointing(["10s"])  # type: ignore[arg-type]
    env.set_restart_strategy("none")  # type: ignore[arg-type]
    lines.sink_to(CollectSink)  # type: ignore[arg-type]


def state(ctx: RuntimeContext) -> None:
    ctx.get_state(ValueStateDescriptor("n", int)).update("one")  # type: ignore[arg-type]


def windows(lines: DataStream[str], numbers: DataStream[int]) -> None:
    words = lines.key_by(lambda line: line).window(TumblingEventTimeWindows.of("10s"))
    sums = numbers.key_by(lambda n: n).window(TumblingEventTimeWindows.of("10s"))
    lines.window(TumblingEventTimeWindows.of("10s"))  # type: ignore[attr-defined]
    lines.key_by(lambda line: line).window("10s")  # type: ignore[arg-type]
    sums.aggregate(Longest())  # type: ignore[arg-type]
    sums.apply(Lines())  # type: ignore[arg-type]
    words.process(Labelled())  # type: ignore[arg-type]
    words.aggregate(Longest()).map(lambda longest: longest.upper())  # type: ignore[attr-defined]
    words.allowed_lateness(["5s"])  # type: ignore[arg-type]

"""Numbers in short sliding windows and in one long one, and the numbers themselves, written exactly once."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from weir import (
    AggregateFunction,
    DataGeneratorSource,
    FileSink,
    ProcessWindowFunction,
    SlidingEventTimeWindows,
    StreamExecutionEnvironment,
    TumblingEventTimeWindows,
    WatermarkStrategy,
)

KEYS, SIZE, SLIDE = 5, 200, 100


class CountRows(AggregateFunction):
    def create_accumulator(self):
        return 0

    def add(self, value, accumulator):
        return accumulator + 1

    def get_result(self, accumulator):
        return accumulator

    def merge(self, a, b):
        return a + b


class Named(ProcessWindowFunction):
    def process(self, key, context, elements):
        (count,) = elements
        yield key, context.window().start, count


class Listed(ProcessWindowFunction):
    def process(self, key, context, elements):
        yield key, list(elements)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rate, target = float(args[0]), args[1]
    times = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(lambda number, _: number)
    source = DataGeneratorSource(lambda i: i, count=1_000_000, rows_per_second=rate)
    numbers = env.from_source(source, times).uid("numbers")
    numbers.sink_to(FileSink.for_json_lines(f"{target}/numbers")).uid("out-numbers")
    by_key = numbers.key_by(lambda number: number % KEYS)
    short = by_key.window(SlidingEventTimeWindows(SIZE, SLIDE)).aggregate(CountRows(), Named()).uid("short")
    short.sink_to(FileSink.for_json_lines(f"{target}/short")).uid("out-short")
    long = by_key.window(TumblingEventTimeWindows.of("1h")).process(Listed()).uid("long")
    long.sink_to(FileSink.for_json_lines(f"{target}/long")).uid("out-long")


def written(target: Path, name: str) -> list:
    """What a sink has committed."""
    return [
        json.loads(line)
        for part in sorted((target / name).glob("part-*"))
        for line in part.read_text().splitlines()
    ]


def short_windows(rows: int, watermark: int | None = None) -> Counter:
    """Rows by key and start of the short windows over the first ``rows`` numbers; only those that ended by ``watermark``."""
    found: Counter = Counter()
    for number in range(rows):
        last = number - number % SLIDE
        for start in range(last, number - SIZE, -SLIDE):
            if watermark is None or start + SIZE - 1 <= watermark:
                found[number % KEYS, start] += 1
    return found

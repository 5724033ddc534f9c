"""The counting job with a mistake: its count has another name, so what was counted so far belongs to nobody."""

from __future__ import annotations

from counting import KEYS, Count

from weir import DataGeneratorSource, FileSink, StreamExecutionEnvironment


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows, rate, target = args
    numbers = env.from_source(DataGeneratorSource(lambda i: i, int(rows), float(rate))).uid("numbers")
    numbers.key_by(lambda i: i % KEYS).process(Count()).uid("renamed").sink_to(
        FileSink.for_json_lines(target)
    ).uid("out")

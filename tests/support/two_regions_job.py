"""Two parts that have nothing to do with each other, in slot sharing groups of their own; or joined by a ``key_by``.

Each part counts its rows by key. Until a file exists rows come slowly, so that checkpoints have something to commit for as
long as a test needs it.
"""

from __future__ import annotations

from pathlib import Path

from tests.support.reference_job import GatedReader
from weir import (
    DataGeneratorSource,
    FileSink,
    KeyedProcessFunction,
    ReaderContext,
    SplitReader,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)

ROWS, KEYS, RATE = 6000, 10, 50.0
PARTS = ("left", "right")


class Slow(DataGeneratorSource):
    def __init__(self, gate: str, part: str) -> None:
        super().__init__(lambda i: {"part": part, "i": i}, count=ROWS, num_splits=2)
        self.gate = gate

    def create_reader(self, context: ReaderContext) -> SplitReader:
        return GatedReader(super().create_reader(context), self.gate, ROWS * 2 // 5, RATE, context.monotonic)


class Count(KeyedProcessFunction):
    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value, ctx):
        seen = (self.seen.value() or 0) + 1
        self.seen.update(seen)
        yield {**value, "seen": seen}


def key_of(row: dict[str, object]) -> str:
    return f"{row['part']}-{row['i'] % KEYS}"


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """Arguments: a folder, and ``apart``, ``together`` (apart, but in one slot sharing group) or ``joined``."""
    folder, how = Path(args[0]), args[1]
    streams = []
    for part in PARTS:
        rows = env.from_source(Slow(str(folder / "gate"), part), name=part).uid(part)
        streams.append(rows.slot_sharing_group(part) if how == "apart" else rows)
    if how == "joined":
        streams = [streams[0].union(streams[1])]
    for part, rows in zip(PARTS, streams, strict=False):
        counted = rows.key_by(key_of).process(Count()).name(f"count {part}").uid(f"count-{part}")
        counted.sink_to(FileSink.for_json_lines(str(folder / "out"))).uid(f"out-{part}")

"""A fast source, rows by key, and a counter that is slow while a file exists: rows pile up before it. Exactly-once files.

Arguments: a folder, rows, rows a second (0: as fast as they come), milliseconds of a slow row. In the folder: ``slow`` and the output ``out``.
Each line of output has a key, the row's number, and the how-manieth of its key it is.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from weir import (
    DataGeneratorSource,
    FileSink,
    KeyedProcessFunction,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)

KEYS = 11


def press(gate: Path, seconds: float) -> None:
    """A row takes so long while the file exists."""
    if gate.exists():
        time.sleep(seconds)


class Pressed(KeyedProcessFunction):
    def __init__(self, gate: Path, seconds: float) -> None:
        self.gate = gate
        self.seconds = seconds

    def open(self, ctx: Any) -> None:
        self.count = ctx.get_state(ValueStateDescriptor("count", int))

    def process_element(self, value: Any, ctx: Any) -> Any:
        press(self.gate, self.seconds)
        number = (self.count.value() or 0) + 1
        self.count.update(number)
        yield {"key": ctx.get_current_key(), "row": value, "nth": number}


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    folder, count, rate, milliseconds = Path(args[0]), int(args[1]), float(args[2]), float(args[3])
    source = DataGeneratorSource(lambda i: i, count=count, rows_per_second=rate or None, num_splits=1)
    rows = env.from_source(source, name="fast").uid("fast")
    counted = rows.key_by(lambda row: row % KEYS).process(Pressed(folder / "slow", milliseconds / 1000))
    counted.name("slow").uid("slow").sink_to(FileSink.for_json_lines(str(folder / "out"))).uid("out")


def faults(folder: Path, count: int) -> list[str]:
    """What is wrong with the finished output: rows lost, doubled, or out of order within their key."""
    lines = [
        json.loads(line) for path in (folder / "out").glob("part-*") for line in path.read_text().splitlines()
    ]
    found = sorted((line["key"], line["nth"], line["row"]) for line in lines)
    wanted = sorted((row % KEYS, row // KEYS + 1, row) for row in range(count))
    if found == wanted:
        return []
    rows = [line["row"] for line in lines]
    lost, doubled = set(range(count)) - set(rows), {row for row in set(rows) if rows.count(row) > 1}
    return [f"{len(lost)} rows lost, {len(doubled)} doubled, {len(set(found) - set(wanted))} out of order"]

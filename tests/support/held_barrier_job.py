"""Two endless inputs of one operator. Rows of B, and the barriers behind them, are held while a file exists.

What the operator sees it writes down, a line a row: input, number, and when the source made it (monotonic seconds).
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from weir import (
    CoMapFunction,
    DataGeneratorSource,
    FileSink,
    MapFunction,
    PrintSink,
    StreamExecutionEnvironment,
)

RATE = 200
POLL_S = 0.01


class Hold(MapFunction):
    def __init__(self, folder: Path) -> None:
        self.hold, self.held = folder / "hold", folder / "held"

    def map(self, value):
        while os.path.exists(self.hold):
            self.held.touch()
            time.sleep(POLL_S)
        return value


class Journal(CoMapFunction):
    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal"

    def open(self, ctx):
        self.file = self.path.open("a", buffering=1)

    def write(self, name, value):
        self.file.write(f"{name} {value[0]} {value[1]}\n")

    def map1(self, value):
        self.write("a", value)

    def map2(self, value):
        self.write("b", value)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    folder = Path(args[0])

    def rows(name: str):
        made = DataGeneratorSource(lambda i: (i, time.monotonic()), rows_per_second=RATE)
        return env.from_source(made, name=name).uid(name)

    # In a worker of its own: who holds must hold nobody else.
    held = rows("b").map(Hold(folder)).name("hold").uid("hold").disable_chaining().slot_sharing_group("hold")
    joined = rows("a").connect(held).map(Journal(folder)).name("join").uid("join")
    joined.slot_sharing_group("default").sink_to(PrintSink()).uid("out").slot_sharing_group("default")


def visible(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """The same with files, and beside it rows of C that have one input all the way."""
    folder = Path(args[0])

    def rows(name: str):
        made = DataGeneratorSource(lambda i: (i, time.monotonic()), rows_per_second=RATE)
        return env.from_source(made, name=name).uid(name).slot_sharing_group("default")

    def shown(stream, name: str):
        stream.sink_to(FileSink.for_json_lines(str(folder / name))).uid(f"to-{name}").slot_sharing_group(
            "default"
        )

    held = rows("b").map(Hold(folder)).name("hold").uid("hold").disable_chaining().slot_sharing_group("hold")
    joined = (
        rows("a").connect(held).map(Passing(folder)).name("join").uid("join").slot_sharing_group("default")
    )
    shown(joined, "joined")
    shown(rows("c").map(lambda row: ("c", row[0])).uid("forward"), "forward")


class Passing(Journal):
    """Writes down and passes on."""

    def map1(self, value):
        super().map1(value)
        return "a", value[0]

    def map2(self, value):
        super().map2(value)
        return "b", value[0]

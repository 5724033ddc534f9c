"""Two bounded sources that end at different times, into one sink each and one for both together.

The long one holds until a file exists. Whenever the short one makes a row, a byte is added to a file of its process.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.small_jobs import Gated
from weir import DataGeneratorSource, FileSink, StreamExecutionEnvironment

SHORT, LONG = 60, 400


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    """Arguments: a folder. In it: ``gate``, ``made/PID`` and the outputs ``short``, ``long``, ``both``."""
    folder = Path(args[0])

    def made(i: int) -> dict[str, object]:
        with (folder / "made" / str(os.getpid())).open("a") as file:
            file.write("x")
        return {"from": "short", "i": i}

    short = env.from_source(DataGeneratorSource(made, count=SHORT, num_splits=3), name="short").uid("short")
    held = Gated(
        str(folder / "gate"),
        limit=LONG // 3,
        generator_fn=lambda i: {"from": "long", "i": i},
        count=LONG,
        num_splits=2,
    )
    long = env.from_source(held, name="long").uid("long")
    for name, rows in (("short", short), ("long", long)):
        rows.sink_to(FileSink.for_json_lines(str(folder / name))).uid(f"{name}-out")
    both = short.union(long).key_by(lambda row: row["i"] % 8).map(lambda row: row).uid("pass")
    both.sink_to(FileSink.for_json_lines(str(folder / "both"))).uid("both-out")

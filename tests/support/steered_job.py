"""A job that runs until it is stopped, with one slow vertex, and fails once when a file tells it to."""

from __future__ import annotations

import os
import time
from pathlib import Path

from weir import DataGeneratorSource, KeyedProcessFunction, StreamExecutionEnvironment, ValueStateDescriptor
from weir.connectors.files import FileSink

KEYS = 64
#: Rows a second that the source would give, and seconds that the slow vertex takes for each: it cannot keep up.
RATE, SLOW = 4000, 0.001
#: Large rows, so that few of them stand before a barrier.
PADDING = "x" * 4000


class Slow(KeyedProcessFunction):
    def __init__(self, trouble: str) -> None:
        self.trouble = trouble

    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value, ctx):
        time.sleep(SLOW)
        if value[0] % 50 == 0 and os.path.exists(self.trouble):
            Path(self.trouble).unlink(missing_ok=True)
            raise ValueError("asked to fail")
        self.seen.update((self.seen.value() or 0) + 1)
        yield value[0]


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows = env.from_source(
        DataGeneratorSource(lambda i: (i, PADDING + str(i)), rows_per_second=RATE), name="numbers"
    ).uid("numbers")
    slow = (
        rows.key_by(lambda value: value[0] % KEYS)
        .process(Slow(f"{args[0]}.trouble"))
        .name("slow")
        .uid("slow")
    )
    slow.rebalance().map(lambda value: value).name("after").uid("after").disable_chaining().sink_to(
        FileSink.for_json_lines(args[0])
    ).uid("out")

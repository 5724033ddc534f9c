"""A job of processing-time timers only: by key, one begets the next until a file exists, so that some are always pending.

Arguments are ``name=value``: ``keys``, ``out``, ``gate`` (the input ends when it exists), ``enough`` (no timer begets another one).
"""

from __future__ import annotations

import os

from tests.support.small_jobs import Gated, options
from weir import FileSink, KeyedProcessFunction, StreamExecutionEnvironment, ValueStateDescriptor

STEP_MS = 400


class Chain(KeyedProcessFunction):
    def __init__(self, enough: str) -> None:
        self.enough = enough

    def open(self, ctx):
        self.number = ctx.get_state(ValueStateDescriptor("number", int))

    def process_element(self, value, ctx):
        if self.number.value() is None:
            self.number.update(0)
            self._next(ctx, ctx.timer_service().current_processing_time())
        return ()

    def on_timer(self, timestamp, ctx):
        number = self.number.value() + 1
        self.number.update(number)
        last = os.path.exists(self.enough)
        yield {"k": ctx.get_current_key(), "n": number, "at": timestamp, "last": last}
        if not last:
            self._next(ctx, timestamp)

    def _next(self, ctx, now):
        for _ in range(2):  # one timer, however often it is asked for
            ctx.timer_service().register_processing_time_timer(now + STEP_MS)


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    keys = int(given["keys"])
    source = Gated(given["gate"], keys, generator_fn=lambda i: i, count=keys * 4, num_splits=2)
    rows = env.from_source(source, name="rows").uid("rows")
    fired = rows.key_by(lambda i: f"k{i % keys}").process(Chain(given["enough"])).uid("chain")
    fired.sink_to(FileSink.for_json_lines(given["out"])).uid("out")

"""A job whose shape is told by its arguments, for starts from the snapshots of other shapes.

Numbers are counted by key: each comes out with its key and how often that key came before it. ``shape`` may hold, parted by
commas: ``extra-map`` (a stateless operator more), ``extra-counter`` (a stateful one more, on the side), ``no-total``
(the second stateful operator is gone), ``unchained``, ``reordered`` (sources and branches made in another order), ``auto``
(the counter has no uid), ``max=N``, ``own-max`` (the counter alone has another max parallelism than what it chains with).
"""

from __future__ import annotations

from typing import Any

from tests.support.small_jobs import Gated, options
from weir import FileSink, KeyedProcessFunction, StreamExecutionEnvironment, ValueStateDescriptor

KEYS = 24


class Nth(KeyedProcessFunction):
    def __init__(self, kind: str) -> None:
        self.kind = kind

    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value, ctx):
        nth = (self.seen.value() or 0) + 1
        self.seen.update(nth)
        yield {"kind": self.kind, "v": value, "k": ctx.get_current_key(), "nth": nth}


def by_key(value: int) -> int:
    return value % KEYS


def build(env: StreamExecutionEnvironment, arguments: list[str]) -> None:
    given = options(arguments)
    shape = set(given["shape"].split(",")) if given.get("shape") else set()
    for word in shape:
        if word.startswith("max="):
            env.set_max_parallelism(int(word[4:]))
    rows, limit = int(given["rows"]), int(given["limit"])
    source = Gated(given["gate"], limit, generator_fn=lambda i: i, count=rows, num_splits=4)
    numbers: Any = env.from_source(source, name="numbers").uid("numbers")
    if "extra-map" in shape:
        numbers = numbers.map(lambda v: v).uid("extra-map")
    if "unchained" in shape:
        numbers = numbers.disable_chaining()

    def count() -> Any:
        counted = numbers.key_by(by_key).process(Nth("count"))
        counted = counted if "auto" in shape else counted.uid("count")
        if "own-max" in shape:
            counted = counted.set_max_parallelism(64)
        if "unchained" in shape:
            counted = counted.disable_chaining()
        return counted.sink_to(FileSink.for_json_lines(given["out"])).uid("out")

    def total() -> Any:
        totals = numbers.key_by(lambda _v: 0).process(Nth("total")).uid("total")
        return totals.sink_to(FileSink.for_json_lines(given["out"])).uid("totals")

    branches = [count] if "no-total" in shape else [count, total]
    for branch in reversed(branches) if "reordered" in shape else branches:
        branch()
    if "extra-counter" in shape:
        more = numbers.key_by(by_key).process(Nth("more")).uid("more")
        more.sink_to(FileSink.for_json_lines(given["out"])).uid("more-out")

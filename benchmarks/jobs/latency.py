"""How long rows take from a source to a keyed function in another worker: each carries the time when it was made.

Arguments: rows a second, rows in all, file for the result. The first fifth of the rows is not counted.
"""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Callable
from pathlib import Path

from benchmarks.jobs.full_load import Nowhere
from weir import (
    DataGeneratorSource,
    KeyedProcessFunction,
    RuntimeContext,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
)
from weir.functions import KeyedContext

#: Key, and nanoseconds of the machine's monotonic clock.
Row = tuple[int, int]
KEYS = 1000
SHARES = {"p50": 0.5, "p99": 0.99, "p999": 0.999}


class Late(KeyedProcessFunction[int, Row, int]):
    """A count a key, and the age of each row."""

    def __init__(self, rows: int, result: str) -> None:
        self._warm = rows // 5
        self._result = result
        self._rows = 0

    def open(self, runtime_context: RuntimeContext) -> None:
        self._seen = runtime_context.get_state(ValueStateDescriptor("seen", int))
        self._ages = array("q")

    def process_element(  # type: ignore[override]
        self, value: Row, ctx: KeyedContext, out: Callable[[int], None]
    ) -> None:
        seen = (self._seen.value() or 0) + 1
        self._seen.update(seen)
        out(seen)
        self._rows += 1
        if self._rows > self._warm:
            self._ages.append(time.monotonic_ns() - value[1])

    def close(self) -> None:
        if self._ages:
            Path(self._result).write_text(json.dumps(percentiles(self._ages)))


def percentiles(ages: array[int]) -> dict[str, float]:
    """In milliseconds."""
    ordered = sorted(ages)
    found = {
        name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in SHARES.items()
    }
    return {name: age / 1e6 for name, age in {**found, "max": ordered[-1]}.items()}


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rate, rows, result = float(args[0]), int(args[1]), args[2]

    def batch(start: int, count: int) -> list[Row]:
        now = time.monotonic_ns()
        return [(number % KEYS, now) for number in range(start, start + count)]

    source = DataGeneratorSource(batch_fn=batch, count=rows, rows_per_second=rate)
    numbers = env.from_source(source, name="rows").uid("rows")
    aged = numbers.key_by(lambda row: row[0]).process(Late(rows, result)).uid("late")
    aged.slot_sharing_group("second").sink_to(Nowhere()).uid("out")

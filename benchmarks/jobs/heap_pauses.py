"""A keyed sum over a million keys on the heap that notes how long its data thread was away from the rows.

Arguments: keys, of how many of them rows are drawn, seconds, result file. The first rows touch each key once; the others are drawn
in no order, and measured. With 0 seconds the first ones are. The sink shares the data thread: it notes the times between batches, and writes them down at the end.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weir import (
    DataGeneratorSource,
    KeyedProcessFunction,
    RuntimeContext,
    Sink,
    StreamExecutionEnvironment,
    ValueStateDescriptor,
    Writer,
    WriterContext,
)
from weir.functions import KeyedContext

#: Seconds between the last new key and the measurement.
WARM_UP = 3.0
_SPREAD = 2654435761  # a prime far above the number of keys: rows meet them in no order


class Total(KeyedProcessFunction[int, tuple[int, int], int]):
    """A sum per key."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.total = runtime_context.get_state(ValueStateDescriptor("total", int))

    def process_element(  # type: ignore[override]
        self, value: int, ctx: KeyedContext, out: Callable[[int], None]
    ) -> None:
        total = (self.total.value() or 0) + 1
        self.total.update(total)
        out(total)


class _Watch(Writer[int, Any]):
    def __init__(self, keys: int, seconds: float, result: str) -> None:
        self._keys, self._seconds, self._result = keys, seconds, result
        self._seen = 0
        self._from = self._filled = self._began = self._last = 0.0
        #: Seconds between batches, and how much of it the thread waited for a core that others had.
        self._gaps: list[tuple[float, float]] = []
        self._waited = 0.0
        #: Of the data thread, which makes this.
        self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def write(self, values: list[int], timestamps: list[int] | None) -> None:
        now, waited = time.perf_counter(), int(os.pread(self._schedule, 100, 0).split()[1]) / 1e9
        self._seen += len(values)
        if not self._seconds:
            self._grow(now, waited)
        elif not self._filled:
            self._filled = now if self._seen >= self._keys else 0.0
        elif not self._began:
            if now - self._filled >= WARM_UP:
                self._began, self._from = now, self._seen
        elif now - self._began < self._seconds:
            self._gaps.append((now - self._last, waited - self._waited))
        elif self._gaps:
            self._write_down(now)
        self._last, self._waited = now, waited

    def _grow(self, now: float, waited: float) -> None:
        """From the first row to the last new key."""
        if not self._began:
            self._began, self._from = now, self._seen
            return
        if not self._filled:
            self._gaps.append((now - self._last, waited - self._waited))
            if self._seen >= self._keys:
                self._filled = now
                self._write_down(now)

    def _write_down(self, now: float) -> None:
        rate = (self._seen - self._from) / (now - self._began)
        written = Path(f"{self._result}.part")
        written.write_text(json.dumps({"rate": rate, "gaps": self._gaps}))
        written.replace(self._result)
        self._gaps = []

    def prepare_commit(self) -> list[Any]:
        return []

    def close(self) -> None:
        os.close(self._schedule)


class Watch(Sink[int, Any]):
    """Writes down the rate, and the seconds between each two batches."""

    transactional = False

    def __init__(self, keys: int, seconds: float, result: str) -> None:
        self._given = keys, seconds, result

    @property
    def committable_type(self) -> None:
        return None

    def create_writer(self, context: WriterContext) -> Writer[int, Any]:
        return _Watch(*self._given)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    keys, drawn, seconds, result = int(args[0]), int(args[1]), float(args[2]), args[3]
    numbers = env.from_source(DataGeneratorSource(lambda i: i if i < keys else i * _SPREAD % drawn))
    sums = numbers.uid("numbers").key_by(lambda number: number).process(Total())
    sums.uid("total").sink_to(Watch(keys, seconds, result)).uid("watch")

"""Weir's side of the keyed-process benchmark: source -> map -> key_by -> keyed process (read, update, emit) -> count.

Arguments: rows, keys, variant (``process``, ``yield``, ``reduce``), groups (``one`` or ``two`` slot sharing groups, that is
worker processes), keys as ``text`` or ``number``, result file. The sink writes the rate after the first quarter, so start-up does not count.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from weir import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment, ValueStateDescriptor
from weir.connectors import CollectionSource
from weir.connectors.sink import Sink, Writer, WriterContext
from weir.functions import KeyedContext


class RunningSum(KeyedProcessFunction[str, tuple[str, int], tuple[str, int]]):
    """Keeps a sum per key."""

    def open(self, runtime_context: RuntimeContext) -> None:
        self.total = runtime_context.get_state(ValueStateDescriptor("total", int))


class AppendingSum(RunningSum):
    """Results through ``out``."""

    def process_element(  # type: ignore[override]
        self, value: tuple[str, int], ctx: KeyedContext, out: Callable[[tuple[str, int]], None]
    ) -> None:
        total = (self.total.value() or 0) + value[1]
        self.total.update(total)
        out((value[0], total))


class YieldingSum(RunningSum):
    """Results by ``yield``."""

    def process_element(self, value: tuple[str, int], ctx: KeyedContext) -> Any:
        total = (self.total.value() or 0) + value[1]
        self.total.update(total)
        yield value[0], total


class _Meter(Writer[Any, Any]):
    def __init__(self, rows: int, result: str) -> None:
        self._rows = rows
        self._quarter = rows // 4
        self._result = result
        self._seen = 0
        self._began = 0.0
        self._from = 0

    def write(self, values: list[Any], timestamps: list[int] | None) -> None:
        self._seen += len(values)
        if not self._began and self._seen >= self._quarter:
            self._began, self._from = time.perf_counter(), self._seen
        if self._seen >= self._rows:
            rate = (self._seen - self._from) / (time.perf_counter() - self._began)
            Path(self._result).write_text(json.dumps({"rows": self._seen, "rate": rate}))

    def prepare_commit(self) -> list[Any]:
        return []


class Meter(Sink[Any, Any]):
    """Counts rows and writes the rate down."""

    def __init__(self, rows: int, result: str) -> None:
        self._rows = rows
        self._result = result

    @property
    def committable_type(self) -> None:
        return None

    def create_writer(self, context: WriterContext) -> Writer[Any, Any]:
        return _Meter(self._rows, self._result)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows, keys = int(args[0]), int(args[1])
    variant, groups, keys_as, result = args[2:6]
    names: list[Any] = [key if keys_as == "number" else f"key-{key}" for key in range(keys)]
    data = [(names[row % keys], row) for row in range(rows)]
    keyed = (
        env.from_source(CollectionSource(data), name="rows")
        .uid("rows")
        .map(lambda row: (row[0], row[1] + 1))
        .uid("map")
        .key_by(lambda row: row[0])
    )
    if variant == "reduce":
        sums = keyed.reduce(lambda left, right: (left[0], left[1] + right[1]))
    else:
        sums = keyed.process(YieldingSum() if variant == "yield" else AppendingSum())
    sums = sums.uid("sum")
    if groups == "two":
        sums = sums.slot_sharing_group("second")
    sums.sink_to(Meter(rows, result)).uid("meter")

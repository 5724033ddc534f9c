"""Bytewax's side of the keyed-process benchmark; run by Bytewax's own environment, without recovery (its fastest)."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import bytewax.operators as op
from bytewax.dataflow import Dataflow
from bytewax.inputs import DynamicSource, StatelessSourcePartition
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import run_main


class _Rows(StatelessSourcePartition[Any]):
    def __init__(self, data: list[Any]) -> None:
        self._data = data
        self._at = 0

    def next_batch(self) -> list[Any]:
        if self._at >= len(self._data):
            raise StopIteration
        batch = self._data[self._at : self._at + 1000]
        self._at += 1000
        return batch


class Rows(DynamicSource[Any]):
    """Slices of a list, as Weir's side reads them."""

    def __init__(self, data: list[Any]) -> None:
        self._data = data

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Rows:
        return _Rows(self._data)


class _Meter(StatelessSinkPartition[Any]):
    def __init__(self, rows: int, result: str) -> None:
        self._rows = rows
        self._result = result
        self._seen = 0
        self._began = 0.0
        self._from = 0

    def write_batch(self, items: list[Any]) -> None:
        self._seen += len(items)
        if not self._began and self._seen >= self._rows // 4:
            self._began, self._from = time.perf_counter(), self._seen
        if self._seen >= self._rows:
            rate = (self._seen - self._from) / (time.perf_counter() - self._began)
            Path(self._result).write_text(json.dumps({"rows": self._seen, "rate": rate}))


class Meter(DynamicSink[Any]):
    """Counts rows and writes the rate down."""

    def __init__(self, rows: int, result: str) -> None:
        self._rows = rows
        self._result = result

    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Meter:
        return _Meter(self._rows, self._result)


def _add(total: int | None, row: tuple[str, int]) -> tuple[int, tuple[str, int]]:
    total = (total or 0) + row[1]
    return total, (row[0], total)


def main() -> None:
    rows, keys, result = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    names = [f"key-{key}" for key in range(keys)]
    data = [(names[row % keys], row) for row in range(rows)]
    flow = Dataflow("keyed_process")
    stream = op.input("rows", flow, Rows(data))
    stream = op.map("map", stream, lambda row: (row[0], row[1] + 1))
    keyed = op.key_on("key", stream, lambda row: row[0])
    sums = op.stateful_map("sum", keyed, _add)
    op.output("meter", sums, Meter(rows, result))
    run_main(flow)


if __name__ == "__main__":
    main()

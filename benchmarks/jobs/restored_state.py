"""Keyed state to be lost and restored: every key gets a value of random bytes, in order; from then on keys are drawn anew, as fast as it goes.

Arguments: keys, bytes a value, and a file in which the highest row that came through is told.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.jobs.big_state import drawn
from weir import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment, ValueStateDescriptor
from weir.connectors import DataGeneratorSource
from weir.connectors.sink import Sink, Writer, WriterContext
from weir.functions import KeyedContext


class Keep(KeyedProcessFunction[int, tuple[int, int], int]):
    """Emits the number of each row."""

    def __init__(self, size: int) -> None:
        self._size = size

    def open(self, runtime_context: RuntimeContext) -> None:
        self.kept = runtime_context.get_state(ValueStateDescriptor("kept", bytes))

    def process_element(self, value: tuple[int, int], ctx: KeyedContext, out: Any) -> None:  # type: ignore[override]
        self.kept.value()
        self.kept.update(os.urandom(self._size))
        out(value[0])


class _Progress(Writer[int, Any]):
    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def write(self, values: list[int], timestamps: list[int] | None) -> None:
        os.pwrite(self._file, values[-1].to_bytes(8, "big"), 0)

    def prepare_commit(self) -> list[Any]:
        return []

    def close(self) -> None:
        os.close(self._file)


class Progress(Sink[int, Any]):
    """Tells how far it is."""

    def __init__(self, path: str) -> None:
        self._path = path

    @property
    def committable_type(self) -> None:
        return None

    def create_writer(self, context: WriterContext) -> Writer[int, Any]:
        return _Progress(self._path)


def reached(path: Path) -> int:
    """The row that came through last; -1: none."""
    try:
        return int.from_bytes(path.read_bytes() or b"", "big") if path.stat().st_size else -1
    except FileNotFoundError:
        return -1


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    keys, size, path = int(args[0]), int(args[1]), args[2]

    def rows(start: int, count: int) -> list[tuple[int, int]]:
        return [(n, drawn(n, keys)) for n in range(start, start + count)]

    source: Any = DataGeneratorSource(batch_fn=rows)
    keyed = env.from_source(source, name="rows").uid("rows").key_by(lambda row: row[1])
    keyed.process(Keep(size)).uid("keep").sink_to(Progress(path)).uid("out")

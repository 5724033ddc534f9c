"""Keyed state that is far larger than memory: every key gets a value of random bytes, in order; from then on keys are drawn anew.

Arguments: keys, bytes a value, rows a second after the first pass. A row reads its key's value, checks its number and writes another one.
"""

from __future__ import annotations

import os
from typing import Any

from weir import KeyedProcessFunction, RuntimeContext, StreamExecutionEnvironment, ValueStateDescriptor
from weir.connectors import DataGeneratorSource, PrintSink
from weir.functions import KeyedContext

_MIX = 0x9E3779B97F4A7C15


class Keep(KeyedProcessFunction[int, int, int]):
    """Raises where a value is not its key's."""

    def __init__(self, size: int) -> None:
        self._size = size

    def open(self, runtime_context: RuntimeContext) -> None:
        self.kept = runtime_context.get_state(ValueStateDescriptor("kept", bytes))

    def process_element(self, value: int, ctx: KeyedContext) -> Any:
        known = self.kept.value()
        name = value.to_bytes(8, "big")
        if known is not None and (known[:8] != name or len(known) != self._size):
            raise AssertionError(f"key {value} has the value of {known[:8]!r}")
        self.kept.update(name + os.urandom(self._size - 8))
        return ()


def drawn(number: int, keys: int) -> int:
    """The key of a row."""
    return number if number < keys else (number * _MIX % 2**64) % keys


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    keys, size, rate = int(args[0]), int(args[1]), float(args[2])

    def rows(start: int, count: int) -> list[int]:
        return [drawn(n, keys) for n in range(start, start + count)]

    source: Any = DataGeneratorSource(batch_fn=rows, rows_per_second=rate)
    env.from_source(source, name="keys").uid("keys").key_by(lambda key: key).process(Keep(size)).uid(
        "keep"
    ).sink_to(PrintSink()).uid("out")

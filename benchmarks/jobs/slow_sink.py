"""A fast endless source before a sink that takes a fixed number of rows a second; each row is some kilobytes.

Arguments: rows per second of the sink, bytes of a row. Source and sink are in different workers, so what lies between
them is under flow control of the data plane.
"""

from __future__ import annotations

import time
from typing import NoReturn

from weir import DataGeneratorSource, Sink, StreamExecutionEnvironment, Writer, WriterContext


class _SlowWriter(Writer[bytes, NoReturn]):
    def __init__(self, rows_per_second: float) -> None:
        self._seconds_a_row = 1 / rows_per_second

    def write(self, values: list[bytes], timestamps: list[int] | None) -> None:
        time.sleep(len(values) * self._seconds_a_row)

    def prepare_commit(self) -> list[NoReturn]:
        return []


class SlowSink(Sink[bytes, NoReturn]):
    transactional = False

    def __init__(self, rows_per_second: float) -> None:
        self._rows_per_second = rows_per_second

    @property
    def committable_type(self) -> None:
        return None

    def create_writer(self, context: WriterContext) -> _SlowWriter:
        return _SlowWriter(self._rows_per_second)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows_per_second, row_bytes = float(args[0]), int(args[1])
    rows = DataGeneratorSource(lambda i: i.to_bytes(8, "big") * (row_bytes // 8))
    stream = env.from_source(rows).uid("rows").rebalance()
    stream.sink_to(SlowSink(rows_per_second)).uid("slow").slot_sharing_group("slow")

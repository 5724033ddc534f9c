"""Weir's side of the column benchmark: one query over bids, into nothing, or by ``write_answer`` into files for a test.

Arguments: rows, auctions, query (of ``QUERIES``), result file. The rate is that of the source between its first quarter and its last
bid: it is as fast as what stands behind it lets it be.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.jobs.bids import bids
from weir import (
    ColumnGeneratorSource,
    ColumnStream,
    Count,
    FileSink,
    Max,
    StreamExecutionEnvironment,
    Sum,
    WatermarkStrategy,
    col,
)
from weir.connectors.sink import Sink, Writer, WriterContext

_ALL = ("auction", "bidder", "price", "channel", "url", "ts")

QUERIES: dict[str, Callable[[ColumnStream], ColumnStream]] = {
    "q0": lambda stream: stream.select(*_ALL),
    "q1": lambda stream: stream.with_columns(price=col("price") * 0.908),
    "q2": lambda stream: stream.filter(col("auction") % 123 == 0).select("auction", "price"),
    "q5": lambda stream: (
        stream.key_by("auction")
        .window("10s", "2s")
        .aggregate(Count())
        .uid("counts")
        .key_by("window_end")
        .window("2s")
        .aggregate(Max("count"))
    ),
    "q7": lambda stream: stream.with_columns(every=0).key_by("every").window("10s").aggregate(Max("price")),
    "q12": lambda stream: stream.key_by("bidder").window("10s").aggregate(Count()),
    "sum": lambda stream: stream.key_by("auction").aggregate(Sum("price")),
}
#: What is compared of each answer.
ANSWERS = {
    "q0": _ALL,
    "q1": _ALL,
    "q2": ("auction", "price"),
    "q5": ("window_end", "max_count"),
    "q7": ("window_end", "max_price"),
    "q12": ("bidder", "window_end", "count"),
    "sum": ("auction", "sum_price"),
}


class TimedBids:
    """A batch function that writes down how fast it was called, and how much of a processor its thread, which runs all, took."""

    def __init__(self, rows: int, auctions: int, result: str) -> None:
        self._rows = rows
        self._auctions = auctions
        self._result = result
        self._from = 0
        self._began = self._cpu = 0.0

    def __call__(self, start: int, rows: int) -> pa.RecordBatch:
        if not self._began and start >= self._rows // 4:
            self._from, self._began, self._cpu = start, time.perf_counter(), time.thread_time()
        if start + rows >= self._rows:
            counted = start - self._from
            rate = counted / (time.perf_counter() - self._began)
            cpu = (time.thread_time() - self._cpu) / counted * 1e6
            told = {"rows": self._rows, "rate": rate, "cpu_seconds_per_million": cpu}
            Path(self._result).write_text(json.dumps(told))
        return bids(start, rows, self._auctions)


class _Nothing(Writer[Any, Any]):
    def write(self, values: Any, timestamps: Any) -> None:
        pass

    def prepare_commit(self) -> list[Any]:
        return []


class BlackHole(Sink[Any, Any]):
    """Takes columns and forgets them."""

    columnar = True

    @property
    def committable_type(self) -> None:
        return None

    def create_writer(self, context: WriterContext) -> Writer[Any, Any]:
        return _Nothing()


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows, auctions, query, result = int(args[0]), int(args[1]), args[2], args[3]
    source = ColumnGeneratorSource(TimedBids(rows, auctions, result), count=rows, timestamp_column="ts")
    _answer(env, source, query).sink_to(BlackHole()).uid("out")


def write_answer(
    env: StreamExecutionEnvironment, source: ColumnGeneratorSource, query: str, target: str
) -> None:
    """What is compared of the answer, as files in the folder ``target``."""
    rows = _answer(env, source, query).to_rows(*ANSWERS[query])
    rows.sink_to(FileSink.for_json_lines(target)).uid("out")


def _answer(env: StreamExecutionEnvironment, source: ColumnGeneratorSource, query: str) -> ColumnStream:
    stream = env.from_columns(source, WatermarkStrategy.for_monotonous_timestamps(), name="bids").uid("bids")
    stream.set_parallelism(1)
    return QUERIES[query](stream).uid(query)

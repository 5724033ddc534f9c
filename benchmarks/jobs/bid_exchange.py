"""Whole bids as columns between two processes: each makes half of them and sends them by auction to both, which keep a running sum.

Arguments: rows, auctions, result file. Each source writes its rate between a quarter of its share and all of it but the last few
batches, which are not dealt out evenly, beside the result file, with a number behind the name.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pyarrow as pa

from benchmarks.jobs.bids import bids
from benchmarks.jobs.queries import QUERIES, BlackHole
from weir import ColumnGeneratorSource, StreamExecutionEnvironment, WatermarkStrategy

PROCESSES = 2
#: Bids that a source may have fewer than the other.
UNEVEN = 100_000


class SharedBids:
    """A batch function that writes down how fast the bids of its own process were asked for."""

    def __init__(self, share: int, auctions: int, result: str) -> None:
        self._share = share
        self._auctions = auctions
        self._result = result
        self._made = self._from = self._first = 0
        self._began = 0.0
        self._told = False

    def __call__(self, start: int, rows: int) -> pa.RecordBatch:
        if not self._made:
            self._first = start
        self._made += rows
        if not self._began and self._made >= self._share // 4:
            self._from, self._began = self._made, time.perf_counter()
        elif not self._told and self._made >= self._share - UNEVEN:
            self._told = True
            rate = (self._made - self._from) / (time.perf_counter() - self._began)
            Path(f"{self._result}.{self._first}").write_text(json.dumps({"rows": self._made, "rate": rate}))
        return bids(start, rows, self._auctions)


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows, auctions, result = int(args[0]), int(args[1]), args[2]
    env.set_parallelism(PROCESSES)
    source = ColumnGeneratorSource(
        SharedBids(rows // PROCESSES, auctions, result), count=rows, timestamp_column="ts"
    )
    stream = env.from_columns(source, WatermarkStrategy.for_monotonous_timestamps(), name="bids").uid("bids")
    QUERIES["sum"](stream).uid("sum").sink_to(BlackHole()).uid("out")

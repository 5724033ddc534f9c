"""A columnar job over rows that follow from their numbers: hopping windows and running totals by key, written exactly once."""

from __future__ import annotations

import os
import time

import numpy as np
import pyarrow as pa

from weir import (
    ColumnGeneratorSource,
    Count,
    FileSink,
    Max,
    Mean,
    StreamExecutionEnvironment,
    Sum,
    WatermarkStrategy,
    col,
)

KEYS = 500
SIZE_MS, SLIDE_MS = 1000, 250


def auctions(numbers: np.ndarray) -> np.ndarray:
    return numbers * 7919 % KEYS


def prices(numbers: np.ndarray) -> np.ndarray:
    return numbers * 31 % 1009


def times(numbers: np.ndarray) -> np.ndarray:
    """Ten rows a millisecond, up to 40 ms out of order."""
    return numbers // 10 + numbers * 37 % 41


class Gated(ColumnGeneratorSource):
    """Gives the last third of each split's rows only when a file is there, so that a test has time for what it does before."""

    def __init__(self, gate: str, *given, **settings) -> None:
        super().__init__(*given, **settings)
        self.gate = gate

    def create_reader(self, context):
        reader = super().create_reader(context)
        fetch, due = reader.fetch, reader.next_fetch_at

        def held() -> bool:
            far = any(split.position > split.length * 2 // 3 for split in reader.snapshot())
            return far and not os.path.exists(self.gate)

        # Few at once: what is made up for after a stall must not pass the gate.
        reader.fetch = lambda most: None if held() else fetch(min(most, 1000))
        reader.next_fetch_at = lambda: time.monotonic() + 0.05 if held() else due()
        return reader


def make(start: int, rows: int) -> pa.RecordBatch:
    numbers = np.arange(start, start + rows)
    return pa.record_batch(
        {
            "number": numbers,
            "auction": auctions(numbers),
            "price": prices(numbers),
            "time": times(numbers),
            "never_read": np.zeros(rows),
        }
    )


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    count, rate, target = int(args[0]), float(args[1]), args[2]
    source = Gated(f"{target}.gate", make, count, rate, num_splits=3, timestamp_column="time")
    strategy = WatermarkStrategy.for_bounded_out_of_orderness("50ms")
    bids = env.from_columns(source, strategy, name="bids").uid("bids")
    cheap = bids.filter(col("price") % 2 == 0).with_columns(double=col("price") * 2)
    by_auction = cheap.select("number", "auction", "double").key_by("auction")
    windows = by_auction.window("1s", "250ms").aggregate(Count(), Sum("double"), Max("double")).uid("windows")
    windows.to_rows("auction", "window_start", "count", "sum_double", "max_double").sink_to(
        FileSink.for_json_lines(f"{target}/windows")
    ).uid("windows-out")
    totals = by_auction.aggregate(Sum("double", name="total"), Mean("double")).uid("totals")
    totals.to_rows("number", "auction", "total", "mean_double").filter(lambda row: row[0] % 10 == 0).sink_to(
        FileSink.for_json_lines(f"{target}/totals")
    ).uid("totals-out")

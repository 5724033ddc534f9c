"""A query of the column benchmark whose last third of bids waits for a file, so that it cannot end before a test has disturbed it.

Arguments: rows, auctions, query, the folder for the answer, and the file.
"""

from __future__ import annotations

from benchmarks.jobs.bids import bids
from benchmarks.jobs.queries import write_answer
from tests.support.columns_job import Gated
from weir import StreamExecutionEnvironment

RATE = 100_000


def build(env: StreamExecutionEnvironment, args: list[str]) -> None:
    rows, auctions, query, target, gate = int(args[0]), int(args[1]), *args[2:]
    source = Gated(gate, lambda start, n: bids(start, n, auctions), rows, RATE, timestamp_column="ts")
    write_answer(env, source, query, target)

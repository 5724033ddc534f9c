"""Queries over Nexmark's bids: Weir's columns beside Flink, one after the other in the same rounds.

Flink SQL runs each query twice in one JVM and counts the second run; both sides count between a quarter of the bids and the last,
the generator included, with a checkpoint each second to a local folder. ``exchange`` is a running sum of whole bids that are sent by
auction between two subtasks: Weir's two processes beside two threads of Flink's DataStream in Java. ``python -m benchmarks.bench_columns [--rounds N]
[--queries q0,q7]``. Both sides make all columns of each bid, also those that a query does not read: neither generator
takes projections. That the answers are right is the business of ``tests/integration/test_query_answers.py``.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from benchmarks.flink import run_java
from benchmarks.rounds import Contestant, compete, report
from benchmarks.weir_runs import run_weir

#: Query, auctions, rows in millions of a run of Weir and of Flink, and how many times as fast as Flink it must be.
TABLE = {
    "q0": ("q0", 10_000, 600, 24, 4),
    "q1": ("q1", 10_000, 400, 24, 4),
    "q2": ("q2", 10_000, 400, 24, 3),
    "q5": ("q5", 10_000, 80, 8, 6),
    "q7": ("q7", 10_000, 300, 16, 6),
    "q12": ("q12", 10_000, 240, 16, 7),
    "sum of 10k keys": ("sum", 10_000, 200, 8, 10),
    "sum of 1M keys": ("sum", 1_000_000, 100, 6, 12),
}
#: The same for whole bids between two subtasks.
EXCHANGE = "exchange"
EXCHANGED = (10_000, 80, 24, 2)
MILLION = 1_000_000


def weir(query: str, auctions: int, rows: int, scratch: Path) -> float:
    """Rows per second."""
    arguments = [str(rows), str(auctions), query]
    return run_weir("benchmarks.jobs.queries:build", arguments, scratch, {"state.backend.type": "FileSystem"})


def flink(query: str, auctions: int, rows: int, scratch: Path) -> float:
    """Rows per second."""
    return run_java("Queries", rows, auctions, query, scratch)


def exchange() -> list[Contestant]:
    """Both sides of ``exchange``."""
    auctions, ours, theirs, must = EXCHANGED
    weir_job = ("benchmarks.jobs.bid_exchange:build", [str(ours * MILLION), str(auctions)])
    return [
        Contestant("flink java exchange", partial(run_java, "BidSum", theirs * MILLION, auctions, "sum")),
        Contestant("weir exchange", partial(run_weir, *weir_job), {"flink java exchange": must}),
    ]


def queries(name: str) -> list[Contestant]:
    """Both sides of a query of ``TABLE``."""
    query, auctions, ours, theirs, must = TABLE[name]
    return [
        Contestant(f"flink sql {name}", partial(flink, query, auctions, theirs * MILLION)),
        Contestant(
            f"weir {name}", partial(weir, query, auctions, ours * MILLION), {f"flink sql {name}": must}
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--queries", default=",".join((*TABLE, EXCHANGE)), help="some of them, with commas between"
    )
    options = parser.parse_args()
    names = options.queries.split(",")
    found = [each for name in names for each in (exchange() if name == EXCHANGE else queries(name))]
    compete(found, options.rounds)
    rows = {name: TABLE[name][2:4] for name in TABLE} | {EXCHANGE: EXCHANGED[1:3]}
    told = ", ".join(f"{name} {rows[name][0]}/{rows[name][1]}" for name in names)
    fine = report(
        "columns",
        f"queries over bids, medians of {options.rounds} after the first quarter; millions of rows, Weir/Flink: {told}",
        found,
    )
    sys.exit(not fine)


if __name__ == "__main__":
    main()

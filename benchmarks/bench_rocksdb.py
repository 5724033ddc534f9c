"""Keyed sums over state in RocksDB: Weir beside Flink (Java) with its RocksDB, with the same memory for state and incremental checkpoints each second.

Once over 10,000 keys, which stay in memory, and once over keys that do not, each in its turn, so that every read goes to files. Both count after their
first quarter, so that start-up and the warming of a JVM are in none.
``python -m benchmarks.bench_rocksdb [--rounds N] [--cached-rows N] [--uniform-rows N] [--uniform-keys N] [--memory-mb N]``.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from benchmarks.flink import run_java
from benchmarks.rounds import Contestant, compete, report
from benchmarks.weir_runs import run_weir

KEYS = 10_000


def weir(rows: int, keys: int, memory_mb: int, scratch: Path) -> float:
    """Rows per second."""
    settings = {
        "state.backend.type": "RocksDB",
        "execution.checkpointing.incremental": "true",
        "state.backend.rocksdb.memory.fixed-per-slot": f"{memory_mb}Mi",
        "state.backend.rocksdb.localdir": str(scratch / "local"),
    }
    arguments = [str(rows), str(keys), "process", "one", "number"]
    return run_weir("benchmarks.jobs.keyed_process:build", arguments, scratch, settings)


def flink(rows: int, keys: int, memory_mb: int, scratch: Path) -> float:
    """Rows per second."""
    return run_java("KeyedSum", rows, keys, f"rocksdb-{memory_mb}", scratch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cached-rows", type=int, default=4_000_000)
    parser.add_argument("--uniform-rows", type=int, default=5_000_000)
    parser.add_argument("--uniform-keys", type=int, default=2_000_000)
    parser.add_argument("--memory-mb", type=int, default=64)
    given = parser.parse_args()
    contestants = []
    for what, rows, keys, must in (
        ("cached", given.cached_rows, KEYS, 5),
        ("uniform", given.uniform_rows, given.uniform_keys, 0.7),
    ):
        peer = f"flink rocksdb {what}"
        contestants += [
            Contestant(peer, partial(flink, rows, keys, given.memory_mb)),
            Contestant(f"weir rocksdb {what}", partial(weir, rows, keys, given.memory_mb), {peer: must}),
        ]
    compete(contestants, given.rounds)
    title = (
        f"keyed sums over state in RocksDB, {given.memory_mb} MiB for it, medians of {given.rounds} after the first quarter; rows: "
        f"cached {given.cached_rows:,} over {KEYS:,} keys, uniform {given.uniform_rows:,} over {given.uniform_keys:,}"
    )
    sys.exit(not report("rocksdb", title, contestants))


if __name__ == "__main__":
    main()

"""Keyed process function over 10,000 keys: Weir beside Bytewax, PyFlink and Flink (Java, DataStream).

Weir runs with everything on: JobManager, heartbeats, metrics and a checkpoint each second to a local folder; Flink and
PyFlink (Python in the JVM's own process, its fastest mode) with such checkpoints and object reuse, Bytewax without recovery.
All count after their first quarter, so that start-up and the warming of a JVM are in none. Keys are text for Bytewax, which
takes no others, and for PyFlink; numbers for Flink. Bids are rows of about 100 bytes: tuples of seven, and a POJO in Java.
``python -m benchmarks.bench_keyed_process [--rows N] [--rounds N] [--without-flink] [--quick]``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from functools import partial
from pathlib import Path

from benchmarks.flink import run_java, run_python
from benchmarks.peers import ROOT, python_with
from benchmarks.rounds import Contestant, compete, report
from benchmarks.weir_runs import run_weir

KEYS = 10_000
_JOBS = ROOT / "benchmarks" / "jobs"


def weir(rows: int, variant: str, groups: str, keys_as: str, scratch: Path) -> float:
    """Rows per second; ``groups``: slot sharing groups, that is worker processes."""
    return run_weir(
        "benchmarks.jobs.keyed_process:build", [str(rows), str(KEYS), variant, groups, keys_as], scratch
    )


def bytewax(rows: int, scratch: Path) -> float:
    """Rows per second."""
    result = scratch / "bytewax.json"
    command = [
        python_with("bytewax==0.21.1"),
        str(_JOBS / "keyed_process_bytewax.py"),
        str(rows),
        str(KEYS),
        str(result),
    ]
    subprocess.run(command, check=True, capture_output=True)
    rate: float = json.loads(result.read_text())["rate"]
    return rate


def flink(rows: int, variant: str, scratch: Path) -> float:
    """Rows per second."""
    return run_java("KeyedSum", rows, KEYS, variant, scratch)


def pyflink(rows: int, scratch: Path) -> float:
    """Rows per second."""
    return run_python(_JOBS / "keyed_process_pyflink.py", rows, KEYS, "thread", scratch)


def flink_bids(rows: int, scratch: Path) -> float:
    """Rows per second."""
    return run_java("KeyedBids", rows, KEYS, "", scratch)


def weir_bids(rows: int, groups: str, scratch: Path) -> float:
    """Rows per second."""
    return run_weir("benchmarks.jobs.keyed_bids:build", [str(rows), str(KEYS), groups], scratch)


def contestants(rows: int, peers: dict[str, int]) -> list[Contestant]:
    """All, with so many rows of each peer; a peer that is not in it is left out."""
    process, reduced, bids = "flink java process", "flink java reduce", "flink java bids"
    everyone = [
        Contestant("bytewax", partial(bytewax, peers.get("bytewax", 0))),
        Contestant("pyflink", partial(pyflink, peers.get("pyflink", 0))),
        Contestant(process, partial(flink, peers.get("flink", 0), "process")),
        Contestant(reduced, partial(flink, peers.get("flink", 0), "reduce")),
        Contestant(bids, partial(flink_bids, peers.get("flink", 0) // 2)),
        Contestant(
            "weir process", partial(weir, rows, "process", "one", "text"), {"bytewax": 5, "pyflink": 50}
        ),
        Contestant(
            "weir process (yield)", partial(weir, rows, "yield", "one", "text"), {"bytewax": 0, "pyflink": 0}
        ),
        Contestant("weir reduce", partial(weir, rows, "reduce", "one", "text"), {"bytewax": 0, "pyflink": 0}),
        Contestant(
            "weir process, two processes",
            partial(weir, rows, "process", "two", "text"),
            {"bytewax": 0, "pyflink": 0, "weir process": 1},
        ),
        Contestant("weir process, numbers", partial(weir, rows, "process", "one", "number"), {process: 0.2}),
        Contestant("weir reduce, numbers", partial(weir, rows, "reduce", "one", "number"), {reduced: 0.28}),
        Contestant(
            "weir process, numbers, two processes",
            partial(weir, rows, "process", "two", "number"),
            {process: 0.25},
        ),
        Contestant("weir bid tuples", partial(weir_bids, rows // 2, "one"), {bids: 0}),
        Contestant("weir bid tuples, two processes", partial(weir_bids, rows // 2, "two"), {bids: 0.4}),
    ]
    return [
        each
        for each in everyone
        if each.name.split()[0] in {"weir", *peers}
        and (not each.beside or {name.split()[0] for name in each.beside} & {*peers})
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=8_000_000, help="rows of each Weir run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--without-flink", action="store_true", help="Bytewax is the only peer; needs no JDK")
    parser.add_argument("--quick", action="store_true", help="one short round of Weir alone")
    options = parser.parse_args()
    peers = {"bytewax": 2_000_000, "pyflink": 400_000, "flink": 50_000_000}
    if options.without_flink:
        peers = {"bytewax": peers["bytewax"]}
    if options.quick:
        peers, options.rows, options.rounds = {"bytewax": 500_000}, 2_000_000, 1
    found = contestants(options.rows, peers)
    compete(found, options.rounds)
    told = ", ".join(f"{name} {rows:,}" for name, rows in peers.items())
    title = f"keyed sum over {KEYS:,} keys, medians of {options.rounds} after the first quarter; rows: weir {options.rows:,}, {told}"
    # A short round beside other work is for a look, and judges nobody.
    sys.exit(not report("keyed_process", title, found) and not options.quick)


if __name__ == "__main__":
    main()

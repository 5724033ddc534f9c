"""Keyed process function over 10,000 keys: Weir beside Bytewax in the same run, interleaved, medians and ratios.

Weir runs with everything on: JobManager, heartbeats, metrics and a checkpoint each second to a local folder. Bytewax
runs without recovery. Both count after their first quarter, so start-up is in neither. ``python -m
benchmarks.bench_keyed_process [--rows N] [--rounds N]``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.peers import ROOT, python_with

KEYS = 10_000
#: Name, variant and slot groups of Weir's runs.
WEIR = {
    "weir process, one process": ("process", "one"),
    "weir process (yield), one process": ("yield", "one"),
    "weir reduce, one process": ("reduce", "one"),
    "weir process, two processes": ("process", "two"),
}


def _rate(result: Path) -> float:
    rate: float = json.loads(result.read_text())["rate"]
    return rate


def run_weir(rows: int, variant: str, groups: str, scratch: Path) -> float:
    """Rows per second of one run."""
    result = scratch / "weir.json"
    command = [
        sys.executable, "-m", "weir", "run", "benchmarks.jobs.keyed_process:build",
        "--set", "execution.checkpointing.interval=1s",
        "--set", f"state.checkpoints.dir={scratch / 'checkpoints'}",
        "--", str(rows), str(KEYS), variant, groups, str(result),
    ]  # fmt: skip
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    return _rate(result)


def run_bytewax(rows: int, scratch: Path) -> float:
    """Rows per second of one run."""
    result = scratch / "bytewax.json"
    script = ROOT / "benchmarks" / "jobs" / "keyed_process_bytewax.py"
    command = [python_with("bytewax==0.21.1"), str(script), str(rows), str(KEYS), str(result)]
    subprocess.run(command, check=True, capture_output=True)
    return _rate(result)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=8_000_000, help="rows of each Weir run")
    parser.add_argument("--peer-rows", type=int, default=2_000_000, help="rows of each Bytewax run")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rates: dict[str, list[float]] = {"bytewax": [], **{name: [] for name in WEIR}}
    for turn in range(options.rounds):
        with tempfile.TemporaryDirectory() as folder:
            rates["bytewax"].append(run_bytewax(options.peer_rows, Path(folder)))
        for name, (variant, groups) in WEIR.items():
            with tempfile.TemporaryDirectory() as folder:
                rates[name].append(run_weir(options.rows, variant, groups, Path(folder)))
        print(f"round {turn + 1} of {options.rounds} done", file=sys.stderr)
    base = statistics.median(rates["bytewax"])
    print(f"keyed sum over {KEYS} keys; Weir {options.rows} rows, Bytewax {options.peer_rows} rows;")
    print(f"medians of {options.rounds} interleaved rounds, first quarter of each run left out")
    for name, values in rates.items():
        median = statistics.median(values)
        print(f"{name:36} {median / 1e6:6.2f} M rows/s   {median / base:5.2f} x bytewax")


if __name__ == "__main__":
    main()

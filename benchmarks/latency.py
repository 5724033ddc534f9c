"""How long rows take from a source to a keyed function in another worker, and what a checkpoint each second adds and costs.

``python -m benchmarks.latency [--seconds N] [--rounds N]``: 1,000, 10,000 and 100,000 rows a second, one hop over the wire, without
checkpoints and with one each second, in turn; medians of the rounds of p50, p99 and p99.9 in milliseconds. Then a keyed sum over
10,000 keys as fast as it goes, with and without them: scorecard row A24 allows a loss of a tenth. Exit code 1 when p99 is 5 ms or more, or
more than a tenth is lost.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.jobs.latency import SHARES
from benchmarks.peers import ROOT
from benchmarks.rounds import Contestant, compete, report
from benchmarks.weir_runs import run_weir

RATES = (1_000, 10_000, 100_000)
#: None in the time of a run, and one a second.
INTERVALS = {"no checkpoints": "1h", "one a second": "1s"}
ROWS = 8_000_000
KEYS = 10_000
#: Milliseconds that 99 rows of 100 must stay below, and how much of the rate must be kept with checkpoints.
MOST_P99_MS = 5.0
LEAST_KEPT = 0.9


def ages(rate: int, seconds: float, interval: str) -> dict[str, float]:
    """Milliseconds by share of the rows."""
    with tempfile.TemporaryDirectory(prefix="weir-latency-") as name:
        result = Path(name) / "ages.json"
        command = [
            sys.executable, "-m", "weir", "run", "benchmarks.jobs.latency:build",
            "--set", f"execution.checkpointing.interval={interval}",
            "--set", f"state.checkpoints.dir={Path(name) / 'checkpoints'}",
            "--", str(rate), str(int(rate * seconds)), str(result),
        ]  # fmt: skip
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        if ended.returncode:
            raise SystemExit(f"{rate} rows a second failed:\n{(ended.stdout + ended.stderr)[-3000:]}")
        found: dict[str, float] = json.loads(result.read_text())
    return found


def throughput(interval: str, scratch: Path) -> float:
    """Rows per second."""
    arguments = [str(ROWS), str(KEYS), "process", "one", "text"]
    settings = {"execution.checkpointing.interval": interval}
    return run_weir("benchmarks.jobs.keyed_process:build", arguments, scratch, settings)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(f"milliseconds from the source to a keyed function in another worker, medians of {options.rounds}")
    late = []
    for rate in RATES:
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in INTERVALS}
        for _ in range(options.rounds):
            for name, interval in INTERVALS.items():
                runs[name].append(ages(rate, options.seconds, interval))
        for name, found in runs.items():
            told = "  ".join(
                f"{share} {statistics.median(run[share] for run in found):8.2f}" for share in (*SHARES, "max")
            )
            print(f"{rate:8,} rows/s  {name:15} {told}", flush=True)
            if statistics.median(run["p99"] for run in found) >= MOST_P99_MS:
                late.append(f"{rate:,} rows/s, {name}")
    print(
        f"p99 of {MOST_P99_MS:g} ms or more: {'; '.join(late)}" if late else f"p99 below {MOST_P99_MS:g} ms"
    )
    base, *_ = INTERVALS
    contestants = [
        Contestant(
            f"weir, {name}",
            partial(throughput, interval),
            {} if name == base else {f"weir, {base}": LEAST_KEPT},
        )
        for name, interval in INTERVALS.items()
    ]
    compete(contestants, options.rounds)
    kept = report(
        "checkpoint_cost", f"keyed sum over {KEYS:,} keys, medians of {options.rounds}", contestants
    )
    sys.exit(bool(late) or not kept)


if __name__ == "__main__":
    main()

"""Pauses of the data thread, and what checkpoints cost, with a million keys on the heap.

``python -m benchmarks.heap_pauses [--keys N] [--hot N] [--grown N] [--seconds N] [--rounds N] [--loads hot,restless]``: a keyed sum in one
worker, rows from a generator at full speed, without checkpoints and with them, in turns. ``hot``: drawn from ``--hot`` of the keys, a checkpoint
each second; ``uniform``: from all of them; ``restless``: the same with an interval that is shorter than a snapshot takes, so that one follows
the other; ``growth``: each row has a new key, from none to ``--grown``. A pause is the time between two batches in the sink, less what the data
thread waited for a core that other processes had (Linux tells); rates are of the same time. Prints p50, p99, maximum, the median of the longest
of each second, and the rate with checkpoints by the rate without; writes ``out/benchmarks/heap_pauses.json``. Exit code 1 when p99 or a ratio
of rates is not what must hold, which is asked of ``hot`` and ``uniform``.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.peers import ROOT
from benchmarks.rounds import RESULTS
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

#: Interval of checkpoints, and with them: how much of the rate must be kept, and milliseconds that 99 gaps of 100 must stay below.
LOADS = {
    "hot": ("1s", 0.9, 10.0),
    "uniform": ("1s", 0.5, 10.0),
    "restless": ("100ms", 0.0, math.inf),
    "growth": ("1s", 0.0, math.inf),
}
#: Seconds for the start and the first row of each key.
PATIENCE = 240


@dataclass
class Seen:
    """The rounds of one job."""

    rates: list[float] = field(default_factory=list)
    #: Rows per second for which others did not have the core.
    own: list[float] = field(default_factory=list)
    #: Of all rounds: seconds, without and with the time for which others had the core.
    gaps: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    #: The longest gap of each second, which a checkpoint falls into where there are any.
    worst: list[float] = field(default_factory=list)
    checkpoints: int = 0
    restarts: int = 0

    @property
    def rate(self) -> float:
        """Rows per second for which others did not have the core, the median."""
        return statistics.median(self.own)

    def told(self) -> dict[str, Any]:
        return {
            "rates": self.rates,
            "own_rates": self.own,
            "batches": len(self.gaps),
            "p50_ms": pause_ms(self.gaps, 0.5),
            "p99_ms": pause_ms(self.gaps, 0.99),
            "p999_ms": pause_ms(self.gaps, 0.999),
            "max_ms": pause_ms(self.gaps, 1.0),
            "worst_of_a_second_ms": pause_ms(self.worst, 0.5),
            "p99_with_waiting_ms": pause_ms(self.whole, 0.99),
            "checkpoints": self.checkpoints,
            "restarts": self.restarts,
        }


def pause_ms(gaps: list[float], share: float) -> float:
    """So large a share of the gaps is not longer."""
    return sorted(gaps)[min(int(len(gaps) * share), len(gaps) - 1)] * 1000


def worst_of_seconds(gaps: list[tuple[float, float]]) -> list[float]:
    """The longest gap of each second, without what others had the core for."""
    worst = [0.0]
    passed = 0.0
    for gap, waited in gaps:
        passed += gap
        worst[-1] = max(worst[-1], gap - waited)
        if passed >= 1:
            worst.append(0.0)
            passed = 0.0
    return worst[:-1] or worst


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--hot", type=int, default=10_000)
    parser.add_argument("--grown", type=int, default=3_000_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loads", default=",".join(LOADS), help="some of them, with commas between")
    given = parser.parse_args()
    seen = {(load, on): Seen() for load in given.loads.split(",") for on in (False, True)}
    for turn in range(given.rounds):
        for (load, on), found in seen.items():
            arguments = (given.keys, given.hot if load == "hot" else given.keys, given.seconds)
            if load == "growth":
                arguments = (given.grown, given.grown, 0.0)
            interval = LOADS[load][0]
            with tempfile.TemporaryDirectory(prefix="weir-heap-") as folder:
                run(Path(folder), arguments, interval if on else None, found)
            name = f"{load}, checkpoints {interval if on else 'off'}"
            print(
                f"round {turn + 1}: {name:34} {found.rates[-1] / 1e6:.3f} M rows/s",
                file=sys.stderr,
                flush=True,
            )
    sys.exit(not report(given, seen))


def run(folder: Path, arguments: tuple[int, int, float], interval: str | None, seen: Seen) -> None:
    """Once, in a cluster of its own. ``arguments``: keys, of how many rows are drawn, seconds. ``interval``: of checkpoints."""
    result = folder / "result.json"
    with LocalCluster(slots=1, environment={"WEIR_LOG_LEVEL": "ERROR"}) as cluster:
        job = cluster.submit(
            JobSpec(
                name="heap-pauses",
                entrypoint="benchmarks.jobs.heap_pauses:build",
                args=(*map(str, arguments), str(result)),
                python_path=(str(ROOT),),
                overrides={
                    "state.backend.type": "FileSystem",
                    **({} if interval is None else {"execution.checkpointing.interval": interval}),
                },
                checkpoint_storage=(folder / "checkpoints").as_uri(),
            )
        )
        wait_result(cluster, job, result, PATIENCE + arguments[2])
        status = cluster.status(job)
        cluster.cancel(job)
        cluster.wait(job, timeout=120)
    found = json.loads(result.read_text())
    took, waited = (sum(column) for column in zip(*found["gaps"], strict=True))
    seen.rates.append(found["rate"])
    seen.own.append(found["rate"] * took / (took - waited))
    seen.gaps.extend(gap - waited for gap, waited in found["gaps"])
    seen.whole.extend(gap for gap, _ in found["gaps"])
    seen.worst.extend(worst_of_seconds(found["gaps"]))
    seen.checkpoints += status.checkpoints.completed
    seen.restarts += status.restarts


def wait_result(cluster: LocalCluster, job: JobId, result: Path, most: float) -> None:
    deadline = time.monotonic() + most
    restarts = 0
    while not result.exists():
        status = cluster.status(job)
        if status.restarts > restarts:
            restarts = status.restarts
            print(f"restart {restarts}: {status.failures}", file=sys.stderr, flush=True)
        if status.state in (JobState.FAILED, JobState.FINISHED) or time.monotonic() > deadline:
            raise SystemExit(f"the job is {status.state}: {status.failures}")
        time.sleep(0.2)


def report(given: argparse.Namespace, seen: dict[tuple[str, bool], Seen]) -> bool:
    """Print and write it; whether all holds that must."""
    print(
        f"{given.keys:,} keys on the heap, hot: {given.hot:,} of them, growth: to {given.grown:,}; medians of {given.rounds} rounds, "
        f"{given.seconds:g} s each after the first row of each key; ms between batches"
    )
    lines, fine = [], True
    for (load, on), found in seen.items():
        told = found.told()
        kept = found.rate / seen[load, False].rate
        _, least_kept, most_ms = LOADS[load]
        if on:
            fine &= kept >= least_kept and told["p99_ms"] < most_ms and not found.restarts
        print(
            f"{load:8} checkpoints {LOADS[load][0] if on else 'off':5} {found.rate / 1e6:6.3f} M rows/s   p50 {told['p50_ms']:6.2f}  p99 {told['p99_ms']:6.2f}  "
            f"p99.9 {told['p999_ms']:6.1f}  max {told['max_ms']:6.1f}  of each second {told['worst_of_a_second_ms']:5.1f}  (p99 with waiting {told['p99_with_waiting_ms']:5.1f})   {found.checkpoints} checkpoints, {found.restarts} restarts"
            + (f"   kept {kept:.2f} (must: {least_kept})" if on else "")
        )
        lines.append({"load": load, "checkpoints_on": on, "kept": kept, **told})
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "heap_pauses.json").write_text(
        json.dumps({"keys": given.keys, "hot": given.hot, "runs": lines}, indent=1)
    )
    print(f"written: out/benchmarks/heap_pauses.json; {'ok' if fine else 'NOT WELL'}")
    return fine


if __name__ == "__main__":
    main()

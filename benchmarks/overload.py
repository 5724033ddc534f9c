"""Overload for a while, then less than full load: the lag is gone when arithmetic says, nothing restarts, checkpoints stay young.

``python -m benchmarks.overload [--seconds N]``: rows come at 3 times the capacity of a keyed function for that long, then at 0.8
times. The lag at the end of the overload, divided by what is left of the capacity, is the computed time. A checkpoint each
second. Exit code 1 when the lag was there for more than ``MOST_LATE`` times that, something restarted, or the newest checkpoint
was ever older than three intervals. Scorecard R30 asks for ten minutes of overload, which take one hundred to work off.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.jobs.overload import Load
from benchmarks.peers import ROOT
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec

CAPACITY = 5000.0
FACTOR, AFTERWARDS = 3.0, 0.8
INTERVAL = 1.0
MOST_LATE = 1.1
#: Lag that counts as none: what is on its way in a tenth of a second.
GONE = CAPACITY / 10


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=8)
    options = parser.parse_args()
    load = Load(CAPACITY, FACTOR, options.seconds, AFTERWARDS)
    computed = options.seconds * (FACTOR - 1) / (1 - AFTERWARDS)
    most = options.seconds + computed * MOST_LATE + 10
    with (
        tempfile.TemporaryDirectory(prefix="weir-overload-") as name,
        LocalCluster(slots=2, environment={"WEIR_LOG_LEVEL": "ERROR"}) as cluster,
    ):
        job = cluster.submit(
            JobSpec(
                name="overload",
                entrypoint="benchmarks.jobs.overload:build",
                args=tuple(map(str, (CAPACITY, FACTOR, options.seconds, AFTERWARDS, most + 60))),
                python_path=(str(ROOT),),
                overrides={
                    "execution.checkpointing.interval": f"{INTERVAL:g}s",
                    "execution.checkpointing.unaligned.enabled": "true",
                },
                checkpoint_storage=Path(name).as_uri(),
            )
        )
        while cluster.status(job).records_in == 0:
            time.sleep(0.01)
        began, told, worst, oldest, gone = time.time(), 0.0, 0, 0.0, 0.0
        status = cluster.status(job)
        while not gone and time.time() - began < most:
            time.sleep(0.1)
            status = cluster.status(job)
            elapsed = time.time() - began
            lag = load.due(elapsed) - status.records_out
            last = status.checkpoints.last
            age = elapsed if last is None else time.time() - last.completed_at_ms / 1000
            worst, oldest = max(worst, lag), max(oldest, age)
            if elapsed > options.seconds and lag <= GONE:
                gone = elapsed - options.seconds
            if elapsed >= told or gone:
                told += 10
                print(
                    f"{elapsed:6.1f} s   lag {lag:8,} rows   newest checkpoint {age:4.1f} s old", flush=True
                )
        cluster.cancel(job)
        cluster.wait(job, timeout=60)
    fine = bool(gone) and gone <= computed * MOST_LATE and not status.restarts and oldest <= 3 * INTERVAL
    print(
        f"{FACTOR:g} x {CAPACITY:g} rows/s for {options.seconds:g} s: lag at most {worst:,} rows; then {AFTERWARDS:g} x: gone after "
        f"{gone:.1f} s (computed {computed:.1f} s), {status.restarts} restarts, {status.checkpoints.completed} checkpoints, "
        f"{status.checkpoints.failed} failed, the newest never older than {oldest:.1f} s: {'ok' if fine else 'NOT WELL'}"
    )
    sys.exit(not fine)


if __name__ == "__main__":
    main()

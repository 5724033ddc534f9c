"""A slow sink must not grow memory: resident memory of all workers each five seconds, while a source that could give a
hundred times more is held back.

``python -m benchmarks.slow_sink [--seconds N] [--rows-per-second N]`` ends with exit code 1 if memory grew after the first quarter by more than
the budget, or if the source ran away.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from benchmarks.processes import rss_mb, workers
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec

ROOT = Path(__file__).resolve().parent.parent
ROW_BYTES = 4096
EACH_SECONDS = 5
GROWTH_MB = 16
#: Rows that may lie between source and sink: credit and batches, in bytes.
BETWEEN_BYTES = 64e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rows-per-second", type=int, default=500)
    options = parser.parse_args()
    spec = JobSpec(
        name="slow-sink",
        entrypoint="benchmarks.jobs.slow_sink:build",
        args=(str(options.rows_per_second), str(ROW_BYTES)),
        python_path=(str(ROOT),),
    )
    samples = []
    with LocalCluster(slots=2, environment={"WEIR_LOG_LEVEL": "ERROR"}) as cluster:
        job = cluster.submit(spec)
        began = time.monotonic()
        while len(samples) * EACH_SECONDS < options.seconds:
            time.sleep(max(0.0, began + (len(samples) + 1) * EACH_SECONDS - time.monotonic()))
            status = cluster.status(job)
            sizes = sorted(
                rss_mb(pid) for supervisor in cluster.taskmanager_pids for pid in workers(supervisor)
            )
            samples.append((sizes[-1], status.records_in))
            print(
                f"{len(samples) * EACH_SECONDS:4} s   workers {', '.join(f'{size:.1f}' for size in sizes)} MB resident   "
                f"source at row {status.records_in:,}, sink at about {len(samples) * EACH_SECONDS * options.rows_per_second:,}",
                flush=True,
            )
        cluster.cancel(job)
        cluster.wait(job, timeout=60)
    quarter = samples[len(samples) // 4 :]
    growth = max(size for size, _ in quarter) - quarter[0][0]
    ahead = samples[-1][1] - options.seconds * options.rows_per_second
    print(
        f"growth after the first quarter {growth:.1f} MB (budget {GROWTH_MB} MB), source ahead by {ahead:,} rows"
    )
    sys.exit(growth > GROWTH_MB or ahead * ROW_BYTES > BETWEEN_BYTES)


if __name__ == "__main__":
    main()

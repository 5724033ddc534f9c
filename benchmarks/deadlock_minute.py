"""``key_by`` under full load at parallelism 1 to 4, one slot a worker, a minute each, checkpoints each second: no deadlock.

``python -m benchmarks.deadlock_minute [--seconds N]`` prints rows, checkpoints and the longest time without progress; exit
code 1 if a run stood still, restarted or completed no checkpoint.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

ROOT = Path(__file__).resolve().parent.parent
#: Seconds without one more row that count as standing still.
STILL_SECONDS = 10.0


def run(parallelism: int, seconds: float, folder: Path) -> bool:
    """One run; whether it was well."""
    spec = JobSpec(
        name=f"full-load-{parallelism}",
        entrypoint="benchmarks.jobs.full_load:build",
        python_path=(str(ROOT),),
        parallelism=parallelism,
        overrides={"execution.checkpointing.interval": "1s"},
        checkpoint_storage=folder.as_uri(),
    )
    with LocalCluster(slots=1, task_managers=parallelism, environment={"WEIR_LOG_LEVEL": "ERROR"}) as cluster:
        job = cluster.submit(spec)
        began = moved = time.monotonic()
        rows, still = 0, 0.0
        while time.monotonic() - began < seconds:
            time.sleep(0.25)
            status = cluster.status(job)
            if status.records_in > rows:
                rows, moved = status.records_in, time.monotonic()
            still = max(still, time.monotonic() - moved)
        status = cluster.status(job)
        cluster.cancel(job)
        cluster.wait(job, timeout=60)
    well = (
        status.state is JobState.RUNNING
        and status.restarts == 0
        and status.checkpoints.completed > 0
        and still < STILL_SECONDS
    )
    print(
        f"parallelism {parallelism}: {rows:13,} rows in {seconds:g} s ({rows / seconds:9,.0f} a second), "
        f"{status.checkpoints.completed} checkpoints, {status.checkpoints.failed} failed, {status.restarts} restarts, "
        f"longest without a row {still:.1f} s: {'ok' if well else 'NOT WELL'}",
        flush=True,
    )
    return well


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-full-load-") as name:
        wells = [
            run(parallelism, options.seconds, Path(name) / str(parallelism)) for parallelism in (1, 2, 3, 4)
        ]
    sys.exit(not all(wells))


if __name__ == "__main__":
    main()

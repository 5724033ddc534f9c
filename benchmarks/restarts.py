"""Many forced restarts leave nothing behind: memory, files, threads, temporary files and stored objects (but the fence's records), at restart 10 and at the end.

``python -m benchmarks.restarts [--restarts N]``: a keyed job in two workers with a checkpoint each 200 ms; a worker is killed
(``SIGKILL``), the job restarts and completes a checkpoint, and so on. Exit code 1 when something is more than 5 % (and more than
what a single restart makes it swing, ``SLACK``) above what it was after restart 10. Scorecard R8 asks for 500.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.peers import ROOT
from benchmarks.processes import open_files, rss_mb, threads, workers
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

FIRST = 10
#: Samples around restart 10 and at the end whose medians are compared.
SAMPLES = 5
MOST_GROWTH = 1.05
SLACK = {"MB": 1.0, "files": 2, "threads": 1, "temporary": 2, "objects": 4}
_PATIENCE = 120.0


@dataclass(frozen=True)
class Sample:
    """By what it is of."""

    figures: dict[tuple[str, str], float]


def sample(cluster: LocalCluster, temporary: Path, bucket: Path) -> Sample:
    found: dict[tuple[str, str], float] = {}
    [supervisor] = cluster.taskmanager_pids
    for name, pid in (("JobManager", cluster.jobmanager_pid or 0), ("supervisor", supervisor)):
        found[name, "MB"] = rss_mb(pid)
        found[name, "files"] = open_files(pid)
        found[name, "threads"] = threads(pid)
    found["workers", "MB"] = max(map(rss_mb, workers(supervisor)), default=0.0)
    # Folders may go while they are walked, which os.walk bears.
    found["temporary folder", "temporary"] = sum(
        len(dirs) + len(files) for _, dirs, files in os.walk(temporary)
    )
    # The fence's log keeps a record of each completed checkpoint by design (ADR 0012), restarts or not.
    found["bucket", "objects"] = sum(
        len(files) for folder, _, files in os.walk(bucket) if Path(folder).name != "fence"
    )
    return Sample(found)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--restarts", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-restarts-") as name:
        temporary, bucket = Path(name) / "tmp", Path(name) / "bucket"
        temporary.mkdir()
        environment = {"WEIR_LOG_LEVEL": "ERROR", "TMPDIR": str(temporary)}
        with LocalCluster(slots=2, environment=environment) as cluster:
            samples = restart(cluster, options.restarts, temporary, bucket)
    sys.exit(not compare(samples))


def restart(cluster: LocalCluster, restarts: int, temporary: Path, bucket: Path) -> list[Sample]:
    """A sample after each restart, when a checkpoint was completed behind it."""
    job = cluster.submit(
        JobSpec(
            name="restarts",
            entrypoint="benchmarks.jobs.pipelines:build",
            args=("1", "200"),
            python_path=(str(ROOT),),
            parallelism=2,
            overrides={
                "execution.checkpointing.interval": "200ms",
                "restart-strategy.type": "fixed-delay",
                "restart-strategy.fixed-delay.attempts": "1000000",
                "restart-strategy.fixed-delay.delay": "1ms",
            },
            checkpoint_storage=bucket.as_uri(),
        )
    )
    samples: list[Sample] = []
    began = time.monotonic()
    for number in range(restarts + 1):
        deadline = time.monotonic() + _PATIENCE
        while True:
            status = cluster.status(job)
            if status.restarts >= number and status.state is JobState.RUNNING:
                break
            if status.state.is_settled or time.monotonic() > deadline:
                raise SystemExit(f"after {number} kills the job is {status.state}: {status.failure}")
            time.sleep(0.02)
        completed = status.checkpoints.completed
        while cluster.status(job).checkpoints.completed <= completed:
            if time.monotonic() > deadline:
                raise SystemExit(f"no checkpoint was completed after restart {number}")
            time.sleep(0.02)
        samples.append(sample(cluster, temporary, bucket))
        if number < restarts:
            found = workers(cluster.taskmanager_pids[0])
            os.kill(found[number % len(found)], signal.SIGKILL)
    print(f"{restarts} restarts in {time.monotonic() - began:.0f} s, {status.restarts} counted")
    return samples


def compare(samples: list[Sample]) -> bool:
    """Print the table; whether all is within the budget."""
    fine = True
    print(f"{'':22} {'restart 10':>10} {'end':>10}")
    for what in samples[0].figures:
        early = statistics.median(each.figures[what] for each in samples[FIRST : FIRST + SAMPLES])
        late = statistics.median(each.figures[what] for each in samples[-SAMPLES:])
        grew = late > early * MOST_GROWTH and late > early + SLACK[what[1]]
        fine &= not grew
        print(
            f"{what[0] + ', ' + what[1]:22} {early:10.1f} {late:10.1f} {'GREW' if grew else ''}", flush=True
        )
    return fine


if __name__ == "__main__":
    main()

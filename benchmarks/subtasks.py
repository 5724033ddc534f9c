"""What the control plane costs as a job grows: 50, 100, 250 and 500 subtasks in five workers, a checkpoint each second.

The job is many small pipelines, so rows cost next to nothing and channels grow like subtasks. ``python -m benchmarks.subtasks
[--subtasks 50,100] [--seconds N]`` prints for each size the CPU of the JobManager, the duration of checkpoints and the memory;
exit code 1 when the JobManager's CPU a subtask at the largest size is above ``MOST_GROWTH`` times that at the smallest.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.peers import ROOT
from benchmarks.processes import processor_seconds, rss_mb, workers
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

WORKERS = 5
#: Of each pipeline and worker: a reader and a count.
_EACH = 2
_ROWS_PER_SECOND = 10
MOST_GROWTH = 1.5
_PATIENCE = 300.0


def measured(subtasks: int, seconds: float, folder: Path) -> float:
    """CPU milliseconds of the JobManager a second and subtask, beyond those of a JobManager without a job."""
    pipelines = subtasks // (WORKERS * _EACH)
    spec = JobSpec(
        name=f"subtasks-{subtasks}",
        entrypoint="benchmarks.jobs.pipelines:build",
        args=(str(pipelines), str(_ROWS_PER_SECOND)),
        python_path=(str(ROOT),),
        parallelism=WORKERS,
        overrides={"execution.checkpointing.interval": "1s"},
        checkpoint_storage=folder.as_uri(),
    )
    with LocalCluster(slots=WORKERS, environment={"WEIR_LOG_LEVEL": "ERROR"}) as cluster:
        jobmanager = cluster.jobmanager_pid or 0
        began = time.monotonic()
        job = cluster.submit(spec)
        while (status := cluster.status(job)).checkpoints.completed < 2:
            if (
                status.state not in {JobState.CREATED, JobState.RUNNING}
                or time.monotonic() > began + _PATIENCE
            ):
                print(f"{subtasks} subtasks: {status.state}, {status.failure}")
                sys.exit(1)
            time.sleep(0.1)
        started = time.monotonic() - began
        before, cpu, at = status, processor_seconds(jobmanager), time.monotonic()
        pids = [pid for supervisor in cluster.taskmanager_pids for pid in workers(supervisor)]
        theirs = sum(map(processor_seconds, pids))
        durations = []
        while time.monotonic() < at + seconds:
            time.sleep(0.5)
            last = cluster.status(job).checkpoints.last
            if last is not None:
                durations.append(last.duration_ms)
        took = time.monotonic() - at
        cpu = (processor_seconds(jobmanager) - cpu) / took
        theirs = (sum(map(processor_seconds, pids)) - theirs) / took
        status = cluster.status(job)
        completed = status.checkpoints.completed - before.checkpoints.completed
        print(
            f"{subtasks:5} subtasks: second checkpoint after {started:5.1f} s   JobManager {cpu * 1000:6.1f} ms of CPU a second "
            f"({cpu * 1000 / subtasks:.3f} a subtask), {rss_mb(jobmanager):6.1f} MB   workers {theirs * 1000:6.1f} ms, "
            f"{statistics.mean(map(rss_mb, pids)):6.1f} MB each   checkpoints {completed} in {took:.0f} s, "
            f"median {statistics.median(durations):.0f} ms, {status.checkpoints.failed} failed, {status.restarts} restarts",
            flush=True,
        )
        cluster.cancel(job)
        cluster.wait(job, timeout=120)
    if completed < seconds / 2:
        raise SystemExit(
            "checkpoints did not keep pace, so what they cost is not told; the machine is too busy"
        )
    return cpu * 1000 / subtasks


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--subtasks", default="50,100,250,500")
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args()
    costs = []
    for subtasks in map(int, options.subtasks.split(",")):
        with tempfile.TemporaryDirectory(prefix="weir-subtasks-") as name:
            costs.append(measured(subtasks, options.seconds, Path(name)))
    growth = costs[-1] / costs[0]
    print(f"CPU a subtask, largest to smallest job: {growth:.2f} (budget {MOST_GROWTH})")
    sys.exit(growth > MOST_GROWTH)


if __name__ == "__main__":
    main()

"""What a job costs that has nothing to do: memory and CPU of JobManager, supervisor and workers without a job and with some.

``python -m benchmarks.idle_jobs [--jobs N] [--seconds N]``; each job has one slot, one source that gives nothing, a keyed
function, and a checkpoint each ten seconds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.peers import ROOT
from benchmarks.processes import processor_seconds, rss_mb, workers
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec


def processes(cluster: LocalCluster) -> dict[str, list[int]]:
    """By what they are."""
    supervisors = cluster.taskmanager_pids
    found = [pid for supervisor in supervisors for pid in workers(supervisor)]
    return {"JobManager": [cluster.jobmanager_pid or 0], "supervisor": supervisors, "workers": found}


def measured(cluster: LocalCluster, seconds: float, jobs: int) -> dict[str, tuple[float, float]]:
    """MB and CPU milliseconds a second of each kind of process, all of a kind together."""
    before = {name: sum(map(processor_seconds, pids)) for name, pids in processes(cluster).items()}
    began = time.monotonic()
    time.sleep(seconds)
    took = time.monotonic() - began
    found = {}
    for name, pids in processes(cluster).items():
        cpu = (sum(map(processor_seconds, pids)) - before[name]) / took * 1000
        found[name] = sum(map(rss_mb, pids)), cpu
        print(
            f"{jobs} idle jobs: {len(pids)} {name:10} {found[name][0]:7.1f} MB {cpu:7.2f} ms of CPU a second",
            flush=True,
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="weir-idle-") as name,
        LocalCluster(slots=options.jobs, environment={"WEIR_LOG_LEVEL": "ERROR"}) as cluster,
    ):
        while len(processes(cluster)["workers"]) < options.jobs:
            time.sleep(0.1)
        time.sleep(5)
        without = measured(cluster, options.seconds, 0)
        jobs = [
            cluster.submit(
                JobSpec(
                    name=f"idle-{number}",
                    entrypoint="benchmarks.jobs.pipelines:build",
                    args=("1", "0.000001"),
                    python_path=(str(ROOT),),
                    overrides={"execution.checkpointing.interval": "10s"},
                    checkpoint_storage=(Path(name) / str(number)).as_uri(),
                )
            )
            for number in range(options.jobs)
        ]
        while any(cluster.status(job).checkpoints.completed < 1 for job in jobs):
            time.sleep(0.2)
        beside = measured(cluster, options.seconds, options.jobs)
        for each in jobs:
            cluster.cancel(each)
    for name, (megabytes, cpu) in beside.items():
        more = (megabytes - without[name][0]) / options.jobs, (cpu - without[name][1]) / options.jobs
        print(f"one idle job costs {name:10} {more[0]:6.2f} MB and {more[1]:6.2f} ms of CPU a second")


if __name__ == "__main__":
    main()

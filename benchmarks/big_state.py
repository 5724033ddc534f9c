"""Keyed state four times the memory limit, on RocksDB: a worker under a hard limit of a control group runs and completes checkpoints.

``python -m benchmarks.big_state [--limit-mb N] [--times N] [--minutes N] [--full]`` (as root, for the control group; ``--full``: checkpoints are
whole state files instead of increments). Fills the state, then reads and writes keys at random; each row checks what it
read. Prints resident memory, checkpoints with their durations, kills by the system (must be 0).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.processes import rss_mb, workers
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

ROOT = Path(__file__).resolve().parent.parent
VALUE_BYTES = 1000
MB = 10**6


class Limit:
    """A control group with a limit of memory, of either version."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self.unified = (folder / "memory.max").exists()
        if self.unified:
            (folder / "memory.max").write_text(str(size))
            (folder / "memory.swap.max").write_text("0")
        else:
            (folder / "memory.limit_in_bytes").write_text(str(size))

    def take(self, pid: int) -> None:
        """The process and what it starts are in it."""
        (self.folder / "cgroup.procs").write_text(str(pid))

    @property
    def kills(self) -> int:
        """Of processes, for want of memory."""
        name = "memory.events" if self.unified else "memory.oom_control"
        lines = dict(line.split() for line in (self.folder / name).read_text().splitlines())
        return int(lines.get("oom_kill", 0))

    @property
    def anonymous_mb(self) -> float:
        """What it holds besides pages of files, which the system takes back."""
        name = "anon" if self.unified else "total_rss"
        lines = dict(line.split() for line in (self.folder / "memory.stat").read_text().splitlines())
        return int(lines[name]) / MB


@contextmanager
def limited(size: int) -> Iterator[Limit]:
    """A control group of its own."""
    root = Path("/sys/fs/cgroup/memory")
    folder = (root if root.exists() else Path("/sys/fs/cgroup")) / f"weir-big-state-{os.getpid()}"
    folder.mkdir()
    try:
        yield Limit(folder, size)
    finally:
        deadline = time.monotonic() + 30
        while True:
            try:
                folder.rmdir()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit-mb", type=int, default=400)
    parser.add_argument("--times", type=float, default=4.0)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=20_000)
    parser.add_argument("--full", action="store_true")
    given = parser.parse_args()
    keys = int(given.limit_mb * MB * given.times / VALUE_BYTES)
    with (
        tempfile.TemporaryDirectory() as folder,
        limited(given.limit_mb * MB) as limit,
        LocalCluster(slots=1, environment={"WEIR_LOG_LEVEL": "ERROR"}, rest="127.0.0.1:0") as cluster,
    ):
        run(cluster, limit, Path(folder), keys, given)


def run(cluster: LocalCluster, limit: Limit, folder: Path, keys: int, given: argparse.Namespace) -> None:
    [supervisor] = cluster.taskmanager_pids
    for pid in (supervisor, *workers(supervisor)):
        limit.take(pid)
    job = cluster.submit(
        JobSpec(
            name="big-state",
            entrypoint="benchmarks.jobs.big_state:build",
            args=(str(keys), str(VALUE_BYTES), str(given.rate)),
            python_path=(str(ROOT),),
            overrides={
                "execution.checkpointing.interval": "15s",
                "execution.checkpointing.incremental": str(not given.full).lower(),
                "state.backend.type": "RocksDB",
                "state.backend.rocksdb.localdir": str(folder / "local"),
                "state.backend.rocksdb.memory.fixed-per-slot": f"{given.limit_mb * MB // 4}",
                "restart-strategy.type": "none",
            },
            checkpoint_storage=f"file://{folder / 'checkpoints'}",
        )
    )
    print(f"{keys} keys of {VALUE_BYTES} bytes, limit {given.limit_mb} MB", flush=True)
    began = time.monotonic()
    peak = 0.0
    told: dict[int, str] = {}
    while time.monotonic() - began < given.minutes * 60:
        time.sleep(0.25)
        peak = max(peak, limit.anonymous_mb)
        if cluster.status(job).state in (JobState.FAILED, JobState.FINISHED):
            raise SystemExit(f"the job ended: {cluster.status(job).failures}, {limit.kills} kills")
        for each in history(cluster, job):
            if each["id"] not in told and each["status"] != "IN_PROGRESS":
                told[each["id"]] = each["status"]
                tell(each, time.monotonic() - began, limit, workers(supervisor))
    completed = list(told.values()).count("COMPLETED")
    print(
        f"{completed} checkpoints completed of {len(told)}, {limit.kills} processes killed for want of memory, peak of anonymous memory "
        f"{peak:.0f} of {given.limit_mb} MB (supervisor and worker)"
    )
    cluster.cancel(job)
    cluster.wait(job, timeout=120)
    if limit.kills or not completed:
        raise SystemExit("failed")


def history(cluster: LocalCluster, job: str) -> list[dict[str, Any]]:
    """Of checkpoints, oldest first."""
    with urllib.request.urlopen(f"http://{cluster.rest_address}/jobs/{job}/checkpoints") as answer:
        return list(reversed(json.load(answer)["history"]))


def tell(checkpoint: dict[str, Any], after: float, limit: Limit, pids: list[int]) -> None:
    print(
        f"{after:6.0f} s  checkpoint {checkpoint['id']:3} {checkpoint['status']:9} {checkpoint['end_to_end_duration'] / 1000:7.2f} s, state "
        f"{checkpoint['state_size'] / MB:7.0f} MB, stored {checkpoint['checkpointed_size'] / MB:7.0f} MB; resident {max(map(rss_mb, pids), default=0):4.0f} MB, "
        f"anonymous {limit.anonymous_mb:4.0f} MB",
        flush=True,
    )


if __name__ == "__main__":
    main()

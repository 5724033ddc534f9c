"""The disk below RocksDB is full or read-only, for real: the job says so, and goes on exactly once when that is over.

Whether a checkpoint's files or a record's write meets the full disk first is not ours to say.

Scorecard row R18.
"""

from __future__ import annotations

import contextlib
import functools
import signal
from pathlib import Path

import pytest

from tests.integration.test_incremental_checkpoints import incremental
from tests.integration.test_recovery import HEARTBEATS, exact, reference
from tests.support import fence_check, oracle
from tests.support.processes import Run
from tests.support.served import JobManager, TaskManager
from tests.support.small_disk import SmallDisk, reason_against

MB = 2**20


@pytest.fixture
def disk(tmp_path: Path) -> SmallDisk:
    against = reason_against()
    if against:
        pytest.skip(f"no mount namespaces here: {against}")
    return SmallDisk(tmp_path / "local", 24 * MB)


def test_a_full_disk_is_told_and_the_job_goes_on_when_there_is_space(tmp_path: Path, disk: SmallDisk) -> None:
    job = reference(tmp_path, rows=6000, rate=1000, keys=400, ballast=2000)
    described = incremental(job, tmp_path, interval="200ms")
    with (
        Run(tmp_path, described, HEARTBEATS, within=disk.within) as run,
        oracle.Visible(job.out) as seen,
    ):
        run.wait_completed(3)
        disk.fill(run.process.pid)
        run.wait(lambda: "No space left" in run.stderr, "the full disk is told")
        disk.free(run.process.pid)
        run.wait_completed(len(run.completed()) + 3)
        Path(job.gate).touch()
        run.finish()
    exact(run, job, seen)


def test_a_job_moves_to_a_taskmanager_whose_disk_has_space(tmp_path: Path, disk: SmallDisk) -> None:
    job = reference(tmp_path, rows=6000, rate=1000, keys=400, ballast=2000)
    described = incremental(job, tmp_path, parallelism=1, interval="200ms")
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(oracle.Visible(job.out))
        jobmanager = stack.enter_context(JobManager(tmp_path, described))
        start = functools.partial(TaskManager, tmp_path, jobmanager.address())
        small = stack.enter_context(start(name="first", within=disk.within))
        jobmanager.wait(lambda: len(jobmanager.completed()) >= 3, "3 checkpoints complete")
        roomy = stack.enter_context(start(name="second"))
        roomy.wait(lambda: "event='registered'" in roomy.stderr, "another TaskManager is there")
        disk.fill(small.process.pid)
        jobmanager.wait(lambda: "No space left" in jobmanager.stderr, "the full disk is told")
        before = len(jobmanager.completed())
        jobmanager.wait(lambda: len(jobmanager.completed()) >= before + 3, "checkpoints go on elsewhere")
        assert list(disk.folder.glob("weir-state-*/*")), "state lies on the disk that has space"
        Path(job.gate).touch()
        jobmanager.wait(lambda: "state='FINISHED'" in jobmanager.stderr, "the job ends")
    assert oracle.complete(oracle.visible(job.out), job) == [], jobmanager.story()
    assert seen.faults == []
    assert fence_check.faults(jobmanager.job_folder()) == []


def test_a_read_only_disk_fails_starts_and_the_job_goes_on_when_it_can_be_written(
    tmp_path: Path, disk: SmallDisk
) -> None:
    job = reference(tmp_path, rows=6000, rate=1000, keys=400, ballast=2000)
    described = incremental(job, tmp_path, interval="200ms")
    with (
        Run(tmp_path, described, HEARTBEATS, within=disk.within) as run,
        oracle.Visible(job.out) as seen,
    ):
        run.wait_completed(3)

        def read_only() -> bool:
            for worker in run.processes("worker"):
                worker.signal(signal.SIGKILL)  # it holds files open
            return disk.remount(run.itself(), "ro")

        run.wait(read_only, "the disk is read-only")
        run.wait(lambda: "Read-only file system" in run.stderr, "the read-only disk is told")
        assert disk.remount(run.itself(), "rw")
        run.wait_completed(len(run.completed()) + 3)
        Path(job.gate).touch()
        run.finish()
    exact(run, job, seen)

"""One of two independent parts of a job fails: it alone restarts, and both outputs are exact. Row B14."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.clusters import FAST, wait_for
from tests.support.processes import ROOT
from tests.support.two_regions_job import KEYS, PARTS, ROWS
from weir.ids import JobId, WorkerId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus, TaskState, TaskStatus


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=4) as made:
        yield made


def begun(cluster: LocalCluster, folder: Path, how: str) -> JobId:
    spec = JobSpec(
        name=f"regions-{folder.name}",
        entrypoint="tests.support.two_regions_job:build",
        args=(str(folder), how),
        python_path=(str(ROOT),),
        parallelism=2,
        overrides={
            "execution.checkpointing.interval": "200ms",
            "restart-strategy.type": "fixed-delay",
            "restart-strategy.fixed-delay.attempts": "100",
            "restart-strategy.fixed-delay.delay": "50ms",
        },
        checkpoint_storage=f"file://{folder}/checkpoints",
    )
    job = cluster.submit(spec)
    wait_for(cluster, job, lambda status: status.checkpoints.completed >= 3)
    return job


def tasks(status: JobStatus, part: str) -> list[TaskStatus]:
    return [task for vertex in status.vertices if part in vertex.name for task in vertex.tasks]


def attempts(status: JobStatus, part: str) -> set[int]:
    return {task.attempt for task in tasks(status, part)}


def all_run(status: JobStatus) -> bool:
    """An enumerator has ended when all splits are given out."""
    states = {task.state for vertex in status.vertices for task in vertex.tasks}
    return status.state is JobState.RUNNING and states <= {TaskState.RUNNING, TaskState.FINISHED}


def kill(cluster: LocalCluster, worker: WorkerId | None) -> None:
    found = [w.pid for tm in cluster.cluster().task_managers for w in tm.workers if w.worker == worker]
    for pid in found:
        os.kill(pid, signal.SIGKILL)


def kill_one_of(cluster: LocalCluster, job: JobId, part: str) -> WorkerId | None:
    """The worker that was killed."""
    worker = tasks(cluster.status(job), part)[0].worker
    kill(cluster, worker)
    return worker


def finish(cluster: LocalCluster, job: JobId, folder: Path) -> None:
    (folder / "gate").touch()
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, (status.failures, status.notes)
    lines = oracle.visible(str(folder / "out"))
    rows = Counter((line["part"], line["i"]) for line in lines)
    assert rows == Counter((part, i) for part in PARTS for i in range(ROWS))
    counted = Counter((line["part"], line["i"] % KEYS, line["seen"]) for line in lines)
    assert counted == Counter(
        (part, key, n) for part in PARTS for key in range(KEYS) for n in range(1, ROWS // KEYS + 1)
    )


@pytest.mark.parametrize(("failing", "other"), [PARTS, PARTS[::-1]])
def test_only_the_failed_region_restarts_and_the_other_goes_on_with_its_attempt_and_its_workers(
    cluster: LocalCluster, tmp_path: Path, failing: str, other: str
) -> None:
    job = begun(cluster, tmp_path, "apart")
    before = cluster.status(job)
    assert (attempts(before, failing), attempts(before, other)) == ({1}, {1})
    kill_one_of(cluster, job, failing)
    after = wait_for(cluster, job, lambda status: status.restarts == 1 and all_run(status))
    assert (attempts(after, failing), attempts(after, other)) == ({2}, {1})
    assert [task.worker for task in tasks(after, other)] == [task.worker for task in tasks(before, other)]
    assert not {task.worker for task in tasks(after, failing)} & {t.worker for t in tasks(before, failing)}
    wait_for(cluster, job, lambda status: status.checkpoints.completed >= after.checkpoints.completed + 2)
    finish(cluster, job, tmp_path)
    assert len(cluster.status(job).failures) == 1


@pytest.mark.parametrize("how", ["together", "joined"])
def test_parts_that_share_a_channel_or_a_worker_restart_together(
    cluster: LocalCluster, tmp_path: Path, how: str
) -> None:
    job = begun(cluster, tmp_path, how)
    kill_one_of(cluster, job, "left")
    after = wait_for(cluster, job, lambda status: status.restarts == 1 and all_run(status))
    assert {task.attempt for vertex in after.vertices for task in vertex.tasks} == {2}
    finish(cluster, job, tmp_path)


def test_regions_that_fail_again_and_again_at_any_moment_leave_the_output_exact(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    job = begun(cluster, tmp_path, "apart")
    for turn in range(4):
        done = cluster.status(job)
        killed = {kill_one_of(cluster, job, PARTS[turn % 2])}

        def restarts(status: JobStatus, before: int = done.restarts) -> bool:
            return status.restarts > before

        def is_back(status: JobStatus, killed: set[WorkerId | None] = killed) -> bool:
            workers = {task.worker for vertex in status.vertices for task in vertex.tasks}
            return restarts(status) and all_run(status) and killed.isdisjoint(workers)

        if turn % 3 == 2:  # the other one too, while the first is on its way back: then all restart
            wait_for(cluster, job, lambda status: status.state is JobState.RESTARTING or restarts(status))
            killed.add(kill_one_of(cluster, job, PARTS[(turn + 1) % 2]))
        wait_for(cluster, job, is_back)
        if turn % 2:  # else the next failure may come before any checkpoint
            enough = cluster.status(job).checkpoints.completed + 1
            wait_for(cluster, job, lambda status, n=enough: status.checkpoints.completed >= n)
    finish(cluster, job, tmp_path)


def test_a_region_that_restarts_can_be_cancelled_and_goes_on_from_its_last_checkpoint(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    job = begun(cluster, tmp_path, "apart")
    kill_one_of(cluster, job, "left")
    wait_for(cluster, job, lambda status: status.state is JobState.RESTARTING or status.restarts == 1)
    cluster.suspend(job)
    assert cluster.status(job).state is JobState.SUSPENDED
    job = begun(cluster, tmp_path, "apart")
    finish(cluster, job, tmp_path)

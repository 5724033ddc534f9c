"""A running job gets another parallelism in place: same id and epoch, exact output, only the difference of processes.

Scorecard row B22.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from tests.support import oracle
from tests.support.clusters import FAST, faults, fence, open_gate, reference, spec, started, wait_for
from weir.errors import ConfigError, WrongState
from weir.local import LocalCluster
from weir.rpc.requests import JobState, JobStatus


def running_at(parallelism: int, attempt: int) -> Callable[[JobStatus], bool]:
    def holds(status: JobStatus) -> bool:
        widest = max(len(vertex.tasks) for vertex in status.vertices)
        return (status.state, status.attempt, widest) == (JobState.RUNNING, attempt, parallelism)

    return holds


def test_a_job_is_rescaled_up_and_down_in_place_and_stays_exact(tmp_path: Path) -> None:
    work = reference(tmp_path, rows=6000, rate=2000, keys=100)
    with LocalCluster(environment=FAST) as cluster, oracle.Visible(work.out) as seen:
        job = started(cluster, spec(work, tmp_path))
        for attempt, parallelism in ((2, 4), (3, 7), (4, 2), (5, 1), (6, 3)):
            before = set(cluster.taskmanager_pids)
            cluster.rescale(job, parallelism)
            status = cluster.status(job)
            assert running_at(parallelism, attempt)(status)
            assert (status.parallelism, status.slots_required) == (parallelism, parallelism)
            assert (status.restarts, status.failures, status.epoch) == (0, (), 1)
            assert before & set(cluster.taskmanager_pids), "it stays on what it has"
            done = status.checkpoints.completed
            wait_for(cluster, job, lambda status, done=done: status.checkpoints.completed > done + 1)
        open_gate(work)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
    assert faults(work) == []
    assert seen.faults == []
    assert [record["type"] for record in fence(tmp_path, job)].count("start") == 1


def test_only_the_difference_of_slots_is_started_and_stopped(tmp_path: Path) -> None:
    work = reference(tmp_path, rows=6000)
    with LocalCluster(slots=2, environment=FAST) as cluster:
        job = started(cluster, spec(work, tmp_path))
        before = set(cluster.taskmanager_pids)
        assert len(before) == 1
        cluster.rescale(job, 6)
        more = set(cluster.taskmanager_pids)
        assert before < more
        assert len(more) == 3
        cluster.rescale(job, 2)
        wait_for(cluster, job, lambda _: len(cluster.taskmanager_pids) == 1)
        assert set(cluster.taskmanager_pids) < more
        attempt = cluster.status(job).attempt
        open_gate(work)
        status = cluster.wait(job, timeout=120)
        assert (status.state, status.attempt) == (JobState.FINISHED, attempt), "it was not disturbed by that"
    assert faults(work) == []


def test_a_rescaled_job_keeps_its_parallelism_when_the_jobmanager_is_lost(tmp_path: Path) -> None:
    work = reference(tmp_path, rows=4000)
    with LocalCluster(environment=FAST) as cluster:
        job = started(cluster, spec(work, tmp_path))
        cluster.rescale(job, 3)
        done = cluster.status(job).checkpoints.completed
        wait_for(cluster, job, lambda status: status.checkpoints.completed > done + 3)
        pid = cluster.jobmanager_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(cluster, job, lambda status: status.epoch == 2 and status.state is JobState.RUNNING)
        assert cluster.status(job).parallelism == 3
        open_gate(work)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
    assert faults(work) == []


def test_what_cannot_be_is_refused_with_both_values_and_harms_nothing(tmp_path: Path) -> None:
    work = reference(tmp_path, rows=4000)
    with LocalCluster(environment=FAST) as cluster:
        job = started(cluster, spec(work, tmp_path))
        with pytest.raises(
            ConfigError, match=r"cannot have parallelism 200: .*uid 'count' has max parallelism 128"
        ):
            cluster.rescale(job, 200)
        with pytest.raises(ConfigError, match="parallelism 0 is impossible"):
            cluster.rescale(job, 0)
        cluster.rescale(job, 2)
        status = cluster.status(job)
        assert (status.state, status.attempt) == (JobState.RUNNING, 1), "it has that parallelism"
        open_gate(work)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
        assert faults(work) == []
        with pytest.raises(WrongState, match="is FINISHED"):
            cluster.rescale(job, 3)

        own = reference(tmp_path / "own", variant="broadcast")
        job = started(cluster, spec(own, tmp_path / "own", name="own"))
        with pytest.raises(
            ConfigError, match=r"uid 'rules' has parallelism 1; leave set_parallelism\(\) out"
        ):
            cluster.rescale(job, 3)
        open_gate(own)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
        assert faults(own) == []

        off = reference(tmp_path / "off")
        unset = {"execution__checkpointing__interval": "", "restart_strategy__type": ""}
        without = spec(off, tmp_path / "off", name="off", **unset)
        job = cluster.submit(structs.replace(without, checkpoint_storage=None))
        wait_for(cluster, job, lambda status: status.state is JobState.RUNNING and status.records_in > 0)
        with pytest.raises(WrongState, match="checkpointing is off for job off"):
            cluster.rescale(job, 3)
        open_gate(off)
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED

"""A local cluster of real processes, disturbed by real signals: what it writes is exact, and nothing is left over."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import processes
from tests.support.clusters import FAST, wait_for
from tests.support.counting_job import faults, make_trouble
from weir.errors import FolderLocked
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus

ROOT = str(Path(__file__).parent.parent.parent)
ROWS, RATE = 16_000, 4000


def spec(folder: Path, **settings: str) -> JobSpec:
    checkpointing = {
        "execution.checkpointing.interval": "200ms",
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "20",
        "restart-strategy.fixed-delay.delay": "50ms",
    }
    overrides = {**checkpointing, **{key.replace("__", "."): value for key, value in settings.items()}}
    return JobSpec(
        name="counting",
        entrypoint="tests.support.counting_job:build",
        args=(str(ROWS), str(RATE), str(folder / "out"), str(folder / "gate")),
        python_path=(ROOT,),
        parallelism=2,
        overrides={key: value for key, value in overrides.items() if value},
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST) as made:
        yield made


def open_gate(folder: Path) -> None:
    """Let the last rows come: what a test does to a job comes before its end, however busy the machine is."""
    (folder / "gate").touch()


def completed(number: int) -> Callable[[JobStatus], bool]:
    return lambda status: status.checkpoints.completed >= number


def workers_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def assert_exact(status: JobStatus, folder: Path) -> None:
    assert status.state is JobState.FINISHED, status.failures
    assert faults(folder / "out", ROWS) == []
    job = folder / "checkpoints" / status.job_id
    assert [path.name for path in job.glob("chk-*/*")] == [], "a finished job takes its checkpoints with it"


def test_an_undisturbed_job_finishes_and_leaves_no_process(tmp_path: Path) -> None:
    open_gate(tmp_path)
    with LocalCluster(environment=FAST) as cluster:
        status = cluster.wait(cluster.submit(spec(tmp_path)), timeout=120)
        pids = [cluster.jobmanager_pid, *cluster.taskmanager_pids]
        pids += [worker for tm in cluster.taskmanager_pids for worker in workers_of(tm)]
    assert_exact(status, tmp_path)
    assert status.records_in == ROWS
    assert status.records_out == ROWS
    assert status.restarts == 0
    assert len(pids) >= 4
    # Workers die with their TaskManager, and whoever inherits them takes a moment to bury them.
    left = lambda: [pid for pid in pids if pid is not None and os.path.exists(f"/proc/{pid}")]
    processes.wait_for(lambda: not left(), "no process is left", 15.0)


def test_a_killed_worker_costs_nothing(cluster: LocalCluster, tmp_path: Path) -> None:
    job = cluster.submit(spec(tmp_path))
    wait_for(cluster, job, completed(2))
    os.kill(workers_of(cluster.taskmanager_pids[0])[1], signal.SIGKILL)
    open_gate(tmp_path)
    status = cluster.wait(job, timeout=120)
    assert status.restarts == 1
    assert "SIGKILL" in status.failures[0].failure.message
    assert_exact(status, tmp_path)


def test_a_killed_taskmanager_costs_nothing(cluster: LocalCluster, tmp_path: Path) -> None:
    job = cluster.submit(spec(tmp_path))
    wait_for(cluster, job, completed(2))
    os.kill(cluster.taskmanager_pids[0], signal.SIGKILL)
    open_gate(tmp_path)
    status = cluster.wait(job, timeout=120)
    assert status.restarts == 1
    assert_exact(status, tmp_path)


def test_a_killed_jobmanager_is_replaced_and_recovers_the_job(cluster: LocalCluster, tmp_path: Path) -> None:
    job = cluster.submit(spec(tmp_path))
    wait_for(cluster, job, completed(2))
    assert cluster.jobmanager_pid is not None
    os.kill(cluster.jobmanager_pid, signal.SIGKILL)
    open_gate(tmp_path)
    status = cluster.wait(job, timeout=120)
    assert status.job_id == job
    assert status.epoch == 2
    assert status.checkpoints.restored is not None
    assert_exact(status, tmp_path)


def test_a_frozen_taskmanager_is_replaced(tmp_path: Path) -> None:
    with LocalCluster(environment={**FAST, "WEIR_HEARTBEAT_TIMEOUT": "4s"}) as cluster:
        job = cluster.submit(spec(tmp_path))
        wait_for(cluster, job, completed(2))
        frozen = cluster.taskmanager_pids[0]
        os.kill(frozen, signal.SIGSTOP)
        open_gate(tmp_path)
        status = cluster.wait(job, timeout=120)
        assert status.restarts == 1
        assert "no heartbeat" in status.failures[0].failure.message
        assert frozen not in cluster.taskmanager_pids
    assert_exact(status, tmp_path)


def test_a_suspended_job_goes_on_under_the_same_name(tmp_path: Path) -> None:
    with LocalCluster(environment=FAST) as cluster:
        job = cluster.submit(spec(tmp_path))
        wait_for(cluster, job, completed(2))
        cluster.suspend(job)
        assert cluster.status(job).state is JobState.SUSPENDED
    assert faults(tmp_path / "out", ROWS) != [], "it was stopped on its way"
    open_gate(tmp_path)
    with LocalCluster(environment=FAST) as cluster:
        again = cluster.submit(spec(tmp_path))
        status = cluster.wait(again, timeout=120)
    assert again == job
    assert status.epoch == 2
    assert_exact(status, tmp_path)


def test_a_second_run_of_the_job_in_the_same_folder_is_refused(cluster: LocalCluster, tmp_path: Path) -> None:
    cluster.submit(spec(tmp_path))
    with LocalCluster() as other, pytest.raises(FolderLocked, match=f"by process {os.getpid()}"):
        other.submit(spec(tmp_path))


@pytest.mark.parametrize(
    ("trouble", "message", "kind"),
    [
        ("raise", "ValueError: a row that cannot be counted", "user"),
        ("exit", "exit code 3", "user"),
        ("hang", "did not return from one call", "user"),
    ],
)
def test_user_code_that_misbehaves_once_costs_a_restart(
    cluster: LocalCluster, tmp_path: Path, trouble: str, message: str, kind: str
) -> None:
    job = cluster.submit(spec(tmp_path, **{"task.stall-timeout": "1s"}))
    wait_for(cluster, job, completed(2))
    make_trouble(tmp_path / "out", trouble)
    open_gate(tmp_path)
    status = cluster.wait(job, timeout=120)
    failure = status.failures[0].failure
    assert message in failure.message
    assert failure.kind == kind
    assert failure.operator is not None
    if trouble != "exit":
        assert "counting_job.py:" in failure.message.split(": ")[0], "the user's line comes first"
    assert status.restarts == 1
    assert_exact(status, tmp_path)


def test_without_checkpoints_the_first_failure_fails_the_job(cluster: LocalCluster, tmp_path: Path) -> None:
    settings = {"execution.checkpointing.interval": "", "restart-strategy.type": ""}
    job = cluster.submit(spec(tmp_path, **settings))
    wait_for(cluster, job, lambda status: status.records_in > 1000)
    make_trouble(tmp_path / "out", "raise")
    open_gate(tmp_path)
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FAILED
    assert status.restarts == 0
    assert "a row that cannot be counted" in status.failures[-1].failure.message
    assert list((tmp_path / "out").rglob("part-*")) == [], "nothing was committed"


def test_restarts_end_when_their_strategy_gives_up_and_checkpoints_stay(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    settings = {
        "restart-strategy.fixed-delay.attempts": "2",
        "execution.checkpointing.externalized-checkpoint-retention": "DELETE_ON_CANCELLATION",
    }
    job = cluster.submit(spec(tmp_path, **settings))
    wait_for(cluster, job, completed(2))
    make_trouble(tmp_path / "out", "always-raise")
    open_gate(tmp_path)
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FAILED
    assert status.restarts == 2
    assert len(status.failures) == 3
    assert "all 2 restarts of FixedDelay are used" in status.failures[-1].failure.message
    assert list((tmp_path / "checkpoints" / job).glob("chk-*/_metadata")) != []


def test_a_cancelled_job_takes_its_checkpoints_with_it(cluster: LocalCluster, tmp_path: Path) -> None:
    job = cluster.submit(spec(tmp_path))
    wait_for(cluster, job, completed(2))
    cluster.cancel(job)
    assert cluster.status(job).state is JobState.CANCELED
    assert list((tmp_path / "checkpoints" / job).glob("chk-*/*")) == []

"""Processes that freeze and wake: they are replaced, and nothing that they do or say afterwards counts.

Scorecard rows R3 (a TaskManager) and C1 (a JobManager, at the lines after those of ``test_jobmanager_fencing``).
"""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support import fence_check, oracle
from tests.support.processes import Process, Run, resource
from tests.support.reference_rows import Reference
from tests.support.served import JobManager, TaskManager
from tests.support.waiting import LIMIT, stat_of

FENCED_EXIT = 75
#: Each of several waits in a row may take long on a busy machine.
pytestmark = pytest.mark.timeout(900)


def reference(tmp_path: Path, **settings: Any) -> Reference:
    return Reference(out=str(tmp_path / "out"), gate=str(tmp_path / "gate"), **settings)


def freeze(*processes: Process) -> None:
    for process in processes:
        assert process.signal(signal.SIGSTOP)


def wake(*processes: Process) -> None:
    for process in processes:
        process.signal(signal.SIGCONT)


@pytest.mark.parametrize("first", ["supervisor", "workers"])
def test_a_frozen_taskmanager_is_replaced_and_nothing_of_it_counts_when_it_wakes(
    tmp_path: Path, first: str
) -> None:
    job = reference(tmp_path, rows=12_000, rate=1200)
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(oracle.Visible(job.out))
        jobmanager = stack.enter_context(JobManager(tmp_path, resource(job, tmp_path)))
        address = jobmanager.address()
        managers = [
            stack.enter_context(TaskManager(tmp_path, address, name=f"tm{number}")) for number in range(2)
        ]
        jobmanager.wait(lambda: len(jobmanager.completed()) >= 3, "3 checkpoints complete")
        spare = stack.enter_context(TaskManager(tmp_path, address, name="spare"))
        spare.one("worker")
        frozen = managers[0]
        supervisor, workers = frozen.itself(), frozen.processes("worker")
        freeze(*workers, supervisor)
        before = len(jobmanager.completed())
        jobmanager.wait(lambda: len(jobmanager.completed()) >= before + 3, "the job goes on without it")
        assert "no heartbeat for" in jobmanager.stderr, jobmanager.story()
        # Whichever of its processes wakes first: old acks, rows and commits must not reach anybody.
        order = [[supervisor], workers] if first == "supervisor" else [workers, [supervisor]]
        for processes in order:
            wake(*processes)
            before = len(jobmanager.completed())
            jobmanager.wait(
                lambda before=before: len(jobmanager.completed()) >= before + 2, "it still goes on"
            )
        frozen.wait(lambda: not any(worker.lives for worker in workers), "its workers are ended")
        Path(job.gate).touch()
        jobmanager.wait(lambda: jobmanager.fence()[-1]["record"]["type"] == "finished", "the job finishes")
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert seen.faults == []
    assert fence_check.faults(jobmanager.job_folder()) == []


def test_a_frozen_worker_costs_one_checkpoint_timeout(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=12_000, rate=1200)
    described = resource(job, tmp_path, checkpoints={"timeout": "2s"}, config={"task.stall-timeout": "2s"})
    with Run(tmp_path, described) as run, oracle.Visible(job.out) as seen:
        run.wait_completed(3)
        freeze(run.processes("worker")[0])
        run.wait_completed(len(run.completed()) + 3)
        Path(job.gate).touch()
        assert run.finish() == 0, run.story()
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert seen.faults == []


@pytest.mark.parametrize(
    "point",
    [
        "jobmanager.publish.before-metadata",
        "jobmanager.publish.after-metadata",
        "jobmanager.fence.before-record",
        "jobmanager.fence.after-record",
        "jobmanager.publish.after-record",
        "jobmanager.checkpoint.before-completed",
        "jobmanager.retention.before-delete",
        "jobmanager.retention.after-metadata",
        "jobmanager.retention.after-delete",
    ],
)
def test_a_jobmanager_that_wakes_behind_its_successor_changes_nothing(tmp_path: Path, point: str) -> None:
    job = reference(tmp_path, rows=10_000, rate=1000)
    described = resource(job, tmp_path, interval="150ms")
    crash = {
        "WEIR_CRASH_POINT": f"{point}:2",
        "WEIR_CRASH_SIGNAL": "STOP",
        "WEIR_CRASH_MARKER": str(tmp_path / "marker"),
    }
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(oracle.Visible(job.out))
        old = stack.enter_context(JobManager(tmp_path, described, crash, "old"))
        stack.enter_context(TaskManager(tmp_path, old.address(), slots=2, name="of-old"))
        old.wait(lambda: stat_of(old.process.pid)[0] == "T", f"it freezes at {point}")
        fence, frozen_at = old.fence(), len(old.completed())
        new = stack.enter_context(JobManager(tmp_path, described, None, "new"))
        stack.enter_context(TaskManager(tmp_path, new.address(), slots=2, name="of-new"))
        new.wait(lambda: len(new.completed()) >= frozen_at + 3, "its successor completes checkpoints")
        old.process.send_signal(signal.SIGCONT)
        assert old.process.wait(LIMIT) == FENCED_EXIT, old.story()
        before = len(new.completed())
        new.wait(lambda: len(new.completed()) >= before + 2, "the successor goes on")
        Path(job.gate).touch()
        new.wait(lambda: new.fence()[-1]["record"]["type"] == "finished", "the job finishes")
        assert new.fence()[: len(fence)] == fence, "a record was changed"
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert seen.faults == []
    assert fence_check.faults(new.job_folder()) == []
    epochs = [entry["epoch"] for entry in new.fence()]
    assert epochs == [1] * len(fence) + [2] * (len(epochs) - len(fence)), "epoch 1 wrote after epoch 2 began"

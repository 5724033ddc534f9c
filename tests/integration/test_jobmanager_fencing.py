"""A JobManager that froze in the middle of a checkpoint wakes after its successor started: it changes nothing and ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.counting_job import faults
from tests.support.ports import free_ports
from tests.support.waiting import wait_for, wait_until_stopped
from weir.ids import JobId
from weir.jobmanager.main import FENCED_EXIT
from weir.rpc.client import JobManagerClient, Unreachable
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus

ROOT = Path(__file__).parent.parent.parent
ROWS = 8000


def spec(folder: Path) -> JobSpec:
    return JobSpec(
        name="counting",
        entrypoint="tests.support.counting_job:build",
        args=(str(ROWS), "4000", str(folder / "out"), str(folder / "gate")),
        python_path=(str(ROOT),),
        overrides={"execution.checkpointing.interval": "200ms"},
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


@contextlib.contextmanager
def started(module: str, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    settings = {
        "WEIR_HEARTBEAT_INTERVAL": "200ms",
        "WEIR_HEARTBEAT_TIMEOUT": "1500ms",
        "WEIR_LOG_LEVEL": "ERROR",
    }
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env={**os.environ, **settings, **environment}
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.kill()
        process.wait()


def ask(port: int, call):
    """One call, repeated until a JobManager answers; its answer."""

    async def asking():
        async with JobManagerClient(f"127.0.0.1:{port}") as client:
            try:
                return [await call(client)]
            except Unreachable:
                return []

    [answer] = wait_for(lambda: asyncio.run(asking()), f"a JobManager answers at port {port}")
    return answer


def wait_status(port: int, job: JobId, condition: Callable[[JobStatus], bool]) -> JobStatus:
    seen: list[JobStatus] = []

    def holds() -> bool:
        seen[:] = [ask(port, lambda client: client.status(job))]
        return condition(seen[0])

    wait_for(holds, lambda: f"the condition holds of {seen}")
    return seen[0]


@pytest.mark.parametrize(
    "point",
    [
        "jobmanager.publish.before-metadata",
        "jobmanager.publish.after-metadata",
        "jobmanager.fence.before-record",
        "jobmanager.fence.after-record",
        "jobmanager.checkpoint.before-notify",
        "jobmanager.checkpoint.after-notify",
    ],
)
def test_a_frozen_jobmanager_that_wakes_publishes_nothing(tmp_path: Path, point: str) -> None:
    first, second = free_ports(2)
    freeze = {"WEIR_CRASH_POINT": f"{point}:3", "WEIR_CRASH_SIGNAL": "STOP"}
    with contextlib.ExitStack() as stack:
        frozen = stack.enter_context(started("weir.jobmanager", "--port", str(first), **freeze))
        stack.enter_context(started("weir.taskmanager", "--jobmanager", f"127.0.0.1:{first}"))
        job = ask(first, lambda client: client.submit(spec(tmp_path)))
        wait_until_stopped(frozen.pid)

        stack.enter_context(started("weir.jobmanager", "--port", str(second)))
        stack.enter_context(started("weir.taskmanager", "--jobmanager", f"127.0.0.1:{second}"))
        ask(second, lambda client: client.submit(spec(tmp_path), recovering=True, job_id=job))
        wait_status(second, job, lambda status: status.checkpoints.completed >= 1)
        frozen.send_signal(signal.SIGCONT)
        (tmp_path / "gate").touch()  # not before: the job must live for as long as all this takes
        status = wait_status(second, job, lambda status: status.state.is_settled)

        assert status.state is JobState.FINISHED, status.failures
        assert status.epoch == 2
        assert faults(tmp_path / "out", ROWS) == []
        assert frozen.wait(timeout=120) == FENCED_EXIT
        records = sorted((tmp_path / "checkpoints" / job / "fence").iterdir())
        epochs = [
            int(text.partition('"epoch":')[2].partition(",")[0]) for text in map(Path.read_text, records)
        ]
        assert epochs == sorted(epochs), "nothing of epoch 1 came after epoch 2 began"

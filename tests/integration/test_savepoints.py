"""Savepoints of real processes: taken, stopped with, moved, forked; what comes of them is exact.

Scorecard rows A17, A18, A20, B7, and stops that are refused or fail.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.counting_job import faults
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus

ROOT = str(Path(__file__).parent.parent.parent)
ROWS, RATE = 8_000, 4000
FAST = {"WEIR_HEARTBEAT_INTERVAL": "200ms", "WEIR_HEARTBEAT_TIMEOUT": "1500ms", "WEIR_LOG_LEVEL": "WARNING"}


def spec(folder: Path, out: str = "out", rows: int = ROWS, **settings: str) -> JobSpec:
    overrides = {
        "execution.checkpointing.interval": "200ms",
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "20",
        "restart-strategy.fixed-delay.delay": "50ms",
        **{key.replace("__", "."): value for key, value in settings.items()},
    }
    return JobSpec(
        name="counting",
        entrypoint="tests.support.counting_job:build",
        args=(str(rows), str(RATE), str(folder / out)),
        python_path=(ROOT,),
        parallelism=2,
        overrides={key: value for key, value in overrides.items() if value},
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


@pytest.fixture
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST) as made:
        yield made


def wait_for(cluster: LocalCluster, job: JobId, condition: Callable[[JobStatus], bool]) -> JobStatus:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        status = cluster.status(job)
        if condition(status):
            return status
        assert not status.state.is_settled, status.failures
        time.sleep(0.02)
    raise AssertionError(status)


def started(cluster: LocalCluster, wanted: JobSpec) -> JobId:
    """The job, with rows behind it and checkpoints completed."""
    job = cluster.submit(wanted)
    wait_for(cluster, job, lambda status: status.checkpoints.completed >= 2 and status.records_in > 0)
    return job


def folder_of(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def test_a_job_stopped_with_a_savepoint_goes_on_from_it_under_its_name(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    job = started(cluster, spec(tmp_path))
    path = cluster.stop(job, str(tmp_path / "savepoints"))
    status = cluster.status(job)
    assert status.state is JobState.FINISHED
    assert status.restarts == 0
    assert status.notes[-1] == f"stopped with savepoint {path}"
    assert folder_of(path).parent == tmp_path / "savepoints"
    metadata = json.loads((folder_of(path) / "_metadata").read_text())
    assert metadata["kind"] == "savepoint"
    committed = len(list((tmp_path / "out").rglob("part-*")))
    assert committed, "what belongs to the savepoint is committed"
    again = cluster.submit(spec(tmp_path))
    assert again == job
    assert cluster.wait(again, timeout=120).state is JobState.FINISHED
    assert faults(tmp_path / "out", ROWS) == []
    assert folder_of(path).is_dir(), "a savepoint belongs to the user"

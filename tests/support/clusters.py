"""The reference job on a ``LocalCluster`` of real processes, for tests that steer it by the cluster's methods."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support import oracle, waiting
from tests.support.processes import ROOT, read_fence
from tests.support.reference_rows import Reference
from tests.support.waiting import LIMIT
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobStatus

#: A process that ends is missed at once. One that only stands still, as all do on a busy machine, is left alone for long.
FAST = {"WEIR_HEARTBEAT_INTERVAL": "200ms", "WEIR_HEARTBEAT_TIMEOUT": "60s", "WEIR_LOG_LEVEL": "WARNING"}


def reference(folder: Path, **settings: Any) -> Reference:
    """Some seconds of rows; 70 % of them come before the gate opens."""
    given = {"rows": 1500, "rate": 2000, **settings}
    return Reference(out=str(folder / "out"), gate=str(folder / "gate"), **given)


def open_gate(job: Reference) -> None:
    Path(job.gate).touch()


def spec(job: Reference, folder: Path, name: str = "reference", **settings: str) -> JobSpec:
    """``settings``: keys with two underscores for each dot, one for each dash; "" unsets what is set here."""
    overrides = {
        "execution.checkpointing.interval": "200ms",
        "execution.checkpointing.num-retained": "3",
        "restart-strategy.type": "fixed-delay",
        "restart-strategy.fixed-delay.attempts": "100",
        "restart-strategy.fixed-delay.delay": "50ms",
        **{key.replace("__", ".").replace("_", "-"): value for key, value in settings.items()},
    }
    return JobSpec(
        name=name,
        entrypoint="tests.support.reference_job:build",
        args=tuple(job.arguments()),
        python_path=(str(ROOT),),
        parallelism=2,
        overrides={key: value for key, value in overrides.items() if value},
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


def kill_a_worker(cluster: LocalCluster, job: JobId) -> None:
    """SIGKILL a worker that has tasks of the job: a cluster may have idle ones too."""
    busy = {task.worker for vertex in cluster.status(job).vertices for task in vertex.tasks}
    pids = [w.pid for manager in cluster.cluster().task_managers for w in manager.workers if w.worker in busy]
    os.kill(pids[0], signal.SIGKILL)


def wait_for(cluster: LocalCluster, job: JobId, condition: Callable[[JobStatus], bool]) -> JobStatus:
    """The job's status when ``condition`` holds of it; fails if the job is over before."""
    seen: list[JobStatus] = []

    def holds() -> JobStatus | None:
        seen[:] = [status := cluster.status(job)]
        if condition(status):
            return status
        assert not status.state.is_settled, (status.failures, status.notes)
        return None

    found = waiting.wait_for(holds, lambda: f"the condition holds of {seen}", LIMIT)
    assert found is not None
    return found


def started(cluster: LocalCluster, wanted: JobSpec, checkpoints: int = 2) -> JobId:
    """The job, with rows behind it and checkpoints completed."""
    job = cluster.submit(wanted)
    wait_for(cluster, job, lambda status: status.checkpoints.completed >= checkpoints)
    return job


def folder_of(uri: str) -> Path:
    return Path(uri.removeprefix("file://"))


def metadata_of(uri: str) -> dict[str, Any]:
    """A snapshot's ``_metadata`` by plain json."""
    found: dict[str, Any] = json.loads((folder_of(uri) / "_metadata").read_text())
    return found


def files_of(uri: str) -> dict[str, bytes]:
    """All files of a snapshot's folder."""
    root = folder_of(uri)
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def fence(folder: Path, job: JobId) -> list[dict[str, Any]]:
    return [entry["record"] for entry in read_fence(folder / "checkpoints" / job)]


def faults(job: Reference) -> list[str]:
    """What is wrong with the finished output."""
    return oracle.complete(oracle.visible(job.out), job)


def elsewhere(job: Reference, out: Path) -> Reference:
    """The same job with another output folder."""
    return replace(job, out=str(out))

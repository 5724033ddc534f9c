"""Which checkpoints are there after a cancellation, a failure, and many checkpoints: exactly those that were promised.

Scorecard rows A10 and A11.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from tests.integration.test_rest_of_a_cluster import Rest
from tests.support import metadata_check, waiting
from tests.support.clusters import (
    FAST,
    elsewhere,
    fence,
    kill_a_worker,
    open_gate,
    reference,
    spec,
    started,
    wait_for,
)
from tests.support.reference_rows import Reference
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.requests import JobState, JobStatus, TaskState

KEY = "execution__checkpointing__externalized_checkpoint_retention"


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST) as made:
        yield made


def checkpoints(folder: Path, job: JobId) -> list[Path]:
    found = (folder / "checkpoints" / job).glob("chk-*")
    return sorted(found, key=lambda path: int(path.name[4:]))


def objects(folder: Path, job: JobId) -> list[str]:
    """Everything in the job's folder but its log."""
    root = folder / "checkpoints" / job
    return [str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and "fence" not in p.parts]


@pytest.mark.parametrize(
    ("retention", "cancelled", "kept"),
    [
        ("", True, False),
        ("", False, False),
        ("DELETE_ON_CANCELLATION", True, False),
        ("DELETE_ON_CANCELLATION", False, True),
        ("RETAIN_ON_CANCELLATION", True, True),
        ("RETAIN_ON_CANCELLATION", False, True),
    ],
    ids=["none-cancel", "none-fail", "delete-cancel", "delete-fail", "retain-cancel", "retain-fail"],
)
def test_checkpoints_stay_or_go_with_the_job_as_its_retention_says(
    cluster: LocalCluster, tmp_path: Path, retention: str, cancelled: bool, kept: bool
) -> None:
    work = reference(tmp_path)
    wanted = spec(work, tmp_path, **{KEY: retention, "restart_strategy__fixed_delay__attempts": "0"})
    job = started(cluster, wanted, checkpoints=4)
    if cancelled:
        cluster.cancel(job)
    else:
        wait_until_all_is_visible(tmp_path, job)
        kill_a_worker(cluster, job)
    status = cluster.wait(job, timeout=120)
    assert status.state is (JobState.CANCELED if cancelled else JobState.FAILED)
    left = checkpoints(tmp_path, job)
    if not kept:
        assert objects(tmp_path, job) == []
        last = fence(tmp_path, job)[-1]
        assert (last["type"], last["deleted"]) == ("cancelled" if cancelled else "failed", True)
        assert any("its checkpoints are deleted with it" in note for note in status.notes) != cancelled
        return
    assert len(left) == 3
    again = structs.replace(spec(work, tmp_path, name="again"), restore_from=f"file://{left[-1]}")
    open_gate(work)
    status = cluster.wait(cluster.submit(again), timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    assert status.checkpoints.restored is not None
    assert status.checkpoints.restored.id == int(left[-1].name[4:])
    assert [path.name for path in checkpoints(tmp_path, job)] == [path.name for path in left]


def wait_until_all_is_visible(folder: Path, job: JobId) -> None:
    """Until a checkpoint had nothing to commit: one that owes output is kept by whatever retention."""

    def newest() -> dict[str, object]:
        return [record for record in fence(folder, job) if record["type"] == "checkpoint"][-1]

    waiting.wait_for(
        lambda: not newest()["has_commits"], lambda: f"a checkpoint without commits, not {newest()}"
    )


@pytest.mark.parametrize("backend", ["Memory", "FileSystem"])
def test_after_many_checkpoints_exactly_the_newest_three_are_restorable_and_nothing_else_is_there(
    tmp_path: Path, backend: str
) -> None:
    work = reference(tmp_path, rows=4000, keys=100, ballast=1000 if backend == "FileSystem" else 0)
    wanted = spec(work, tmp_path, state__backend__type=backend)
    with LocalCluster(environment=FAST) as cluster:
        job = started(cluster, wanted, checkpoints=10)
        kill_a_worker(cluster, job)
        wait_for(cluster, job, lambda status: status.attempt == 2 and status.state is JobState.RUNNING)
        pid = cluster.jobmanager_pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_for(cluster, job, lambda status: status.epoch == 2 and status.checkpoints.completed >= 5)
        cluster.suspend(job)
        cluster.forget(job)
        left = checkpoints(tmp_path, job)
        completed = [r["point"]["checkpoint_id"] for r in fence(tmp_path, job) if r["type"] == "checkpoint"]
        assert [int(path.name[4:]) for path in left] == completed[-3:]
        referred = {name for path in left for name in files_of(path)}
        assert set(objects(tmp_path, job)) == referred
        assert any(not name.endswith("_metadata") for name in referred) == (backend == "FileSystem")
        for number, path in enumerate(left):
            assert metadata_check.faults(path, work) == []
            runs_on_from(cluster, work, tmp_path, path, f"again-{number}", backend)
        gone = tmp_path / "checkpoints" / job / f"chk-{completed[-4]}"
        refused = structs.replace(wanted, name="gone", restore_from=f"file://{gone}")
        status = cluster.wait(cluster.submit(refused), timeout=120)
        assert status.failure is not None
        assert re.search(r"_metadata is missing: no completed snapshot is there", status.failure.message)


def test_what_a_job_went_on_from_is_not_kept_beside_three_newer_ones(tmp_path: Path) -> None:
    wanted = spec(reference(tmp_path), tmp_path, execution__checkpointing__interval="1h")
    with LocalCluster(environment=FAST, rest="127.0.0.1:0") as cluster:
        job = started(cluster, wanted, checkpoints=0)
        wait_for(cluster, job, all_run)
        rest, pid = Rest(str(cluster.rest_address)), cluster.jobmanager_pid
        assert pid is not None
        take_checkpoint(rest, job)
        os.kill(pid, signal.SIGKILL)
        wait_for(cluster, job, lambda status: status.epoch == 2 and all_run(status))
        numbers = [take_checkpoint(rest, job) for _ in range(3)]
        cluster.suspend(job)
        assert [int(path.name[4:]) for path in checkpoints(tmp_path, job)] == numbers


def all_run(status: JobStatus) -> bool:
    """Whether a checkpoint can be taken."""
    tasks = [task.state for vertex in status.vertices for task in vertex.tasks]
    return bool(tasks) and set(tasks) <= {TaskState.RUNNING, TaskState.FINISHED}


def take_checkpoint(rest: Rest, job: JobId) -> int:
    """The number of a checkpoint that somebody asked for."""
    trigger = secrets.token_hex(16)
    status, _ = rest("POST", f"/jobs/{job}/checkpoints", json.dumps({"triggerId": trigger}).encode())
    assert status == 202
    path = f"/jobs/{job}/checkpoints/{trigger}"
    done = rest.until(path, lambda found: found["status"]["id"] == "COMPLETED")
    assert done["operation"]["failureCause"] is None, done
    return int(done["operation"]["checkpointId"])


def files_of(checkpoint: Path) -> list[str]:
    """The names that a checkpoint consists of, from the job's folder."""
    document = json.loads((checkpoint / "_metadata").read_bytes())
    handles = [
        handle
        for operator in document["operators"]
        for subtask in operator.get("subtasks", ())
        for handle in (subtask.get("keyed"), subtask.get("operator"))
        if handle is not None
    ]
    return [f"{checkpoint.name}/_metadata", *(handle["path"] for handle in handles if "path" in handle)]


def runs_on_from(
    cluster: LocalCluster, work: Reference, folder: Path, path: Path, name: str, backend: str
) -> None:
    """A new job reads exactly what comes after the checkpoint."""
    fork = elsewhere(work, folder / name)
    open_gate(fork)
    wanted = spec(fork, folder, name=name, state__backend__type=backend)
    status = cluster.wait(cluster.submit(structs.replace(wanted, restore_from=f"file://{path}")), timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    below = sum(metadata_check.Snapshot(path).next_offsets(work).values())
    assert status.records_in == work.total - below

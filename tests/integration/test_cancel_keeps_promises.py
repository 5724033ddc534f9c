"""A job that a person stops leaves no completed checkpoint uncommitted, or keeps it and says where it is."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import structs

from tests.support import oracle
from tests.support.clusters import FAST, fence, wait_for
from tests.support.processes import ROOT
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

ROWS = 400


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=2) as made:
        yield made


def spec(folder: Path, name: str, cancellation_timeout: str) -> JobSpec:
    return JobSpec(
        name=name,
        entrypoint="tests.support.late_commits_job:build",
        args=(str(folder / "out"), str(folder / "permit"), str(ROWS)),
        python_path=(str(ROOT),),
        parallelism=2,
        overrides={
            "execution.checkpointing.interval": "200ms",
            "task.cancellation.timeout": cancellation_timeout,
        },
        checkpoint_storage=f"file://{folder}/checkpoints",
    )


def promised(cluster: LocalCluster, wanted: JobSpec) -> JobId:
    """All rows belong to a completed checkpoint, and not one is visible."""
    job = cluster.submit(wanted)
    read = wait_for(cluster, job, lambda status: status.records_in >= ROWS)
    # The next checkpoint may have begun before the last row; the one after it did not.
    enough = read.checkpoints.completed + 2
    wait_for(cluster, job, lambda status: status.checkpoints.completed >= enough)
    return job


def rows(folder: Path) -> list[int]:
    return sorted(line["i"] for line in oracle.visible(str(folder / "out")))


def kept(folder: Path, job: JobId) -> list[Path]:
    return sorted((folder / "checkpoints" / job).glob("chk-*"))


def test_a_cancel_waits_for_the_commits_of_the_last_checkpoint(cluster: LocalCluster, tmp_path: Path) -> None:
    job = promised(cluster, spec(tmp_path, "patient", "120s"))
    assert rows(tmp_path) == []
    with ThreadPoolExecutor(2) as people:
        cancelling = people.submit(cluster.cancel, job)
        wait_for(cluster, job, lambda status: status.state is JobState.CANCELLING)
        again = people.submit(cluster.cancel, job)
        (tmp_path / "permit").touch()
        cancelling.result(timeout=120)
        again.result(timeout=120)
    status = cluster.status(job)
    assert (status.state, status.restarts) == (JobState.CANCELED, 0)
    assert rows(tmp_path) == list(range(ROWS))
    assert not any("not all output" in note for note in status.notes)
    assert kept(tmp_path, job) == []
    assert fence(tmp_path, job)[-1] == {"type": "cancelled", "deleted": True}


def test_a_cancel_that_cannot_wait_longer_keeps_the_checkpoint_that_commits_the_rest(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    job = promised(cluster, spec(tmp_path, "impatient", "1s"))
    cluster.cancel(job)
    status = cluster.status(job)
    assert status.state is JobState.CANCELED
    assert rows(tmp_path) == []
    (note,) = [note for note in status.notes if "not all output" in note]
    (left,) = kept(tmp_path, job)
    assert f"file://{left} commits the rest" in note
    assert fence(tmp_path, job)[-1] == {"type": "cancelled", "deleted": False}
    (tmp_path / "permit").touch()
    again = structs.replace(spec(tmp_path, "again", "120s"), restore_from=f"file://{left}")
    following = cluster.submit(again)
    wait_for(cluster, following, lambda status: status.checkpoints.completed >= 2)
    cluster.cancel(following)
    assert rows(tmp_path) == list(range(ROWS))

"""The newest checkpoint is damaged: an older one stands in only if nothing was committed since, else the job holds and asks.

Scorecard rows R12, R13, O6. Damage is done to real files of a job that is down; whoever reads them first finds it: the
JobManager in ``_metadata`` and sizes, a TaskManager in the bytes of state.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.test_bad_snapshots import (
    flip_in_metadata,
    flip_in_state,
    lose_metadata,
    lose_state,
    rows,
)
from tests.support import oracle
from tests.support.clusters import (
    FAST,
    faults,
    fence,
    kill_a_worker,
    open_gate,
    reference,
    spec,
    started,
    wait_for,
)
from tests.support.reference_rows import Reference
from tests.support.waiting import wait_for as wait_until
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState

Damage = Callable[[Path], Path]


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=2) as made:
        yield made


def job_of(folder: Path, **settings: str) -> tuple[Reference, JobSpec]:
    """Its state is large enough for files of its own."""
    work = reference(folder, keys=100, ballast=1000)
    return work, spec(work, folder, state__backend__type="FileSystem", **settings)


def records(folder: Path, job: JobId) -> list[tuple[Path, bool]]:
    """Completed checkpoints, and whether output was committed with each, oldest first."""
    return [
        (folder / "checkpoints" / job / record["point"]["path"], record["has_commits"])
        for record in fence(folder, job)
        if record["type"] == "checkpoint"
    ]


def bases(folder: Path, job: JobId) -> list[str | None]:
    """What each start restored."""
    starts = [record for record in fence(folder, job) if record["type"] == "start"]
    return [start["base"]["path"] if start["base"] else None for start in starts]


def quiet(folder: Path, job: JobId) -> None:
    """Wait at the gate until the two newest checkpoints committed nothing."""
    wait_until(
        lambda: [commits for _, commits in records(folder, job)[-2:]] == [False, False],
        lambda: f"two checkpoints without commits, not {records(folder, job)}",
    )


@pytest.mark.parametrize(
    "damage",
    [flip_in_state, lose_state, flip_in_metadata],
    ids=lambda damage: damage.__name__,
)
def test_the_checkpoint_before_a_damaged_one_stands_in_when_nothing_was_committed_since(
    cluster: LocalCluster, tmp_path: Path, damage: Damage
) -> None:
    work, wanted = job_of(tmp_path)
    job = started(cluster, wanted)
    quiet(tmp_path, job)
    cluster.suspend(job)
    (before, _), (newest, _) = records(tmp_path, job)[-2:]
    damaged = damage(newest)
    open_gate(work)
    assert cluster.submit(wanted) == job
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    assert faults(work) == []
    assert bases(tmp_path, job)[-1] == before.name
    (told,) = status.failures
    assert str(damaged) in told.failure.message
    assert any(f"restores {before.name}: newer ones are damaged, and nothing was" in n for n in status.notes)
    assert status.restarts == (damage is flip_in_state), "only the bytes of state are seen late"


def test_a_running_job_whose_newest_checkpoint_is_damaged_goes_back_one_more(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work, wanted = job_of(tmp_path, restart_strategy__fixed_delay__delay="3s")
    job = started(cluster, wanted)
    quiet(tmp_path, job)
    kill_a_worker(cluster, job)
    wait_for(cluster, job, lambda status: len(status.failures) == 1)
    (before, _), (newest, _) = records(tmp_path, job)[-2:]
    damaged = flip_in_state(newest)
    wait_for(cluster, job, lambda status: len(status.failures) == 2)
    open_gate(work)
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    assert faults(work) == []
    assert status.epoch == 2 and str(damaged) in status.failures[1].failure.message
    assert fence(tmp_path, job)[-1]["type"] == "finished"
    assert bases(tmp_path, job) == [None, before.name]


@pytest.mark.parametrize("damage", [flip_in_state, lose_metadata], ids=lambda damage: damage.__name__)
def test_the_job_holds_and_asks_when_output_was_committed_since_and_goes_on_when_the_file_is_back(
    cluster: LocalCluster, tmp_path: Path, damage: Damage
) -> None:
    work = reference(tmp_path, keys=100, ballast=1000, rows=6000, rate=1500)
    wanted = spec(work, tmp_path, state__backend__type="FileSystem")
    job = started(cluster, wanted, checkpoints=3)
    cluster.suspend(job)
    known = records(tmp_path, job)
    (before, _), (newest, commits) = known[-2:]
    assert commits, "rows flow all the time"
    shutil.copytree(newest, tmp_path / "copy")
    damaged, committed = damage(newest), len(rows(work))
    assert cluster.submit(wanted) == job
    status = cluster.wait(job, timeout=120)
    assert (status.state, status.epoch) == (JobState.FAILED, None)
    message = status.failures[-1].failure.message
    number = newest.name.removeprefix("chk-")
    for said in (
        str(damaged),
        f"file://{newest} is damaged, and no other restore point is safe: output is committed up to snapshot {number}",
        f"file://{before} (output committed with snapshot {number} would be written a second time)",
        "weir run --from PATH",
        "restore.nonce",
    ):
        assert said in message
    assert len(rows(work)) == committed, "nothing is doubled"
    assert fence(tmp_path, job)[-1]["type"] != "failed", "it holds: it did not end"
    assert before.is_dir()
    shutil.rmtree(newest)
    shutil.copytree(tmp_path / "copy", newest)
    open_gate(work)
    assert cluster.submit(wanted) == job
    assert cluster.wait(job, timeout=120).state is JobState.FINISHED
    assert faults(work) == []
    assert oracle.sequence_faults(rows(work)) == []

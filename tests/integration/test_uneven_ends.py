"""Bounded sources that end at different times: the final checkpoint commits everything, and does not wait. Row B16."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.clusters import FAST, kill_a_worker, wait_for
from tests.support.processes import ROOT
from tests.support.uneven_job import LONG, SHORT
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus, TaskState, VertexStatus

NEVER = "10h"


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=2) as made:
        yield made


def begun(cluster: LocalCluster, folder: Path, interval: str) -> JobId:
    """The short source has ended, the long one holds in the middle."""
    (folder / "made").mkdir()
    spec = JobSpec(
        name=f"uneven-{folder.name}",
        entrypoint="tests.support.uneven_job:build",
        args=(str(folder),),
        python_path=(str(ROOT),),
        parallelism=2,
        overrides={"execution.checkpointing.interval": interval, "restart-strategy.type": "fixed-delay"},
        checkpoint_storage=f"file://{folder}/checkpoints",
    )
    job = cluster.submit(spec)
    wait_for(cluster, job, short_is_over)
    return job


def readers(status: JobStatus, name: str) -> list[VertexStatus]:
    return [vertex for vertex in status.vertices if vertex.kind == "reader" and vertex.name.startswith(name)]


def short_is_over(status: JobStatus) -> bool:
    found = [task for vertex in readers(status, "short") for task in vertex.tasks]
    return found != [] and all(task.state is TaskState.FINISHED for task in found)


def lose_a_worker(cluster: LocalCluster, job: JobId) -> None:
    """And wait until all tasks of the next attempt run."""
    kill_a_worker(cluster, job)
    wait_for(cluster, job, lambda status: status.restarts == 1 and short_is_over(status))


def finish(cluster: LocalCluster, job: JobId, folder: Path) -> JobStatus:
    (folder / "gate").touch()
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, (status.failures, status.notes)
    short = [("short", i) for i in range(SHORT)]
    long = [("long", i) for i in range(LONG)]
    for name, rows in (("short", short), ("long", long), ("both", short + long)):
        found = sorted((line["from"], line["i"]) for line in oracle.visible(str(folder / name)))
        assert found == sorted(rows), f"the output {name} is not exact"
    return status


def made(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "made").iterdir())


def test_the_final_checkpoint_commits_everything_and_waits_for_no_interval(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    job = begun(cluster, tmp_path, NEVER)
    assert oracle.visible(str(tmp_path / "short")) == [], "visible before any checkpoint"
    status = finish(cluster, job, tmp_path)
    assert (status.checkpoints.completed, status.restarts) == (1, 0)


def test_a_crash_between_the_ends_without_any_checkpoint_starts_all_over_and_is_exact(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    job = begun(cluster, tmp_path, NEVER)
    lose_a_worker(cluster, job)
    status = finish(cluster, job, tmp_path)
    assert status.checkpoints.completed == 1
    assert made(tmp_path) == 2 * SHORT


def test_a_source_that_ended_before_a_checkpoint_does_not_run_again_after_a_crash(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    job = begun(cluster, tmp_path, "200ms")
    enough = cluster.status(job).checkpoints.completed + 2
    wait_for(cluster, job, lambda status: status.checkpoints.completed >= enough)
    # Its rows are committed while the long one goes on.
    wait_for(cluster, job, lambda _: len(oracle.visible(str(tmp_path / "short"))) == SHORT)
    lose_a_worker(cluster, job)
    finish(cluster, job, tmp_path)
    assert made(tmp_path) == SHORT

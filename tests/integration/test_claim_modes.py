"""Whose a snapshot is from which another job started: with NO_CLAIM nobody touches it, with CLAIM it goes in time. Scorecard row B5."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec import structs

from tests.support.clusters import (
    FAST,
    faults,
    fence,
    files_of,
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

INCREMENTAL = {
    "state__backend__type": "RocksDB",
    "execution__checkpointing__incremental": "true",
    "state__backend__rocksdb__memory__fixed_per_slot": "16Mi",
}
FULL = {"state__backend__type": "FileSystem"}


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=2) as made:
        yield made


def suspended(cluster: LocalCluster, folder: Path, settings: dict[str, str]) -> tuple[Reference, JobId, Path]:
    """A job that waits in the middle of its work, and its newest checkpoint."""
    work = reference(folder, keys=100, ballast=1000)
    wanted = spec(work, folder, name="source", **settings, execution__checkpointing__num_retained="1")
    job = started(cluster, wanted)
    wait_for(cluster, job, lambda status: status.records_in >= 0.7 * work.partitions * work.rows)
    cluster.suspend(job)
    cluster.forget(job)
    (newest,) = (
        path for path in (folder / "checkpoints" / job).glob("chk-*") if (path / "_metadata").exists()
    )
    return work, job, newest


def follower(work: Reference, folder: Path, source: Path, mode: str, settings: dict[str, str]) -> JobSpec:
    settings = {**settings, "execution__state_recovery__claim_mode": mode}
    made = spec(work, folder, name=f"after-{mode}".lower().replace("_", "-"), **settings)
    return structs.replace(made, restore_from=source.as_uri())


def references(folder: Path, job: JobId) -> dict[str, str]:
    return {str(path): path.read_text() for path in (folder / "checkpoints" / job).glob("chk-*/_metadata")}


@pytest.mark.parametrize("settings", [FULL, INCREMENTAL], ids=["full", "incremental"])
def test_without_a_claim_the_source_is_never_touched_and_after_a_checkpoint_nobody_needs_it(
    cluster: LocalCluster, tmp_path: Path, settings: dict[str, str]
) -> None:
    work, source, newest = suspended(cluster, tmp_path, settings)
    before = files_of(newest.parent.as_uri())
    job = started(cluster, follower(work, tmp_path, newest, "NO_CLAIM", settings), checkpoints=3)
    assert files_of(newest.parent.as_uri()) == before
    named = references(tmp_path, job)
    assert named and not any(source in text for text in named.values())
    shutil.rmtree(newest.parent)
    kill_worker(cluster, job)
    open_gate(work)
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    assert faults(work) == []


def test_with_a_claim_the_source_counts_as_a_checkpoint_and_goes_also_when_the_jobmanager_is_another(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    work, source, newest = suspended(cluster, tmp_path, INCREMENTAL)
    job = cluster.submit(follower(work, tmp_path, newest, "CLAIM", INCREMENTAL))
    wait_until(lambda: "checkpoint" in [e["type"] for e in fence(tmp_path, job)], "its first checkpoint")
    pid = cluster.jobmanager_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    wait_until(
        lambda: not list((tmp_path / "checkpoints" / source).glob("*/**/*-keyed*")),
        lambda: f"the source goes, not {list((tmp_path / 'checkpoints' / source).rglob('*'))}",
    )
    assert fence(tmp_path, source)[-1] == {"type": "superseded", "by": job}
    assert not (newest / "_metadata").exists()
    kill_worker(cluster, job)
    open_gate(work)
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, status.failures
    assert faults(work) == []


def kill_worker(cluster: LocalCluster, job: JobId) -> None:
    wait_for(cluster, job, lambda status: status.state is JobState.RUNNING)
    kill_a_worker(cluster, job)

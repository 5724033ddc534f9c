"""Starts from snapshots that are damaged, too new, of another job or none at all: one message, and nobody else is harmed."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec import structs

from tests.support import kept_job, oracle
from tests.support.clusters import (
    FAST,
    faults,
    files_of,
    folder_of,
    kill_a_worker,
    open_gate,
    reference,
    spec,
    started,
    wait_for,
)
from tests.support.metadata_check import Snapshot
from tests.support.processes import ROOT
from tests.support.reference_rows import Reference
from tests.support.waiting import wait_for as wait_until
from weir.ids import JobId
from weir.local import LocalCluster
from weir.rpc.requests import JobState

GOOD = ROOT / "tests/fixtures/kept/format-1/savepoint"


@dataclass
class Beside:
    """A cluster with a job that nothing of this may disturb."""

    cluster: LocalCluster
    work: Reference
    job: JobId


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    folder = tmp_path_factory.mktemp("beside")
    work = reference(folder)
    with LocalCluster(environment=FAST, slots=2, task_managers=2) as cluster:
        yield Beside(cluster, work, started(cluster, spec(work, folder, name="beside")))


def state_file(folder: Path) -> Path:
    return min(folder.glob("*-keyed"))


def flip(path: Path, byte: int) -> Path:
    data = bytearray(path.read_bytes())
    data[byte] ^= 1
    path.write_bytes(bytes(data))
    return path


def flip_in_state(folder: Path) -> Path:
    return flip(state_file(folder), 5000)


def flip_in_metadata(folder: Path) -> Path:
    path = folder / "_metadata"
    return flip(path, path.read_bytes().index(b'"sha256": "') + len(b'"sha256": "'))


def cut_state(folder: Path) -> Path:
    path = state_file(folder)
    path.write_bytes(path.read_bytes()[:-1])
    return path


def cut_metadata(folder: Path) -> Path:
    path = folder / "_metadata"
    path.write_bytes(path.read_bytes()[:9000])
    return path


def lose_state(folder: Path) -> Path:
    path = state_file(folder)
    path.unlink()
    return path


def lose_metadata(folder: Path) -> Path:
    path = folder / "_metadata"
    path.unlink()
    return path


def lose_everything(folder: Path) -> Path:
    shutil.rmtree(folder)
    return folder / "_metadata"


def make_newer(folder: Path) -> Path:
    path = folder / "_metadata"
    path.write_text(path.read_text().replace('"format_version": 1', '"format_version": 7'))
    return path


BAD: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "a missing state file": (lose_state, ("is missing; its snapshot cannot be restored",)),
    "a cut state file": (cut_state, ("has 22611 bytes, its snapshot recorded 22612",)),
    "a flipped byte in a state file": (flip_in_state, ("has sha256 ", "its snapshot recorded ", "it is damaged")),
    "missing metadata": (lose_metadata, ("is missing: no completed snapshot is there; name the folder of one",)),
    "cut metadata": (cut_metadata, ("is no snapshot metadata, or is damaged",)),
    "a flipped byte in metadata": (flip_in_metadata, ("has checksum ", "its last line says ", "it is damaged")),
    "a newer format": (make_newer, ("has format version 7, this Weir reads up to 2", "use the version that wrote it")),
    "no such folder": (lose_everything, ("is missing: no completed snapshot is there; name the folder of one",)),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_start_from_a_bad_savepoint_is_refused_with_its_file_named(
    beside: Beside, tmp_path: Path, case: str
) -> None:
    damage, says = BAD[case]
    folder = tmp_path / "savepoint-of-somebody"
    shutil.copytree(GOOD, folder)
    damaged = damage(folder)
    before = files_of(folder.as_uri())
    (tmp_path / "gate").touch()
    job = beside.cluster.submit(kept_job.spec(tmp_path, restore_from=folder.as_uri()))
    status = beside.cluster.wait(job, timeout=120)
    assert status.state is JobState.FAILED
    assert status.failure is not None
    assert [text for text in (str(damaged), *says) if text not in status.failure.message] == [], (
        status.failure.message
    )
    assert status.restarts == 0, "nothing would be better the next time"
    assert oracle.part_files(str(tmp_path / "out")) == [], "nothing was written"
    assert files_of(folder.as_uri()) == before


def test_a_savepoint_of_another_job_is_refused_with_every_uid_that_it_has(
    beside: Beside, tmp_path: Path
) -> None:
    work = reference(tmp_path)
    open_gate(work)
    wanted = structs.replace(spec(work, tmp_path, name="other"), restore_from=GOOD.as_uri())
    status = beside.cluster.wait(beside.cluster.submit(wanted), timeout=120)
    assert status.state is JobState.FAILED
    assert status.failure is not None
    message = status.failure.message
    assert f"{GOOD.as_uri()} holds state that no operator of job other claims: " in message
    for uid in ("numbers", "ruled", "kept"):
        assert f"uid '{uid}'" in message
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stopped", [False, True], ids=["running", "stopped"])
def test_a_savepoint_that_is_gone_when_its_job_needs_it_is_named_and_no_output_is_doubled(
    beside: Beside, tmp_path: Path, stopped: bool
) -> None:
    cluster = beside.cluster
    work = reference(tmp_path, keys=100, ballast=1000)
    settings = {"execution__checkpointing__interval": "1h", "state__backend__type": "FileSystem"}
    wanted = spec(work, tmp_path, name=f"gone-{stopped}".lower(), **settings)
    job = cluster.submit(wanted)
    wait_for(cluster, job, lambda status: status.records_in > 500)
    target = str(tmp_path / "savepoints")
    path = cluster.stop(job, target) if stopped else cluster.savepoint(job, target)
    below = sum(Snapshot(folder_of(path)).next_offsets(work).values())
    wait_until(lambda: len(rows(work)) == below, "its output is committed")
    shutil.rmtree(folder_of(path))
    if stopped:
        cluster.submit(wanted)
    else:
        kill_a_worker(cluster, job)
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FAILED
    assert status.failure is not None
    if stopped:
        assert f"{path} is damaged, and no other restore point is safe" in status.failure.message
        assert (
            f"bring {path} back and start the job again, or start from a savepoint" in status.failure.message
        )
    else:
        assert f"state file {path}/" in status.failure.message
        assert "is missing; its snapshot cannot be restored" in status.failure.message
    assert len(rows(work)) == below
    assert oracle.sequence_faults(rows(work)) == []


def rows(work: Reference) -> list[oracle.Line]:
    return [line for line in oracle.visible(work.out) if line["kind"] == "row"]


def test_the_job_beside_all_these_was_never_disturbed(beside: Beside) -> None:
    open_gate(beside.work)
    status = beside.cluster.wait(beside.job, timeout=120)
    assert (status.state, status.attempt, status.failures) == (JobState.FINISHED, 1, ())
    assert faults(beside.work) == []

"""What earlier releases left is gone on from by this one, exactly: savepoints, and jobs that were suspended. Scorecard row A17.

Each release leaves both, and a native savepoint of each state backend, in ``tests/fixtures/kept``, made by ``python -m tests.support.kept_job FOLDER``; nothing there is ever
changed or removed while its format is to be read.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracle
from tests.support.clusters import FAST, files_of, wait_for
from tests.support.kept_job import BACKENDS, KEYS, ROWS, RULE_COUNT, expected, native_of, spec
from tests.support.processes import ROOT
from weir.checkpoint.inspection import OperatorFacts, inspect_snapshot
from weir.checkpoint.metadata import FORMAT_VERSION
from weir.checkpoint.store import load
from weir.local import LocalCluster
from weir.rpc.requests import JobState, JobStatus

KEPT = sorted((ROOT / "tests/fixtures/kept").iterdir())


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST) as made:
        yield made


def states_of(uri: str, *uids: str) -> list[Any]:
    """What must come through a restore unchanged: names, kinds and types of states, and how many timers there are."""
    facts = inspect_snapshot(load(uri))
    assert facts.faults == ()

    def told(operator: OperatorFacts) -> Any:
        timers = [(timer.domain, timer.count) for timer in operator.timers]
        states = {(s.name, s.kind, s.type) for s in operator.states}
        return operator.uid, states, timers, operator.key_type

    return [told(operator) for operator in facts.operators if operator.uid in uids]


def check(lines: list[oracle.Line], status: JobStatus, parallelism: int) -> None:
    """The whole output of a job that went on, and only that: its folder was empty."""
    assert status.state is JobState.FINISHED, status.failures
    told = [line for line in lines if line["kind"] == "kept"]
    assert len(told) == KEYS
    by_key = {line["k"]: line for line in told}
    assert [by_key[line["k"]] for line in expected()] == list(expected())
    found = [line for line in lines if line["kind"] == "found"]
    assert len(found) == parallelism
    rows = [value for line in found for value in line["rows"]]
    assert len(rows) == len(set(rows)) == ROWS - status.records_in
    assert all(line["rules"] == {str(n): f"rule {n}" for n in range(RULE_COUNT)} for line in found)
    assert {tuple(line["names"]) for line in found} == {("2-0", "2-1")}


@pytest.mark.parametrize("parallelism", [2, 3])
@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_a_savepoint_of_an_earlier_release_is_restored_exactly(
    cluster: LocalCluster, tmp_path: Path, kept: Path, parallelism: int
) -> None:
    goes_on_exactly(cluster, tmp_path, (kept / "savepoint").as_uri(), parallelism)


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_a_job_that_an_earlier_release_suspended_goes_on_under_its_name(
    cluster: LocalCluster, tmp_path: Path, kept: Path
) -> None:
    shutil.copytree(kept / "checkpoints", tmp_path / "checkpoints")
    (suspended,) = (tmp_path / "checkpoints").glob("*/fence")
    (tmp_path / "gate").touch()
    job = cluster.submit(spec(tmp_path))
    assert job == suspended.parent.name
    status = cluster.wait(job, timeout=120)
    assert status.epoch == 2
    check(oracle.visible(str(tmp_path / "out")), status, 2)


@pytest.mark.parametrize("parallelism", [2, 3])
@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_a_native_savepoint_of_an_earlier_release_is_restored_exactly(
    cluster: LocalCluster, tmp_path: Path, kept: Path, backend: str, parallelism: int
) -> None:
    goes_on_exactly(cluster, tmp_path, (kept / native_of(backend)).as_uri(), parallelism, backend=backend)


def goes_on_exactly(
    cluster: LocalCluster, folder: Path, savepoint: str, parallelism: int, **settings: str
) -> None:
    """A job from this savepoint has its state, ends with the right output, and leaves the savepoint as it was."""
    before = files_of(savepoint)
    job = cluster.submit(spec(folder, parallelism, restore_from=savepoint, **settings))
    status = wait_for(cluster, job, lambda status: status.checkpoints.completed > 0)
    assert status.checkpoints.restored is not None
    assert status.checkpoints.restored.path == savepoint
    again = cluster.savepoint(job, str(folder / "savepoints"))
    assert states_of(again, "ruled", "kept") == states_of(savepoint, "ruled", "kept")
    (folder / "gate").touch()
    status = cluster.wait(job, timeout=120)
    check(oracle.visible(str(folder / "out")), status, parallelism)
    assert files_of(savepoint) == before


def test_there_is_one_of_the_format_that_this_weir_writes() -> None:
    versions = {load((kept / "savepoint").as_uri()).metadata.format_version for kept in KEPT}
    assert FORMAT_VERSION in versions

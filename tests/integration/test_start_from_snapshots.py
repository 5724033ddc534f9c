"""New jobs from the savepoints and retained checkpoints of others: which state fits, what is refused, at any parallelism.

Scorecard rows A12, A19, A20, A21, B8, B9.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracle
from tests.support.changing_job import KEYS
from tests.support.clusters import FAST, ROOT, folder_of, metadata_of, wait_for
from weir.ids import JobId
from weir.keygroups import key_group, subtask_of
from weir.local import LocalCluster
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState, JobStatus

#: The gate holds a reader when one of its two splits is at LIMIT.
ROWS, LIMIT = 2400, 300


@dataclass(frozen=True)
class Shape:
    """One run of the changing job."""

    folder: Path
    out: str = "out"
    shape: str = ""
    parallelism: int = 2
    name: str = "changing"
    allow: bool = False

    @property
    def gate(self) -> Path:
        return self.folder / f"{self.out}.gate"

    def spec(self, restore_from: str | None = None, **settings: str) -> JobSpec:
        given = {
            "out": str(self.folder / self.out),
            "gate": str(self.gate),
            "rows": str(ROWS),
            "limit": str(LIMIT),
            "shape": self.shape,
        }
        return JobSpec(
            name=self.name,
            entrypoint="tests.support.changing_job:build",
            args=tuple(f"{key}={value}" for key, value in given.items()),
            python_path=(str(ROOT),),
            parallelism=self.parallelism,
            overrides={
                "execution.checkpointing.interval": "150ms",
                "execution.checkpointing.num-retained": "3",
                "state.savepoints.dir": f"{self.folder}/savepoints",
                **{key.replace("__", ".").replace("_", "-"): value for key, value in settings.items()},
            },
            checkpoint_storage=f"file://{self.folder}/checkpoints",
            restore_from=restore_from,
            allow_non_restored_state=self.allow,
        )

    def lines(self) -> list[dict[str, Any]]:
        return oracle.visible(str(self.folder / self.out))

    def faults(self, kinds: tuple[str, ...] = ("count", "total")) -> list[str]:
        """What is wrong with the whole output."""
        found = []
        for kind in kinds:
            mine = [line for line in self.lines() if line["kind"] == kind]
            if Counter(line["v"] for line in mine) != Counter(range(ROWS)):
                found.append(f"{kind}: {len(mine)} lines, {ROWS} numbers")
            keys = range(KEYS) if kind != "total" else [0]
            for key in keys:
                numbers = sorted(line["nth"] for line in mine if line["k"] == key)
                if numbers != list(range(1, len(numbers) + 1)):
                    found.append(f"{kind}: key {key} has numbers {numbers[:3]}..{numbers[-3:]}")
        return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=2, task_managers=2) as made:
        yield made


def held(cluster: LocalCluster, shape: Shape, **settings: str) -> JobId:
    """A job in the middle of its work, with most of what comes before the gate committed."""
    job = cluster.submit(shape.spec(**settings))
    wait_for(cluster, job, lambda _: len(shape.lines()) >= 2 * 2 * LIMIT)
    return job


@pytest.fixture(scope="module")
def saved(cluster: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shape, str]:
    """A job stopped with a savepoint in the middle of its work."""
    shape = Shape(tmp_path_factory.mktemp("saved"))
    job = held(cluster, shape)
    path = cluster.stop(job)
    cluster.forget(job)
    return shape, path


def follow(saved: tuple[Shape, str], folder: Path, **changes: Any) -> Shape:
    """Another shape that goes on with a copy of the output."""
    before, _ = saved
    shape = replace(before, folder=folder, **changes)
    shutil.copytree(before.folder / before.out, folder / shape.out)
    shape.gate.touch()
    return shape


def run(cluster: LocalCluster, shape: Shape, path: str | None, **settings: str) -> JobStatus:
    return cluster.wait(cluster.submit(shape.spec(path, **settings)), timeout=120)


@pytest.mark.parametrize(
    ("shape", "kinds"),
    [
        ("", ("count", "total")),
        ("extra-map", ("count", "total")),
        ("reordered", ("count", "total")),
        ("unchained", ("count", "total")),
        ("extra-map,reordered,unchained", ("count", "total")),
    ],
    ids=["same", "added", "reordered", "rechained", "all-of-it"],
)
def test_with_uids_all_state_returns_whatever_else_changes(
    cluster: LocalCluster, saved: tuple[Shape, str], tmp_path: Path, shape: str, kinds: tuple[str, ...]
) -> None:
    changed = follow(saved, tmp_path, shape=shape)
    status = run(cluster, changed, saved[1])
    assert status.state is JobState.FINISHED, status.failures
    assert changed.faults(kinds) == []


def test_an_added_operator_starts_empty(
    cluster: LocalCluster, saved: tuple[Shape, str], tmp_path: Path
) -> None:
    changed = follow(saved, tmp_path, shape="extra-counter")
    assert run(cluster, changed, saved[1]).state is JobState.FINISHED
    assert changed.faults() == []
    more = [line for line in changed.lines() if line["kind"] == "more"]
    before = [line for line in saved[0].lines() if line["kind"] == "count"]
    assert len(more) == ROWS - len(before)
    assert min(line["nth"] for line in more) == 1


def test_state_that_nobody_claims_is_refused_by_uid_or_dropped_by_option(
    cluster: LocalCluster, saved: tuple[Shape, str], tmp_path: Path
) -> None:
    refused = run(cluster, follow(saved, tmp_path / "refused", shape="no-total"), saved[1])
    assert refused.state is JobState.FAILED
    assert refused.failure is not None
    assert "holds state that no operator of job changing claims: uid 'total'" in refused.failure.message
    assert "--allow-non-restored-state" in refused.failure.message
    dropped = follow(saved, tmp_path / "dropped", shape="no-total", allow=True)
    assert run(cluster, dropped, saved[1]).state is JobState.FINISHED
    assert dropped.faults(("count",)) == []


def test_without_a_uid_a_structural_change_is_refused_with_what_does_not_match(
    cluster: LocalCluster, tmp_path: Path
) -> None:
    shape = Shape(tmp_path, shape="auto", name="auto")
    job = held(cluster, shape)
    path = cluster.stop(job)
    lost = next(
        op for op in metadata_of(path)["operators"] if op["name"] == "KeyedProcess" and "uid" not in op
    )
    failed = run(cluster, replace(shape, shape="auto,extra-map", out="changed"), path)
    assert failed.state is JobState.FAILED
    assert failed.failure is not None
    assert lost["operator_id"] in failed.failure.message
    # The same structure gives the same ids.
    shape.gate.touch()
    assert run(cluster, shape, path).state is JobState.FINISHED
    assert shape.faults() == []


def test_uids_can_be_demanded(cluster: LocalCluster, tmp_path: Path) -> None:
    status = run(cluster, Shape(tmp_path, shape="auto"), None, pipeline__auto_generate_uids="false")
    assert status.failure is not None
    assert "these operators have no uid" in status.failure.message


@pytest.mark.parametrize("shape", ["max=64", "own-max"])
def test_another_max_parallelism_is_refused_with_both_values(
    cluster: LocalCluster, saved: tuple[Shape, str], tmp_path: Path, shape: str
) -> None:
    status = run(cluster, follow(saved, tmp_path, shape=shape), saved[1])
    assert status.state is JobState.FAILED
    assert status.failure is not None
    assert "max parallelism 128 for uid 'count', the job asks for 64" in status.failure.message


@pytest.mark.parametrize("parallelism", [3, 7, 1])
def test_every_key_lives_on_its_computed_subtask_at_any_parallelism(
    cluster: LocalCluster, saved: tuple[Shape, str], tmp_path: Path, parallelism: int
) -> None:
    changed = follow(saved, tmp_path, parallelism=parallelism)
    status = run(cluster, changed, saved[1])
    assert status.state is JobState.FINISHED, status.failures
    assert changed.faults() == []
    subtasks = {
        (line["k"], int(path.name.split("-")[3]))
        for path in oracle.part_files(str(tmp_path / "out"))
        if path.name.split("-")[2] == status.job_id[:12]
        for line in oracle.read([path])
        if line["kind"] == "count"
    }
    assert len(subtasks) == KEYS
    for key, subtask in subtasks:
        assert subtask == subtask_of(key_group(key, 128), 128, parallelism)


def test_one_savepoint_into_two_jobs_and_both_are_exact_and_independent(
    cluster: LocalCluster, saved: tuple[Shape, str], tmp_path: Path
) -> None:
    red = follow(saved, tmp_path / "red", name="red")
    blue = follow(saved, tmp_path / "blue", name="blue", parallelism=3)
    jobs = [cluster.submit(shape.spec(saved[1])) for shape in (red, blue)]
    assert len(set(jobs)) == 2
    for job, shape in zip(jobs, (red, blue), strict=True):
        assert cluster.wait(job, timeout=120).state is JobState.FINISHED
        assert shape.faults() == []
    assert (folder_of(saved[1]) / "_metadata").exists()


@pytest.mark.parametrize("by", ["folder", "_metadata"])
def test_a_new_job_from_the_oldest_retained_checkpoint_has_exactly_its_state(
    cluster: LocalCluster, tmp_path: Path, by: str
) -> None:
    shape = Shape(tmp_path)
    job = held(cluster, shape)
    done = cluster.status(job).checkpoints.completed
    wait_for(cluster, job, lambda status: status.checkpoints.completed >= done + 3)
    cluster.suspend(job)
    retained = sorted((tmp_path / "checkpoints" / job).glob("chk-*"), key=lambda path: int(path.name[4:]))
    assert len(retained) == 3
    oldest = retained[0] if by == "folder" else retained[0] / "_metadata"
    shape.gate.touch()
    status = run(cluster, replace(shape, name="again"), f"file://{oldest}")
    assert status.state is JobState.FINISHED, status.failures
    assert status.job_id != job
    assert status.checkpoints.restored is not None
    assert status.checkpoints.restored.id == int(retained[0].name[4:])
    assert shape.faults() == []
    assert retained[0].is_dir(), "it belongs to the other job"

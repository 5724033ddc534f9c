"""Damaged snapshots, wrong S3 keys and folders held by others: refused with the object's name, nothing committed touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support import bad_jobs
from tests.support.processes import Run
from tests.support.s3_servers import READ_ONLY_KEY, READ_ONLY_SECRET, S3Server

#: The code, and what is logged where nobody asked for more.
CODE = {"PYTHONPATH": str(Path(bad_jobs.__file__).parent), "WEIR_LOG_LEVEL": "ERROR"}


def counting(folder: Path, checkpoints: str, **storage: Any) -> Mapping[str, Any]:
    """``bad_jobs.counts`` for ever, checkpoints each 200 ms."""
    return {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": "counts"},
        "spec": {
            "job": {"entrypoint": "bad_jobs:counts", "args": [str(folder / "out")]},
            "checkpoints": {"interval": "200ms", "retained": 3},
            "storage": {"checkpoints": checkpoints, **storage},
        },
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".locks" not in path.parts
    }


@pytest.fixture(scope="module")
def suspended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a job that was stopped by Ctrl-C after some checkpoints."""
    folder = tmp_path_factory.mktemp("suspended")
    with Run(folder, counting(folder, str(folder / "checkpoints")), CODE, name="first") as run:
        run.wait_completed(4)
        assert run.interrupt() == 130, run.story()
        assert "the same command goes on from checkpoint" in run.stderr
    return folder


def newest(job: Path) -> Path:
    return max(job.glob("chk-*"), key=lambda path: int(path.name.removeprefix("chk-")))


def damage_metadata(job: Path) -> Path:
    path = newest(job) / "_metadata"
    path.write_bytes(path.read_bytes().replace(b'"', b"'", 1))
    return path


def lose_metadata(job: Path) -> Path:
    path = newest(job) / "_metadata"
    path.unlink()
    return path


def damage_fence(job: Path) -> Path:
    path = max((job / "fence").iterdir())
    path.write_bytes(path.read_bytes()[:20])
    return path


def lose_fence_record(job: Path) -> Path:
    path = sorted((job / "fence").iterdir())[-2]
    path.unlink()
    return path


DAMAGES: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "damaged metadata": (damage_metadata, ("has sha256", "recorded", "it is damaged or was replaced")),
    "missing metadata": (lose_metadata, ("is missing",)),
    "damaged fence record": (damage_fence, ("is damaged", "start from a savepoint under a new job")),
    "missing fence record": (lose_fence_record, ("is missing", "start from a savepoint under a new job")),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_snapshot_is_named_and_nothing_committed_is_touched(
    suspended: Path, tmp_path: Path, case: str
) -> None:
    damage, says = DAMAGES[case]
    shutil.copytree(suspended / "checkpoints", tmp_path / "checkpoints")
    shutil.copytree(suspended / "out", tmp_path / "out")
    [job] = [path.parent for path in (tmp_path / "checkpoints").glob("*/fence")]
    damaged = damage(job)
    before = contents(tmp_path / "out"), contents(tmp_path / "checkpoints")
    with Run(tmp_path, counting(tmp_path, str(tmp_path / "checkpoints")), CODE) as run:
        code = run.finish()
        assert code == 1, run.story()
        said = [line for line in run.stderr.splitlines() if str(damaged) in line]
        assert len(said) == 1, run.story()
        assert [text for text in says if text not in said[0]] == [], run.story()
        assert "Traceback (most recent call last)" not in run.stderr
        if "metadata" in case:
            assert "output committed with snapshot" in run.stderr, "the choices, and what each costs"
            assert "start from one of these or from a savepoint: `weir run --from PATH`" in run.stderr
    assert contents(tmp_path / "out") == before[0]
    after = contents(tmp_path / "checkpoints")
    assert {name: after.get(name) for name in before[1]} == before[1]
    assert all("/fence/" in name for name in after.keys() - before[1].keys())


KEYS = {
    "an unknown key": ("nobody", "secret", "the server does not know this access key"),
    "a wrong secret": ("weir-tests", "wrong", "the secret key does not fit this access key"),
    "a key that may only read": (
        READ_ONLY_KEY,
        READ_ONLY_SECRET,
        "its policy allows to read, write, list and delete",
    ),
}


@pytest.mark.parametrize("case", KEYS)
def test_a_wrong_s3_key_is_refused_before_anything_runs(tmp_path: Path, s3: S3Server, case: str) -> None:
    access, secret, advice = KEYS[case]
    environment = {**s3.environment, "AWS_ACCESS_KEY_ID": access, "AWS_SECRET_ACCESS_KEY": secret, **CODE}
    described = counting(tmp_path, f"{s3.uri}/checkpoints", s3={"endpoint": s3.endpoint})
    with Run(tmp_path, described, environment) as run:
        code = run.finish()
        assert code == 1, run.story()
        said = [line for line in run.stderr.splitlines() if advice in line]
        assert len(said) == 1, run.story()
        assert [text for text in (s3.uri, s3.endpoint, f"'{access}'") if text not in said[0]] == [], (
            run.story()
        )
        assert secret not in run.stderr.replace("secret key", "")
        assert "Traceback (most recent call last)" not in run.stderr
    assert list(s3.client().list_objects(s3.bucket, recursive=True)) == []
    assert not (tmp_path / "out").exists()


def test_a_bucket_that_does_not_exist_is_named(tmp_path: Path, s3: S3Server) -> None:
    described = counting(tmp_path, "s3://no-such-bucket-here/checkpoints", s3={"endpoint": s3.endpoint})
    with Run(tmp_path, described, {**s3.environment, **CODE}) as run:
        assert run.finish() == 1, run.story()
        assert "bucket 'no-such-bucket-here' does not exist" in run.stderr, run.story()
        assert "create it or correct the URI" in run.stderr


def test_a_second_run_of_the_same_job_is_refused_and_told_who_holds_the_folder(tmp_path: Path) -> None:
    described = counting(tmp_path, str(tmp_path / "checkpoints"))
    with Run(tmp_path, described, CODE, name="first") as first:
        first.wait_completed(1)
        with Run(tmp_path, described, CODE, name="second") as second:
            assert second.finish() == 1, second.story()
            assert f"by process {first.process.pid}" in second.stderr, second.story()
        done = len(first.completed())
        first.wait_completed(done + 2)
        assert first.interrupt() == 130, first.story()

"""``weir savepoint``, ``stop`` and ``rescale`` against ``weir run``, as two people at two terminals use them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.clusters import FAST, folder_of
from tests.support.processes import Run, resource
from tests.support.reference_rows import Reference


def weir(*arguments: str, folder: Path | None = None, address: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weir", *arguments]
    environment = {**os.environ, "WEIR_ADDRESS": address}
    return subprocess.run(
        command, capture_output=True, text=True, env=environment, cwd=folder, timeout=120, check=False
    )


def reference(tmp_path: Path) -> Reference:
    return Reference(out=str(tmp_path / "out"), gate=str(tmp_path / "gate"), rows=3000, rate=2000)


def running(tmp_path: Path, job: Reference, name: str = "run") -> Run:
    run = Run(tmp_path, resource(job, tmp_path), FAST, ["--address", "127.0.0.1:0"], name)
    run.wait_completed(len(run.completed()) + 2)
    return run


def address(run: Run) -> str:
    return re.findall(r"REST at http://(\S+)", run.stderr)[-1]


def test_a_job_is_saved_rescaled_and_stopped_from_another_terminal_and_goes_on_exactly(
    tmp_path: Path,
) -> None:
    job = reference(tmp_path)
    with oracle.Visible(job.out) as seen:
        with running(tmp_path, job) as run:
            where = address(run)
            saved = weir("savepoint", "reference", "taken", folder=tmp_path, address=where)
            assert saved.returncode == 0, saved.stderr
            taken = saved.stdout.strip()
            assert folder_of(taken).parent == tmp_path / "taken", "relative to who asks"
            rescaled = weir("rescale", "reference", "3", address=where)
            assert (rescaled.returncode, rescaled.stdout) == (0, ""), rescaled.stderr
            assert "weir: reference runs with parallelism 3\n" in rescaled.stderr
            stopped = weir("stop", "reference", str(tmp_path / "taken"), address=where, folder=tmp_path)
            assert stopped.returncode == 0, stopped.stderr
            assert run.finish() == 0, run.story()
            assert f"weir: reference: stopped with savepoint {stopped.stdout.strip()}" in run.stderr
        with running(tmp_path, job, "again") as run:
            assert f"restores {stopped.stdout.strip()}: the job was stopped with it" in run.stderr
            Path(job.gate).touch()
            assert run.finish() == 0, run.story()
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert seen.faults == []


def test_json_is_the_answer_of_rest_and_what_fails_is_told(tmp_path: Path) -> None:
    job = reference(tmp_path)
    with running(tmp_path, job) as run:
        where = address(run)
        saved = weir("savepoint", "reference", "taken", "-o", "json", folder=tmp_path, address=where)
        answer = json.loads(saved.stdout)
        assert answer["status"] == {"id": "COMPLETED"}
        assert set(answer["operation"]) == {"location"}
        (tmp_path / "file").write_text("")
        for command in ("savepoint", "stop"):
            done = weir(command, "reference", "file/below", folder=tmp_path, address=where)
            assert (done.returncode, done.stdout) == (1, "")
            assert f"{tmp_path}/file/below" in done.stderr
        for arguments, message in (
            (("savepoint", "reference"), "no folder for the savepoint of job reference was given"),
            (("stop", "referense", "taken"), "did you mean reference?"),
            (("rescale", "reference", "500"), "uid 'rows' has max parallelism 128"),
        ):
            done = weir(*arguments, folder=tmp_path, address=where)
            assert (done.returncode, done.stdout) == (1, "")
            assert message in done.stderr
        assert weir("rescale", "reference", "0", address=where).returncode == 2
        assert run.process.poll() is None
        Path(job.gate).touch()
        assert run.finish() == 0, run.story()
    assert oracle.complete(oracle.visible(job.out), job) == []


@pytest.mark.parametrize("drain", [False, True])
def test_a_stop_is_told_its_savepoint_although_the_run_ends_with_it(tmp_path: Path, drain: bool) -> None:
    job = reference(tmp_path)
    with running(tmp_path, job) as run:
        flags = ["--drain"] if drain else []
        stopped = weir("stop", "reference", str(tmp_path / "taken"), *flags, address=address(run))
        assert stopped.returncode == 0, stopped.stderr
        assert (folder_of(stopped.stdout.strip()) / "_metadata").exists()
        assert run.finish() == 0, run.story()

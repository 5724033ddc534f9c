"""Crashes as data of a whole job on real processes."""

from __future__ import annotations

import pytest

from tests.support import scripted_job
from weir.errors import JobFailed, UserError
from weir.testing.cluster import run_job
from weir.testing.sinks import FolderSink


def failing(env, args):
    env.from_collection([1]).map(lambda row: row / 0).uid("divide").print()


def test_a_job_passes_every_crash_of_its_script_once_and_its_output_is_exact(tmp_path):
    status = run_job(scripted_job.build, [tmp_path, True], folder=tmp_path, parallelism=2)
    assert 2 <= status.restarts <= 4, "crashes of both subtasks may fall into one attempt"
    crashed = {path.name for path in (tmp_path / "source").iterdir()}
    assert crashed == {"crashed-0-4", "crashed-0-10", "crashed-1-2"}
    collected = FolderSink(tmp_path / "out")
    assert sorted(row for row, _ in collected.results) == scripted_job.ROWS
    for parity in (0, 1):
        counts = [n for row, n in collected.results if row % 2 == parity]
        assert sorted(counts) == list(range(1, len(counts) + 1))
    assert {timestamp for timestamp, _ in collected.timestamped} == {None}


def test_without_two_phases_restarts_show(tmp_path):
    run_job("tests.support.scripted_job:build", [tmp_path, False], folder=tmp_path)
    rows = [row for row, _ in FolderSink(tmp_path / "out").results]
    assert sorted(set(rows)) == scripted_job.ROWS
    assert len(rows) > len(scripted_job.ROWS)


def test_a_job_that_fails_raises_its_cause(tmp_path):
    with pytest.raises(JobFailed, match="ZeroDivisionError: division by zero"):
        run_job(failing, folder=tmp_path, settings={"restart-strategy.type": "none"})
    with pytest.raises(UserError, match="at the top of a module"):
        run_job(lambda env: None, folder=tmp_path)

"""Crashes as data of a whole job on real processes."""

from __future__ import annotations

from functools import partial

import pytest

from tests.support import scripted_job
from weir.errors import JobFailed, UserError
from weir.testing import FolderSink, ScriptedSource, Wait, run_job


def failing(env, args):
    env.from_collection([1]).map(lambda row: row / 0).uid("divide").print()


def endless(env):
    env.from_source(ScriptedSource([1, Wait("1h"), 2])).uid("rows").print()


def short(env, args):
    env.from_collection([1, 2, 3]).uid("rows").sink_to(FolderSink(f"{args[0]}/out")).uid("out")


def test_a_job_passes_every_crash_of_its_script_once_and_its_output_is_exact(weir_run_job, tmp_path):
    status = weir_run_job(scripted_job.build, [tmp_path, True], parallelism=2)
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


def test_a_job_that_fails_raises_its_cause(weir_run_job, tmp_path):
    with pytest.raises(JobFailed, match="ZeroDivisionError: division by zero"):
        weir_run_job(failing, settings={"restart-strategy.type": "none"})
    for run in (weir_run_job, partial(run_job, folder=tmp_path)):
        with pytest.raises(UserError, match="at the top of a module"):
            run(lambda env: None)


def test_a_job_that_never_ends_is_cancelled_and_the_next_one_runs(weir_run_job, tmp_path):
    with pytest.raises(TimeoutError, match=r"job test is \w+ after 2 s"):
        weir_run_job(endless, timeout=2)
    assert weir_run_job(short, [tmp_path]).records_in == 3
    assert FolderSink(tmp_path / "out").results == [1, 2, 3]

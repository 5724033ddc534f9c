"""A link between a TaskManager and its JobManager that carries one direction only, and one that comes and goes. Rows R4 and R5."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path

import pytest

from tests.support import fence_check, oracle
from tests.support.processes import resource
from tests.support.reference_rows import Reference
from tests.support.served import JobManager, TaskManager
from tests.support.tcp_link import linked
from tests.support.waiting import LIMIT

#: Each of several waits in a row may take long on a busy machine.
pytestmark = pytest.mark.timeout(600)


def newest_attempt(jobmanager: JobManager) -> int:
    number = jobmanager.completed()[-1]
    attempt: int = json.loads((jobmanager.job_folder() / f"chk-{number}/_metadata").read_text())["attempt"]
    return attempt


def test_a_taskmanager_that_hears_nothing_stops_and_is_replaced_though_it_is_heard(tmp_path: Path) -> None:
    job = Reference(str(tmp_path / "out"), rows=4000, rate=800, gate=str(tmp_path / "gate"))
    with contextlib.ExitStack() as stack:
        seen = stack.enter_context(oracle.Visible(job.out))
        jobmanager = stack.enter_context(JobManager(tmp_path, resource(job, tmp_path)))
        link = stack.enter_context(linked(jobmanager.address()))
        far = stack.enter_context(TaskManager(tmp_path, link.address, name="far"))
        stack.enter_context(TaskManager(tmp_path, jobmanager.address(), name="near"))
        jobmanager.wait(lambda: len(jobmanager.completed()) >= 2, "2 checkpoints complete")
        stack.enter_context(TaskManager(tmp_path, jobmanager.address(), name="spare"))
        busy = far.one("worker")
        link.lose_answers()
        far.wait(lambda: "the JobManager was silent for" in far.stderr, "it notices that it hears nothing")
        far.wait(lambda: not busy.lives, "it ends what it ran")
        before = len(jobmanager.completed())
        jobmanager.wait(lambda: len(jobmanager.completed()) >= before + 2, "the job goes on without it")
        assert newest_attempt(jobmanager) > 1
        registered = far.stderr.count("event='registered'")
        link.heal()
        far.wait(lambda: far.stderr.count("event='registered'") > registered, "it comes back")
        before = len(jobmanager.completed())
        jobmanager.wait(lambda: len(jobmanager.completed()) >= before + 2, "checkpoints go on")
        Path(job.gate).touch()
        jobmanager.wait(lambda: "state='FINISHED'" in jobmanager.stderr, "the job ends")
    assert oracle.complete(oracle.visible(job.out), job) == [], jobmanager.story()
    assert seen.faults == []
    assert fence_check.faults(jobmanager.job_folder()) == []


def test_a_link_that_comes_and_goes_costs_few_restarts(tmp_path: Path) -> None:
    job = Reference(str(tmp_path / "out"), rows=4000, rate=800, gate=str(tmp_path / "gate"))
    with contextlib.ExitStack() as stack:
        jobmanager = stack.enter_context(JobManager(tmp_path, resource(job, tmp_path)))
        link = stack.enter_context(linked(jobmanager.address()))
        for name in ("one", "two"):
            stack.enter_context(TaskManager(tmp_path, link.address, name=name))
        jobmanager.wait(lambda: len(jobmanager.completed()) >= 2, "2 checkpoints complete")
        for _ in range(5):
            for act in (link.lose_answers, link.heal):
                act()
                instant = time.monotonic() + 1.0
                jobmanager.wait(lambda instant=instant: time.monotonic() >= instant, "a second passes", LIMIT)
        before = len(jobmanager.completed())
        jobmanager.wait(lambda: len(jobmanager.completed()) > before, "a checkpoint completes")
        assert newest_attempt(jobmanager) <= 1 + 3
        Path(job.gate).touch()
        jobmanager.wait(lambda: "state='FINISHED'" in jobmanager.stderr, "the job ends")
    assert oracle.complete(oracle.visible(job.out), job) == [], jobmanager.story()

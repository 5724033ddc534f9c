"""A process that is stopped at any line of publishing and woken after its successor started changes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.checkpoints import ManualClock
from tests.support.waiting import LIMIT, wait_until_stopped
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import Checkpoint, Start
from weir.storage import open_storage

ROOT = Path(__file__).parents[2]
BEFORE_THE_RECORD = [
    "jobmanager.start.after-record",
    "jobmanager.publish.before-metadata",
    "jobmanager.publish.after-metadata",
    "jobmanager.fence.before-record",
]
AFTER_THE_RECORD = [
    "jobmanager.fence.after-record",
    "jobmanager.publish.after-record",
    "jobmanager.retention.before-delete",
    "jobmanager.retention.after-metadata",
    "jobmanager.retention.after-delete",
]


@pytest.fixture(params=["local", "s3"])
def folder(request, tmp_path):
    """The job's folder and what a process needs in its environment to reach it."""
    if request.param == "local":
        return f"file://{tmp_path}/job", {}
    server = request.getfixturevalue("s3")
    return f"{server.uri}/job", server.environment


@pytest.fixture
def run(folder):
    uri, environment = folder
    running = []

    def start(writer, count, **crash):
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.publisher", uri, writer, str(count)],
            cwd=ROOT,
            env={**os.environ, **environment, **crash},
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture
def job(folder, monkeypatch):
    uri, environment = folder
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return open_storage(uri)


def records(job):
    return FenceLog(job, "checker", ManualClock()).read().entries


def check_line(job):
    """One owner at a time, numbers grow, and what the last record names is there in its own bytes."""
    owner, last = None, 0
    for entry in records(job):
        if isinstance(entry.record, Start):
            owner = entry.writer
        else:
            assert (entry.writer, entry.record.point.checkpoint_id > last) == (owner, True)
            last = entry.record.point.checkpoint_id
    newest = [entry.record.point for entry in records(job) if isinstance(entry.record, Checkpoint)][-1]
    data = job.read(f"{newest.path}/_metadata")
    assert metadata_format.digest(data) == newest.metadata_sha256


@pytest.mark.parametrize("point", BEFORE_THE_RECORD + AFTER_THE_RECORD)
def test_a_frozen_process_that_wakes_behind_its_successor_publishes_nothing(run, job, point):
    count = 1 if point in BEFORE_THE_RECORD else 3
    old = run("old", 3, WEIR_CRASH_POINT=f"{point}:1", WEIR_CRASH_SIGNAL="STOP")
    wait_until_stopped(old.pid)
    new = run("new", count)
    said, _ = new.communicate(timeout=LIMIT)
    assert new.returncode == 0, said
    assert said.count("published") == count
    before = records(job)
    old.send_signal(signal.SIGCONT)
    said, _ = old.communicate(timeout=LIMIT)
    assert old.returncode == 3, said
    assert "fenced" in said
    assert records(job) == before
    check_line(job)


@pytest.mark.parametrize("point", BEFORE_THE_RECORD + AFTER_THE_RECORD)
def test_a_killed_process_leaves_what_its_successor_goes_on_from(run, job, point):
    old = run("old", 3, WEIR_CRASH_POINT=f"{point}:1")
    assert old.wait(LIMIT) == -signal.SIGKILL
    before = records(job)
    new = run("new", 2)
    said, _ = new.communicate(timeout=LIMIT)
    assert new.returncode == 0, said
    assert records(job)[: len(before)] == before
    check_line(job)
    completed = [entry.record.point for entry in before if isinstance(entry.record, Checkpoint)]
    start = records(job)[len(before)].record
    assert start.base == (completed[-1] if completed else None)

"""The flights example as a newcomer runs it: real processes, a year of real data, checked without Weir."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from examples.flights.check import differences
from examples.flights.prepare import prepare

ROOT = Path(__file__).parent.parent.parent
LIMIT_SECONDS = 120


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flights") / "input"
    prepare(folder)
    return folder


def resource(source: Path, folder: Path, interval: str) -> Path:
    """The example's own resource, with its folders moved."""
    document = yaml.safe_load((ROOT / "examples/flights/flights.yaml").read_text())
    document["spec"]["job"]["args"] = [str(source), str(folder / "result")]
    document["spec"]["checkpoints"]["interval"] = interval
    document["spec"]["storage"]["checkpoints"] = str(folder / "checkpoints")
    path = folder / "flights.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def start(path: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "weir", "run", str(path)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def descendants(pid: int) -> list[int]:
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        children += [int(child) for child in task.read_text().split()]
    return children + [below for child in children for below in descendants(child)]


def worker_of(pid: int) -> int | None:
    """A worker process below ``pid``, known by what it was started as."""
    for child in descendants(pid):
        try:
            if b"weir.taskmanager.worker" in Path(f"/proc/{child}/cmdline").read_bytes():
                return child
        except FileNotFoundError:
            continue
    return None


def test_the_result_is_exact(flights: Path, tmp_path: Path) -> None:
    run = start(resource(flights, tmp_path, "1s"))
    output, _ = run.communicate(timeout=LIMIT_SECONDS)
    assert run.returncode == 0, output
    assert differences(flights, tmp_path / "result") == []


def test_the_result_is_exact_when_a_worker_is_killed_after_its_first_checkpoint(
    flights: Path, tmp_path: Path
) -> None:
    run = start(resource(flights, tmp_path, "100ms"))
    deadline = time.monotonic() + LIMIT_SECONDS
    while not list((tmp_path / "checkpoints").glob("*/chk-*/_metadata")):
        assert run.poll() is None, run.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.01)
    worker = worker_of(run.pid)
    assert worker is not None, "no worker process was running at the first checkpoint"
    os.kill(worker, signal.SIGKILL)
    output, _ = run.communicate(timeout=LIMIT_SECONDS)
    assert run.returncode == 0, output
    assert differences(flights, tmp_path / "result") == []

"""A region is on its way back, and a process of the job is killed at a named point of that way: the output is exact."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.processes import Run, resource
from tests.support.reference_rows import Reference
from tests.support.two_regions_job import KEYS, PARTS, ROWS

POINTS = [
    "jobmanager.deploy.before-send",
    "supervisor.deploy.before-pass",
    "worker.restore.before-read",
    "worker.sink.before-restored-commit",
]


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_on_the_way_of_a_region_back_leaves_both_outputs_exact(tmp_path: Path, point: str) -> None:
    marker, gate, out = tmp_path / "marker", tmp_path / "gate", tmp_path / "out"
    described = resource(
        Reference(out=""),
        tmp_path,
        entrypoint="tests.support.two_regions_job:build",
        slots=4,
        interval="400ms",
    )
    described["spec"]["job"]["args"] = [str(tmp_path), "apart"]
    marker.touch()  # what exists already is not made, and kills nobody
    environment = {"WEIR_CRASH_POINT": point, "WEIR_CRASH_MARKER": str(marker)}
    with Run(tmp_path, described, environment) as run:
        run.wait_completed(3)
        marker.unlink()
        while not marker.exists():  # the last checkpoint of a region may hold nothing that is to be committed
            enough = len(run.completed()) + 2
            run.processes("worker")[0].signal(signal.SIGKILL)
            passed = f"a process dies at {point}, or the region is back"
            run.wait(lambda n=enough: marker.exists() or len(run.completed()) >= n, passed)
        run.wait_completed(len(run.completed()) + 2)
        gate.touch()
        assert run.finish() == 0, run.story()
    lines = oracle.visible(str(out))
    rows = Counter((line["part"], line["i"], line["seen"] > 0) for line in lines)
    assert rows == Counter((part, i, True) for part in PARTS for i in range(ROWS))
    counted = Counter((line["part"], line["i"] % KEYS, line["seen"]) for line in lines)
    assert set(counted.values()) == {1}
    assert len(counted) == len(PARTS) * ROWS

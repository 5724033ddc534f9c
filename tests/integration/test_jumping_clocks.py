"""The wall clock of a process jumps by an hour and by a day, there and back: nothing restarts, nobody takes over, checkpoints keep their interval.

Scorecard row R7. Each window fires once, as the output says.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import pytest

from tests.integration.test_recovery import exact, reference
from tests.support import oracle
from tests.support.jumping_clock import Clocks
from tests.support.processes import Run, resource

HOUR, DAY = 3600, 86400
KINDS = ("jobmanager", "supervisor", "worker")
#: Each of several waits in a row may take long on a busy machine.
pytestmark = pytest.mark.timeout(600)


def living(run: Run) -> set[int]:
    """Those that are there for as long as nothing is restarted."""
    return {process.pid for process in run.processes() if process.kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_a_job_does_not_mind_when_the_clock_of_a_process_jumps(tmp_path: Path, kind: str) -> None:
    job = reference(tmp_path, rows=6000, rate=800)
    clocks = Clocks(tmp_path / "clocks")
    described = resource(job, tmp_path, interval="500ms")
    with (
        Run(tmp_path, described, clocks.environment) as run,
        oracle.Visible(job.out) as seen,
    ):
        run.wait_completed(1)
        before = living(run)
        began, completed = time.monotonic(), len(run.completed())
        for jump in (HOUR, 0, -HOUR, DAY, 0, -DAY, 0):
            for process in run.processes(kind):
                clocks.set_ahead(process.pid, jump)
            run.wait_completed(len(run.completed()) + 1)
        storm = (time.monotonic() - began) / 0.5 + 5
        assert len(run.completed()) - completed <= storm, "checkpoints keep their interval"
        assert living(run) == before, run.story()
        Path(job.gate).touch()
        run.finish()
    exact(run, job, seen)
    assert sum(entry["record"]["type"] == "start" for entry in run.fence()) == 1
    written = [entry["written_ms"] for entry in run.fence()]
    jumped = max(abs(later - earlier) for earlier, later in itertools.pairwise(written))
    assert (jumped > HOUR * 1000 / 2) is (kind == "jobmanager"), "the clock did jump"

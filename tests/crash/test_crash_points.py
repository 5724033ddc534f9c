"""A process is killed at every named point of checkpoint, commit and restore; the output stays exact each time.

Runs go two at a time beside pytest, in the order of the list; a test waits for its own. Nothing but ``SIGKILL`` at the
point (and, for a restore, the kill that leads there) is done to a run: it must get to its end by itself.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from tests.crash.points import ELSEWHERE, POINTS, Point, When
from tests.crash.steering_points import ASKED_FOR, CRASHES
from tests.support import fence_check, oracle
from tests.support.killed_runs import Outcome, runs_of
from tests.support.processes import LIMIT, ROOT, Run, resource
from tests.support.reference_rows import Reference
from tests.support.served import JobManager, TaskManager


def bring_to(point: Point, folder: Path) -> Outcome:
    """Run the reference job through a kill at ``point``."""
    gate, marker = folder / "gate", folder / "marker"
    # So much state that it would not fit into the metadata, where the backend writes objects.
    ballast = 0 if point.backend == "Memory" else 1000
    out = str(folder / "out")
    job = Reference(out, rows=6000, keys=200, rate=800, gate=str(gate), ballast=ballast)
    described = resource(job, folder, stateBackend=point.state_backend(), checkpoints={"interval": "100ms"})
    environment = {
        "WEIR_CRASH_POINT": f"{point.name}:{point.count}",
        "WEIR_CRASH_MARKER": str(marker),
        "WEIR_HEARTBEAT_INTERVAL": "300ms",
        "WEIR_HEARTBEAT_TIMEOUT": "5s",
    }
    if point.when is not When.FIRST_START:
        folder.mkdir(parents=True)
        marker.touch()
    with Run(folder, described, environment) as run, oracle.Visible(job.out) as seen:
        if point.when is not When.FIRST_START:
            run.wait_completed(2)
            if point.name.endswith("-shared"):
                wait_shared(run)
            marker.unlink()
        provoke(point.when, run)
        if point.when is not When.END:
            run.wait(marker.exists, f"{point.name} is reached")
            before = len(run.completed())
            run.wait(lambda: len(run.completed()) > before, "a checkpoint completes after the kill")
        gate.touch()
        code = run.finish()
    lines = oracle.visible(job.out)
    faults = seen.faults + oracle.complete(lines, job) + fence_check.faults(run.job_folder())
    return Outcome(marker.exists(), code, faults, run.story())


def wait_shared(run: Run) -> None:
    """Until the newest checkpoint has shared files: while all changes are young, none has."""
    shared = run.job_folder() / "shared"
    run.wait(lambda: any(path.is_file() for path in shared.rglob("*")), "a shared file is stored")
    run.wait_completed(len(run.completed()) + 2)


def provoke(when: When, run: Run) -> None:
    """Lead an armed run to its point."""
    if when is When.WORKER_LOST:
        run.one("worker").signal(signal.SIGKILL)
    elif when is When.JOBMANAGER_LOST:
        run.one("jobmanager").signal(signal.SIGKILL)


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Point, Future[Outcome]]]:
    """The runs of all selected points."""
    folder = tmp_path_factory.mktemp("points")
    with runs_of("test_output_is_exact_after_a_kill_at", "point", request.session, bring_to, folder) as runs:
        yield runs


@pytest.mark.parametrize("point", POINTS, ids=str)
def test_output_is_exact_after_a_kill_at(point: Point, outcomes: dict[Point, Future[Outcome]]) -> None:
    outcomes[point].result().assert_exact()


def test_a_second_crash_while_the_end_is_cleared_up(tmp_path: Path) -> None:
    """The job is finished, its checkpoints are not deleted yet: two deaths in a row do not run it again."""
    job = Reference(str(tmp_path / "out"), rows=300)
    described = resource(job, tmp_path, interval="100ms")

    def dying_at(point: str) -> dict[str, str]:
        return {"WEIR_CRASH_POINT": point}

    with (
        JobManager(tmp_path, described, dying_at("jobmanager.end.after-record"), "first") as first,
        TaskManager(tmp_path, first.address(), slots=2),
    ):
        assert first.process.wait(LIMIT) == -signal.SIGKILL, first.story()
    job_id = first.job_folder().name
    assert list(first.job_folder().glob("chk-*/_metadata")), "nothing was left to delete"
    second_death = dying_at("jobmanager.end.before-clearing")
    with JobManager(tmp_path, described, second_death, "second", job_id) as second:
        assert second.process.wait(LIMIT) == -signal.SIGKILL, second.story()
    with JobManager(tmp_path, described, None, "third", job_id) as third:
        third.wait(lambda: "state='FINISHED'" in third.stderr, "the job is known to be finished")
        third.wait(lambda: not list(third.job_folder().glob("chk-*/_metadata")), "its checkpoints are gone")
    assert [entry["record"]["type"] for entry in third.fence()][-4:] == [
        "finished",
        "start",
        "start",
        "finished",
    ]
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert fence_check.faults(third.job_folder()) == []


def test_every_point_in_the_code_is_in_the_list() -> None:
    hits = re.compile(r'crashpoints\.hit\(\s*"([a-z0-9.-]+)"')
    sources = (ROOT / "runtime/weir").rglob("*.py")
    in_code = {name for source in sources for name in hits.findall(source.read_text())}
    assert {point.name for point in POINTS} | ASKED_FOR | ELSEWHERE == in_code
    assert {crash.point for crash in CRASHES} >= ASKED_FOR
    assert {crash.point for crash in CRASHES} <= in_code
    assert len(in_code) >= 60

"""When checkpoints start, how many run at once, what a withheld acknowledgement does, and what happens without them.

Scorecard rows A6, A7, A8 and A23. All facts are read from the engine's own records: fence log, metadata, folders.
"""

from __future__ import annotations

import json
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.support import metadata_check, oracle
from tests.support.processes import Run, job_folders, resource
from tests.support.reference_rows import Reference

#: Each of several waits in a row may take long on a busy machine.
pytestmark = pytest.mark.timeout(600)


def reference(tmp_path: Path, **settings: Any) -> Reference:
    return Reference(out=str(tmp_path / "out"), gate=str(tmp_path / "gate"), **settings)


def spans(run: Run) -> list[tuple[int, int, int]]:
    """(number, triggered, completed) of every completed checkpoint, wall milliseconds."""
    found = []
    for entry in run.fence():
        if entry["record"]["type"] == "checkpoint":
            number = entry["record"]["point"]["checkpoint_id"]
            metadata = json.loads((run.job_folder() / f"chk-{number}" / "_metadata").read_bytes())
            found.append((number, metadata["triggered_ms"], entry["written_ms"]))
    return found


def test_a_withheld_acknowledgement_expires_its_checkpoint_and_the_next_one_completes(tmp_path: Path) -> None:
    hold = tmp_path / "hold"
    job = reference(tmp_path, rows=6000, keys=200, rate=1000, ballast=1000, hold=str(hold))
    described = resource(
        job,
        tmp_path,
        checkpoints={"interval": "200ms", "timeout": "2s", "tolerableFailures": 1000},
        stateBackend={"type": "FileSystem"},
    )
    with Run(tmp_path, described) as run, oracle.Visible(job.out) as seen:
        run.wait_completed(2)
        hold.touch()
        folder = run.job_folder()

        def pending() -> list[Path]:
            """Folders of checkpoints that have objects and are not complete."""
            last = max(run.completed())
            return [p for p in folder.glob("chk-*") if int(p.name[4:]) > last and list(p.glob("e*"))]

        # One that was under way when the hold came may complete; the one that is held cannot.
        run.wait(lambda: Path(f"{hold}.held").exists(), "a subtask is held")
        # The other subtask's objects are there, the held one's acknowledgement is not.
        expired = run.wait(pending, "a checkpoint is under way")[0]
        number = int(expired.name[4:])
        run.wait(lambda: not list(expired.glob("*")), "the expired checkpoint's objects are gone")
        assert number not in run.completed()
        run.wait(lambda: f"checkpoint={number} reason='Checkpoint expired" in run.stderr, "it is told why")
        hold.unlink()
        run.wait(lambda: max(run.completed()) > number, "a later checkpoint completes")
        run.wait(lambda: not list(expired.glob("*")), "nothing of the expired one is left after its late ack")
        assert number not in run.completed()
        Path(job.gate).touch()
        assert run.finish() == 0, run.story()
    assert "restart" not in run.stderr.replace("0 restarts", ""), "an expired checkpoint restarted the job"
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert seen.faults == []


def test_two_or_three_checkpoints_run_at_once_but_never_four_and_each_is_consistent(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=12_000, rate=1500, slow_ms=700)
    described = resource(
        job, tmp_path, checkpoints={"interval": "200ms", "maxConcurrent": 3, "retained": 1000}
    )
    with Run(tmp_path, described) as run:
        run.wait_completed(15)
        assert run.interrupt() == 130, run.story()
    found = spans(run)
    at_once = [sum(began < end and start <= began for _, start, end in found) for _, began, _ in found]
    assert 2 <= max(at_once) <= 3, f"checkpoints under way at each start: {at_once}"
    for number, _, _ in found:
        assert metadata_check.faults(run.job_folder() / f"chk-{number}", job) == []


def test_every_checkpoint_starts_at_least_the_min_pause_after_the_end_of_the_one_before(
    tmp_path: Path,
) -> None:
    job = reference(tmp_path, rows=12_000, rate=1500)
    described = resource(
        job, tmp_path, checkpoints={"interval": "200ms", "minPause": "500ms", "retained": 1000}
    )
    with Run(tmp_path, described) as run:
        run.wait_completed(12)
        assert run.interrupt() == 130, run.story()
    found = spans(run)
    pauses = [start - end for (_, _, end), (_, start, _) in pairwise(found)]
    # The end is stamped before the record is written, the next start after it: a pause is never shorter than it looks.
    assert min(pauses) >= 500, pauses


def test_without_checkpoints_a_lost_worker_fails_the_job_and_nothing_is_restarted(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=6000, rate=1000)
    with Run(tmp_path, resource(job, tmp_path, interval=None, restart={})) as run:
        run.wait(lambda: "RUNNING" in run.stderr, "the job runs")
        run.one("worker").signal(signal.SIGKILL)
        assert run.finish() == 1, run.story()
    assert "checkpointing is off" in run.stderr, run.story()
    assert "killed by SIGKILL" in run.stderr, run.story()
    assert "FAILED" in run.stderr, run.story()
    assert oracle.visible(job.out) == [], "output without a checkpoint was committed"
    assert job_folders(run.checkpoints) == []

"""A batch of rows that the network loses is missed by the next checkpoint, which is rejected; the job reads it again. Row C3."""

from __future__ import annotations

import json
from pathlib import Path

from tests.support import oracle
from tests.support.processes import Run, resource
from tests.support.reference_rows import Reference


def test_no_checkpoint_from_behind_a_lost_batch_completes_and_the_output_is_exact(tmp_path: Path) -> None:
    lose, lost = tmp_path / "lose", tmp_path / "lose.lost"
    job = Reference(str(tmp_path / "out"), rows=6000, rate=1500, gate=str(tmp_path / "gate"))
    described = resource(
        job,
        tmp_path,
        entrypoint="tests.support.losing_job:build",
        checkpoints={"retained": 1000, "tolerableFailures": 1000},
    )
    with (
        Run(tmp_path, described, {"WEIR_TEST_LOSE": str(lose)}) as run,
        oracle.Visible(job.out) as seen,
    ):
        run.wait_completed(2)
        lose.touch()
        lost_ms = int(run.wait(lambda: lost.exists() and lost.read_text(), "a batch is lost"))
        run.wait(
            lambda: "Subtasks did not receive what was sent to them" in run.stderr, "the loss is noticed"
        )
        run.wait_completed(len(run.completed()) + 2)
        snapshots = [
            json.loads((run.job_folder() / f"chk-{number}/_metadata").read_text())
            for number in run.completed()
        ]
        Path(job.gate).touch()
        assert run.finish() == 0, run.story()
    behind = [snapshot["attempt"] for snapshot in snapshots if snapshot["triggered_ms"] > lost_ms]
    assert behind
    assert min(behind) == 2, "the first that completed after the loss is one of the next attempt"
    assert oracle.complete(oracle.visible(job.out), job) == [], run.story()
    assert seen.faults == []

"""How a run ends and goes on: Ctrl-C suspends, the same command resumes, and nothing outlives its parent.

Scorecard row B18 (timers that became overdue meanwhile), and the promise that no process is left behind.
"""

from __future__ import annotations

import signal
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.support import oracle
from tests.support.processes import Run, resource, small_job, wait_for
from tests.support.reference_rows import Reference


def reference(tmp_path: Path, **settings: Any) -> Reference:
    return Reference(out=str(tmp_path / "out"), gate=str(tmp_path / "gate"), **settings)


def test_ctrl_c_suspends_and_the_same_command_goes_on_exactly(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=6000, rate=1000)
    described = resource(job, tmp_path)
    with oracle.Visible(job.out) as seen:
        for number in range(3):
            with Run(tmp_path, described, name=f"run{number}") as run:
                before = len(run.completed())
                run.wait_completed(before + 3)
                assert run.interrupt() == 130, run.story()
                assert "SUSPENDED" in run.stderr, run.story()
        with Run(tmp_path, described, name="last") as run:
            Path(job.gate).touch()
            assert run.finish() == 0, run.story()
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert seen.faults == []
    starts = [entry["record"] for entry in run.fence() if entry["record"]["type"] == "start"]
    assert [start.get("base") is not None for start in starts] == [False, True, True, True]


def test_sigterm_suspends_as_ctrl_c_does(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=6000, rate=1000)
    with Run(tmp_path, resource(job, tmp_path)) as run:
        run.wait_completed(2)
        run.process.send_signal(signal.SIGTERM)
        assert run.finish() == 130, run.story()
        assert "SUSPENDED" in run.stderr, run.story()


def test_no_process_outlives_a_killed_parent_and_the_same_command_goes_on_exactly(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=6000, rate=1000)
    described = resource(job, tmp_path, parallelism=3, slots=2)
    with oracle.Visible(job.out) as seen:
        with Run(tmp_path, described, name="first") as run:
            run.wait_completed(2)
            kinds = Counter(process.kind for process in run.processes())
            assert kinds["jobmanager"] == 1 and kinds["supervisor"] == 2 and kinds["worker"] == 4, kinds
            run.process.kill()
            run.process.wait()
            run.assert_nothing_left()
        with Run(tmp_path, described, name="second") as run:
            Path(job.gate).touch()
            assert run.finish() == 0, run.story()
    assert oracle.complete(oracle.visible(job.out), job) == []
    assert seen.faults == []


def test_workers_end_with_their_supervisor_and_the_job_goes_on(tmp_path: Path) -> None:
    job = reference(tmp_path, rows=6000, rate=1000)
    with Run(tmp_path, resource(job, tmp_path, parallelism=2, slots=2)) as run:
        run.wait_completed(2)
        workers = run.processes("worker")
        assert len(workers) == 2
        run.one("supervisor").signal(signal.SIGKILL)
        run.wait(lambda: not any(worker.lives for worker in workers), "its workers are gone")
        run.wait_completed(len(run.completed()) + 1)
        Path(job.gate).touch()
        assert run.finish() == 0, run.story()
    assert oracle.complete(oracle.visible(job.out), job) == []


def test_processing_time_timers_that_became_overdue_fire_once_for_their_key(tmp_path: Path) -> None:
    keys, out = 50, tmp_path / "out"
    arguments = {"keys": keys, "delay": 8000, "out": out, "gate": tmp_path / "gate"}
    described = small_job("alarms", tmp_path, arguments)

    def lines(kind: str) -> list[dict[str, Any]]:
        return [line for line in oracle.visible(str(out)) if line["kind"] == kind]

    with Run(tmp_path, described, name="before") as run:
        run.wait(lambda: len(lines("row")) == 2 * keys, "the rows before the gate are committed")
        assert run.interrupt() == 130, run.story()
    due = {line["k"]: line["due"] for line in lines("row")}
    assert lines("timer") == [], "timers were due before the job was stopped: the machine was too slow"
    last = max(due.values()) + 1
    wait_for(lambda: time.time_ns() // 1_000_000 > last, "the timers are overdue")
    with Run(tmp_path, described, name="after") as run:
        run.wait(lambda: len(lines("timer")) >= 2 * keys, "overdue timers fired")
        run.wait_completed(len(run.completed()) + 2)
        # A timer that fired is gone, whatever is lost then.
        run.one("worker").signal(signal.SIGKILL)
        run.wait_completed(len(run.completed()) + 2)
        assert run.interrupt() == 130, run.story()
    fired = Counter((line["k"], line["at"]) for line in lines("timer"))
    assert fired == Counter((key, at) for key, first in due.items() for at in (first, first + 1))
    assert {line["rows"] for line in lines("timer")} == {2}, "a timer saw another key's state"
    assert all(line["now"] >= line["at"] for line in lines("timer"))

"""A process is killed on the way of a savepoint, a stop, a rescale, a start from a savepoint; the output stays exact.

Whether the request survives is left open (a stop either happened or did not); what is not: no row is lost or doubled, the log
keeps its rules, and the job either runs on or goes on when it is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from tests.crash.steering_points import CRASHES, Asked, Crash
from tests.support import fence_check, oracle
from tests.support.killed_runs import Outcome, runs_of
from tests.support.processes import LIMIT, Run, job_folders, resource
from tests.support.reference_rows import Reference
from weir.errors import WeirError
from weir.rpc.client import JobManagerClient

HEARTBEATS = {"WEIR_HEARTBEAT_INTERVAL": "300ms", "WEIR_HEARTBEAT_TIMEOUT": "5s"}


class Steered:
    """The reference job in a folder, one run after the other."""

    def __init__(self, crash: Crash, folder: Path) -> None:
        self.crash = crash
        self.folder = folder
        self.gate, self.marker = folder / "gate", folder / "marker"
        folder.mkdir(parents=True)
        self.marker.touch()
        ballast = 1000 if crash.backend == "FileSystem" else 0
        self.job = Reference(
            str(folder / "out"), rows=1500, keys=100, rate=1500, gate=str(self.gate), ballast=ballast
        )
        self.described = resource(self.job, folder, interval="1h", stateBackend={"type": crash.backend})
        self.savepoints = (folder / "savepoints").as_uri()

    def run(self, name: str, flags: tuple[str, ...] = ()) -> Run:
        environment = {
            **HEARTBEATS,
            "WEIR_CRASH_POINT": self.crash.point,
            "WEIR_CRASH_MARKER": str(self.marker),
        }
        return Run(self.folder, self.described, environment, flags, name)

    def ask(self, run: Run, asked: Asked) -> None:
        with contextlib.suppress(WeirError):  # whoever is asked may die meanwhile
            asyncio.run(self._ask(run, asked))

    async def _ask(self, run: Run, asked: Asked) -> Any:
        async with JobManagerClient(run.jobmanager_address()) as client:
            if asked is Asked.RESCALE:
                return await client.rescale("reference", 1)
            if asked is Asked.SAVEPOINT:
                answer = await client.savepoint("reference", self.savepoints)
            else:
                answer = await client.stop("reference", self.savepoints, drain=asked is Asked.DRAIN)
            while not answer.done:
                answer = await client.savepoint_outcome("reference", answer.trigger)
            return answer.path

    def begin(self, run: Run) -> None:
        """Rows flow, and there is a savepoint to go back to."""
        run.wait(lambda: "RUNNING" in run.stderr and "REST at" in run.stderr, "the job runs")
        run.wait(lambda: self._saved(run), "a savepoint is complete")
        first = len(oracle.visible(self.job.out))
        run.wait(lambda: len(oracle.visible(self.job.out)) >= first, "its output is visible")

    def _saved(self, run: Run) -> bool:
        self.ask(run, Asked.SAVEPOINT)
        return bool(run.completed())

    # ---- a crash

    def crash_while_asked(self) -> Outcome:
        """Ask a run for something and kill a process on the way."""
        with self.run("first") as run, oracle.Visible(self.job.out) as seen:
            self.begin(run)
            self.marker.unlink()
            asking = threading.Thread(target=self.ask, args=(run, self.crash.asked))
            asking.start()
            run.wait(self.marker.exists, f"{self.crash.point} is reached")
            asking.join(LIMIT)
            self.gate.touch()
            code = run.finish()
            stopped = run.fence()[-1]["record"]["type"] == "stopped"
            story = run.story()
        if stopped:
            with self.run("second") as run, oracle.Visible(self.job.out) as after:
                code = code or run.finish()
                story += run.story()
            seen.faults += after.faults
        return self._outcome(code, seen.faults, story)

    def crash_at_the_start(self) -> Outcome:
        """Stop a job with a savepoint; a process dies when a new one is started from it."""
        with self.run("first") as run:
            self.begin(run)
            self.ask(run, Asked.STOP)
            code = run.finish()
            path = run.fence()[-1]["record"]["savepoint"]["path"]
            story = run.story()
        shutil.rmtree(self.folder / "checkpoints")
        self.marker.unlink()
        self.gate.touch()
        with self.run("second", ("--from", path)) as run, oracle.Visible(self.job.out) as seen:
            code = code or run.finish()
            story += run.story()
        return self._outcome(code, seen.faults, story)

    def _outcome(self, code: int, seen: list[str], story: str) -> Outcome:
        lines = oracle.visible(self.job.out)
        faults = list(seen)
        if self.crash.asked is Asked.DRAIN:
            # What was drained fired its windows early: rows are exact, windows are those of two halves.
            faults += oracle.row_faults(lines, self.job)
        else:
            faults += oracle.complete(lines, self.job)
        for folder in job_folders(self.folder / "checkpoints"):
            faults += fence_check.faults(folder)
        return Outcome(self.marker.exists(), code, faults, story)


def bring_to(crash: Crash, folder: Path) -> Outcome:
    steered = Steered(crash, folder)
    return steered.crash_at_the_start() if crash.asked is Asked.START else steered.crash_while_asked()


@pytest.fixture(scope="module")
def outcomes(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[Crash, Future[Outcome]]]:
    """The runs of all selected crashes."""
    test = "test_output_is_exact_after_a_crash_while_somebody_asks"
    folder = tmp_path_factory.mktemp("steered")
    with runs_of(test, "crash", request.session, bring_to, folder) as runs:
        yield runs


@pytest.mark.parametrize("crash", CRASHES, ids=str)
def test_output_is_exact_after_a_crash_while_somebody_asks(
    crash: Crash, outcomes: dict[Crash, Future[Outcome]]
) -> None:
    outcomes[crash].result().assert_exact()

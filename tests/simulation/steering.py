"""What people ask of a simulated job beside its faults: savepoints, stops, drains, another parallelism.

A scenario that is steered has the faults of its seed, and these between them. Whoever stops the job with a savepoint
starts it again when it has stopped. Requests may be refused or fail; the job must not care.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from tests.simulation.auditor import Auditor
from tests.simulation.chaos import Chaos
from tests.simulation.pipelines import UNIFORM, Shape
from tests.simulation.scenario import ROOT, TROUBLE, Scenario, make_scenario
from weir.config.options import PARALLELISM
from weir.errors import WeirError
from weir.jobmanager.job import Job
from weir.rpc.requests import JobState
from weir.testing.simulation import Cluster

TARGET = f"{ROOT}/savepoints"
_ASKED = {"savepoint": 3, "stop": 4, "two_stops": 1, "rescale": 5, "stop_and_cut": 1}


class Steering(Chaos):
    """Also somebody who starts a stopped job again."""

    def __init__(self, cluster: Cluster, scenario: Scenario, chance: random.Random, auditor: Auditor) -> None:
        super().__init__(cluster, scenario, chance, auditor)
        self._watching = False

    def savepoint(self) -> None:
        self._ask(lambda job: job.steering.savepoint(TARGET, self._trigger()))

    def stop(self) -> None:
        # Without drain: what is cut short by a drain is not what an undisturbed run gives.
        self._ask(lambda job: job.steering.stop(TARGET, trigger=self._trigger()))
        self._watch()

    def two_stops(self) -> None:
        self.stop()
        self.stop()

    def stop_and_cut(self) -> None:
        """A process dies somewhere on the way of the stop."""
        self.ambush_kill()
        self.stop()

    def rescale(self) -> None:
        slots = self._scenario.cluster.task_managers * self._scenario.cluster.slots
        parallelism = self._chance.randint(1, min(8, slots))
        self._ask(lambda job: job.steering.rescale(parallelism, self._trigger()))

    def _trigger(self) -> str:
        return f"{self._chance.getrandbits(128):032x}"

    def _ask(self, call: Callable[[Job], Any]) -> None:
        jobmanager = self._cluster.jobmanager
        job = jobmanager.job
        if job is None or not jobmanager.process.alive:
            return

        def ask() -> None:
            try:
                call(job)
            except WeirError as error:
                self._cluster.trace.add("person", f"is refused: {error}")

        jobmanager.process.call_soon(ask)
        self._later(3.0, lambda: None)

    def _watch(self) -> None:
        if not self._watching:
            self._watching = True
            self._loop.world.run(self._start_again())

    async def _start_again(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            jobmanager = self._cluster.jobmanager
            job = jobmanager.job
            settled = jobmanager.process.alive and job is not None and job.state is JobState.FINISHED
            # Also when the start was asked of a JobManager that has been replaced by one that found the job stopped.
            over = self._auditor.ended and not self._auditor.stopped
            if self._auditor.stops and settled and not over and jobmanager.dispatcher.fenced_by is None:
                self._cluster.trace.add("person", "starts the stopped job again")
                self.over_at = max(self.over_at, self._loop.time() + 10.0)
                jobmanager.submit(self._scenario.job(self.shape))


def make_steered_scenario(seed: int) -> Scenario:
    """The scenario of ``seed``, with requests among its faults."""
    scenario = make_scenario(seed)
    chance = random.Random(f"steering {seed}")
    asked = chance.choices(list(_ASKED), list(_ASKED.values()), k=chance.randint(1, 5))
    until = chance.choice([2.0, 4.0, TROUBLE])
    faults = [(chance.uniform(0.1, until), name) for name in asked]
    if chance.random() < 0.7:
        faults += [fault for fault in scenario.faults if fault[1] != "resubmit_rescaled"]
    settings, shape = scenario.settings, scenario.shape
    if scenario.pipeline.can_be_rescaled and chance.random() < 0.7:
        shape = Shape(f"{UNIFORM}{seed}", shape.most, padding=shape.padding, files=shape.files)
        settings = {**settings, PARALLELISM.key: str(chance.randint(1, shape.most))}
    return replace(scenario, faults=tuple(sorted(faults)), settings=settings, shape=shape)

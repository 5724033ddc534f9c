"""What can happen to a simulated cluster; each method is one fault, its details drawn when it happens."""

from __future__ import annotations

import asyncio
import random
import re

from tests.simulation.auditor import Auditor
from tests.simulation.functions import Poison
from tests.simulation.pipelines import Shape
from tests.simulation.scenario import Scenario
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.rpc.requests import JobState
from weir.testing.simulation import Cluster, Effect
from weir.testing.simulation.cluster import SimulatedJobManager
from weir.testing.simulation.virtual_time import Process, ProcessState

#: Effects on storage at which a process may be caught: after it, before its answer is there.
_AMBUSHES = (
    re.compile(r"create_if_absent .*/fence/.*"),
    re.compile(r"create_if_absent .*/_metadata"),
    re.compile(r"create_if_absent by-name/.*"),
    re.compile(r"delete .*/_metadata"),
    re.compile(r"delete .*/chk-.*"),
    re.compile(r"write .*/chk-.*"),
    re.compile(r"(write|create_if_absent|rename|delete) (out|files)/.*"),
)


class Chaos:
    """Also a storage observer, for its ambushes."""

    def __init__(self, cluster: Cluster, scenario: Scenario, chance: random.Random, auditor: Auditor) -> None:
        self._auditor = auditor
        self._cluster = cluster
        self._scenario = scenario
        self._chance = chance
        self._loop = cluster.world.loop
        #: When the last thing that was begun is over.
        self.over_at = 0.0
        self.shape = scenario.shape
        self._shapes = 0
        #: What waits for whom: a pattern, how many to let pass, what then happens.
        self._ambushes: list[tuple[re.Pattern[str], int, str]] = []
        cluster.storage.observers.append(self)

    def happen(self, name: str) -> None:
        self._cluster.trace.add("world", f"fault {name}")
        getattr(self, name)()

    def _later(self, seconds: float, call, *arguments) -> None:
        self.over_at = max(self.over_at, self._loop.time() + seconds)
        self._loop.world.call_later(seconds, call, *arguments)

    def _some(self, low: float, high: float) -> float:
        return self._chance.uniform(low, high)

    # ---- processes

    def kill_worker(self) -> None:
        workers = [worker for tm in self._cluster.live_task_managers() for worker in tm.live_workers()]
        if workers:
            self._chance.choice(workers).kill("fault")

    def kill_task_manager(self, *, silently: bool = False) -> None:
        managers = self._cluster.live_task_managers()
        if managers:
            self._cluster.kill(self._chance.choice(managers).process, silently=silently)
            self._later(self._some(0.1, 3.0), self._cluster.start_task_manager)

    def kill_task_manager_silently(self) -> None:
        self.kill_task_manager(silently=True)

    def kill_jobmanager(self) -> None:
        self._kill_jobmanager(self._cluster.jobmanager)

    def _kill_jobmanager(self, jobmanager: SimulatedJobManager) -> None:
        if jobmanager.process.alive:
            self._cluster.kill(jobmanager.process, silently=self._chance.random() < 0.3)
            self._later(self._some(0.05, 4.0), self._replace, jobmanager)

    def second_jobmanager(self) -> None:
        """As when an orchestrator takes one for dead that lives."""
        self._replace(self._cluster.jobmanagers[-1])
        self._later(20.0, lambda: None)

    def _replace(self, gone: SimulatedJobManager) -> None:
        if self._cluster.jobmanagers[-1] is gone:
            self._cluster.start_jobmanager(recovering=True)

    def freeze_jobmanager(self) -> None:
        self._freeze(self._cluster.jobmanager.process, self._some(0.1, 5.0))

    def freeze_jobmanager_and_replace(self) -> None:
        self._freeze_and_replace(self._cluster.jobmanager)

    def _freeze_and_replace(self, jobmanager: SimulatedJobManager) -> None:
        self._freeze(jobmanager.process, self._some(0.5, 8.0))
        self._later(self._some(0.05, 3.0), self._replace, jobmanager)

    def freeze_worker(self) -> None:
        workers = [worker for tm in self._cluster.live_task_managers() for worker in tm.live_workers()]
        if workers:
            self._freeze(self._chance.choice(workers).process, self._some(0.1, 8.0))

    def freeze_task_manager(self) -> None:
        managers = self._cluster.live_task_managers()
        if managers:
            manager = self._chance.choice(managers)
            seconds = self._some(0.1, 8.0)
            self._freeze(manager.process, seconds)
            if self._chance.random() < 0.5:  # the whole machine, not only the supervisor
                for worker in manager.live_workers():
                    self._freeze(worker.process, seconds)

    def _freeze(self, process: Process, seconds: float) -> None:
        if process.state is ProcessState.RUNNING:
            self._cluster.trace.add("world", f"freezes {process.name} for {seconds:.3f}")
            process.freeze()
            self._later(seconds, self._thaw, process)

    def _thaw(self, process: Process) -> None:
        if process.alive:
            self._cluster.trace.add("world", f"thaws {process.name}")
            process.thaw()

    # ---- processes caught in the middle of something

    def ambush_kill(self) -> None:
        self._ambushes.append((self._chance.choice(_AMBUSHES), self._chance.randint(0, 3), "kill"))

    def ambush_freeze(self) -> None:
        self._ambushes.append((self._chance.choice(_AMBUSHES), self._chance.randint(0, 3), "freeze"))

    def changed(self, effect: Effect) -> None:
        """Whoever did this is caught before it learns that it did."""
        did = f"{effect.operation} {effect.name}"
        for position, (pattern, passes, action) in enumerate(self._ambushes):
            if pattern.fullmatch(did):
                if passes:
                    self._ambushes[position] = (pattern, passes - 1, action)
                    return
                del self._ambushes[position]
                self._loop.world.call_soon(self._catch, effect.process, action)
                return

    def _catch(self, name: str, action: str) -> None:
        self._cluster.trace.add("world", f"catches {name}: {action}")
        for jobmanager in self._cluster.jobmanagers:
            if jobmanager.process.name == name:
                if action == "kill":
                    self._kill_jobmanager(jobmanager)
                else:
                    self._freeze_and_replace(jobmanager)
        for worker in (worker for tm in self._cluster.live_task_managers() for worker in tm.live_workers()):
            if worker.process.name == name:
                if action == "kill":
                    worker.kill("caught")
                else:
                    self._freeze(worker.process, self._some(0.5, 8.0))

    # ---- connections

    def cut_session(self) -> None:
        managers = [tm for tm in self._cluster.live_task_managers() if tm.session is not None]
        if managers:
            self._chance.choice(managers).session.cut()

    def silence_session(self) -> None:
        managers = [tm for tm in self._cluster.live_task_managers() if tm.session is not None]
        if managers:
            manager, seconds = self._chance.choice(managers), self._some(0.1, 6.0)
            manager.session.be_silent(seconds)
            manager.cut_off_until = self._loop.time() + seconds
            self._later(seconds, lambda: None)

    def break_data_stream(self) -> None:
        streams = self._cluster.world.planes.streams
        if streams:
            self._chance.choice(streams).break_off("fault")

    def silence_data_stream(self) -> None:
        streams = self._cluster.world.planes.streams
        if streams:
            seconds = self._some(0.1, 4.0)
            self._chance.choice(streams).be_silent(seconds)
            self._later(seconds, lambda: None)

    # ---- weather

    def storage_storm(self) -> None:
        rate = self._chance.choice([0.05, 0.3, 1.0])
        lost = self._chance.choice([0.0, 0.05, 0.3])
        self._change(self._some(0.1, 3.0), storage_errors=rate, storage_lost=lost)

    def slow_storage(self) -> None:
        self._change(self._some(0.1, 4.0), storage_delay=self._chance.choice([0.05, 0.3]))

    def slow_messages(self) -> None:
        self._change(self._some(0.1, 4.0), slow_messages=self._chance.choice([0.1, 0.5]))

    def _change(self, seconds: float, **rates: float) -> None:
        weather = self._cluster.weather
        before = {name: getattr(type(weather)(), name) for name in rates}
        if "slow_messages" in before:
            before["slow_messages"] = self._scenario.slow_messages
        for name, rate in rates.items():
            setattr(weather, name, rate)
        self._later(seconds, lambda: [setattr(weather, name, rate) for name, rate in before.items()])

    def jump_clock(self) -> None:
        processes = [self._cluster.jobmanager.process]
        processes += [
            worker.process for tm in self._cluster.live_task_managers() for worker in tm.live_workers()
        ]
        process = self._chance.choice(processes)
        process.wall_offset_ms += self._chance.choice([-3_600_000, -2_000, 2_000, 3_600_000])
        self._later(2.0, lambda: None)

    # ---- the job

    def poison(self) -> None:
        Poison.doses = self._chance.randint(1, 3)

    def resubmit_rescaled(self) -> None:
        """A person suspends the job and starts it again with another shape."""
        self._loop.world.run(self._resubmit())

    async def _resubmit(self) -> None:
        self.over_at = max(self.over_at, self._loop.time() + 20.0)
        jobmanager = self._cluster.jobmanager
        job = jobmanager.job
        if job is None or not jobmanager.process.alive:
            return
        jobmanager.process.call_soon(job.stop_nowait, StopKind.SUSPEND)
        while jobmanager.process.alive and not job.is_settled:  # noqa: ASYNC110  it may die instead
            await asyncio.sleep(0.1)
        if not jobmanager.process.alive or job.state is not JobState.SUSPENDED:
            return
        if self._cluster.jobmanager is not jobmanager:
            return
        # Nobody took the job over: what was promised is visible, or the job says that it is not.
        quiet = not any("not all output" in note for note in job.status().notes)
        if quiet and jobmanager.dispatcher.fenced_by is None and self._auditor.due:
            self._auditor.violations.append(f"suspended with output that is due: {self._auditor.due[:3]}")
        self._shapes += 1
        if self._scenario.pipeline.can_be_rescaled:
            self.shape = Shape(
                f"{self._scenario.seed}+{self._shapes}",
                self.shape.most,
                padding=self.shape.padding,
                files=self.shape.files,
            )
        job = self._scenario.job(self.shape)
        if self._chance.random() < 0.5:
            jobmanager.submit(job)
            return
        self._cluster.kill(jobmanager.process)
        self._cluster.start_jobmanager(job, recovering=False)

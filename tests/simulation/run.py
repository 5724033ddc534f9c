"""Runs one scenario to its end and judges it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.auditor import Auditor
from tests.simulation.chaos import Chaos
from tests.simulation.functions import Poison
from tests.simulation.ledger import committed_rows
from tests.simulation.pipelines import Outputs, Shape
from tests.simulation.scenario import Scenario
from weir.errors import FailureKind
from weir.jobmanager.job import Job
from weir.rpc.requests import JobState
from weir.testing.simulation import Cluster, Stuck, Weather

#: Virtual seconds after the last fault within which a job must be finished.
PATIENCE = 120.0
#: And for how long everybody who is left is watched after that.
AFTERMATH = 12.0


@dataclass
class Report:
    """What came of a run."""

    seed: int
    digest: str = ""
    faults: list[str] = field(default_factory=list)
    outputs: Outputs = field(default_factory=dict)
    checkpoints: int = 0
    savepoints: int = 0
    attempts: int = 0
    epochs: int = 0
    virtual_seconds: float = 0.0
    lines: int = 0

    @property
    def good(self) -> bool:
        return not self.faults


def run(
    scenario: Scenario,
    show: Callable[[str], None] | None = None,
    kind: type[Chaos] = Chaos,
) -> Report:
    """The whole run in this thread; ``show`` gets each line of its trace, ``kind`` knows what may happen."""
    chance = random.Random(f"run {scenario.seed}")
    weather = Weather(slow_messages=scenario.slow_messages)
    cluster = Cluster(scenario.cluster, scenario.job(), weather, chance, show)
    sinks = {
        node.uid for node in scenario.pipeline.load(scenario.shape).graph.nodes if node.kind.name == "SINK"
    }
    auditor = Auditor(cluster.storage, scenario.job().job_id, sinks)
    cluster.storage.observers.append(auditor)
    chaos = kind(cluster, scenario, chance, auditor)
    report = Report(scenario.seed)
    Poison.doses = 0
    with cluster.running() as loop:
        try:
            loop.run_until_complete(loop.world.run(_story(cluster, scenario, chaos, report, auditor)))
        except Stuck as error:
            report.faults.append(f"stuck: {error}")
        report.virtual_seconds = loop.time()
        report.faults += [f"unhandled: {what}" for what in loop.unhandled]
        report.faults += [f"logged: {what}" for what in cluster.trace.faults]
    report.faults += auditor.violations
    report.checkpoints = auditor.checkpoints
    report.savepoints = auditor.savepoints
    report.epochs = auditor.log.last.epoch if auditor.log.last else 0
    report.outputs = {sink: committed_rows(cluster.storage.inner, sink) for sink in sinks}
    if not report.faults:
        report.faults += _judge(scenario, chaos.shape, report, auditor)
    report.digest = cluster.trace.digest
    report.lines = cluster.trace.lines
    return report


def _judge(scenario: Scenario, shape: Shape, report: Report, auditor: Auditor) -> list[str]:
    if not auditor.ended:
        return ["the job says FINISHED, but its log does not end"]
    return scenario.pipeline.faults(report.outputs, exactly_once=scenario.exactly_once, shape=shape)


async def _story(
    cluster: Cluster, scenario: Scenario, chaos: Chaos, report: Report, auditor: Auditor
) -> None:
    loop = cluster.world.loop
    for _ in range(scenario.cluster.task_managers):
        cluster.start_task_manager()
    cluster.start_jobmanager(recovering=False)
    loop.world.run(_orchestrate(cluster))
    for at, name in scenario.faults:
        await asyncio.sleep(at - loop.time())
        if not _finished(cluster, auditor):
            chaos.happen(name)
    while not (_finished(cluster, auditor) and loop.time() >= chaos.over_at):
        deadline = max(chaos.over_at, scenario.faults[-1][0] if scenario.faults else 0.0) + PATIENCE
        if loop.time() > deadline:
            report.faults.append(f"not finished {PATIENCE:g} s after the last fault: {_status(cluster)}")
            return
        if not auditor.stopped and (fault := _hopeless(cluster, chaos)) is not None:
            report.faults.append(fault)
            return
        await asyncio.sleep(0.1)
    cluster.trace.add("world", "the job is finished; the aftermath")
    await asyncio.sleep(AFTERMATH)
    report.faults += _failures(cluster)


async def _orchestrate(cluster: Cluster) -> None:
    """What whoever runs the cluster does: there is a JobManager, and a job that storage kept from starting is tried again."""
    while True:
        await asyncio.sleep(1.0)
        newest = cluster.jobmanagers[-1]
        for old in cluster.jobmanagers[:-1]:
            if old.process.alive and old.job is not None and old.job.is_settled:
                cluster.kill(old.process)
        if not any(jobmanager.process.alive for jobmanager in cluster.jobmanagers):
            await asyncio.sleep(5.0)
            if newest is cluster.jobmanagers[-1]:
                cluster.start_jobmanager(recovering=True)
        elif newest.process.alive and newest.job and _never_started(newest.job):
            newest.submit()


def _never_started(job: Job) -> bool:
    return (
        job.state is JobState.FAILED
        and job._machine.epoch is None
        and job.status().failures[-1].failure.kind is FailureKind.STORAGE
    )


def _finished(cluster: Cluster, auditor: Auditor) -> bool:
    """Stopped with a savepoint is FINISHED too, to people; but it goes on, perhaps under another JobManager."""
    job = cluster.jobmanager.job
    ended = auditor.ended or auditor.stops == 0
    return job is not None and job.state is JobState.FINISHED and ended and not auditor.stopped


def _hopeless(cluster: Cluster, chaos: Chaos) -> str | None:
    job = cluster.jobmanager.job
    if job is None or not job.is_settled or cluster.world.loop.time() < chaos.over_at:
        return None
    if cluster.jobmanager.dispatcher.fenced_by is not None:
        return None
    if job.state is JobState.FINISHED or _never_started(job):
        return None
    return f"the job ended {job.state}: {_status(cluster)}"


def _failures(cluster: Cluster) -> list[str]:
    """Failures that no fault of ours explains."""
    found = []
    for jobmanager in cluster.jobmanagers:
        for record in jobmanager.job.status().failures if jobmanager.job else ():
            failure = record.failure
            if failure.kind is FailureKind.ENGINE or (
                failure.kind is FailureKind.USER and "poison" not in failure.message
            ):
                found.append(f"{failure.kind}: {failure.message}\n{failure.traceback}")
    return found


def _status(cluster: Cluster) -> str:
    job = cluster.jobmanager.job
    if job is None:
        return "not submitted"
    machine = job._machine
    tasks = [
        f"{vertex.name}/{task.index} {task.state} on {task.worker}"
        for vertex in job.status().vertices
        for task in vertex.tasks
    ]
    last = [f"{record.failure.kind}: {record.failure.message}" for record in job.status().failures[-3:]]
    return (
        f"{job.state} {machine.phase}, workers {sorted(machine.workers)}, occupied {sorted(machine.occupied)}, "
        f"checkpoints {job.status().checkpoints}, tasks {tasks}, failures {last}"
    )

"""The life of a job under any order of events: whatever comes, it holds to its rules and can be brought to an end.

A generated world plays the shell: it carries orders out in any order and at any time, loses workers, fails attempts,
stops, saves and rescales. Invariants are looked at after each event.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from weir.errors import FailureKind
from weir.ids import AttemptId, Epoch, JobId, SubtaskId, VertexId, WorkerId
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle import region_events
from weir.jobmanager.lifecycle.job_phases import Moment, Phase
from weir.jobmanager.lifecycle.job_state import JobMachine
from weir.jobmanager.lifecycle.regions import Region
from weir.jobmanager.lifecycle.restart import FixedDelay
from weir.rpc.messages import Execution, Failure
from weir.rpc.requests import JobState

JOB = JobId("a" * 32)
RETURNING = (
    Phase.REGION_STOPPING,
    Phase.REGION_BACKING_OFF,
    Phase.REGION_WAITING,
    Phase.REGION_STARTING,
)
LOST = Failure(kind=FailureKind.WORKER_LOST, message="killed")
USER = Failure(kind=FailureKind.USER, message="job.py:1: no")
DAMAGED = Failure(kind=FailureKind.STORAGE, message="cut", restartable=False, damaged=True)
DEAD = Failure(kind=FailureKind.USER, message="job.py:1: never", restartable=False)


@dataclass
class World:
    """What the machine ordered and is not done yet."""

    machine: JobMachine
    #: Answers that may come, each once.
    due: list[ev.Event] = field(default_factory=list)
    parallelism: int = 2
    workers: int = 0
    claims: int = 0
    #: Of the current attempt, as far as checkpoints go.
    checkpoints_of: Execution | None = None
    terminal: list[ev.WriteTerminal] = field(default_factory=list)
    settled: list[JobState] = field(default_factory=list)
    deployed: list[Execution] = field(default_factory=list)
    #: Of all deployments, also those of a region.
    numbers: list[int] = field(default_factory=list)
    #: How many regions there are.
    parts: int = 1
    #: Where the subtasks of the current attempt run.
    placed: dict[SubtaskId, WorkerId] = field(default_factory=dict)

    def subtasks(self) -> frozenset[SubtaskId]:
        return frozenset(SubtaskId(VertexId("v"), i) for i in range(self.parallelism))

    def regions(self) -> tuple[Region, ...]:
        """Each subtask has a slot of its own; they are dealt out to the regions."""
        return tuple(
            Region(
                frozenset(SubtaskId(VertexId("v"), i) for i in range(part, self.parallelism, self.parts)),
                tuple(range(part, self.parallelism, self.parts)),
            )
            for part in range(min(self.parts, self.parallelism))
        )

    @staticmethod
    def _is_about(subtasks: frozenset[SubtaskId], event: ev.Event) -> bool:
        return isinstance(event, ev.SubtaskRunning | ev.SubtaskEnded) and event.subtask in subtasks

    def tell(self, event: ev.Event) -> None:
        if isinstance(event, ev.WorkerGone | ev.WorkerStopped):
            # Nothing more is heard from there.
            self.due = [other for other in self.due if not self._is_said_by(event.worker, other)]
        for order in self.machine.handle(event, Moment(0.0)):
            self.carry_out(order)
        self.check()

    def carry_out(self, order: ev.Instruction) -> None:
        match order:
            case ev.MakePlan():
                strategy = FixedDelay(1000, 1.0)
                planned = ev.Planned(self.parallelism, self.subtasks(), strategy, True, 30.0, self.regions())
                self.due.append(planned)
            case ev.ClaimJob():
                assert self.checkpoints_of is None
                self.claims += 1
                self.due.append(ev.Claimed(Epoch(self.claims)))
            case ev.RequestSlots(count=count):
                recovery = self.machine.recovery
                assert count == (self.parallelism if recovery is None else len(recovery.region.slots))
                names = tuple(WorkerId(f"w{self.workers + i}") for i in range(count))
                self.workers += count
                self.due.append(ev.SlotsGranted(names))
            case ev.WithdrawSlotRequest():
                self.due = [event for event in self.due if not isinstance(event, ev.SlotsGranted)]
            case ev.DeployAttempt(execution=execution, workers=workers):
                assert self.checkpoints_of is None, (
                    "an attempt began while another one's checkpoint was written"
                )
                self.deployed.append(execution)
                self.numbers.append(execution.attempt)
                self.placed = dict(zip(sorted(self.subtasks()), workers, strict=True))
                self.due += [ev.SubtaskRunning(execution, subtask) for subtask in self.subtasks()]
            case ev.StartCheckpoints(execution=execution):
                self.checkpoints_of = execution
                self.due += [ev.SubtaskEnded(execution, subtask) for subtask in self.subtasks()]
            case ev.TakeFinalCheckpoint(execution=execution):
                self.due.append(ev.FinalCheckpointDone(execution))
            case ev.TakeStopSavepoint(execution=execution):
                self.due += [ev.FinalCheckpointDone(execution), ev.SavepointStopFailed(execution)]
            case region_events.PauseCheckpoints(execution=execution):
                self.due.append(region_events.CheckpointsPaused(execution))
            case region_events.StopRegion():
                self.due += [ev.WorkerStopped(order.execution, worker) for worker in order.workers]
                self.due.append(region_events.RegionGraceOver(order.execution, order.attempt))
            case region_events.ScheduleRegionRestart():
                self.due.append(region_events.RegionRestartDue(order.execution, order.attempt))
            case region_events.DeployRegion():
                region = {self.placed[subtask] for subtask in order.subtasks}
                assert not region & self.machine.workers, "deployed beside its own earlier attempt"
                self.numbers.append(order.attempt)
                workers = dict(zip(sorted(self.subtasks()), order.workers, strict=True))
                self.placed |= {subtask: workers[subtask] for subtask in order.subtasks}
                of = order.execution
                self.due = [e for e in self.due if not self._is_about(order.subtasks, e)]
                self.due += [ev.SubtaskRunning(of, subtask) for subtask in order.subtasks]
            case region_events.ResumeCheckpoints():
                of = order.execution
                self.due += [ev.SubtaskEnded(of, subtask) for subtask in order.subtasks]
            case ev.DeliverCommits(execution=execution):
                self.due = [event for event in self.due if not _is_about_snapshots(event)]
                self.due.append(ev.CommitsDelivered(execution))
            case ev.DeliverCommits(execution=execution):
                self.due = [event for event in self.due if not _is_about_snapshots(event)]
                self.due.append(ev.CommitsDelivered(execution))
            case ev.StopCheckpoints(execution=execution):
                self.due = [event for event in self.due if not _is_about_snapshots(event)]
                self.due.append(ev.CheckpointsStopped(execution))
            case ev.CancelTasks(execution=execution, workers=workers):
                self.due += [ev.WorkerStopped(execution, worker) for worker in workers]
            case ev.FinishTasks(execution=execution, workers=workers):
                self.due += [ev.WorkerStopped(execution, worker) for worker in workers]
            case ev.StartGrace(execution=execution):
                self.due.append(ev.GraceOver(execution))
            case ev.ReleaseWorkers(workers=workers):
                self.due += [ev.WorkerGone(worker, LOST) for worker in workers]
            case ev.ScheduleRestart(after=after):
                self.due.append(ev.RestartDue(after))
            case ev.WriteTerminal():
                self.terminal.append(order)
                self.due.append(ev.TerminalWritten())
            case ev.Settle(state=state):
                self.settled.append(state)

    def _is_said_by(self, worker: WorkerId, event: ev.Event) -> bool:
        return isinstance(event, ev.SubtaskRunning | ev.SubtaskEnded) and self.placed[event.subtask] == worker

    def answer(self, which: int) -> None:
        """One of the answers that are due comes."""
        event = self.due.pop(which % len(self.due))
        if isinstance(event, ev.CheckpointsStopped):
            self.checkpoints_of = None
        if isinstance(event, ev.FinalCheckpointDone | ev.SavepointStopFailed):
            # One snapshot has one end; and a subtask that acknowledged the last one does nothing more.
            over = ev.SubtaskEnded if isinstance(event, ev.FinalCheckpointDone) else ()
            self.due = [
                other for other in self.due if not _is_about_snapshots(other) and not isinstance(other, over)
            ]
        self.tell(event)

    def check(self) -> None:
        machine = self.machine
        assert len(self.settled) <= 1
        assert len(self.terminal) <= 1
        assert (machine.phase is Phase.SETTLED) == bool(self.settled)
        assert machine.occupied <= machine.workers
        if machine.phase in (Phase.WAITING, Phase.BACKING_OFF, Phase.SETTLING, Phase.SETTLED):
            assert machine.fenced or not machine.workers or machine.phase in (Phase.SETTLING, Phase.SETTLED)
        assert self.numbers == sorted(set(self.numbers)), "a number was given twice"
        assert machine.restarts <= max(0, len(self.numbers) - 1)
        assert (machine.recovery is not None) == (machine.phase in RETURNING)


def _is_about_snapshots(event: ev.Event) -> bool:
    final = ev.FinalCheckpointDone | ev.SavepointStopFailed | ev.CommitsDelivered
    return isinstance(event, final | region_events.CheckpointsPaused)


def _disturb(world: World, rng: random.Random) -> None:
    """Something that nobody ordered, if it can happen now."""
    machine = world.machine
    possible: list[Callable[[], None]] = []
    if machine.workers:
        worker = rng.choice(sorted(machine.workers))
        possible.append(lambda: world.tell(ev.WorkerGone(worker, LOST)))
    if machine.epoch is not None and machine.attempt:
        failure = rng.choice([LOST, USER, USER, DAMAGED, DEAD])
        if machine.phase not in (Phase.CLAIMING, Phase.PLANNING):
            where = rng.choice([None, *machine.placed])
            possible.append(lambda: world.tell(ev.AttemptFailed(machine.execution, failure, where)))
        late = Execution(JOB, Epoch(1), AttemptId(machine.attempt - 1))
        possible.append(lambda: world.tell(ev.AttemptFailed(late, USER)))
    if machine.phase is Phase.RUNNING:
        possible.append(lambda: world.tell(ev.SavepointStopRequested(machine.execution)))
        possible.append(lambda: _rescale(world, rng.randint(1, 4)))
    if possible:
        rng.choice(possible)()


def _rescale(world: World, parallelism: int) -> None:
    world.parallelism = parallelism
    world.tell(ev.RescaleReady(world.machine.execution, parallelism, world.subtasks(), world.regions()))


@given(st.integers(0, 2**32), st.integers(0, 120), st.integers(1, 3))
def test_any_order_of_events_keeps_the_rules_and_comes_to_an_end(seed: int, steps: int, parts: int) -> None:
    rng = random.Random(seed)
    world = World(JobMachine(JOB), parts=parts)
    for order in world.machine.start():
        world.carry_out(order)
    for _ in range(steps):
        if world.due and rng.random() < 0.8:
            world.answer(rng.randrange(len(world.due)))
        else:
            _disturb(world, rng)
        if rng.random() < 0.02:
            world.tell(ev.StopRequested(rng.choice(list(ev.StopKind))))
    for _ in range(500):  # undisturbed, it ends by itself
        if not world.due:
            break
        world.answer(0)
    assert world.machine.phase is Phase.SETTLED
    (state,) = world.settled
    for record in world.terminal:
        assert record.state is state
        assert not record.stopped or state is JobState.FINISHED
    if state is JobState.FINISHED:
        assert len(world.terminal) == 1, "a finished job has its record"
    assert not world.machine.workers or state is JobState.FINISHED, (
        "nothing is left but what is being released"
    )

"""One job: tells ``job_state`` what happens and carries out what it orders.

All of it runs on the event loop; what blocks (storage) is handed to ``services.blocking``, and its outcome comes back as
an event. Begin with ``_carry_out``: each instruction's few lines are there. ``checkpointing`` does the same for the
checkpoint coordinator.
"""

from __future__ import annotations

import asyncio
import functools
from collections import Counter, deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog

from weir import crashpoints
from weir.clock import Clock
from weir.errors import FailureKind, Fenced, StorageError, UserError, WeirError
from weir.ids import JobId, SubtaskId, TaskManagerId, WorkerId
from weir.jobmanager import job_events as ev
from weir.jobmanager.checkpoint_facts import checkpoints_status
from weir.jobmanager.checkpointing import Blocking, Checkpointing
from weir.jobmanager.facts import JobFacts
from weir.jobmanager.job_phases import Phase
from weir.jobmanager.job_state import IllegalEvent, JobMachine, Moment
from weir.jobmanager.journal import AlreadyEnded, Claim, Journal, Overtaken
from weir.jobmanager.operations import Operation
from weir.jobmanager.planning import PlannedJob, Planner, PlanningError, plan_job
from weir.jobmanager.rescaling import stays_on
from weir.jobmanager.restart import strategy
from weir.jobmanager.scheduler import deployments
from weir.jobmanager.slot_matching import match
from weir.jobmanager.slot_pool import SlotPool
from weir.jobmanager.steering import Steering
from weir.jobmanager.task_table import TaskTable
from weir.rpc import messages
from weir.rpc.messages import Execution, Failure, JobSpec
from weir.rpc.requests import CheckpointsStatus, FailureRecord, JobState, JobStatus, TaskState

log = structlog.get_logger()

#: Seconds until a job that gets no slots fails.
SLOT_TIMEOUT: Final = 300.0
#: Seconds for which a job that shrinks waits for the TaskManagers that it is to stay on.
STAY_PATIENCE: Final = 10.0
#: Seconds between attempts at storage that does not answer, and for how long the terminal record is tried.
STORAGE_RETRY: Final = 2.0
TERMINAL_PATIENCE: Final = 60.0
#: Seconds between two looks at the log: a process that was frozen and overtaken may have nothing to publish.
OWNERSHIP_CHECK: Final = 10.0
#: Failures that are remembered for people.
HISTORY: Final = 16


class Gateway(Protocol):
    """The way to workers; ``sessions.Sessions`` is one."""

    def send(self, worker: WorkerId, message: messages.ToWorkerMessage) -> None:
        """Say something to a worker; dropped if it is lost."""
        ...

    def release(self, worker: WorkerId) -> None:
        """End a worker process; that it is lost is reported later."""
        ...

    def data_address(self, worker: WorkerId) -> str:
        """Where the worker's data plane listens."""
        ...


@dataclass(frozen=True)
class JobServices:
    """What a job needs of the world."""

    clock: Clock
    gateway: Gateway
    pool: SlotPool
    planner: Planner
    journal_of: Callable[[PlannedJob, JobId], Journal]
    #: Called when another process took the job over.
    fenced: Callable[[str], None]
    #: A random number in [-1, 1) for restart delays.
    jitter: Callable[[], float]
    blocking: Blocking = asyncio.to_thread
    #: Loads and plans a specification anew, for another parallelism.
    replan: Planner = plan_job


class Job:
    """See the module."""

    def __init__(
        self, job_id: JobId, spec: JobSpec, services: JobServices, *, recovering: bool = False, note: str = ""
    ) -> None:
        """``note``: why it has this id, for people."""
        self.job_id = job_id
        self.spec = spec
        self.settled = asyncio.Event()
        self.steering = Steering(
            self, services.clock, services.blocking, services.replan, lambda: len(services.pool.free)
        )
        self.operations = self.steering.operations
        self._services = services
        self._recovering = recovering
        self._machine = JobMachine(job_id, recovering=recovering)
        self._events: deque[ev.Event] = deque()
        self._draining = False
        self._work: set[asyncio.Task[None]] = set()
        self._planning: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._slot_timer: asyncio.TimerHandle | None = None
        self._planned: PlannedJob | None = None
        #: What the next attempt runs, if that is another plan, and the TaskManagers that it stays on.
        self._next: PlannedJob | None = None
        self._stays_on: frozenset[TaskManagerId] | None = None
        self._journal: Journal | None = None
        self._checkpointing: Checkpointing | None = None
        self._table: TaskTable | None = None
        self._placed: dict[SubtaskId, WorkerId] = {}
        self._failures: deque[FailureRecord] = deque(maxlen=HISTORY)
        self._notes = [note] if note else []
        self._started_ms = services.clock.wall_ms()
        self._entered = {self._machine.state: self._started_ms}
        self._spent: Counter[JobState] = Counter()
        self._ended_ms: int | None = None

    # ---- what others say ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; everything else follows by itself."""
        for instruction in self._machine.start():
            self._carry_out(instruction)

    def stop_nowait(self, kind: ev.StopKind) -> None:
        """Stop the job as a person wants it; ``settled`` follows."""
        self._post(ev.StopRequested(kind))

    def trigger_checkpoint(self, trigger: str | None = None) -> Operation:
        """Take a checkpoint now; ``operations`` tells how it went. Asked again with the same trigger: the same one."""
        return self.steering.checkpoint(trigger)

    def worker_lost(self, worker: WorkerId, failure: Failure) -> None:
        """A worker, maybe one of this job, does not exist any more."""
        self._post(ev.WorkerGone(worker, failure))

    def hear(self, worker: WorkerId, message: messages.FromWorkerMessage) -> None:
        """A worker says something about this job."""
        if message.execution != self._current:
            log.info("late message dropped", job=self.job_id, worker=worker, message=type(message).__name__)
            return
        match message:
            case messages.TaskRunning():
                self._subtask(message, TaskState.RUNNING)
                subtask = SubtaskId(message.vertex, message.index)
                self._post(ev.SubtaskRunning(message.execution, subtask))
            case messages.TaskEnded():
                self._subtask(message, TaskState.FINISHED)
                self._post(ev.SubtaskEnded(message.execution, SubtaskId(message.vertex, message.index)))
            case messages.TaskFailed():
                if message.vertex is not None and message.index is not None:
                    self._set_state(SubtaskId(message.vertex, message.index), TaskState.FAILED)
                self._post(ev.AttemptFailed(message.execution, message.failure))
            case messages.TasksCancelled():
                self._post(ev.WorkerStopped(message.execution, worker))
            case messages.MetricsReport():
                self._table_or_fail.report(message.tasks)
            case messages.CheckpointAck():
                crashpoints.hit("jobmanager.checkpoint.before-ack")
                self._checkpoints.acknowledged(message)
            case messages.CheckpointDeclined():
                self._checkpoints.declined(message)
            case messages.CommitsDone():
                self._checkpoints.committed(message)

    def status(self) -> JobStatus:
        """The job as people see it."""
        machine = self._machine
        table = self._table
        read, written = table.totals() if table else (0, 0)
        return JobStatus(
            job_id=self.job_id,
            name=self.spec.name,
            state=machine.state,
            attempt=machine.attempt,
            epoch=machine.epoch,
            started_at_ms=self._started_ms,
            ended_at_ms=self._ended_ms,
            restarts=machine.restarts,
            records_in=read,
            records_out=written,
            vertices=table.vertices(live=not machine.state.is_settled) if table else (),
            checkpoints=self._checkpoints_status(),
            failures=tuple(self._failures),
            parallelism=self._planned.options.pipeline.parallelism if self._planned else 0,
            slots_required=max(machine.slots, self.steering.slots_wanted),
            slots_available=len(self._services.pool.free) + len(machine.workers),
            checkpoint_root=self._journal.root if self._journal else None,
            notes=tuple(self._notes),
        )

    def facts(self) -> JobFacts:
        """The job as REST shows it."""
        return JobFacts(
            status=self.status(),
            spec=self.spec,
            entered=dict(self._entered),
            planned=self._planned,
            checkpoints=self._checkpointing.facts() if self._checkpointing else None,
            rescales=self.steering.rescales.facts(),
            spent=dict(self._spent),
        )

    def _checkpoints_status(self) -> CheckpointsStatus:
        made = self._checkpointing
        return CheckpointsStatus() if made is None else checkpoints_status(made.facts(), enabled=made.enabled)

    # ---- what checkpointing says (CheckpointingOwner) ---------------------------------------------------------------

    def send(self, subtasks: frozenset[SubtaskId] | None, message: messages.ToWorkerMessage) -> None:
        """To the workers of these subtasks, or to all of the attempt."""
        wanted = self._placed if subtasks is None else subtasks
        for worker in sorted({self._placed[subtask] for subtask in wanted if subtask in self._placed}):
            self._services.gateway.send(worker, message)

    def checkpoints_failing(self, execution: Execution, message: str) -> None:
        """More checkpoints failed in a row than are tolerated."""
        self._post(ev.AttemptFailed(execution, Failure(kind=FailureKind.CHECKPOINT, message=message)))

    def final_checkpoint_done(self, execution: Execution) -> None:
        """All output is committed."""
        self._post(ev.FinalCheckpointDone(execution))

    def savepoint_stop_failed(self, execution: Execution) -> None:
        """Some tasks may hold for a savepoint that will not be."""
        self._post(ev.SavepointStopFailed(execution))

    def commits_delivered(self, execution: Execution) -> None:
        """What completed is committed, and nothing more will complete."""
        self._post(ev.CommitsDelivered(execution))

    def checkpoints_stopped(self, execution: Execution) -> None:
        """Nothing of the attempt is being written any more."""
        self._post(ev.CheckpointsStopped(execution))

    def fenced(self, message: str) -> None:
        """Another process owns the job."""
        self._post(ev.FencedOut(message))
        self._services.fenced(message)

    # ---- what steering asks (Steered) ----------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The job's name."""
        return self.spec.name

    @property
    def machine(self) -> JobMachine:
        """To be read only."""
        return self._machine

    @property
    def planned(self) -> PlannedJob | None:
        """What runs."""
        return self._planned

    @property
    def checkpointing(self) -> Checkpointing | None:
        """Since the job was claimed."""
        return self._checkpointing

    def post(self, event: ev.Event) -> None:
        """Something is to happen."""
        self._post(event)

    def note(self, text: str) -> None:
        """For people."""
        self._notes.append(text)

    def plan_next(self, planned: PlannedJob) -> None:
        """From the next attempt on this is the plan."""
        self._next = planned
        homes = Counter(home for w in self._machine.workers if (home := self._services.pool.home(w)))
        self._stays_on = (
            stays_on(homes, planned.slots) if planned.slots < len(self._machine.workers) else None
        )

    # ---- the machine -------------------------------------------------------------------------------------------------

    @property
    def _current(self) -> Execution | None:
        return self._machine.execution if self._machine.epoch is not None else None

    @property
    def _checkpoints(self) -> Checkpointing:
        assert self._checkpointing is not None, "claimed"
        return self._checkpointing

    @property
    def _table_or_fail(self) -> TaskTable:
        assert self._table is not None, "planned"
        return self._table

    def _subtask(self, message: messages.TaskRunning | messages.TaskEnded, state: TaskState) -> None:
        self._set_state(SubtaskId(message.vertex, message.index), state)

    def _set_state(self, subtask: SubtaskId, state: TaskState) -> None:
        self._table_or_fail.set_state(subtask, state, self._services.clock.wall_ms())

    def _post(self, event: ev.Event) -> None:
        """Handle ``event`` and whatever follows from it at once, in order."""
        self._events.append(event)
        if self._draining:
            return
        self._draining = True
        try:
            while self._events:
                self._handle(self._events.popleft())
        finally:
            self._draining = False

    def _handle(self, event: ev.Event) -> None:
        moment = Moment(self._services.clock.monotonic(), self._services.jitter())
        before = self._machine.state
        try:
            instructions = self._machine.handle(event, moment)
        except IllegalEvent as error:
            log.exception("a fault of Weir", job=self.job_id)
            if isinstance(event, ev.AttemptEvent) and not isinstance(event, ev.AttemptFailed):
                failure = Failure(kind=FailureKind.ENGINE, message=f"a fault of Weir: {error}")
                self._events.append(ev.AttemptFailed(event.execution, failure))
            return
        if self._machine.state is not before:
            now_ms = self._services.clock.wall_ms()
            self._spent[before] += now_ms - self._entered[before]
            self._entered[self._machine.state] = now_ms
            log.info("job state", job=self.job_id, name=self.spec.name, state=self._machine.state.value)
        for instruction in instructions:
            self._carry_out(instruction)
        self.steering.look()

    def _carry_out(self, instruction: ev.Instruction) -> None:
        gateway = self._services.gateway
        match instruction:
            case ev.MakePlan():
                self._planning = self._spawn(self._make_plan())
            case ev.AbandonPlan():
                assert self._planning is not None
                self._planning.cancel()
            case ev.ClaimJob():
                self._spawn(self._claim())
            case ev.RequestSlots():
                self._request_slots(instruction.count)
            case ev.WithdrawSlotRequest():
                self._withdraw_slot_request()
            case ev.DeployAttempt():
                self._deploy(instruction)
            case ev.StartCheckpoints():
                self._checkpoints.start(instruction.execution, self._machine.subtasks)
            case ev.TakeFinalCheckpoint():
                self._checkpoints.take_final(instruction.execution)
            case ev.TakeStopSavepoint():
                self.steering.take_stop_savepoint(instruction.execution)
            case ev.DeliverCommits():
                self._checkpoints.deliver(instruction.execution)
            case ev.StopCheckpoints():
                self._checkpoints.stop(instruction.execution)
            case ev.CancelTasks():
                self._table_or_fail.set_all(TaskState.CANCELED, self._services.clock.wall_ms())
                for worker in instruction.workers:
                    gateway.send(worker, messages.CancelTasks(execution=instruction.execution))
            case ev.FinishTasks():
                crashpoints.hit("jobmanager.end.before-finish")
                for worker in instruction.workers:
                    gateway.send(worker, messages.FinishTasks(execution=instruction.execution))
            case ev.StartGrace():
                self._later(instruction.seconds, ev.GraceOver(instruction.execution))
            case ev.ReleaseWorkers():
                for worker in instruction.workers:
                    gateway.release(worker)
            case ev.RecordFailure():
                self._record(instruction)
            case ev.ScheduleRestart():
                log.info("restart", job=self.job_id, delay=instruction.delay, after=instruction.after)
                self._later(instruction.delay, ev.RestartDue(instruction.after))
            case ev.WriteTerminal():
                self._spawn(self._write_terminal(instruction))
            case ev.Settle():
                self._settle()

    def _later(self, seconds: float, event: ev.Event) -> None:
        asyncio.get_running_loop().call_later(seconds, self._post, event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    # ---- instructions with more to them ----------------------------------------------------------------------------------

    async def _make_plan(self) -> None:
        try:
            planned = await self._services.planner(self.spec)
        except PlanningError as error:
            self._post(ev.PlanningFailed(error.failure))
            return
        except Exception as error:
            log.exception("planning failed", job=self.job_id)
            message = f"a fault of Weir while the job was planned: {error!r}"
            self._post(
                ev.PlanningFailed(Failure(kind=FailureKind.ENGINE, message=message, restartable=False))
            )
            return
        self._planned = planned
        self._table = TaskTable(planned.plan)
        options = planned.options
        self._post(
            ev.Planned(
                slots=planned.slots,
                subtasks=planned.subtasks,
                strategy=strategy(options),
                checkpointing=options.checkpoints.enabled,
                cancel_grace=options.process.cancellation_timeout,
            )
        )

    async def _claim(self) -> None:
        assert self._planned is not None
        while True:
            try:
                self._journal = self._services.journal_of(self._planned, self.job_id)
                claim = await self._services.blocking(self._journal.claim, recovering=self._recovering)
                break
            except Overtaken as error:
                self.fenced(str(error))
                return
            except WeirError as error:
                if not (self._recovering and error.retryable):
                    self._post(ev.ClaimFailed(failure_of(error)))
                    return
                log.warning("storage does not answer", job=self.job_id, reason=str(error))
                await asyncio.sleep(STORAGE_RETRY)
            except Exception as error:
                log.exception("claiming the job failed", job=self.job_id)
                self._post(ev.ClaimFailed(failure_of(error)))
                return
        if isinstance(claim, AlreadyEnded):
            self._post(ev.FoundSettled(claim.state))
        else:
            self._claimed(self._planned, self._journal, claim)

    def _claimed(self, planned: PlannedJob, journal: Journal, claim: Claim) -> None:
        log.info("job claimed", job=self.job_id, epoch=claim.epoch, note=claim.note)
        self._notes.append(claim.note)
        self._checkpointing = Checkpointing(
            self.spec.name,
            planned.plan,
            planned.options.checkpoints,
            claim,
            journal,
            self,
            self._services.clock,
            self._services.blocking,
            self.job_id,
        )
        self._watching = self._spawn(self._watch_ownership(self._checkpointing))
        self._post(ev.Claimed(claim.epoch))

    @staticmethod
    async def _watch_ownership(checkpointing: Checkpointing) -> None:
        while True:
            await asyncio.sleep(OWNERSHIP_CHECK)
            await checkpointing.check_owned()

    def _request_slots(self, count: int) -> None:
        def granted(workers: tuple[WorkerId, ...]) -> None:
            self._withdraw_slot_request()
            self._post(ev.SlotsGranted(workers))

        message = (
            f"no {count} free slots within {SLOT_TIMEOUT:g} s; start TaskManagers with more slots, or lower the "
            "parallelism"
        )
        failure = Failure(kind=FailureKind.WORKER_LOST, message=message)
        loop = asyncio.get_running_loop()
        self._slot_timer = loop.call_later(SLOT_TIMEOUT, self._slots_missing, failure)
        among, self._stays_on = self._stays_on, None
        if among is not None:
            loop.call_later(STAY_PATIENCE, self._services.pool.widen, self.job_id)
        self._services.pool.request(self.job_id, count, granted, among)

    def _slots_missing(self, failure: Failure) -> None:
        self._withdraw_slot_request()
        self._post(ev.SlotsMissing(failure))

    def _withdraw_slot_request(self) -> None:
        self._services.pool.withdraw(self.job_id)
        if self._slot_timer is not None:
            self._slot_timer.cancel()
            self._slot_timer = None

    def _deploy(self, order: ev.DeployAttempt) -> None:
        if self._next is not None:
            self._planned, self._next = self._next, None
            self.spec = self._planned.spec
            self._table_or_fail.replan(self._planned.plan)
            self._checkpoints.replan(self._planned.plan)
        assert self._planned is not None
        assert self._journal is not None
        gateway = self._services.gateway
        self._placed = dict(match(self._planned.plan, order.workers))
        self._table_or_fail.begin_attempt(self._placed, self._services.clock.wall_ms())
        addresses = {worker: gateway.data_address(worker) for worker in order.workers}
        restore = self._checkpoints.restore
        crashpoints.hit("jobmanager.deploy.before-send")
        try:
            made = deployments(order.execution, self._planned, addresses, self._journal.root, restore)
        except WeirError as error:
            self._post(ev.DeployFailed(order.execution, failure_of(error)))
            return
        for worker, deploy in made.items():
            gateway.send(worker, deploy)
        crashpoints.hit("jobmanager.deploy.after-send")

    def _record(self, record: ev.RecordFailure) -> None:
        log.warning("job failure", job=self.job_id, attempt=record.attempt, reason=record.failure.message)
        at_ms = self._services.clock.wall_ms()
        self._failures.append(FailureRecord(failure=record.failure, at_ms=at_ms, attempt=record.attempt))

    async def _write_terminal(self, order: ev.WriteTerminal) -> None:
        assert self._planned is not None
        assert self._journal is not None
        uncommitted = self._checkpoints.uncommitted
        retain = self._planned.options.checkpoints.retain_on_cancel or uncommitted is not None
        reason = order.failure.message if order.failure else ""
        deadline = self._services.clock.monotonic() + TERMINAL_PATIENCE
        while True:
            try:
                end = functools.partial(self._journal.end, stopped=order.stopped)
                await self._checkpoints.run_journal(end, order.state, reason, retain)
                break
            except Fenced as error:
                self.fenced(str(error))
                return
            except WeirError as error:
                log.warning("the end of the job cannot be written", job=self.job_id, reason=str(error))
                if not error.retryable or self._services.clock.monotonic() > deadline:
                    self._notes.append(f"its end could not be written to storage: {error}")
                    break
                await asyncio.sleep(STORAGE_RETRY)
        self._post(ev.TerminalWritten())

    def _note_uncommitted(self) -> None:
        """A person's stop waits for commits, but not for ever, and a task may have failed before them."""
        made = self._checkpointing
        snapshot = None if made is None else made.uncommitted
        if snapshot is not None and self.state in (JobState.CANCELED, JobState.SUSPENDED):
            self._notes.append(
                f"not all output of checkpoint {snapshot.metadata.checkpoint_id} is known to be visible; it is kept, "
                f"and whoever starts from {snapshot.uri} commits the rest"
                if snapshot.uri
                else "not all output is known to be visible, and checkpointing is off, so nothing can commit the rest"
            )

    def _settle(self) -> None:
        self._note_uncommitted()
        self._ended_ms = self._services.clock.wall_ms()
        self._withdraw_slot_request()
        if self._watching is not None:
            self._watching.cancel()
        if self._checkpointing is not None:
            self._checkpointing.close()
        self.settled.set()

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen here."""
        return self._machine.phase is Phase.SETTLED

    @property
    def state(self) -> JobState:
        """The state as people see it."""
        return self._machine.state


def failure_of(error: Exception) -> Failure:
    """An error of the control plane as a failure; only storage may be better the next time."""
    if isinstance(error, StorageError):
        return Failure(kind=FailureKind.STORAGE, message=str(error), restartable=error.retryable)
    if isinstance(error, UserError):
        return Failure(kind=FailureKind.USER, message=str(error), restartable=False)
    if isinstance(error, WeirError):
        return Failure(kind=FailureKind.STORAGE, message=str(error), restartable=False)
    return Failure(kind=FailureKind.ENGINE, message=f"a fault of Weir: {error!r}", restartable=False)

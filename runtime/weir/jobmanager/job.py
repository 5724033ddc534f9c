"""One job: tells ``job_state`` what happens and carries out what it orders.

All of it runs on the event loop; what blocks (storage) is handed to ``services.blocking``, and its outcome comes back as
an event. Begin with ``_carry_out``: each instruction's few lines are there. ``checkpointing`` does the same for the
checkpoint coordinator; ``placement`` knows where subtasks run, ``claiming`` waits for storage, ``chronicle`` remembers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from typing import Any

import structlog
from msgspec import structs

from weir import crashpoints
from weir.checkpoint.start_directive import StartDirective, StartRefused
from weir.errors import FailureKind, Fenced, WeirError
from weir.ids import JobId, WorkerId
from weir.jobmanager import claiming, hearing
from weir.jobmanager.checkpoints.checkpointing import Checkpointing
from weir.jobmanager.checkpoints.reports import CheckpointReports
from weir.jobmanager.chronicle import Chronicle
from weir.jobmanager.control_facts import control_facts
from weir.jobmanager.deployment.placement import Placement
from weir.jobmanager.deployment.slot_request import SlotRequest
from weir.jobmanager.facts import JobFacts
from weir.jobmanager.history.activation import Activation
from weir.jobmanager.history.journal import AlreadyEnded, Journal, Overtaken
from weir.jobmanager.job_services import JobServices, failure_of
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle import region_events
from weir.jobmanager.lifecycle.job_phases import Moment, Phase
from weir.jobmanager.lifecycle.job_state import IllegalEvent, JobMachine
from weir.jobmanager.operations import Operation
from weir.jobmanager.planning import PlannedJob
from weir.jobmanager.steering import Steering
from weir.rpc import messages
from weir.rpc.messages import Execution, Failure, JobSpec
from weir.rpc.requests import JobState, JobStatus, TaskState

log = structlog.get_logger()


class Job:
    """See the module."""

    def __init__(
        self,
        job_id: JobId,
        spec: JobSpec,
        services: JobServices,
        *,
        recovering: bool = False,
        note: str = "",
        activation: Activation | None = None,
    ) -> None:
        """``note``: why it has this id, for people; ``activation``: how the operator wants it to begin."""
        self.job_id = job_id
        self.activation = activation or Activation()
        self.spec = self.activation.applied_to(spec)
        self.settled = asyncio.Event()
        self.steering = Steering(
            self, services.clock, services.blocking, services.replan, lambda: len(services.pool.free)
        )
        self.operations = self.steering.operations
        self._services = services
        self._recovering = recovering
        self._machine = JobMachine(job_id, recovering=recovering, standby=self.activation.standby)
        self._placement = Placement(job_id, services)
        self._chronicle = Chronicle(job_id, services.clock, self._machine.state, note)
        self._slots = SlotRequest(job_id, services.pool, self._post)
        self._journal: Journal | None = None
        self._checkpointing: Checkpointing | None = None
        #: Restore points that proved unusable here, and how.
        self._damaged: dict[str, str] = {}
        self._events: deque[ev.Event] = deque()
        self._draining = False
        self._work: set[asyncio.Task[None]] = set()
        self._planning: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    # ---- what others say ---------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; everything else follows by itself."""
        for instruction in self._machine.start():
            self._carry_out(instruction)

    def stop_nowait(self, kind: ev.StopKind) -> None:
        """Stop the job as a person wants it; ``settled`` follows."""
        self._post(ev.StopRequested(kind))

    def activate(self, directive: StartDirective) -> None:
        """Begin as ``directive`` says, if the job stands by. Raises ``WrongState`` where it began otherwise."""
        if self.activation.take(directive, waiting=self._machine.phase is Phase.STANDBY):
            self.spec = self.activation.applied_to(self.spec)
            self._post(ev.Activated())

    def trigger_checkpoint(self, trigger: str | None = None, *, full: bool = False) -> Operation:
        """Take a checkpoint now; ``operations`` tells how it went. Asked again with the same trigger: the same one."""
        return self.steering.checkpoint(trigger, full=full)

    def worker_lost(self, worker: WorkerId, failure: Failure) -> None:
        """A worker, maybe one of this job, does not exist any more."""
        self._post(ev.WorkerGone(worker, failure))

    def hear(self, worker: WorkerId, message: messages.FromWorkerMessage) -> None:
        """A worker says something about this job."""
        if not self._placement.in_force(message.execution):
            log.info("late message dropped", job=self.job_id, worker=worker, message=type(message).__name__)
            return
        # Regions differ in their numbers; from here on the whole attempt has one.
        message = structs.replace(message, execution=self._machine.execution)
        if isinstance(message, hearing.ABOUT_CHECKPOINTS):
            hearing.about_checkpoint(message, self._checkpoints)
        else:
            hearing.about_task(message, worker, self._placement, self._post)

    def status(self) -> JobStatus:
        """The job as people see it."""
        wanted, free = self.steering.rescales.slots_wanted, len(self._services.pool.free)
        return self._chronicle.status(
            self.spec, self._machine, self._placement, self._checkpointing, wanted, free
        )

    def fenced(self, message: str) -> None:
        """Another process owns the job."""
        self._post(ev.FencedOut(message))
        self._services.fenced(message)

    def facts(self) -> JobFacts:
        """The job as REST shows it."""
        return JobFacts(
            status=self.status(),
            spec=self.spec,
            entered=dict(self._chronicle.entered),
            planned=self.planned,
            checkpoints=self._checkpointing.facts() if self._checkpointing else None,
            rescales=self.steering.rescales.history.facts(),
            spent=dict(self._chronicle.spent),
            control=control_facts(
                self._machine, self.activation, self._journal, self._chronicle, self.operations
            ),
        )

    @property
    def is_settled(self) -> bool:
        """Whether nothing more will happen here."""
        return self._machine.phase is Phase.SETTLED

    @property
    def state(self) -> JobState:
        """The state as people see it."""
        return self._machine.state

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
        return self._placement.planned

    @property
    def checkpointing(self) -> Checkpointing | None:
        """Since the job was claimed."""
        return self._checkpointing

    def post(self, event: ev.Event) -> None:
        """Something is to happen."""
        self._post(event)

    def note(self, text: str) -> None:
        """For people."""
        self._chronicle.note(text)

    def plan_next(self, planned: PlannedJob) -> None:
        """From the next attempt on this is the plan."""
        self._placement.plan_next(planned, self._machine.workers)

    # ---- the machine -------------------------------------------------------------------------------------------------

    @property
    def _current(self) -> Execution | None:
        return self._machine.execution if self._machine.epoch is not None else None

    @property
    def _checkpoints(self) -> Checkpointing:
        assert self._checkpointing is not None, "claimed"
        return self._checkpointing

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
            self._chronicle.changed(before, self._machine.state)
            log.info("job state", job=self.job_id, name=self.spec.name, state=self._machine.state.value)
        for instruction in instructions:
            try:
                self._carry_out(instruction)
            except Exception as error:
                # The others are carried out all the same: workers may wait for their end.
                log.exception("a fault of Weir", job=self.job_id)
                self._fail_by(error)
        self.steering.look()

    def _fail_by(self, error: Exception) -> None:
        """An order could not be carried out: an attempt that is under way fails by that."""
        if self._current is not None:
            failure = Failure(kind=FailureKind.ENGINE, message=f"a fault of Weir: {error!r}")
            self._events.append(ev.AttemptFailed(self._current, failure))

    def _carry_out(self, instruction: ev.Instruction) -> None:
        match instruction:
            case ev.MakePlan():
                self._planning = self._spawn(self._make_plan())
            case ev.AbandonPlan():
                assert self._planning is not None
                self._planning.cancel()
            case ev.LookBack():
                self._spawn(self._look_back())
            case ev.ClaimJob():
                self._spawn(self._claim(instruction.damaged))
            case ev.RequestSlots():
                self._slots.ask(instruction.count, self._placement.take_stays_on())
            case ev.WithdrawSlotRequest():
                self._slots.withdraw()
            case ev.DeployAttempt():
                self._deploy(instruction)
            case ev.StartCheckpoints():
                self._chronicle.all_run()
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
                self._placement.set_all(TaskState.CANCELED)
                cancel = messages.CancelTasks(execution=instruction.execution)
                self._placement.tell(instruction.workers, cancel)
            case ev.FinishTasks():
                crashpoints.hit("jobmanager.end.before-finish")
                finish = messages.FinishTasks(execution=instruction.execution)
                self._placement.tell(instruction.workers, finish)
            case ev.StartGrace():
                self._later(instruction.seconds, ev.GraceOver(instruction.execution))
            case ev.ReleaseWorkers():
                for worker in instruction.workers:
                    self._services.gateway.release(worker)
            case ev.RecordFailure():
                self._chronicle.failed(instruction)
                if instruction.failure.kind is FailureKind.DISK and instruction.failure.worker is not None:
                    self._services.pool.shun(instruction.failure.worker)
            case ev.ScheduleRestart():
                log.info("restart", job=self.job_id, delay=instruction.delay, after=instruction.after)
                self._later(instruction.delay, ev.RestartDue(instruction.after))
            case ev.WriteTerminal():
                self._spawn(self._write_terminal(instruction))
            case ev.Settle():
                self._settle()
            case _:
                self._carry_out_for_region(instruction)

    def _carry_out_for_region(self, instruction: region_events.RegionInstruction) -> None:
        match instruction:
            case region_events.PauseCheckpoints():
                self._checkpoints.pause(instruction.execution)
            case region_events.StopRegion():
                self._placement.set_all(TaskState.CANCELED, instruction.subtasks)
                cancel = messages.CancelTasks(execution=instruction.execution)
                self._placement.tell(instruction.workers, cancel)
                over = region_events.RegionGraceOver(instruction.execution, instruction.attempt)
                self._later(instruction.seconds, over)
            case region_events.ScheduleRegionRestart():
                log.info("restart of a region", job=self.job_id, delay=instruction.delay)
                due = region_events.RegionRestartDue(instruction.execution, instruction.attempt)
                self._later(instruction.delay, due)
            case region_events.DeployRegion():
                self._deploy_region(instruction)
            case region_events.ResumeCheckpoints():
                self._chronicle.all_run()
                self._checkpoints.resume(instruction.execution, instruction.subtasks)

    def _later(self, seconds: float, event: ev.Event) -> None:
        asyncio.get_running_loop().call_later(seconds, self._post, event)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)
        return task

    # ---- instructions with more to them ----------------------------------------------------------------------------------

    async def _make_plan(self) -> None:
        planned = await claiming.plan(self._services.planner, self.spec, self.job_id)
        if isinstance(planned, Failure):
            self._post(ev.PlanningFailed(planned))
            return
        self._placement.plan(planned)
        self._post(claiming.planned_event(planned))

    def _make_journal(self) -> Journal:
        assert self.planned is not None
        made = self._services.journal_of(self.planned, self.job_id)
        self._placement.root = made.root
        return made

    async def _look_back(self) -> None:
        began = await claiming.began_before(self._make_journal, self._services.blocking, self.activation)
        if began is not None and self._machine.phase is Phase.STANDBY:
            self.activate(began)

    async def _claim(self, damaged: Failure | None) -> None:
        planned, services = self.planned, self._services
        assert planned is not None
        if damaged is not None:
            given_up = await claiming.give_up(self._checkpoints, self._watching)
            self._journal = None
            self._damaged[given_up.point] = damaged.message
            if given_up.named:  # no other one is what was asked for
                self._post(ev.ClaimFailed(damaged))
                return
        try:
            outcome = await claiming.claim(
                self._make_journal,
                services.blocking,
                self.job_id,
                recovering=self._recovering or damaged is not None,
                activation=self.activation,
                damaged=self._damaged,
            )
        except Overtaken as error:
            self.fenced(str(error))
            return
        if isinstance(outcome, AlreadyEnded):
            self._chronicle.note(outcome.note)
            self._post(ev.FoundSettled(outcome.state))
        elif isinstance(outcome, StartRefused):
            self._post(ev.StartHeld())
        elif isinstance(outcome, Failure):
            self._post(ev.ClaimFailed(outcome))
        else:
            self._claimed(planned, outcome)

    def _claimed(self, planned: PlannedJob, owned: claiming.Owned) -> None:
        claim, before = owned.claim, self._checkpointing
        log.info("job claimed", job=self.job_id, epoch=claim.epoch, note=claim.note)
        self._chronicle.claimed(claim, self._machine.attempt, self._damaged.values())
        self._journal = owned.journal
        self._checkpointing = Checkpointing(
            self.spec.name,
            planned.plan,
            planned.options.checkpoints,
            claim,
            owned.journal,
            CheckpointReports(self._post, self._placement.send, self.fenced),
            self._services.clock,
            self._services.blocking,
            self.job_id,
            before,
        )
        self._watching = self._spawn(claiming.watch_ownership(self._checkpointing))
        self._post(ev.Claimed(claim.epoch))

    def _deploy(self, order: ev.DeployAttempt) -> None:
        following = self._placement.take_next()
        if following is not None:
            self.spec = following.spec
            self._checkpoints.replan(following.plan)
        try:
            self._placement.deploy(order, self._checkpoints.restore)
        except WeirError as error:
            self._post(ev.DeployFailed(order.execution, failure_of(error)))

    def _deploy_region(self, order: region_events.DeployRegion) -> None:
        try:
            self._placement.deploy_region(order, self._checkpoints.restore)
        except WeirError as error:
            self._post(ev.DeployFailed(order.execution, failure_of(error)))

    async def _write_terminal(self, order: ev.WriteTerminal) -> None:
        planned, journal, checkpoints = self.planned, self._journal, self._checkpoints
        assert planned is not None
        assert journal is not None
        options, ran = planned.options.checkpoints, self._machine.ran
        deletes = claiming.takes_checkpoints(order, checkpoints, options, ran=ran)
        clock = self._services.clock
        try:
            failed = await claiming.write_end(
                checkpoints.run_journal, journal, order, deletes, clock, self.job_id
            )
        except Fenced as error:
            self.fenced(str(error))
            return
        if failed is not None:
            self._chronicle.note(f"its end could not be written to storage: {failed}")
        elif deletes and order.state is JobState.FAILED and checkpoints.restore is not None:
            self._chronicle.note(claiming.DELETED_WITH_IT)
        self._post(ev.TerminalWritten())

    def _settle(self) -> None:
        self._chronicle.ended(self.state, self._checkpointing)
        self._slots.withdraw()
        if self._watching is not None:
            self._watching.cancel()
        self._spawn(self._come_to_rest())

    async def _come_to_rest(self) -> None:
        """What the last checkpoint replaced is still being deleted; a storage that is down is not waited for."""
        if self._checkpointing is not None:
            self._checkpointing.close()
            await claiming.leave_behind(self._checkpointing, self.job_id)
        self.settled.set()

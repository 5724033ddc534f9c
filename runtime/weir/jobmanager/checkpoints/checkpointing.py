"""Carries out what the ``CheckpointCoordinator`` orders, and tells it what happens.

Flow: tasks run -> the coordinator triggers -> workers acknowledge -> ``_metadata`` and the fence record are written in
a thread, one snapshot at a time -> the workers are told and commit. What was published last is what the next attempt
restores. ``job`` owns one of these from its claim on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from weir import crashpoints
from weir.checkpoint import events, paths
from weir.checkpoint.coordinator import CheckpointCoordinator
from weir.checkpoint.history import History
from weir.clock import Clock
from weir.config import CheckpointOptions
from weir.errors import CheckpointFailureReason, Fenced, WeirError
from weir.graph.physical import PhysicalPlan
from weir.ids import CheckpointId, JobId, SubtaskId
from weir.jobmanager.checkpoints.answers import ack_of, decline_of
from weir.jobmanager.checkpoints.commits import Commits
from weir.jobmanager.checkpoints.facts import CheckpointFacts, checkpoint_facts, restore_facts
from weir.jobmanager.checkpoints.owner import CheckpointingOwner
from weir.jobmanager.checkpoints.plan_facts import enumerators, job_facts
from weir.jobmanager.history.journal import Claim, Journal
from weir.jobmanager.history.restoring import Restore
from weir.rpc import messages

log = structlog.get_logger()

#: Seconds until a final checkpoint that failed is tried again.
FINAL_RETRY: Final = 1.0
_FINAL: Final = "end-of-input"

#: Runs a blocking call elsewhere: ``asyncio.to_thread``, or the simulation's own.
Blocking = Callable[..., Awaitable[Any]]
#: Hears how a snapshot that somebody asked for ended.
Answered = Callable[[events.RequestAnswered], None]


@dataclass
class _Attempt:
    execution: messages.Execution
    commits: Commits = field(default_factory=Commits)
    final: CheckpointId | None = None
    #: The request for the savepoint with which the job stops.
    stop_request: str | None = None
    #: Nothing new is begun: what is complete, or being published, is still committed.
    delivering: bool = False
    #: A region is being restarted.
    pausing: bool = False
    stopping: bool = False


class Checkpointing:
    """All checkpoints of one job within one epoch."""

    def __init__(
        self,
        job_name: str,
        plan: PhysicalPlan,
        options: CheckpointOptions,
        claim: Claim,
        journal: Journal,
        owner: CheckpointingOwner,
        clock: Clock,
        blocking: Blocking,
        job_id: JobId,
        before: Checkpointing | None = None,
    ) -> None:
        """``before``: of an epoch that this process gave up; what it tells of goes on."""
        self.restore = claim.restore
        self._options = options
        self._claim = claim
        self._journal = journal
        self._owner = owner
        self._clock = clock
        self._blocking = blocking
        self._job_id = job_id
        self._facts = job_facts(job_id, job_name, claim.epoch, plan)
        self._coordinator = CheckpointCoordinator(self._facts, options, claim.next_id, claim.completed)
        if before is not None:
            self._coordinator.history = before.history
        self.history.kept = dict(claim.kept)
        self._trigger_at = enumerators(plan)
        self._attempt: _Attempt | None = None
        self._fenced = False
        self._closed = False
        self._timer: asyncio.TimerHandle | None = None
        #: Calls to the journal are made one at a time, in the order in which they were ordered.
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        #: Numbers from here on have not been used.
        self._next_id = claim.next_id
        self._held_back: tuple[CheckpointId, ...] = ()  #: a base outlives the first checkpoint after it
        self._base = claim.own_base
        #: By the name of their requests: who waits for a snapshot.
        self._asked: dict[str, Answered] = {}
        self._restored = restore_facts(claim.restore, clock.wall_ms())
        self.restores: int = 0 if before is None else before.restores
        #: Whatever checkpoints up to this one promised is visible.
        self._committed_to = CheckpointId(0)

    # ---- what the job says ----------------------------------------------------------------------------------

    def start(self, execution: messages.Execution, subtasks: frozenset[SubtaskId]) -> None:
        """All subtasks of an attempt run: whatever else is in the folder belongs to attempts that are gone."""
        self._attempt = _Attempt(execution)
        if self.restore is not None:  # a sink commits what it restores before it runs
            self._committed_to = self.restore.metadata.checkpoint_id
        self._restored = restore_facts(self.restore, self._clock.wall_ms())
        self.restores += self.restore is not None
        self._sweep()
        self._tell(events.TasksRunning(execution.attempt, subtasks, self._trigger_at, self._facts))

    def _sweep(self) -> None:
        base = () if self._base is None else (self._base,)
        keep = (*base, *self._coordinator.completed)
        self._spawn(self._clean(self._journal.sweep, keep, self._next_id))

    def replan(self, plan: PhysicalPlan) -> None:
        """The next attempt runs another plan of the same job; nothing of this one is under way."""
        self._facts = job_facts(self._job_id, self._facts.job_name, self._facts.epoch, plan)
        self._trigger_at = enumerators(plan)

    def request(self, order: events.TriggerRequested, answered: Answered) -> None:
        """Take a snapshot that somebody asked for; ``answered`` is called once, maybe at once."""
        self._asked[order.request] = answered
        if self._closed or self._fenced:
            self._refuse_asked("the job has ended here")
        else:
            self._tell(order)

    def stop_with(
        self, execution: messages.Execution, order: events.TriggerRequested, answered: Answered
    ) -> None:
        """Take the savepoint that nothing follows; ``final_checkpoint_done`` or ``savepoint_stop_failed`` follows."""
        if self._attempt is not None and self._is_current(execution):
            self._attempt.stop_request = order.request
            self.request(order, answered)

    def take_final(self, execution: messages.Execution) -> None:
        """All input ended: one last snapshot now; ``final_checkpoint_done`` follows."""
        if self._is_current(execution):
            self._tell(events.TriggerRequested(_FINAL, final=True))

    def deliver(self, execution: messages.Execution) -> None:
        """A person stops the job: finish what was promised, begin nothing; ``commits_delivered`` follows, if it can."""
        if self._attempt is not None and self._is_current(execution):
            self._attempt.delivering = True
            self._tell(events.TasksEnding())
            self._report_if_delivered()

    def pause(self, execution: messages.Execution) -> None:
        """Some subtasks are about to be restored: ``checkpoints_paused`` follows when it is certain from what."""
        if self._attempt is not None and self._is_current(execution):
            self._attempt.pausing = True
            self._tell(events.TasksEnding())
            self._report_if_paused()

    def resume(self, execution: messages.Execution, subtasks: frozenset[SubtaskId]) -> None:
        """All subtasks run, ``subtasks`` restored from the newest snapshot and with what it held for them committed."""
        if self._attempt is None or not self._is_current(execution):
            return
        self._attempt.commits.forget(subtasks)
        self._note_committed(self._attempt)
        self._restored = restore_facts(self.restore, self._clock.wall_ms())
        self.restores += self.restore is not None
        self._sweep()
        self._tell(events.TasksResumed())

    def stop(self, execution: messages.Execution) -> None:
        """The attempt is over; ``checkpoints_stopped`` follows when nothing is being published."""
        if self._attempt is None or self._attempt.execution != execution:
            self._attempt = _Attempt(execution)
        self._attempt.stopping = True
        self._tell(events.TasksStopped())
        self._report_if_stopped()

    def acknowledged(self, ack: messages.CheckpointAck) -> None:
        """A subtask's snapshot is durable."""
        subtask = SubtaskId(ack.vertex, ack.index)
        attempt = self._attempt
        if attempt is not None and any(state.has_commits for state in ack.states.values()):
            attempt.commits.promise(subtask, CheckpointId(ack.checkpoint_id))
        self._tell(ack_of(ack, self._clock.wall_ms()))

    def declined(self, decline: messages.CheckpointDeclined) -> None:
        """A subtask could not snapshot."""
        self._tell(decline_of(decline))

    def committed(self, done: messages.CommitsDone) -> None:
        """A subtask's commits up to a checkpoint are acknowledged by the outside."""
        if self._attempt is not None and self._is_current(done.execution):
            commits = self._attempt.commits
            commits.acknowledge(SubtaskId(done.vertex, done.index), CheckpointId(done.checkpoint_id))
            self._note_committed(self._attempt)
            self._report_if_final()
            self._report_if_delivered()

    def close(self) -> None:
        """Nothing more will be done; calls under way end by themselves."""
        self._attempt = None
        self._closed = True
        self._refuse_asked("the job ended")
        if self._timer is not None:
            self._timer.cancel()

    async def wait_idle(self) -> None:
        """Until no call to the journal is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def run_journal(self, call: Callable[..., Any], *arguments: Any) -> Awaitable[Any]:
        """A call to the journal in its turn, off the event loop."""
        return self._in_turn(call, *arguments)

    # ---- the coordinator ------------------------------------------------------------------------------------

    def _tell(self, event: events.Event) -> None:
        if self._fenced:
            return
        for instruction in self._coordinator.handle(event, self._clock.monotonic(), self._clock.wall_ms()):
            self._carry_out(instruction)
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._coordinator.next_deadline()
        if deadline is not None and not self._fenced:
            delay = max(0.0, deadline - self._clock.monotonic())
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(delay, self._tell, events.Tick())

    def _carry_out(self, instruction: events.Instruction) -> None:
        match instruction:
            case events.Trigger():
                self._trigger(instruction)
            case events.Publish():
                self._spawn(self._publish(instruction))
            case events.NotifyComplete():
                self._notify_complete(instruction.checkpoint_id)
            case events.NotifyAborted():
                self._notify_aborted(instruction)
            case events.DiscardFiles():
                self._spawn(self._clean(self._journal.discard, instruction.checkpoint_id, instruction.target))
            case events.DeleteCheckpoints():
                self._delete(instruction.checkpoint_ids)
            case events.FailJob():
                if self._attempt is not None:
                    self._owner.checkpoints_failing(self._attempt.execution, instruction.message)
            case events.StopProcess():
                self._fence_out(instruction.message)
            case events.RequestAnswered():
                self._request_answered(instruction)
            case events.AckAnswered():
                if instruction.result is not events.AckResult.SUCCESS:
                    log.info("late or repeated acknowledgement", answer=str(instruction))

    def _trigger(self, trigger: events.Trigger) -> None:
        assert self._attempt is not None
        target = trigger.target
        folder = "" if target is None else paths.savepoint_uri(target, self._job_id, trigger.checkpoint_id)
        self._next_id = CheckpointId(trigger.checkpoint_id + 1)
        crashpoints.hit("jobmanager.checkpoint.before-trigger")
        message = messages.TriggerCheckpoint(
            execution=self._attempt.execution,
            checkpoint_id=trigger.checkpoint_id,
            timestamp_ms=trigger.timestamp_ms,
            savepoint=folder,
            stop=trigger.savepoint and trigger.final,
            drain=trigger.drain,
            whole=trigger.whole,
        )
        self._owner.send(trigger.targets, message)
        crashpoints.hit("jobmanager.checkpoint.after-trigger")

    def _notify_complete(self, checkpoint: CheckpointId) -> None:
        attempt = self._attempt
        if attempt is None:
            return
        crashpoints.hit("jobmanager.checkpoint.before-notify")
        self._owner.send(None, messages.NotifyComplete(execution=attempt.execution, checkpoint_id=checkpoint))
        crashpoints.hit("jobmanager.checkpoint.after-notify")
        attempt.commits.announce(checkpoint)

    def _notify_aborted(self, aborted: events.NotifyAborted) -> None:
        log.warning("checkpoint aborted", checkpoint=aborted.checkpoint_id, reason=str(aborted.reason))
        if self._attempt is not None:
            message = messages.NotifyAborted(
                execution=self._attempt.execution, checkpoint_id=aborted.checkpoint_id
            )
            self._owner.send(None, message)

    def _request_answered(self, answer: events.RequestAnswered) -> None:
        attempt = self._attempt
        asked = self._asked.pop(answer.request, None)
        if asked is not None:
            asked(answer)
        if attempt is None or answer.request not in (_FINAL, attempt.stop_request):
            return
        if attempt.stopping or attempt.delivering:
            return
        if answer.failure is None:
            attempt.final = answer.checkpoint_id
            self._report_if_final()
        elif answer.request == attempt.stop_request:
            self._owner.savepoint_stop_failed(attempt.execution)
        else:
            log.warning("final checkpoint failed", reason=answer.message)
            loop = asyncio.get_running_loop()
            loop.call_later(FINAL_RETRY, self._retry_final, attempt.execution)

    def _refuse_asked(self, message: str) -> None:
        while self._asked:
            request, asked = self._asked.popitem()
            asked(events.RequestAnswered(request, None, None, CheckpointFailureReason.JOB_FAILURE, message))

    def _retry_final(self, execution: messages.Execution) -> None:
        if self._attempt is not None and not (self._attempt.stopping or self._attempt.delivering):
            self.take_final(execution)

    def _report_if_final(self) -> None:
        attempt = self._attempt
        if attempt is None or attempt.final is None or attempt.stopping or attempt.delivering:
            return
        if attempt.commits.all_done:
            self._owner.final_checkpoint_done(attempt.execution)

    def _note_committed(self, attempt: _Attempt) -> None:
        if attempt.commits.all_done:
            self._committed_to = max(self._committed_to, attempt.commits.announced_to)

    def _report_if_paused(self) -> None:
        attempt = self._attempt
        if (
            attempt is None
            or not attempt.pausing
            or attempt.stopping
            or self._coordinator.publishing is not None
        ):
            return
        attempt.pausing = False
        self._owner.checkpoints_paused(attempt.execution)

    def _report_if_delivered(self) -> None:
        attempt = self._attempt
        if attempt is None or not attempt.delivering or attempt.stopping:
            return
        if attempt.commits.all_done and self._coordinator.publishing is None:
            self._owner.commits_delivered(attempt.execution)

    @property
    def uncommitted(self) -> Restore | None:
        """The newest snapshot, if not all that it promised is known to be visible: a start from it commits the rest."""
        restore = self.restore
        if restore is None or not restore.metadata.has_commits:
            return None
        return restore if restore.metadata.checkpoint_id > self._committed_to else None

    def _report_if_stopped(self) -> None:
        attempt = self._attempt
        if attempt is not None and attempt.stopping and self._coordinator.publishing is None:
            self._owner.checkpoints_stopped(attempt.execution)

    def _fence_out(self, message: str) -> None:
        self._fenced = True
        self.close()
        self._owner.fenced(message)

    def _is_current(self, execution: messages.Execution) -> bool:
        return self._attempt is not None and self._attempt.execution == execution

    # ---- calls to the journal -----------------------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _in_turn(self, call: Callable[..., Any], *arguments: Any) -> Any:
        async with self._turn:
            return await self._blocking(call, *arguments)

    async def _publish(self, order: events.Publish) -> None:
        try:
            outcome = await self._in_turn(self._journal.publish, order)
        except Exception as error:
            # A fault of ours. Whether the record exists is not known: never go on as if it did not.
            log.exception("publishing a checkpoint failed", checkpoint=order.checkpoint_id)
            unknown = events.PublishFault.UNKNOWN
            outcome = events.PublishFailed(order.checkpoint_id, unknown, repr(error))
        if isinstance(outcome, events.Published):
            crashpoints.hit("jobmanager.checkpoint.before-completed")
            self.restore = Restore(order.metadata, outcome.path, own=order.target is None)
        self._tell(outcome)
        self._report_if_delivered()
        self._report_if_paused()
        self._report_if_stopped()

    def _delete(self, checkpoints: tuple[CheckpointId, ...]) -> None:
        spared = self._base if len(self._coordinator.completed) == 1 else None
        due = (*self._held_back, *(number for number in checkpoints if number != spared))
        self._held_back = tuple(number for number in checkpoints if number == spared)
        if due:
            self._spawn(self._clean(self._journal.delete, due))
            if self._options.incremental:
                self._spawn(self._clean(self._journal.delete_shared, tuple(self._coordinator.completed)))

    async def _clean(self, call: Callable[..., None], *arguments: Any) -> None:
        try:
            await self._in_turn(call, *arguments)
        except Fenced as error:
            self._fence_out(str(error))
        except WeirError as error:
            log.warning("files are left behind; the next start removes them", reason=str(error))

    async def check_owned(self) -> None:
        """Ask the log whether the job still belongs to this process; a fault of storage is no answer."""
        try:
            await self._in_turn(self._journal.check_owned)
        except Fenced as error:
            self._fence_out(str(error))
        except WeirError as error:
            log.info("whether the job still belongs here is not known", reason=str(error))

    # ---- status -------------------------------------------------------------------------------------------------

    @property
    def history(self) -> History:
        """What became of the snapshots so far."""
        return self._coordinator.history

    @property
    def enabled(self) -> bool:
        """Whether checkpoints are taken by themselves."""
        return self._options.enabled

    def facts(self) -> CheckpointFacts:
        """What people are told."""
        now = self._clock.monotonic()
        return checkpoint_facts(self._coordinator, now, self._restored, self.restores)

r"""The life of one job as a pure state machine: ``handle(event, now) -> list[Instruction]``.

Rule 1: everything that changes a job's life passes through here; ``job`` only carries instructions out and reports
back. Rule 2: an attempt is all or nothing. Any failure stops every worker of the attempt, and the next attempt
gets fresh processes, after the old ones are gone and no checkpoint of the old attempt is being written. A job that stands
by, or whose claim was refused, is in STANDBY between PLANNING and CLAIMING. An attempt that met a damaged snapshot goes
from STOPPING back to CLAIMING, for an older one. An event of an older attempt is dropped; an event that cannot happen in a phase raises and changes nothing.

::

    PLANNING -> CLAIMING -> WAITING -> STARTING -> RUNNING -> COMMITTING -> CLOSING -> SETTLING -> settled
                               ^ ^         \         |  `---> SAVING --'/                   ^
                               | |          |        |<---------'-----'                     |
                               | |          |        |--- a person stops --> DELIVERING     |
                               | |          |        | fails                     |          |
                               | |          `----> STOPPING <------------------'            |
                               | `--- planned -----'|  `------------------------------------'
                               `---- BACKING_OFF <--'
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from weir.errors import FailureKind, WeirError
from weir.ids import AttemptId, Epoch, JobId, SubtaskId, WorkerId
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle import region_events
from weir.jobmanager.lifecycle.failing import goal_after, with_cause
from weir.jobmanager.lifecycle.job_events import Event, Instruction
from weir.jobmanager.lifecycle.job_phases import (
    BETWEEN,
    FAILURE_GRACE,
    NOT_YET,
    ON_THE_WAY,
    TRANSITIONS,
    WANTED,
    ChooseGoal,
    EndGoal,
    Goal,
    Moment,
    Phase,
    RestartGoal,
)
from weir.jobmanager.lifecycle.region_failover import RegionFailover
from weir.jobmanager.lifecycle.restart import NoRestart, RestartStrategy
from weir.rpc.messages import Execution, Failure
from weir.rpc.requests import JobState


class IllegalEvent(WeirError):
    """An event that cannot happen in this phase: a fault of Weir. Nothing was changed."""


class JobMachine(RegionFailover):
    """See the module. Fields may be read by anyone and are written only here."""

    def __init__(self, job_id: JobId, *, recovering: bool = False, standby: bool = False) -> None:
        """``recovering``: the job ran under a JobManager that is gone; without checkpoints it fails.

        ``standby``: it is not claimed before it is activated.
        """
        super().__init__()
        self.job_id = job_id
        self.phase = Phase.PLANNING
        self.epoch: Epoch | None = None
        #: The last deployment of all subtasks, and the last of any.
        self.attempt = self.last_attempt = AttemptId(0)
        self.restarts = 0
        #: All subtasks have run at once, in this process.
        self.ran = False
        self.slots = 0
        self.subtasks: frozenset[SubtaskId] = frozenset()
        #: Subtasks of this attempt that process, and those whose input ended.
        self.running: set[SubtaskId] = set()
        self.ended: set[SubtaskId] = set()
        #: Workers of this attempt that are not known to be gone; empty outside an attempt.
        self.workers: set[WorkerId] = set()
        #: Those of ``workers`` that may still run something of the attempt.
        self.occupied: set[WorkerId] = set()
        self.goal: Goal | None = None
        self.fenced: str | None = None
        #: The last events, for the message of an illegal one.
        self.story: deque[str] = deque(maxlen=20)
        self._recovering = recovering
        self._standby = standby
        self._checkpointing = False
        self._cancel_grace = 0.0
        self._checkpoints_active = False
        self._strategy: RestartStrategy = NoRestart()
        #: The next attempt follows no failure.
        self._planned_restart = False

    # ---- what others read -----------------------------------------------------------------------------------

    @property
    def execution(self) -> Execution:
        """The current attempt; only after the job was claimed."""
        assert self.epoch is not None
        return Execution(self.job_id, self.epoch, self.attempt)

    @property
    def state(self) -> JobState:
        """The state as people see it."""
        if isinstance(self.goal, EndGoal):
            return self.goal.state if self.phase is Phase.SETTLED else ON_THE_WAY[self.goal.state]
        if self.phase in NOT_YET:
            return JobState.RESTARTING if self.attempt else JobState.CREATED
        if self.phase in BETWEEN:
            return JobState.RESTARTING
        return JobState.RUNNING

    def start(self) -> list[Instruction]:
        """The first instruction."""
        return [ev.MakePlan()]

    # ---- the one mutator ------------------------------------------------------------------------------------

    def handle(self, event: Event, moment: Moment) -> list[Instruction]:
        """Take ``event`` in; what is to be done. Raises ``IllegalEvent`` and changes nothing."""
        if isinstance(event, ev.FencedOut):
            return self._fence_out(event.message)
        if self._is_late(event):
            return []
        name = TRANSITIONS[self.phase].get(type(event))
        if name is None:
            raise IllegalEvent(
                f"job {self.job_id} is {self.phase.name}; {event} cannot happen then. Before: {list(self.story)}"
            )
        self.story.append(f"{self.phase.name}: {type(event).__name__}")
        handler: Callable[[Event, Moment], list[Instruction]] = getattr(self, f"_{name}")
        return handler(event, moment)

    def _is_late(self, event: Event) -> bool:
        """Whether it is about an attempt, a worker, a pause or a life that is over."""
        if self.phase is Phase.SETTLED:
            return True
        if isinstance(event, region_events.RegionGraceOver | region_events.RegionRestartDue):
            return self.recovery is None or event.attempt != self.recovery.attempt
        if isinstance(event, ev.AttemptEvent) and (self.epoch is None or event.execution != self.execution):
            return True
        if isinstance(event, ev.WorkerStopped):
            return event.worker not in self.workers
        if isinstance(event, ev.WorkerGone):
            return event.worker not in self.workers
        if isinstance(event, ev.RestartDue):
            return self.phase is not Phase.BACKING_OFF or event.after != self.attempt
        return False

    # ---- to the start -----------------------------------------------------------------------------------------

    def _planned(self, event: ev.Planned, _moment: Moment) -> list[Instruction]:
        self.slots = event.slots
        self.subtasks = event.subtasks
        self.regions = event.regions
        self._strategy = event.strategy
        self._checkpointing = event.checkpointing
        self._cancel_grace = event.cancel_grace
        if self._recovering and not event.checkpointing:
            message = "the JobManager was lost, and checkpointing is off: a restart would lose state"
            return self._end(JobState.FAILED, Failure(kind=FailureKind.WORKER_LOST, message=message))
        self.phase = Phase.STANDBY if self._standby else Phase.CLAIMING
        return [ev.LookBack() if self._standby else ev.ClaimJob()]

    def _activated(self, _event: ev.Activated, _moment: Moment) -> list[Instruction]:
        self.phase = Phase.CLAIMING
        return [ev.ClaimJob()]

    def _start_held(self, _event: ev.StartHeld, _moment: Moment) -> list[Instruction]:
        if isinstance(self.goal, EndGoal):
            return self._end(self.goal.state)
        self.phase = Phase.STANDBY
        return []

    def _cannot_start(self, event: ev.PlanningFailed | ev.ClaimFailed, _moment: Moment) -> list[Instruction]:
        return self._end(JobState.FAILED, event.failure)

    def _stop_planning(self, event: ev.StopRequested, _moment: Moment) -> list[Instruction]:
        return [ev.AbandonPlan(), *self._end(WANTED[event.kind])]

    def _stop_later(self, event: ev.StopRequested, _moment: Moment) -> list[Instruction]:
        self.goal = EndGoal(WANTED[event.kind])
        return []

    def _claimed(self, event: ev.Claimed, _moment: Moment) -> list[Instruction]:
        self.epoch = event.epoch
        if isinstance(self.goal, EndGoal):
            return self._end(self.goal.state)
        return self._wait_for_slots()

    def _found_settled(self, event: ev.FoundSettled, _moment: Moment) -> list[Instruction]:
        self.goal = EndGoal(event.state)
        self.phase = Phase.SETTLED
        return [ev.Settle(event.state)]

    def _wait_for_slots(self) -> list[Instruction]:
        self.goal = None
        self.phase = Phase.WAITING
        return [ev.RequestSlots(self.slots)]

    def _no_slots(self, event: ev.SlotsMissing, _moment: Moment) -> list[Instruction]:
        return self._end(JobState.FAILED, event.failure)

    def _stop_waiting(self, event: ev.StopRequested, _moment: Moment) -> list[Instruction]:
        return [ev.WithdrawSlotRequest(), *self._end(WANTED[event.kind])]

    def _deploy(self, event: ev.SlotsGranted, _moment: Moment) -> list[Instruction]:
        self.attempt = self.last_attempt = AttemptId(self.last_attempt + 1)
        self.placed = event.workers
        self.region_attempts = dict.fromkeys(self.regions, self.attempt)
        self.restarts += self.attempt > 1 and not self._planned_restart
        self.running, self.ended = set(), set()
        self.workers = set(event.workers)
        self.occupied = set(event.workers)
        self.phase = Phase.STARTING
        return [ev.DeployAttempt(self.execution, event.workers)]

    # ---- while it runs ----------------------------------------------------------------------------------------

    def _subtask_running(self, event: ev.SubtaskRunning, _moment: Moment) -> list[Instruction]:
        self.running.add(event.subtask)
        if self.running != self.subtasks:
            return []
        self.phase = Phase.RUNNING
        self.ran = True
        self._checkpoints_active = True
        return [ev.StartCheckpoints(self.execution), *self._commit_if_ended()]

    def _subtask_ended(self, event: ev.SubtaskEnded, _moment: Moment) -> list[Instruction]:
        self.ended.add(event.subtask)
        return self._commit_if_ended() if self.phase is Phase.RUNNING else []

    def _commit_if_ended(self) -> list[Instruction]:
        if self.ended != self.subtasks:
            return []
        self.phase = Phase.COMMITTING
        return [ev.TakeFinalCheckpoint(self.execution)]

    def _save(self, _event: ev.SavepointStopRequested, _moment: Moment) -> list[Instruction]:
        self.phase = Phase.SAVING
        return [ev.TakeStopSavepoint(self.execution)]

    def _save_failed(self, _event: ev.SavepointStopFailed, _moment: Moment) -> list[Instruction]:
        # Some tasks may hold already, others not: all go back to the last checkpoint, which is exact.
        return self._take_down(RestartGoal(0.0, None), FAILURE_GRACE)

    def _rescale(self, event: ev.RescaleReady, _moment: Moment) -> list[Instruction]:
        self.slots, self.subtasks, self.regions = event.slots, event.subtasks, event.regions
        return self._take_down(RestartGoal(0.0, None), FAILURE_GRACE)

    def _close(self, _event: ev.FinalCheckpointDone, _moment: Moment) -> list[Instruction]:
        self.goal = EndGoal(JobState.FINISHED, stopped=self.phase is Phase.SAVING)
        self.phase = Phase.CLOSING
        return [
            ev.StopCheckpoints(self.execution),
            ev.FinishTasks(self.execution, _sorted(self.workers)),
            ev.StartGrace(self.execution, self._cancel_grace),
        ]

    def _closed(self, event: ev.WorkerStopped | ev.WorkerGone, _moment: Moment) -> list[Instruction]:
        self.occupied.discard(event.worker)
        if isinstance(event, ev.WorkerGone):
            self.workers.discard(event.worker)
        return self._finish_if_closed()

    def _close_time_over(self, _event: ev.GraceOver, _moment: Moment) -> list[Instruction]:
        self.occupied.clear()
        return self._finish_if_closed()

    def _closing_checkpoints_stopped(
        self, _event: ev.CheckpointsStopped, _moment: Moment
    ) -> list[Instruction]:
        self._checkpoints_active = False
        return self._finish_if_closed()

    def _close_failed(self, event: ev.AttemptFailed, _moment: Moment) -> list[Instruction]:
        # All output is committed: the job did what it was to do, and its history says what went wrong after that.
        return [ev.RecordFailure(event.failure, self.attempt)]

    def _finish_if_closed(self) -> list[Instruction]:
        if self.occupied or self._checkpoints_active:
            return []
        assert isinstance(self.goal, EndGoal)
        return [*self._release(self.workers), *self._end(JobState.FINISHED, stopped=self.goal.stopped)]

    # ---- failing and stopping -----------------------------------------------------------------------------------

    def _fail(self, event: ev.AttemptFailed | ev.DeployFailed, moment: Moment) -> list[Instruction]:
        return self._take_down(self._goal_after(event.failure, moment), FAILURE_GRACE)

    def _worker_gone(self, event: ev.WorkerGone, moment: Moment) -> list[Instruction]:
        self._lose(event.worker)
        return self._take_down(self._goal_after(event.failure, moment), FAILURE_GRACE)

    def _goal_after(self, failure: Failure, moment: Moment) -> Goal:
        goal, self._strategy = goal_after(failure, self._strategy, moment, restoring=self._restoring)
        return goal

    @property
    def _restoring(self) -> bool:
        return self._checkpointing and self.running != self.subtasks

    def _stop(self, event: ev.StopRequested, _moment: Moment) -> list[Instruction]:
        return self._take_down(EndGoal(WANTED[event.kind]), self._cancel_grace)

    def _deliver(self, event: ev.StopRequested, _moment: Moment) -> list[Instruction]:
        # The grace is one for the commits and for closing: a stop takes no longer than people were told.
        self.goal = EndGoal(WANTED[event.kind])
        self.phase = Phase.DELIVERING
        return [ev.StartGrace(self.execution, self._cancel_grace), ev.DeliverCommits(self.execution)]

    def _delivered(self, _event: ev.CommitsDelivered, _moment: Moment) -> list[Instruction]:
        return self._cancel_tasks()

    def _delivery_time_over(self, _event: ev.GraceOver, _moment: Moment) -> list[Instruction]:
        # What is not committed yet is committed by whoever starts from that checkpoint.
        return [*self._cancel_tasks(), self._short_grace()]

    def _delivery_failed(self, event: ev.AttemptFailed, _moment: Moment) -> list[Instruction]:
        recorded = ev.RecordFailure(event.failure, self.attempt)
        return [recorded, *self._cancel_tasks(), self._short_grace()]

    def _deliverer_gone(self, event: ev.WorkerGone, moment: Moment) -> list[Instruction]:
        self._lose(event.worker)
        return self._delivery_failed(ev.AttemptFailed(self.execution, event.failure), moment)

    def _take_down(self, goal: Goal, grace: float) -> list[Instruction]:
        self.goal = goal
        return [*self._cancel_tasks(), ev.StartGrace(self.execution, min(grace, self._cancel_grace))]

    def _short_grace(self) -> Instruction:
        return ev.StartGrace(self.execution, min(FAILURE_GRACE, self._cancel_grace))

    def _cancel_tasks(self) -> list[Instruction]:
        withdrawn = [ev.WithdrawSlotRequest()] if self.phase is Phase.REGION_WAITING else []
        self.phase = Phase.STOPPING
        self.recovery = None
        self._checkpoints_active = True
        return [
            *withdrawn,
            ev.StopCheckpoints(self.execution),
            ev.CancelTasks(self.execution, _sorted(self.workers)),
        ]

    def _lose(self, worker: WorkerId) -> None:
        self.workers.discard(worker)
        self.occupied.discard(worker)

    def _stopped(self, event: ev.WorkerStopped, _moment: Moment) -> list[Instruction]:
        self.occupied.discard(event.worker)
        return self._release({event.worker} & self.workers)

    def _gone(self, event: ev.WorkerGone, moment: Moment) -> list[Instruction]:
        if event.worker in self.occupied:
            self._note_cause(event.failure)
        self._lose(event.worker)
        return self._stopped_all()

    def _stop_time_over(self, _event: ev.GraceOver, _moment: Moment) -> list[Instruction]:
        self.occupied.clear()
        return self._release(self.workers)

    def _checkpoints_stopped(self, _event: ev.CheckpointsStopped, _moment: Moment) -> list[Instruction]:
        self._checkpoints_active = False
        return self._stopped_all()

    def _another_failure(
        self, event: ev.AttemptFailed | ev.DeployFailed, _moment: Moment
    ) -> list[Instruction]:
        self._note_cause(event.failure)
        return []

    def _note_cause(self, failure: Failure) -> None:
        assert self.goal is not None
        self.goal = with_cause(self.goal, failure, restoring=self._restoring)

    def _stop_while_stopping(self, event: ev.StopRequested, _moment: Moment) -> list[Instruction]:
        if not (isinstance(self.goal, EndGoal) and self.goal.state is JobState.CANCELED):
            self.goal = EndGoal(WANTED[event.kind])
        return []

    def _stopped_all(self) -> list[Instruction]:
        if self.workers or self._checkpoints_active:
            return []
        goal = self.goal
        assert goal is not None
        if isinstance(goal, EndGoal):
            return self._end(goal.state, goal.failure)
        self._planned_restart = goal.failure is None
        if isinstance(goal, ChooseGoal):
            # Unclaimed again: a job that finds nothing to restore ends without a record, as one that never began.
            self.phase, self.goal, self.epoch = Phase.CLAIMING, None, None
            return [ev.RecordFailure(goal.failure, self.attempt), ev.ClaimJob(goal.failure)]
        if goal.failure is None:
            return self._wait_for_slots()
        self.phase = Phase.BACKING_OFF
        return [ev.RecordFailure(goal.failure, self.attempt), ev.ScheduleRestart(self.attempt, goal.delay)]

    def _restart(self, _event: ev.RestartDue, _moment: Moment) -> list[Instruction]:
        return self._wait_for_slots()

    def _stop_idle(self, event: ev.StopRequested, _moment: Moment) -> list[Instruction]:
        return self._end(WANTED[event.kind])

    # ---- the end --------------------------------------------------------------------------------------------------

    def _end(
        self, state: JobState, failure: Failure | None = None, *, stopped: bool = False
    ) -> list[Instruction]:
        """Nothing runs any more. A job that was never claimed, or is suspended, gets no terminal record."""
        self.goal = EndGoal(state, failure, stopped)
        recorded = [] if failure is None else [ev.RecordFailure(failure, self.attempt)]
        if self.epoch is None or state is JobState.SUSPENDED:
            self.phase = Phase.SETTLED
            return [*recorded, ev.Settle(state)]
        self.phase = Phase.SETTLING
        return [*recorded, ev.WriteTerminal(state, failure, stopped)]

    def _terminal_written(self, _event: ev.TerminalWritten, _moment: Moment) -> list[Instruction]:
        assert isinstance(self.goal, EndGoal)
        self.phase = Phase.SETTLED
        return [ev.Settle(self.goal.state)]

    def _fence_out(self, message: str) -> list[Instruction]:
        if self.phase is Phase.SETTLED:
            return []
        self.fenced = message
        self.goal = EndGoal(JobState.SUSPENDED)
        self.phase = Phase.SETTLED
        return [*self._release(self.workers), ev.Settle(JobState.SUSPENDED)]

    def _release(self, workers: set[WorkerId]) -> list[Instruction]:
        return [ev.ReleaseWorkers(_sorted(workers))] if workers else []

    def _ignore(self, _event: Event, _moment: Moment) -> list[Instruction]:
        return []


def _sorted(workers: set[WorkerId]) -> tuple[WorkerId, ...]:
    return tuple(sorted(workers))

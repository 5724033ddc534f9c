"""The part of a job's machine that restarts one region while the others go on. Pure; ``job_state`` is the whole.

No checkpoint is taken meanwhile: what tasks work on is aborted, what is being published is waited for. The region's
workers end, fresh ones restore what it had in the last completed checkpoint, and when all its subtasks run,
checkpoints go on. Whatever else happens until then (another failure, a stop) takes the whole attempt down.

::

    RUNNING -> REGION_STOPPING -> REGION_BACKING_OFF -> REGION_WAITING -> REGION_STARTING -> RUNNING
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from weir.ids import AttemptId, SubtaskId, WorkerId
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle import region_events
from weir.jobmanager.lifecycle.job_events import Instruction
from weir.jobmanager.lifecycle.job_phases import (
    FAILURE_GRACE,
    RANK,
    EndGoal,
    Goal,
    Moment,
    Phase,
    RestartGoal,
)
from weir.jobmanager.lifecycle.regions import Region
from weir.rpc.messages import Execution, Failure
from weir.rpc.requests import JobState


@dataclass
class Recovery:
    """One region on its way back."""

    region: Region
    #: Of its next deployment; until then it names this recovery.
    attempt: AttemptId
    failure: Failure
    delay: float
    #: No checkpoint is under way and none is being published.
    paused: bool = False


class RegionFailover(ABC):
    """See the module. Fields are those of ``JobMachine``."""

    phase: Phase
    restarts: int
    last_attempt: AttemptId
    subtasks: frozenset[SubtaskId]
    running: set[SubtaskId]
    ended: set[SubtaskId]
    workers: set[WorkerId]
    occupied: set[WorkerId]
    _cancel_grace: float

    def __init__(self) -> None:
        self.regions: tuple[Region, ...] = ()
        #: The workers of the attempt by slot, also those that are gone since.
        self.placed: tuple[WorkerId, ...] = ()
        #: The number of each region's last deployment.
        self.region_attempts: dict[Region, AttemptId] = {}
        self.recovery: Recovery | None = None

    @property
    @abstractmethod
    def execution(self) -> Execution: ...

    @abstractmethod
    def _goal_after(self, failure: Failure, moment: Moment) -> Goal: ...

    @abstractmethod
    def _take_down(self, goal: Goal, grace: float) -> list[Instruction]: ...

    @abstractmethod
    def _lose(self, worker: WorkerId) -> None: ...

    @abstractmethod
    def _release(self, workers: set[WorkerId]) -> list[Instruction]: ...

    @abstractmethod
    def _commit_if_ended(self) -> list[Instruction]: ...

    # ---- down -------------------------------------------------------------------------------------------------

    def _fail_in_region(self, event: ev.AttemptFailed, moment: Moment) -> list[Instruction]:
        return self._fail_around(event.worker, event.failure, moment)

    def _lose_in_region(self, event: ev.WorkerGone, moment: Moment) -> list[Instruction]:
        self._lose(event.worker)
        return self._fail_around(event.worker, event.failure, moment)

    def _fail_around(self, worker: WorkerId | None, failure: Failure, moment: Moment) -> list[Instruction]:
        """The region of ``worker`` fails, or everything."""
        goal = self._goal_after(failure, moment)
        region = self._region_of(worker)
        if region is None or not isinstance(goal, RestartGoal):
            return self._take_down(goal, FAILURE_GRACE)
        self.last_attempt = AttemptId(self.last_attempt + 1)
        self.recovery = Recovery(region, self.last_attempt, failure, goal.delay)
        self.phase = Phase.REGION_STOPPING
        return [
            region_events.PauseCheckpoints(self.execution),
            region_events.StopRegion(
                execution=self.execution,
                attempt=self.last_attempt,
                subtasks=region.subtasks,
                workers=tuple(sorted(self._region_workers(region))),
                seconds=min(FAILURE_GRACE, self._cancel_grace),
            ),
        ]

    def _region_of(self, worker: WorkerId | None) -> Region | None:
        """``None``: it cannot be told apart from the rest."""
        if len(self.regions) < 2 or worker not in self.placed:
            return None
        slot = self.placed.index(worker)
        return next(region for region in self.regions if slot in region.slots)

    def _region_workers(self, region: Region) -> set[WorkerId]:
        return {self.placed[slot] for slot in region.slots} & self.workers

    @property
    def _recovering_region(self) -> Recovery:
        assert self.recovery is not None, "a region is on its way back"
        return self.recovery

    def _region_another_failure(self, event: ev.AttemptFailed, moment: Moment) -> list[Instruction]:
        recovery = self._recovering_region
        if event.worker is None or self._region_of(event.worker) != recovery.region:
            return self._take_down(self._goal_after(event.failure, moment), FAILURE_GRACE)
        if not event.failure.restartable:
            return self._take_down(EndGoal(JobState.FAILED, event.failure), FAILURE_GRACE)
        if RANK[event.failure.kind] > RANK[recovery.failure.kind]:
            recovery.failure = event.failure  # the likelier cause; the rest follows from it
        return []

    def _region_gone(self, event: ev.WorkerGone, moment: Moment) -> list[Instruction]:
        if self._region_of(event.worker) != self._recovering_region.region:
            self._lose(event.worker)
            return self._take_down(self._goal_after(event.failure, moment), FAILURE_GRACE)
        if event.worker in self.occupied:
            self._region_another_failure(
                ev.AttemptFailed(self.execution, event.failure, event.worker), moment
            )
        self._lose(event.worker)
        return self._region_stopped()

    def _region_time_over(self, _event: region_events.RegionGraceOver, _moment: Moment) -> list[Instruction]:
        return self._release(self._region_workers(self._recovering_region.region))

    def _checkpoints_paused(
        self, _event: region_events.CheckpointsPaused, _moment: Moment
    ) -> list[Instruction]:
        self._recovering_region.paused = True
        return self._region_stopped()

    def _region_stopped(self) -> list[Instruction]:
        recovery = self._recovering_region
        if self._region_workers(recovery.region) or not recovery.paused:
            return []
        self.phase = Phase.REGION_BACKING_OFF
        return [
            ev.RecordFailure(recovery.failure, self.region_attempts[recovery.region]),
            region_events.ScheduleRegionRestart(self.execution, recovery.attempt, recovery.delay),
        ]

    # ---- and up again ---------------------------------------------------------------------------------------------

    def _region_restart(self, _event: region_events.RegionRestartDue, _moment: Moment) -> list[Instruction]:
        self.phase = Phase.REGION_WAITING
        return [ev.RequestSlots(len(self._recovering_region.region.slots))]

    def _region_no_slots(self, event: ev.SlotsMissing, _moment: Moment) -> list[Instruction]:
        return self._take_down(EndGoal(JobState.FAILED, event.failure), FAILURE_GRACE)

    def _deploy_region(self, event: ev.SlotsGranted, _moment: Moment) -> list[Instruction]:
        recovery = self._recovering_region
        region = recovery.region
        fresh = dict(zip(region.slots, event.workers, strict=True))
        self.placed = tuple(fresh.get(slot, worker) for slot, worker in enumerate(self.placed))
        self.workers |= set(event.workers)
        self.occupied |= set(event.workers)
        self.running -= region.subtasks
        self.ended -= region.subtasks
        self.region_attempts[region] = recovery.attempt
        self.restarts += 1
        self.phase = Phase.REGION_STARTING
        return [
            region_events.DeployRegion(
                self.execution, recovery.attempt, region.subtasks, self.placed, event.workers
            )
        ]

    def _region_subtask_running(self, event: ev.SubtaskRunning, _moment: Moment) -> list[Instruction]:
        self.running.add(event.subtask)
        if self.running != self.subtasks:
            return []
        region = self._recovering_region.region
        self.recovery = None
        self.phase = Phase.RUNNING
        return [region_events.ResumeCheckpoints(self.execution, region.subtasks), *self._commit_if_ended()]

"""The words of ``job_events`` for the failover of one region: what happens to it, and what is to be done about it.

``attempt`` is the number of the region's next deployment; it names the recovery from its first step on.
"""

from __future__ import annotations

from dataclasses import dataclass

from weir.ids import AttemptId, SubtaskId, WorkerId
from weir.rpc.messages import Execution

# ---- events --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckpointsPaused:
    """No checkpoint is under way and none is being published, nor will one be until ``ResumeCheckpoints``."""

    execution: Execution


@dataclass(frozen=True)
class RegionGraceOver:
    """The time for closing a region's functions has passed."""

    execution: Execution
    attempt: AttemptId


@dataclass(frozen=True)
class RegionRestartDue:
    """The pause before the next deployment of a region has passed."""

    execution: Execution
    attempt: AttemptId


# ---- instructions --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PauseCheckpoints:
    """Begin no checkpoint, abort what tasks work on, wait for what is being published; ``CheckpointsPaused``."""

    execution: Execution


@dataclass(frozen=True)
class StopRegion:
    """Tell the workers of a region to close functions; ``WorkerStopped`` each, ``RegionGraceOver`` after ``seconds``."""

    execution: Execution
    attempt: AttemptId
    subtasks: frozenset[SubtaskId]
    workers: tuple[WorkerId, ...]
    seconds: float


@dataclass(frozen=True)
class ScheduleRegionRestart:
    """``RegionRestartDue`` after ``delay`` seconds."""

    execution: Execution
    attempt: AttemptId
    delay: float


@dataclass(frozen=True)
class DeployRegion:
    """Deploy these subtasks from the newest restore point to the workers in ``fresh``; the others run on."""

    execution: Execution
    attempt: AttemptId
    subtasks: frozenset[SubtaskId]
    #: All workers of the job by slot.
    workers: tuple[WorkerId, ...]
    fresh: tuple[WorkerId, ...]


@dataclass(frozen=True)
class ResumeCheckpoints:
    """All subtasks run again, these restored and with that committed: go on triggering."""

    execution: Execution
    subtasks: frozenset[SubtaskId]


RegionInstruction = PauseCheckpoints | StopRegion | ScheduleRegionRestart | DeployRegion | ResumeCheckpoints

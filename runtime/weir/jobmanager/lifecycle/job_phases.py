"""The phases of a job's life and the table of what may happen in each: the data of ``job_state``. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from weir.errors import FailureKind
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle import region_events
from weir.jobmanager.lifecycle.job_events import Event, StopKind
from weir.rpc.messages import Failure
from weir.rpc.requests import JobState


class Phase(enum.Enum):
    """Where a job is in its life; finer than the state that people see."""

    PLANNING = enum.auto()  #: the code is being loaded
    STANDBY = enum.auto()  #: planned; nothing is touched until the operator says how to begin
    CLAIMING = enum.auto()  #: the log's tail is being read, the start record written
    WAITING = enum.auto()  #: for slots
    STARTING = enum.auto()  #: deployed; some subtasks do not process yet
    RUNNING = enum.auto()
    SAVING = enum.auto()  #: the savepoint to stop with, and its commits; tasks do nothing after its barrier
    COMMITTING = enum.auto()  #: all input ended; the final checkpoint and its commits
    CLOSING = enum.auto()  #: committed; functions are being closed
    REGION_STOPPING = enum.auto()  #: a region is being taken down; the others go on, without checkpoints
    REGION_BACKING_OFF = enum.auto()  #: and it waits for its next deployment
    REGION_WAITING = enum.auto()  #: for slots
    REGION_STARTING = enum.auto()  #: deployed; some of its subtasks do not process yet
    DELIVERING = enum.auto()  #: a person stops the job; what was promised is being committed
    STOPPING = enum.auto()  #: the attempt is being taken down; ``goal`` says what follows
    BACKING_OFF = enum.auto()  #: nothing runs until the next attempt
    SETTLING = enum.auto()  #: nothing runs; the terminal record is being written
    SETTLED = enum.auto()  #: nothing more will happen here


#: What may still come of an attempt that is over.
_AFTERMATH: Final[Mapping[type[Event], str]] = {
    ev.StopRequested: "ignore",
    ev.AttemptFailed: "ignore",
    ev.WorkerStopped: "ignore",
    ev.WorkerGone: "ignore",
    ev.CheckpointsStopped: "ignore",
    ev.GraceOver: "ignore",
}
#: While one region is down, anything that happens to the others, or that people want, takes all down.
_REGION_DOWN: Final[Mapping[type[Event], str]] = {
    ev.SubtaskEnded: "subtask_ended",
    region_events.RegionGraceOver: "ignore",
    ev.AttemptFailed: "fail",
    ev.WorkerGone: "worker_gone",
    ev.StopRequested: "stop",
}
#: Which event is handled how in which phase; what is not in the table is illegal.
TRANSITIONS: Final[Mapping[Phase, Mapping[type[Event], str]]] = {
    Phase.PLANNING: {
        ev.Planned: "planned",
        ev.PlanningFailed: "cannot_start",
        ev.StopRequested: "stop_planning",
    },
    Phase.STANDBY: {ev.Activated: "activated", ev.StopRequested: "stop_idle"},
    Phase.CLAIMING: {
        ev.StartHeld: "start_held",
        ev.Claimed: "claimed",
        ev.ClaimFailed: "cannot_start",
        ev.FoundSettled: "found_settled",
        ev.StopRequested: "stop_later",
    },
    Phase.WAITING: {
        **_AFTERMATH,
        ev.SlotsGranted: "deploy",
        ev.SlotsMissing: "no_slots",
        ev.StopRequested: "stop_waiting",
    },
    Phase.STARTING: {
        ev.SubtaskRunning: "subtask_running",
        ev.SubtaskEnded: "subtask_ended",
        ev.DeployFailed: "fail",
        ev.AttemptFailed: "fail",
        ev.WorkerGone: "worker_gone",
        ev.StopRequested: "stop",
    },
    Phase.RUNNING: {
        ev.SubtaskEnded: "subtask_ended",
        ev.SavepointStopRequested: "save",
        ev.RescaleReady: "rescale",
        ev.AttemptFailed: "fail_in_region",
        ev.WorkerGone: "lose_in_region",
        ev.StopRequested: "deliver",
    },
    Phase.REGION_STOPPING: {
        **_REGION_DOWN,
        region_events.CheckpointsPaused: "checkpoints_paused",
        ev.WorkerStopped: "stopped",
        region_events.RegionGraceOver: "region_time_over",
        ev.AttemptFailed: "region_another_failure",
        ev.WorkerGone: "region_gone",
    },
    Phase.REGION_BACKING_OFF: {**_REGION_DOWN, region_events.RegionRestartDue: "region_restart"},
    Phase.REGION_WAITING: {
        **_REGION_DOWN,
        ev.SlotsGranted: "deploy_region",
        ev.SlotsMissing: "region_no_slots",
    },
    Phase.REGION_STARTING: {
        **_REGION_DOWN,
        ev.SubtaskRunning: "region_subtask_running",
        ev.DeployFailed: "fail",
    },
    Phase.SAVING: {
        ev.SubtaskEnded: "subtask_ended",
        ev.FinalCheckpointDone: "close",
        ev.SavepointStopFailed: "save_failed",
        ev.AttemptFailed: "fail",
        ev.WorkerGone: "worker_gone",
        ev.StopRequested: "deliver",
    },
    Phase.COMMITTING: {
        ev.FinalCheckpointDone: "close",
        ev.AttemptFailed: "fail",
        ev.WorkerGone: "worker_gone",
        ev.StopRequested: "deliver",
    },
    Phase.CLOSING: {
        ev.WorkerStopped: "closed",
        ev.WorkerGone: "closed",
        ev.GraceOver: "close_time_over",
        ev.CheckpointsStopped: "closing_checkpoints_stopped",
        ev.AttemptFailed: "close_failed",
        ev.StopRequested: "ignore",
    },
    Phase.DELIVERING: {
        ev.CommitsDelivered: "delivered",
        ev.GraceOver: "delivery_time_over",
        ev.AttemptFailed: "delivery_failed",
        ev.WorkerGone: "deliverer_gone",
        ev.StopRequested: "stop_while_stopping",
        ev.SubtaskEnded: "ignore",
    },
    Phase.STOPPING: {
        ev.WorkerStopped: "stopped",
        ev.WorkerGone: "gone",
        ev.GraceOver: "stop_time_over",
        ev.CheckpointsStopped: "checkpoints_stopped",
        ev.AttemptFailed: "another_failure",
        ev.DeployFailed: "another_failure",
        ev.StopRequested: "stop_while_stopping",
        ev.SubtaskRunning: "ignore",
        ev.SubtaskEnded: "ignore",
        ev.FinalCheckpointDone: "ignore",
    },
    Phase.BACKING_OFF: {**_AFTERMATH, ev.RestartDue: "restart", ev.StopRequested: "stop_idle"},
    Phase.SETTLING: {ev.TerminalWritten: "terminal_written", **_AFTERMATH},
    Phase.SETTLED: _AFTERMATH,
}


#: Seconds for functions to close after a failure, before their processes are ended.
FAILURE_GRACE: Final = 3.0


@dataclass(frozen=True)
class Moment:
    """When an event comes: monotonic seconds, and a random number in [-1, 1) for whoever needs one."""

    now: float
    jitter: float = 0.0


@dataclass(frozen=True)
class RestartGoal:
    """After the stop: deploy again after ``delay`` seconds; without ``failure`` it was planned, and at once."""

    delay: float
    failure: Failure | None


@dataclass(frozen=True)
class EndGoal:
    """After the stop: the job is over, in this state."""

    state: JobState
    failure: Failure | None = None
    stopped: bool = False  #: with a savepoint


@dataclass(frozen=True)
class ChooseGoal:
    """After the stop: claim the job anew, from another snapshot than the damaged one that was being restored."""

    failure: Failure


Goal = RestartGoal | EndGoal | ChooseGoal

WANTED: Final = {StopKind.CANCEL: JobState.CANCELED, StopKind.SUSPEND: JobState.SUSPENDED}
ON_THE_WAY: Final = {
    JobState.FINISHED: JobState.RUNNING,
    JobState.FAILED: JobState.FAILING,
    JobState.CANCELED: JobState.CANCELLING,
    JobState.SUSPENDED: JobState.CANCELLING,
}
#: A region, or all, is between two deployments.
BETWEEN: Final = (
    Phase.STOPPING,
    Phase.BACKING_OFF,
    Phase.REGION_STOPPING,
    Phase.REGION_BACKING_OFF,
    Phase.REGION_WAITING,
    Phase.REGION_STARTING,
)
NOT_YET: Final = (Phase.PLANNING, Phase.STANDBY, Phase.CLAIMING, Phase.WAITING)
#: Which failure of one attempt is its cause: the rest follow from it (a peer that lost its connection).
RANK: Final = {
    FailureKind.ENGINE: 0,
    FailureKind.WORKER_LOST: 1,
    FailureKind.CHECKPOINT: 2,
    FailureKind.STORAGE: 3,
    FailureKind.DISK: 4,
    FailureKind.CORRUPTION: 5,
    FailureKind.USER: 6,
}

"""What checkpoints come to, as events of the job's machine: between ``checkpointing`` and ``job``."""

from __future__ import annotations

from collections.abc import Callable

from weir.errors import FailureKind
from weir.ids import SubtaskId
from weir.jobmanager.checkpoints.owner import CheckpointingOwner
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle import region_events
from weir.rpc import messages
from weir.rpc.messages import Execution, Failure

Send = Callable[[frozenset[SubtaskId] | None, messages.ToWorkerMessage], None]


class CheckpointReports(CheckpointingOwner):
    """See the module."""

    def __init__(self, post: Callable[[ev.Event], None], send: Send, fenced: Callable[[str], None]) -> None:
        self._post = post
        self._send = send
        self._fenced = fenced

    def send(self, subtasks: frozenset[SubtaskId] | None, message: messages.ToWorkerMessage) -> None:
        self._send(subtasks, message)

    def checkpoints_failing(self, execution: Execution, message: str) -> None:
        self._post(ev.AttemptFailed(execution, Failure(kind=FailureKind.CHECKPOINT, message=message)))

    def final_checkpoint_done(self, execution: Execution) -> None:
        self._post(ev.FinalCheckpointDone(execution))

    def savepoint_stop_failed(self, execution: Execution) -> None:
        self._post(ev.SavepointStopFailed(execution))

    def commits_delivered(self, execution: Execution) -> None:
        self._post(ev.CommitsDelivered(execution))

    def checkpoints_paused(self, execution: Execution) -> None:
        self._post(region_events.CheckpointsPaused(execution))

    def checkpoints_stopped(self, execution: Execution) -> None:
        self._post(ev.CheckpointsStopped(execution))

    def fenced(self, message: str) -> None:
        self._fenced(message)

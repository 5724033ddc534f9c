"""What workers say about a job's attempt, passed on: to the job's machine as events, or to its checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from weir import crashpoints
from weir.ids import SubtaskId, WorkerId
from weir.jobmanager.checkpoints.checkpointing import Checkpointing
from weir.jobmanager.deployment.placement import Placement
from weir.jobmanager.lifecycle import job_events as ev
from weir.rpc import messages
from weir.rpc.requests import TaskState

AboutCheckpoint = messages.CheckpointAck | messages.CheckpointDeclined | messages.CommitsDone
ABOUT_CHECKPOINTS: Final = (messages.CheckpointAck, messages.CheckpointDeclined, messages.CommitsDone)
AboutTask = (
    messages.TaskRunning
    | messages.TaskEnded
    | messages.TaskFailed
    | messages.TasksCancelled
    | messages.MetricsReport
)


def about_task(
    message: AboutTask, worker: WorkerId, placement: Placement, post: Callable[[ev.Event], None]
) -> None:
    """A subtask, or a worker's whole share, changed."""
    match message:
        case messages.TaskRunning():
            subtask = SubtaskId(message.vertex, message.index)
            placement.set_state(subtask, TaskState.RUNNING)
            post(ev.SubtaskRunning(message.execution, subtask))
        case messages.TaskEnded():
            subtask = SubtaskId(message.vertex, message.index)
            placement.set_state(subtask, TaskState.FINISHED)
            post(ev.SubtaskEnded(message.execution, subtask))
        case messages.TaskFailed():
            if message.vertex is not None and message.index is not None:
                placement.set_state(SubtaskId(message.vertex, message.index), TaskState.FAILED)
            post(ev.AttemptFailed(message.execution, message.failure, worker))
        case messages.TasksCancelled():
            post(ev.WorkerStopped(message.execution, worker))
        case messages.MetricsReport():
            placement.known_table.report(message.tasks)


def about_checkpoint(message: AboutCheckpoint, checkpoints: Checkpointing) -> None:
    """A subtask's part of a snapshot."""
    match message:
        case messages.CheckpointAck():
            crashpoints.hit("jobmanager.checkpoint.before-ack")
            checkpoints.acknowledged(message)
        case messages.CheckpointDeclined():
            checkpoints.declined(message)
        case messages.CommitsDone():
            checkpoints.committed(message)

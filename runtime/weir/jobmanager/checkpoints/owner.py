"""What a job does for its checkpoints: the words in which ``checkpointing`` speaks to ``job``."""

from __future__ import annotations

from typing import Protocol

from weir.ids import SubtaskId
from weir.rpc import messages


class CheckpointingOwner(Protocol):
    """What the job does for its checkpoints; all calls return at once."""

    def send(self, subtasks: frozenset[SubtaskId] | None, message: messages.ToWorkerMessage) -> None:
        """To the workers of these subtasks, or to all of the attempt."""
        ...

    def checkpoints_failing(self, execution: messages.Execution, message: str) -> None:
        """More checkpoints failed in a row than are tolerated."""
        ...

    def final_checkpoint_done(self, execution: messages.Execution) -> None:
        """The last snapshot is complete and everything is committed."""
        ...

    def savepoint_stop_failed(self, execution: messages.Execution) -> None:
        """There is no savepoint to stop with, and some tasks may do nothing any more."""
        ...

    def commits_delivered(self, execution: messages.Execution) -> None:
        """What completed is committed, and nothing more will complete."""
        ...

    def checkpoints_paused(self, execution: messages.Execution) -> None:
        """Nothing of the attempt is being written until ``resume``."""
        ...

    def checkpoints_stopped(self, execution: messages.Execution) -> None:
        """Nothing of the attempt is being written any more."""
        ...

    def fenced(self, message: str) -> None:
        """Another process owns the job."""
        ...

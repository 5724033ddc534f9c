"""What one attempt owes to the outside: the commits that completed checkpoints promised and nobody acknowledged yet. Pure.

``checkpointing`` tells which subtask has commits with which checkpoint, that a checkpoint is announced as complete, and
what is acknowledged. A checkpoint that was never announced owes nothing: whoever restores it commits it.
"""

from __future__ import annotations

from weir.ids import CheckpointId, SubtaskId

_NONE = CheckpointId(0)


class Commits:
    """See the module."""

    def __init__(self) -> None:
        #: The newest checkpoint that was announced; 0: none.
        self.announced_to = _NONE
        #: By checkpoint that is not complete: the subtasks that commit something with it.
        self._promised: dict[CheckpointId, set[SubtaskId]] = {}
        #: By subtask: the newest announced checkpoint with which it commits something, and the newest acknowledged.
        self._owed: dict[SubtaskId, CheckpointId] = {}
        self._done: dict[SubtaskId, CheckpointId] = {}

    def promise(self, subtask: SubtaskId, checkpoint: CheckpointId) -> None:
        """With ``checkpoint``, if it completes, ``subtask`` commits something."""
        self._promised.setdefault(checkpoint, set()).add(subtask)

    def announce(self, checkpoint: CheckpointId) -> None:
        """It is complete and everybody is told: what belongs to it and to earlier ones is owed from now on."""
        self.announced_to = max(self.announced_to, checkpoint)
        for number in [n for n in self._promised if n <= checkpoint]:
            for subtask in self._promised.pop(number):
                self._owed[subtask] = max(number, self._owed.get(subtask, number))

    def acknowledge(self, subtask: SubtaskId, checkpoint: CheckpointId) -> None:
        """Everything of ``subtask`` up to ``checkpoint`` is visible outside."""
        self._done[subtask] = max(checkpoint, self._done.get(subtask, checkpoint))

    def forget(self, subtasks: frozenset[SubtaskId]) -> None:
        """Whoever took their place restored the newest announced checkpoint and committed what it held."""
        for subtask in subtasks:
            self._owed.pop(subtask, None)
            for promised in self._promised.values():
                promised.discard(subtask)

    @property
    def all_done(self) -> bool:
        """Whether everything up to ``announced_to`` is visible."""
        return all(self._done.get(subtask, _NONE) >= number for subtask, number in self._owed.items())

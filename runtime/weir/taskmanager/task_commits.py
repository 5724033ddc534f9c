"""The commits of one subtask: what its snapshots promised, and whether the outside has acknowledged it.

A completed checkpoint permits its commits and those of all before it. The operators hand them over; this says once to the
JobManager that all of them are acknowledged, and has the others tried again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from weir.operators.base import Operator
from weir.operators.sink import SinkOperator

#: Seconds between two attempts at a commit that the outside did not take.
RETRY: Final = 0.5


class TaskCommits:
    """See the module; ``done`` is told the checkpoint up to which all is acknowledged."""

    def __init__(self, operators: Sequence[Operator], done: Callable[[int], None]) -> None:
        self._operators = operators
        self._done = done
        #: Checkpoints with commits that are not said to be acknowledged.
        self._promised: set[int] = set()
        self._completed = 0
        self._checked = 0.0

    @property
    def outstanding(self) -> bool:
        """Whether anything was promised and is not acknowledged."""
        return bool(self._promised)

    @property
    def due(self) -> bool:
        """Whether something of it may be committed, so far as is known."""
        return bool(self._promised and self._completed)

    def promise(self, checkpoint_id: int) -> None:
        """A snapshot holds commits."""
        self._promised.add(checkpoint_id)

    def completed(self, checkpoint_id: int, now: float) -> None:
        """The checkpoint's record exists."""
        self._completed = max(self._completed, checkpoint_id)
        for operator in self._operators:
            operator.notify_complete(checkpoint_id)
        self.check(now)

    def check(self, now: float) -> None:
        """Say once that all commits up to the last completed checkpoint are acknowledged; retry the others."""
        due = {checkpoint for checkpoint in self._promised if checkpoint <= self._completed}
        if not due:
            return
        if any(operator.pending_commits() for operator in self._operators):
            if now - self._checked >= RETRY:
                self._checked = now
                for operator in self._operators:
                    if isinstance(operator, SinkOperator):
                        operator.retry_commits()
            return
        self._promised -= due
        self._done(max(due))

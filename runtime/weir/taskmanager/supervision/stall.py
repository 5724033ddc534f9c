"""Has a worker's data thread stopped moving inside one call? Pure.

A hung function is not a dead process: the supervisor's heartbeats go on. So the counter of ``progress`` has a time-out
of its own. A thread that waits for input is not busy and never stalls.
"""

from __future__ import annotations

from weir.taskmanager.supervision.progress import Progress


class StallWatch:
    """Watches one worker; told what its progress is, answers for how long it has not moved."""

    def __init__(self) -> None:
        self._counter = -1
        self._since = 0.0

    def stalled_for(self, progress: Progress, now: float) -> float:
        """Seconds since the counter moved while the thread is inside a call, else 0. ``now`` is monotonic."""
        if not progress.busy or progress.counter != self._counter:
            self._counter = progress.counter
            self._since = now
            return 0.0
        return now - self._since

    def forgive(self, now: float) -> None:
        """The watcher itself was frozen: nothing it did not see counts."""
        self._since = now

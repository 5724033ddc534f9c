"""For how long has the JobManager said nothing? Pure.

Heartbeats that came while the supervisor itself stood still lie unread when it goes on: that time is nobody's silence.
"""

from __future__ import annotations


class SilenceWatch:
    """Watches one session; told when a heartbeat is read, asked once a period. Times are monotonic."""

    def __init__(self, period: float, now: float) -> None:
        self._period = period
        self._heard = now
        self._asked = now

    def hear(self, now: float) -> None:
        """A heartbeat was read."""
        self._heard = now

    def silent_for(self, now: float) -> float:
        """Seconds since a heartbeat was read; counted anew where this is asked a period too late."""
        if now - self._asked > 2 * self._period:
            self._heard = now
        self._asked = now
        return now - self._heard

"""A clock that stands still until a test moves it; fulfils ``weir.clock.Clock``."""

from __future__ import annotations

from weir.config import Duration, parse_duration


class ManualClock:
    """Wall time and monotonic time of a test. Both begin at ``start_ms`` (milliseconds since the epoch, 0 by default)."""

    def __init__(self, start_ms: int = 0) -> None:
        self._wall_ms = float(start_ms)
        self._monotonic = start_ms / 1000

    def wall_ms(self) -> int:
        """Milliseconds since the epoch."""
        return round(self._wall_ms)

    def monotonic(self) -> float:
        """Seconds; goes on by ``advance`` only."""
        return self._monotonic

    def advance(self, duration: Duration) -> None:
        """Let time pass: ``"5s"``, a ``timedelta``, or seconds. Raises ``ValueError`` for less than nothing."""
        seconds = parse_duration(duration)
        self._wall_ms += seconds * 1000
        self._monotonic += seconds

    def set_wall_ms(self, wall_ms: int) -> None:
        """Set the wall clock, forwards or back, as an administrator might; monotonic time does not move."""
        self._wall_ms = float(wall_ms)

    def __repr__(self) -> str:
        return f"ManualClock(wall_ms={self.wall_ms()})"

"""How long a channel was without credit. Touched when credit ends or comes back, not by row."""

from __future__ import annotations

from collections.abc import Callable


class Starvation:
    """Of one channel."""

    __slots__ = ("_now", "_seconds", "_since")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._seconds = 0.0
        self._since: float | None = None

    def begin(self) -> None:
        """There is no credit any more."""
        self._since = self._now()

    def end(self) -> None:
        """There is credit again."""
        if self._since is not None:
            self._seconds += self._now() - self._since
            self._since = None

    def seconds(self) -> float:
        """Until now, since the channel was made."""
        return self._seconds + (0.0 if self._since is None else self._now() - self._since)

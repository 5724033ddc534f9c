"""How fast requests may go out: a bucket of tokens, and a pause for all when the API server says "too many".

``Pace`` is arithmetic over a clock that is passed in; ``Pacer`` waits. What keeps the Lease does not pass here: a
replica that is slowed down must not lose it for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Pace:
    """When the next request may leave."""

    def __init__(self, qps: float, burst: int, now: float) -> None:
        self._interval = 1.0 / qps
        self._credit = self._interval * burst
        #: The moment until which requests are spoken for; ``burst`` of them may be ahead of the clock.
        self._spoken_for = now - self._credit

    def reserve(self, now: float) -> float:
        """Take the next place; how many seconds to wait for it."""
        self._spoken_for = max(self._spoken_for, now - self._credit) + self._interval
        return max(0.0, self._spoken_for - now)

    def pause(self, now: float, delay: float) -> None:
        """Nothing leaves for this long; afterwards the bucket is empty, so that nobody rushes in."""
        self._spoken_for = max(self._spoken_for, now + delay)


class Pacer:
    """Waits for one's turn."""

    def __init__(self, qps: float, burst: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pace = Pace(qps, burst, clock())

    async def turn(self) -> None:
        """Return when the next request may leave."""
        wait = self._pace.reserve(self._clock())
        if wait > 0:
            await asyncio.sleep(wait)

    def pause(self, delay: float) -> None:
        """The server asked for a pause."""
        self._pace.pause(self._clock(), delay)

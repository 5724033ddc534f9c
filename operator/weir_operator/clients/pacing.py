"""How fast requests may go out: a bucket of tokens, and a pause for all when the API server says "too many".

What people wait for may leave ahead of the rest, out of a reserve that is as large as the burst; the rest pays it back, so that
over any time no more leaves than the rate and both.

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
        self._paused_until = now

    def reserve(self, now: float, *, ahead: bool = False) -> float:
        """Take the next place, or one ahead of others; how many seconds to wait for it."""
        self._spoken_for = max(self._spoken_for, now - self._credit) + self._interval
        leaves = max(self._paused_until, self._spoken_for - self._credit) if ahead else self._spoken_for
        return max(0.0, leaves - now)

    def pause(self, now: float, delay: float) -> None:
        """Nothing leaves for this long; afterwards the bucket is empty, so that nobody rushes in."""
        self._spoken_for = max(self._spoken_for, now + delay)
        self._paused_until = max(self._paused_until, now + delay)


class Pacer:
    """Waits for one's turn."""

    def __init__(self, qps: float, burst: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pace = Pace(qps, burst, clock())

    async def turn(self, *, ahead: bool = False) -> None:
        """Return when the next request may leave; ``ahead``: of those that wait."""
        wait = self._pace.reserve(self._clock(), ahead=ahead)
        if wait > 0:
            await asyncio.sleep(wait)

    def pause(self, delay: float) -> None:
        """The server asked for a pause."""
        self._pace.pause(self._clock(), delay)

"""How fast requests may go out: a bucket of tokens, and a pause for all when the API server says "too many".

What people wait for leaves ahead of the rest, and may draw on a reserve that is as large as the burst; the rest pays it
back, so that over any time no more leaves than the rate and both. While both wait, one of a few is of the rest, so that a
stream of edits does not stop everything else.

``Pace`` is arithmetic over a clock that is passed in; ``Pacer`` keeps who waits. What keeps the Lease does not pass here: a
replica that is slowed down must not lose it for that.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

#: Of so many that leave while both sorts wait, one is of the rest.
_SHARE = 4


class Pace:
    """When the next request may leave."""

    def __init__(self, qps: float, burst: int, now: float) -> None:
        self._interval = 1.0 / qps
        self._credit = self._interval * burst
        #: The moment that what has left is worth; it lies up to the credit behind the clock, and as much before it.
        self._spent_until = now - self._credit
        self._paused_until = now

    def wait(self, now: float, *, ahead: bool = False) -> float:
        """Seconds until one more may leave; not positive: it may now."""
        spent = max(self._spent_until, now - self._credit) + self._interval
        return max(self._paused_until, spent - self._credit if ahead else spent) - now

    def take(self, now: float) -> None:
        """One leaves."""
        self._spent_until = max(self._spent_until, now - self._credit) + self._interval

    def pause(self, now: float, delay: float) -> None:
        """Nothing leaves for this long; afterwards the bucket is empty, so that nobody rushes in."""
        self._spent_until = max(self._spent_until, now + delay)
        self._paused_until = max(self._paused_until, now + delay)


class Pacer:
    """Waits for one's turn."""

    def __init__(self, qps: float, burst: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._pace = Pace(qps, burst, clock())
        self._ahead: deque[asyncio.Future[None]] = deque()
        self._rest: deque[asyncio.Future[None]] = deque()
        #: How many of those ahead have left since one of the rest has.
        self._in_a_row = 0
        self._alarm: asyncio.TimerHandle | None = None

    async def turn(self, *, ahead: bool = False) -> None:
        """Return when the next request may leave; ``ahead``: of those that wait."""
        place = asyncio.get_running_loop().create_future()
        (self._ahead if ahead else self._rest).append(place)
        self._let_go()
        await place

    def pause(self, delay: float) -> None:
        """The server asked for a pause."""
        self._pace.pause(self._clock(), delay)

    def _let_go(self) -> None:
        """All whose turn it is; for the next one an alarm is set."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None
        while self._drop_those_that_left():
            now = self._clock()
            wait = self._pace.wait(now, ahead=bool(self._ahead))
            if wait > 0:
                self._alarm = asyncio.get_running_loop().call_later(wait, self._let_go)
                return
            self._pace.take(now)
            self._next().set_result(None)

    def _next(self) -> asyncio.Future[None]:
        if self._ahead and not (self._rest and self._in_a_row >= _SHARE - 1):
            self._in_a_row += 1
            return self._ahead.popleft()
        self._in_a_row = 0
        return self._rest.popleft()

    def _drop_those_that_left(self) -> bool:
        """Whether anybody still waits: some were cancelled, and take no place."""
        for queue in (self._ahead, self._rest):
            while queue and queue[0].done():
                queue.popleft()
        return bool(self._ahead or self._rest)

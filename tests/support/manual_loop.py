"""An event loop whose time jumps to the next timer as soon as nothing else is left to do: hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class ManualLoop(asyncio.SelectorEventLoop):
    """``time()`` is virtual; a clock for code under test is ``ManualClock(loop)``."""

    def __init__(self) -> None:
        super().__init__()
        self._virtual = 0.0

    def time(self) -> float:
        return self._virtual

    def stand_still(self, seconds: float) -> None:
        """As a process that is frozen: time passes, and nothing is done in it."""
        self._virtual += seconds

    def _run_once(self) -> None:
        while self._scheduled and self._scheduled[0]._cancelled:
            timer = heapq.heappop(self._scheduled)
            timer._scheduled = False
            self._timer_cancelled_count -= 1
        if not self._ready and self._scheduled:
            self._virtual = max(self._virtual, self._scheduled[0]._when)
        super()._run_once()


class ManualClock:
    """The wall shows what the loop's time says, from a fixed start on."""

    def __init__(self, loop: asyncio.AbstractEventLoop, start_ms: int = 1_000_000) -> None:
        self._loop = loop
        self._start_ms = start_ms

    def wall_ms(self) -> int:
        return self._start_ms + round(self._loop.time() * 1000)

    def monotonic(self) -> float:
        return self._loop.time()


def run(scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a scenario on a loop of its own."""
    with asyncio.Runner(loop_factory=ManualLoop) as runner:
        return runner.run(scenario())


async def at_once(call: Callable[..., T], *arguments: Any, **named: Any) -> T:
    """In place of ``asyncio.to_thread``: the call is made on the loop, after others had their turn."""
    await asyncio.sleep(0)
    return call(*arguments, **named)

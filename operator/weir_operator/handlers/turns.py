"""How many passes go on at once, and which begin first.

A pass keeps its place while its requests wait for the pace of the client, so behind a hundred upgrades an edit would wait
for minutes to be looked at. Answers to edits have places of their own, and while there are any, no other pass begins:
they compute in the same thread. They are short, and end when the status is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

#: Answers hold up another pass for at most so long.
_PATIENCE_SECONDS = 1.0


class Turns:
    """The places of all workers."""

    def __init__(self, places: int) -> None:
        self._answers, self._passes = asyncio.Semaphore(places), asyncio.Semaphore(places)
        self._under_way = 0
        self._none_under_way = asyncio.Event()
        self._none_under_way.set()

    @asynccontextmanager
    async def answer(self) -> AsyncIterator[None]:
        """A place to answer an edit in."""
        self._under_way += 1
        self._none_under_way.clear()
        try:
            async with self._answers:
                yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._none_under_way.set()

    async def enter(self) -> None:
        """Return when there is a place for a whole pass; whoever got one has to ``leave`` it."""
        await self._passes.acquire()
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._none_under_way.wait()
        except TimeoutError:
            pass  # they never end: edits come faster than they are answered
        except BaseException:
            self._passes.release()
            raise

    def leave(self) -> None:
        """The pass is over."""
        self._passes.release()

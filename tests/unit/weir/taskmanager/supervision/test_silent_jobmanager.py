"""A JobManager that falls silent ends the session; one whose heartbeats lie unread because we stood still does not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.support.manual_loop import ManualLoop, run
from tests.unit.weir.taskmanager.supervision.test_supervisor_is_ended import in_session
from weir.rpc import messages
from weir.rpc.links import MemoryLink, SessionEnded

#: What ``in_session`` agrees on.
INTERVAL, TIMEOUT = 1.0, 10.0


@contextlib.asynccontextmanager
async def session() -> AsyncIterator[MemoryLink]:
    supervisors: list[asyncio.Task[None]] = []
    link = await in_session(supervisors)
    try:
        yield link
    finally:
        supervisors[0].cancel()
        await asyncio.wait(supervisors)


async def seconds_to_the_end(link: MemoryLink, answers: int = 0) -> float:
    """How long the session lasts after that many more heartbeats were answered."""
    loop = asyncio.get_running_loop()
    since = loop.time()
    with contextlib.suppress(SessionEnded):
        while True:
            heartbeat = await link.receive()
            assert isinstance(heartbeat, messages.TaskManagerHeartbeat)
            if answers > 0:
                link.send_nowait(messages.JobManagerHeartbeat(sequence=heartbeat.sequence))
                answers, since = answers - 1, loop.time()
    return loop.time() - since


def lasting(scenario: Callable[[MemoryLink], Awaitable[float]]) -> float:
    async def within() -> float:
        async with session() as link:
            return await scenario(link)

    return run(within)


async def freeze(link: MemoryLink, seconds: float) -> None:
    """The supervisor stands still, and finds a heartbeat only some turns after it goes on: timers come before sockets."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualLoop)
    await asyncio.sleep(INTERVAL / 3)
    loop.stand_still(seconds)
    for _ in range(10):
        await asyncio.sleep(0)
    link.send_nowait(messages.JobManagerHeartbeat(sequence=1))


@pytest.mark.parametrize("answers", [0, 1, 30])
def test_a_silent_jobmanager_ends_the_session_at_the_timeout(answers: int) -> None:
    lasted = lasting(lambda link: seconds_to_the_end(link, answers))
    assert TIMEOUT <= lasted <= TIMEOUT + INTERVAL


@pytest.mark.parametrize("seconds", [INTERVAL, TIMEOUT - INTERVAL, TIMEOUT, 3600.0])
def test_a_supervisor_that_was_frozen_reads_what_came_meanwhile(seconds: float) -> None:
    async def frozen(link: MemoryLink) -> float:
        await freeze(link, seconds)
        return await seconds_to_the_end(link, answers=5)

    assert TIMEOUT <= lasting(frozen) <= TIMEOUT + INTERVAL


def test_a_supervisor_that_is_frozen_again_and_again_keeps_its_session() -> None:
    async def frozen(link: MemoryLink) -> float:
        for _ in range(20):
            await freeze(link, TIMEOUT + INTERVAL)
        return await seconds_to_the_end(link, answers=1)

    assert TIMEOUT <= lasting(frozen) <= TIMEOUT + INTERVAL


def test_a_freeze_is_forgiven_once_and_not_the_silence_after_it() -> None:
    async def frozen(link: MemoryLink) -> float:
        await asyncio.sleep(TIMEOUT - INTERVAL)
        await freeze(link, 3600.0)
        return await seconds_to_the_end(link)

    assert TIMEOUT <= lasting(frozen) <= TIMEOUT + INTERVAL

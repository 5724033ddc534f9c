"""A supervisor that is told to end does so, also when a message arrives at that very moment."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.manual_loop import ManualClock, run
from weir.ids import TaskManagerId
from weir.rpc import codec, messages
from weir.rpc.links import JobManagerLink, MemoryLink, memory_links
from weir.taskmanager.supervision.supervisor import Supervisor, TaskManagerOptions


async def in_session(supervisors: list[asyncio.Task[None]]) -> MemoryLink:
    """A supervisor without workers whose session is open; the JobManager's end of it."""
    here, there = memory_links()

    async def connect(_address: str, _timeout: float) -> JobManagerLink:
        return there

    options = TaskManagerOptions("nowhere:1", 0, TaskManagerId("tm"))
    supervisor = Supervisor(options, ManualClock(asyncio.get_running_loop()), 1, connect)
    supervisors.append(asyncio.ensure_future(supervisor.run()))
    assert isinstance(await here.receive(), messages.Register)
    here.send_nowait(
        messages.Registered(
            session="s", version=codec.release(), heartbeat_interval=1.0, heartbeat_timeout=10.0
        )
    )
    assert isinstance(await here.receive(), messages.TaskManagerHeartbeat)
    return here


@pytest.mark.parametrize("turns", range(6))
def test_an_end_is_not_lost_to_a_message_that_comes_together_with_it(turns: int) -> None:
    async def scenario() -> None:
        supervisors: list[asyncio.Task[None]] = []
        link = await in_session(supervisors)
        link.send_nowait(messages.JobManagerHeartbeat(sequence=1))
        for _ in range(turns):
            await asyncio.sleep(0)
        supervisors[0].cancel()
        await asyncio.wait(supervisors, timeout=60)
        assert supervisors[0].cancelled()

    run(scenario)

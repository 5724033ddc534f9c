"""A job that loses its workers with their TaskManager is given none of that TaskManager again."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.support.manual_loop import ManualClock, run
from tests.support.waiting import until
from weir.ids import JobId, TaskManagerId, WorkerId
from weir.jobmanager.dispatcher import Dispatcher, DispatcherOptions
from weir.jobmanager.slots.slot_pool import SlotPool
from weir.rpc import codec, messages
from weir.rpc.links import MemoryLink, memory_links

JOB = JobId("a" * 32)


class BetweenAttempts:
    """A job that waits for the end of its last worker to ask for the next attempt's."""

    def __init__(self, pool: SlotPool) -> None:
        self._pool = pool
        self.granted: tuple[WorkerId, ...] = ()
        pool.request(JOB, 1, self._take)
        self._held, self.granted = self.granted, ()

    def worker_lost(self, worker: WorkerId, _failure: messages.Failure) -> None:
        if (worker,) == self._held:
            self._pool.request(JOB, 1, self._take)

    def _take(self, workers: tuple[WorkerId, ...]) -> None:
        self.granted = workers


async def connected(dispatcher: Dispatcher, name: str, *workers: str) -> MemoryLink:
    here, there = memory_links()
    asyncio.ensure_future(dispatcher.serve_session(here))  # noqa: RUF006
    register = messages.Register(
        task_manager=TaskManagerId(name), slots=len(workers), version=codec.release(), pid=7
    )
    there.send_nowait(register)
    for slot, worker in enumerate(workers):
        info = messages.WorkerInfo(worker=WorkerId(worker), slot=slot, pid=8 + slot, data_address="host:1")
        there.send_nowait(messages.WorkerStarted(info=info))
    known = dispatcher.sessions.statuses
    await until(
        lambda: any(each.id == name and len(each.workers) == len(workers) for each in known(frozenset())),
        f"the workers of {name} are known",
    )
    return there


async def never(*_: Any) -> Any:
    raise AssertionError("nothing is planned here")


def test_a_taskmanager_that_dies_between_two_attempts_gives_no_slot_to_the_next() -> None:
    async def body() -> None:
        clock = ManualClock(asyncio.get_running_loop())
        dispatcher = Dispatcher(DispatcherOptions(), clock, planner=never)
        pool = dispatcher._services.pool
        dying = await connected(dispatcher, "dying", "dying-0.1", "dying-1.2")
        # The job still holds one worker; instead of the other one of its last attempt there is a fresh one.
        job = BetweenAttempts(pool)
        dispatcher.jobs[JOB] = job  # type: ignore[assignment]
        await dying.close()
        known = dispatcher.sessions.statuses
        await until(lambda: all(each.lost for each in known(frozenset())), "the TaskManager is lost")
        assert job.granted == ()
        await connected(dispatcher, "living", "living-0.1")
        assert job.granted == ("living-0.1",)
        dispatcher.sessions.end_all("the test ends", dismiss=False)

    run(body)

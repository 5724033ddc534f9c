"""TaskManagers come, go silent and come back, on time that jumps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

from tests.support.manual_loop import ManualClock, run
from tests.support.waiting import until
from weir.errors import FailureKind
from weir.ids import AttemptId, Epoch, JobId, TaskManagerId, VertexId, WorkerId
from weir.jobmanager.sessions import Sessions
from weir.rpc import codec, messages
from weir.rpc.links import MemoryLink, memory_links

W = WorkerId("tm-0.1")
EXECUTION = messages.Execution(JobId("a" * 32), Epoch(1), AttemptId(1))


class Heard:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.started: list[WorkerId] = []
        self.lost: dict[WorkerId, messages.Failure] = {}
        self.together: list[list[WorkerId]] = []
        self.said: list[messages.FromWorkerMessage] = []

    def worker_started(self, task_manager: TaskManagerId, info: messages.WorkerInfo) -> None:
        self.started.append(info.worker)

    def workers_lost(self, failures: Mapping[WorkerId, messages.Failure]) -> None:
        self.lost.update(failures)
        self.together.append(sorted(failures))

    def worker_said(self, worker: WorkerId, message: messages.FromWorkerMessage) -> None:
        self.said.append(message)


class World:
    def __init__(self) -> None:
        self.heard = Heard()
        self.clock = ManualClock(asyncio.get_running_loop())
        self.sessions = Sessions(self.heard, self.clock, interval=2.0, timeout=8.0)
        self.tasks: list[asyncio.Task] = [self.background(self.sessions.watch())]

    def background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task:
        return asyncio.ensure_future(work)

    async def connect(self, version: str = "", worker: WorkerId = W) -> MemoryLink:
        here, there = memory_links()
        self.tasks.append(self.background(self.sessions.serve(here)))
        there.send_nowait(
            messages.Register(
                task_manager=TaskManagerId("tm"), slots=1, version=version or codec.release(), pid=7
            )
        )
        there.send_nowait(
            messages.WorkerStarted(
                info=messages.WorkerInfo(worker=worker, slot=0, pid=8, data_address="host:1")
            )
        )
        await asyncio.sleep(0.01)
        return there

    def speak(self, link: MemoryLink) -> None:
        running = messages.TaskRunning(execution=EXECUTION, vertex=VertexId("v"), index=0)
        link.send_nowait(messages.FromWorker(worker=W, payload=codec.encode(running)))

    def close(self) -> None:
        for task in self.tasks:
            task.cancel()


def scenario(body) -> None:
    async def running() -> None:
        world = World()
        try:
            await body(world)
        finally:
            world.close()

    run(running)


def test_a_registered_taskmanagers_workers_are_known_and_heard() -> None:
    async def body(world: World) -> None:
        link = await world.connect()
        registered = await link.receive()
        assert isinstance(registered, messages.Registered)
        assert (registered.heartbeat_interval, registered.heartbeat_timeout) == (2.0, 8.0)
        world.speak(link)
        await asyncio.sleep(0.01)
        assert world.heard.started == [W]
        assert len(world.heard.said) == 1
        assert world.sessions.data_address(W) == "host:1"

    scenario(body)


def test_another_release_is_refused_with_both_versions() -> None:
    async def body(world: World) -> None:
        link = await world.connect(version="9.9")
        goodbye = await link.receive()
        assert isinstance(goodbye, messages.Goodbye)
        assert "Weir 9.9" in goodbye.reason
        assert f"Weir {codec.release()}" in goodbye.reason
        assert world.heard.started == []

    scenario(body)


def test_a_heartbeat_is_answered_and_keeps_the_session() -> None:
    async def body(world: World) -> None:
        link = await world.connect()
        await link.receive()
        for sequence in range(20):
            link.send_nowait(messages.TaskManagerHeartbeat(sequence=sequence))
            assert await link.receive() == messages.JobManagerHeartbeat(sequence=sequence)
            await asyncio.sleep(2.0)
        assert world.heard.lost == {}

    scenario(body)


def test_a_silent_taskmanager_is_lost_within_ten_seconds() -> None:
    async def body(world: World) -> None:
        await world.connect()
        await asyncio.sleep(7.9)
        assert world.heard.lost == {}
        await asyncio.sleep(2.0)
        failure = world.heard.lost[W]
        assert failure.kind is FailureKind.WORKER_LOST
        assert "heartbeat.timeout is 8 s" in failure.message
        assert [(s.id, s.lost) for s in world.sessions.statuses(frozenset())] == [("tm", True)]

    scenario(body)


def test_what_a_lost_taskmanager_still_says_is_refused() -> None:
    async def body(world: World) -> None:
        link = await world.connect()
        await asyncio.sleep(20)
        assert W in world.heard.lost
        world.speak(link)
        link.send_nowait(messages.TaskManagerHeartbeat(sequence=1))
        await asyncio.sleep(0.01)
        assert world.heard.said == []
        received = [await link.receive(), await link.receive()]
        assert isinstance(received[1], messages.Goodbye)

    scenario(body)


def test_a_taskmanager_that_comes_back_replaces_its_old_session() -> None:
    async def body(world: World) -> None:
        old = await world.connect()
        await world.connect(worker=WorkerId("tm-0.2"))
        assert list(world.heard.lost) == [W]
        assert world.heard.started == [W, "tm-0.2"]
        world.speak(old)
        await asyncio.sleep(0.01)
        assert world.heard.said == []
        assert [s.lost for s in world.sessions.statuses(frozenset())] == [False]

    scenario(body)


def test_a_broken_connection_loses_the_workers_at_once() -> None:
    async def body(world: World) -> None:
        link = await world.connect()
        await link.close()
        await asyncio.sleep(0.01)
        assert "connection to the JobManager broke" in world.heard.lost[W].message

    scenario(body)


def test_the_workers_of_a_lost_taskmanager_are_lost_at_once() -> None:
    async def body(world: World) -> None:
        link = await world.connect()
        info = messages.WorkerInfo(worker=WorkerId("tm-1.2"), slot=1, pid=9, data_address="host:2")
        link.send_nowait(messages.WorkerStarted(info=info))
        await until(lambda: len(world.heard.started) == 2, "both workers are known")
        await link.close()
        await until(lambda: len(world.heard.lost) == 2, "both workers are lost")
        assert world.heard.together == [[W, "tm-1.2"]]

    scenario(body)


def test_a_lost_worker_is_told_once_and_is_not_spoken_to() -> None:
    async def body(world: World) -> None:
        link = await world.connect()
        await link.receive()
        failure = messages.Failure(kind=FailureKind.USER, message="exit")
        link.send_nowait(messages.WorkerLost(worker=W, failure=failure))
        world.speak(link)
        await asyncio.sleep(0.01)
        world.sessions.send(W, messages.CancelTasks(execution=EXECUTION))
        world.sessions.release(W)
        await link.close()
        await asyncio.sleep(0.01)
        assert world.heard.lost == {W: failure}
        assert world.heard.said == []

    scenario(body)


def test_nonsense_ends_the_session() -> None:
    async def body(world: World) -> None:
        link = await world.connect()
        link.send_nowait(messages.FromWorker(worker=W, payload=b"\xc1"))
        await asyncio.sleep(0.01)
        assert W in world.heard.lost

    scenario(body)


def test_a_connection_that_does_not_register_is_dropped() -> None:
    async def body(world: World) -> None:
        here, _there = memory_links()
        async with asyncio.timeout(60):
            await world.sessions.serve(here)
        assert world.clock.monotonic() < 20

    scenario(body)


def test_a_taskmanagers_log_is_asked_for_through_its_session() -> None:
    async def body(world: World) -> None:
        link = await world.connect()
        assert isinstance(await link.receive(), messages.Registered)
        asking = asyncio.ensure_future(world.sessions.read_log(TaskManagerId("tm"), text=True))
        question = await link.receive()
        assert isinstance(question, messages.ReadLog)
        assert question.text
        answer = messages.LogText(trigger=question.trigger, size=3, modified_ms=5, text=b"abc")
        link.send_nowait(messages.LogText(trigger="another's", size=0, modified_ms=0))
        link.send_nowait(answer)
        assert await asking == answer

    scenario(body)


def test_a_taskmanager_that_is_lost_or_silent_gives_no_log() -> None:
    async def body(world: World) -> None:
        await world.connect()
        assert await world.sessions.read_log(TaskManagerId("other"), text=True) is None
        assert await world.sessions.read_log(TaskManagerId("tm"), text=False) is None

    scenario(body)

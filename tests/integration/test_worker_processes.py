"""That a worker process ended is told once and always, whatever is in the way; and its slot is filled again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from weir.clock import SystemClock
from weir.errors import FailureKind
from weir.ids import TaskManagerId, WorkerId
from weir.rpc.messages import Failure
from weir.taskmanager.supervision import worker_process
from weir.taskmanager.supervision.supervisor import Supervisor, TaskManagerOptions
from weir.taskmanager.supervision.worker_process import WorkerCallbacks, WorkerProcess

LIMIT = 120.0


def started(module: str, ended: Callable[[WorkerProcess, Failure], None]) -> WorkerProcess:
    callbacks = WorkerCallbacks(lambda *_: None, lambda *_: None, ended)
    return WorkerProcess(WorkerId("w"), 0, callbacks, SystemClock(), module)


@pytest.fixture
def fifo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    monkeypatch.setenv("WEIR_TEST_FIFO", str(path))
    yield path
    with contextlib.suppress(OSError):  # nobody is left
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))


def test_descriptors_of_an_ended_worker_are_free_when_its_end_is_told(fifo: Path) -> None:
    """The next worker starts in that very moment and is given the same numbers."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Failure] = loop.create_future()
        heard: dict[int, asyncio.Event] = {}
        ends: list[socket.socket] = []

        def ended(_: WorkerProcess, failure: Failure) -> None:
            for _ in range(12):
                ends.extend(socket.socketpair())
            for end in ends:
                heard[end.fileno()] = asyncio.Event()
                loop.add_reader(end, heard[end.fileno()].set)
            told.set_result(failure)

        process = started("tests.support.clinging_worker", ended)
        async with asyncio.timeout(LIMIT):
            failure = await told
            assert failure.kind is FailureKind.WORKER_LOST
            await process.wait_ended()
            for end in ends:
                end.send(b"x")
            await asyncio.gather(*(event.wait() for event in heard.values()))
        for end in ends:
            loop.remove_reader(end)
            end.close()

    asyncio.run(scenario())


def test_an_end_that_cannot_be_followed_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_descriptor(_pid: int) -> int:
        raise OSError(24, "Too many open files")

    async def scenario() -> None:
        monkeypatch.setattr(worker_process.os, "pidfd_open", no_descriptor)
        told: list[Failure] = []
        process = started("tests.support.fake_worker", lambda _, failure: told.append(failure))
        async with asyncio.timeout(LIMIT):
            await process.wait_ended()
        (failure,) = told
        assert failure.kind is FailureKind.ENGINE
        assert "Too many open files" in failure.message
        assert process._process.returncode is not None, "it was not left running"

    asyncio.run(scenario())


def test_a_worker_that_cannot_be_started_is_tried_again() -> None:
    async def scenario() -> None:
        refused = 3
        running = asyncio.Event()

        class Started:
            def __init__(self, slot: int, callbacks: WorkerCallbacks) -> None:
                self.slot = slot
                self.ready = None
                self.was_used = self.was_released = False
                self.callbacks = callbacks

            def release(self) -> None: ...
            def check(self, now: float) -> None: ...
            def forgive(self, now: float) -> None: ...
            async def wait_ended(self) -> None: ...

        def spawn(_id: WorkerId, slot: int, callbacks: WorkerCallbacks, *_: object) -> Started:
            nonlocal refused
            if refused:
                refused -= 1
                raise OSError(11, "Resource temporarily unavailable")
            running.set()
            return Started(slot, callbacks)

        async def nowhere(_address: str, _timeout: float):
            await asyncio.Event().wait()

        options = TaskManagerOptions("nowhere:1", 1, TaskManagerId("tm"))
        supervisor = Supervisor(options, SystemClock(), os.getpid(), nowhere, spawn)
        serving = asyncio.ensure_future(supervisor.run())
        async with asyncio.timeout(LIMIT):
            await running.wait()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(scenario())

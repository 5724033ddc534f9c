"""Real supervisors and worker processes against real sessions; only what a worker computes is fake."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from weir.clock import SystemClock
from weir.errors import AddressInUse, FailureKind
from weir.graph.physical import PhysicalPlan
from weir.ids import AttemptId, Epoch, JobId, TaskManagerId, VertexId, WorkerId
from weir.jobmanager.sessions import Sessions
from weir.rpc import messages
from weir.rpc.requests import Answer, Done, Request
from weir.rpc.server import ControlServer
from weir.taskmanager.supervision.supervisor import Supervisor, TaskManagerOptions

EXECUTION = messages.Execution(JobId("a" * 32), Epoch(1), AttemptId(1))


class Listener:
    def __init__(self) -> None:
        self.started: list[WorkerId] = []
        self.pids: dict[WorkerId, int] = {}
        self.lost: dict[WorkerId, messages.Failure] = {}
        self.said: list[messages.FromWorkerMessage] = []
        self.changed = asyncio.Event()

    def worker_started(self, task_manager: TaskManagerId, info: messages.WorkerInfo) -> None:
        self.started.append(info.worker)
        self.pids[info.worker] = info.pid
        self._notify()

    def workers_lost(self, failures: Mapping[WorkerId, messages.Failure]) -> None:
        self.lost.update(failures)
        self._notify()

    def worker_said(self, worker: WorkerId, message: messages.FromWorkerMessage) -> None:
        self.said.append(message)
        self._notify()

    def _notify(self) -> None:
        self.changed.set()

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


class Service:
    def __init__(self, sessions: Sessions) -> None:
        self.serve_session = sessions.serve

    async def answer(self, request: Request) -> Answer:
        return Done()


class Cluster:
    def __init__(self, listener: Listener, sessions: Sessions, server: ControlServer) -> None:
        self.listener = listener
        self.sessions = sessions
        self.server = server
        self.supervisors: list[asyncio.Task[None]] = []

    def start_supervisor(self, slots: int = 1) -> None:
        options = TaskManagerOptions(
            self.server.address,
            slots,
            TaskManagerId(f"tm{len(self.supervisors)}"),
            "tests.support.fake_worker",
        )
        supervisor = Supervisor(options, SystemClock(), os.getpid())
        self.supervisors.append(asyncio.ensure_future(supervisor.run()))

    def deploy(self, worker: WorkerId, what: str, **settings: str) -> None:
        self.sessions.send(
            worker,
            messages.Deploy(
                execution=EXECUTION,
                job=messages.JobSpec(name=what, entrypoint="x:y"),
                settings={key.replace("_", "."): value for key, value in settings.items()},
                plan=PhysicalPlan(job_name=what, vertices=(), edges=(), digest=""),
                tasks=(messages.TaskDeployment(vertex=VertexId("v"), index=0),),
                placement=(),
                checkpoint_root=None,
            ),
        )


@contextlib.asynccontextmanager
async def cluster(interval: float = 0.2, timeout: float = 5.0) -> AsyncIterator[Cluster]:
    listener = Listener()
    sessions = Sessions(listener, SystemClock(), interval, timeout)
    server = await ControlServer.start(Service(sessions), "127.0.0.1", 0)
    watching = asyncio.ensure_future(sessions.watch())
    made = Cluster(listener, sessions, server)
    try:
        yield made
    finally:
        for supervisor in made.supervisors:
            supervisor.cancel()
        await asyncio.gather(*made.supervisors, return_exceptions=True)
        watching.cancel()
        await made.server.stop(0)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_workers_register_run_and_are_gone_when_the_supervisor_ends() -> None:
    async def scenario() -> dict[WorkerId, int]:
        async with cluster() as c:
            c.start_supervisor(slots=2)
            await c.listener.wait_for(lambda: len(c.listener.started) == 2)
            c.deploy(c.listener.started[0], "run")
            await c.listener.wait_for(lambda: len(c.listener.said) == 1)
            assert c.listener.said == [
                messages.TaskRunning(execution=EXECUTION, vertex=VertexId("v"), index=0)
            ]
            return c.listener.pids

    assert [pid for pid in asyncio.run(scenario()).values() if alive(pid)] == []


def test_a_released_worker_is_replaced_by_a_fresh_process() -> None:
    async def scenario() -> None:
        async with cluster() as c:
            c.start_supervisor()
            await c.listener.wait_for(lambda: len(c.listener.started) == 1)
            first = c.listener.started[0]
            c.sessions.release(first)
            await c.listener.wait_for(lambda: len(c.listener.started) == 2)
            assert c.listener.lost[first].message == "the worker was released"
            assert c.listener.started[1] != first

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("what", "kind", "message"),
    [
        ("exit-3", FailureKind.USER, "ended with exit code 3 while 'count' (uid c) ran"),
        ("segv", FailureKind.USER, "crashed with SIGSEGV while 'count' (uid c) ran"),
        ("hang", FailureKind.USER, "'count' (uid c) did not return from one call"),
    ],
)
def test_a_worker_that_ends_by_itself_is_reported_with_its_last_signs(
    what: str, kind: FailureKind, message: str
) -> None:
    async def scenario() -> None:
        async with cluster() as c:
            c.start_supervisor()
            await c.listener.wait_for(lambda: len(c.listener.started) == 1)
            worker = c.listener.started[0]
            c.deploy(worker, what, **{"task.stall-timeout": "1s"})
            await c.listener.wait_for(lambda: worker in c.listener.lost)
            failure = c.listener.lost[worker]
            assert failure.kind is kind
            assert message in failure.message
            assert "said on stderr" in failure.traceback
            assert failure.operator == "'count' (uid c)"
            assert len(c.listener.said) == 1, "what it said before its end came first"

    asyncio.run(scenario())


def test_a_killed_worker_is_worker_lost() -> None:
    async def scenario() -> None:
        async with cluster() as c:
            c.start_supervisor()
            await c.listener.wait_for(lambda: len(c.listener.started) == 1)
            worker = c.listener.started[0]
            os.kill(c.listener.pids[worker], signal.SIGKILL)
            await c.listener.wait_for(lambda: len(c.listener.started) == 2)
            assert c.listener.lost[worker].kind is FailureKind.WORKER_LOST
            assert "SIGKILL" in c.listener.lost[worker].message

    asyncio.run(scenario())


def test_a_supervisor_that_loses_its_session_kills_its_workers_and_comes_back() -> None:
    async def scenario() -> None:
        async with cluster() as c:
            c.start_supervisor()
            await c.listener.wait_for(lambda: len(c.listener.started) == 1)
            worker = c.listener.started[0]
            c.deploy(worker, "run")
            await c.listener.wait_for(lambda: len(c.listener.said) == 1)
            port = c.server.port
            await c.server.stop(0)
            c.server = await ControlServer.start(Service(c.sessions), "127.0.0.1", port)
            await c.listener.wait_for(lambda: len(c.listener.started) == 2)
            assert c.listener.started[1] != worker
            assert not alive(c.listener.pids[worker])

    asyncio.run(scenario())


def test_a_port_in_use_is_named() -> None:
    async def scenario() -> None:
        async with cluster() as c:
            with pytest.raises(AddressInUse, match=f"127.0.0.1:{c.server.port}"):
                await ControlServer.start(Service(c.sessions), "127.0.0.1", c.server.port)

    asyncio.run(scenario())

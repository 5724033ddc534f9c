"""A simulated cluster: JobManagers, TaskManagers and storage, and what may happen to them.

Real are the dispatcher with its jobs and sessions, the supervisor, and everything in a worker below the process. The
cluster does what an orchestrator does: it starts a JobManager after another, and replaces TaskManagers that are gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import io
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final

from weir.connectors.files import sink as file_sink
from weir.connectors.files.writing import object_parts
from weir.ids import JobId, TaskManagerId, WorkerId
from weir.jobmanager.dispatcher import Dispatcher, DispatcherOptions
from weir.jobmanager.job import Job
from weir.jobmanager.planning import PlannedJob, planned
from weir.operators import sink as sink_operator
from weir.operators.job_code import JobCode
from weir.rpc import codec, messages
from weir.rpc.client import Unreachable
from weir.rpc.links import JobManagerLink
from weir.rpc.requests import Submit
from weir.storage.memory import mount, unmount
from weir.taskmanager.exchange import channels, credit_windows
from weir.taskmanager.supervision.supervisor import Supervisor, TaskManagerOptions
from weir.taskmanager.supervision.worker_process import WorkerCallbacks, WorkerProcess
from weir.testing.simulation.blocking_calls import PAUSING_THREADING, BlockingCalls
from weir.testing.simulation.connections import Session, SessionEnd
from weir.testing.simulation.data_plane import DataPlanes
from weir.testing.simulation.storage import SimulatedStorage
from weir.testing.simulation.trace import Trace
from weir.testing.simulation.virtual_time import Process, ProcessState, SimulatedLoop
from weir.testing.simulation.weather import Weather
from weir.testing.simulation.worker import SimulatedWorker, World

#: Where storage is mounted: ``memory://simulation``.
STORAGE: Final = "simulation"
#: Seconds that a worker outlives its supervisor at most.
_ORPHAN: Final = 0.05


@dataclass(frozen=True)
class ClusterOptions:
    """Sizes, and times in seconds."""

    task_managers: int = 2
    slots: int = 2
    heartbeat_interval: float = 0.5
    heartbeat_timeout: float = 2.0
    #: Bytes in flight in a channel: small, so that tasks pause in the middle of a batch.
    window_bytes: int = credit_windows.WINDOW_BYTES
    gather_rows: int = channels.GATHER_ROWS
    #: Operators of the job may wait for locks and storage (the file sink's do, when they are closed).
    data_thread_waits: bool = False


@dataclass(frozen=True)
class SimulatedJob:
    """What runs: its specification, and how a process loads the code that a specification names."""

    job_id: JobId
    spec: messages.JobSpec
    load: Callable[[messages.JobSpec], JobCode]


class SimulatedJobManager:
    """One JobManager process."""

    def __init__(self, cluster: Cluster, name: str, job: SimulatedJob, *, recovering: bool) -> None:
        self.process = Process(cluster.world.loop, name)
        self.dispatcher = Dispatcher(
            DispatcherOptions(
                cluster.options.heartbeat_interval, cluster.options.heartbeat_timeout, run=name
            ),
            self.process,
            planner=cluster.plan,
            blocking=cluster.world.calls.runner(self.process),
        )
        self._trace = cluster.world.trace
        self._job = job
        self._submit = Submit(job=job.spec, job_id=job.job_id, recovering=recovering)
        self._trace.add(name, f"starts recovering={recovering}")
        self.process.run(self._serve())

    @property
    def job(self) -> Job | None:
        """The job, once it is submitted."""
        return self.dispatcher.jobs.get(self._job.job_id)

    def submit(self, job: SimulatedJob | None = None) -> None:
        """A person submits the job once more, perhaps changed."""
        if job is not None:
            self._submit = Submit(job=job.spec, job_id=job.job_id)
        self.process.run(self.dispatcher.submit(self._submit))

    async def _serve(self) -> None:
        """As ``jobmanager.main.serve``."""
        watching = asyncio.ensure_future(self.dispatcher.sessions.watch())
        await self.dispatcher.submit(self._submit)
        await self.dispatcher.ending.wait()
        watching.cancel()
        self.dispatcher.sessions.end_all("the JobManager ends", dismiss=False)
        self._trace.add(
            self.process.name, "ends" if self.dispatcher.fenced_by is None else "ends: it was overtaken"
        )
        await asyncio.sleep(0.2)
        self.process.loop.world.call_soon(self.process.kill)

    async def serve_session(self, link: Any) -> None:
        """As ``rpc.server`` does for each stream."""
        try:
            await self.dispatcher.serve_session(link)
        finally:
            await link.close()


class SimulatedTaskManager:
    """One TaskManager: the supervisor's process, and those of its workers."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.process = Process(cluster.world.loop, name)
        #: All that ever ran here and live.
        self.workers: list[SimulatedWorker] = []
        self.session: Session | None = None
        #: Until then it reaches nobody, and nobody reaches it.
        self.cut_off_until = 0.0
        self._cluster = cluster
        options = TaskManagerOptions(
            jobmanager="jobmanager", slots=cluster.options.slots, task_manager=TaskManagerId(name)
        )
        self.supervisor = Supervisor(options, self.process, 0, self._connect, self._spawn)
        self.process.on_death.append(self._died)
        self.process.run(self.supervisor.run())

    def live_workers(self) -> list[SimulatedWorker]:
        """Workers whose process lives."""
        self.workers = [worker for worker in self.workers if worker.process.alive]
        return self.workers

    def _spawn(
        self, worker: WorkerId, slot: int, callbacks: WorkerCallbacks, _clock: object, _module: str
    ) -> WorkerProcess:
        made = SimulatedWorker(
            self._cluster.world,
            self.process,
            self._cluster.load,
            worker,
            slot,
            callbacks,
            data_thread_waits=self._cluster.options.data_thread_waits,
        )
        self.workers.append(made)
        return made

    def _died(self) -> None:
        world = self._cluster.world
        for worker in self.live_workers():
            world.loop.world.call_later(world.loop.chance.random() * _ORPHAN, worker.process.kill)

    async def _connect(self, _address: str, timeout: float) -> JobManagerLink:
        world = self._cluster.world
        await asyncio.sleep(world.weather.of_message(world.loop.chance))
        jobmanager = self._cluster.jobmanager
        if world.loop.time() < self.cut_off_until or jobmanager.process.state is ProcessState.FROZEN:
            await asyncio.sleep(timeout)
            raise Unreachable(f"no JobManager within {timeout:g} s")
        if not jobmanager.process.alive:
            raise Unreachable("connection refused")
        theirs: SessionEnd[Any, Any] = SessionEnd(jobmanager.process, codec.encode, codec.decode_session_up)
        ours: SessionEnd[Any, Any] = SessionEnd(self.process, codec.encode, codec.decode_session_down)
        self.session = session = Session(theirs, ours, world.weather, world.loop.chance)
        for process in (jobmanager.process, self.process):
            process.on_death.append(functools.partial(self._cluster.reset, session, process))
        jobmanager.process.run(jobmanager.serve_session(theirs))
        return ours


class Cluster:
    """See the module. Used within ``running``."""

    def __init__(
        self,
        options: ClusterOptions,
        job: SimulatedJob,
        weather: Weather,
        chance: random.Random,
        trace_to: Any = None,
    ) -> None:
        """``trace_to`` is called with each line of the trace."""
        self.options = options
        loop = SimulatedLoop(chance)
        self.trace = Trace(loop.time, show=trace_to)
        self.weather = weather
        self.world = World(loop, BlockingCalls(), weather, DataPlanes(weather, chance), self.trace)
        self.storage = SimulatedStorage(STORAGE, loop.world, weather, chance, self.trace)
        self.jobmanagers: list[SimulatedJobManager] = []
        self.task_managers: list[SimulatedTaskManager] = []
        self._job = job
        self._names = 0
        self._silent: set[Process] = set()

    # ---- what the engine is given ------------------------------------------------------------------------------

    async def plan(self, spec: messages.JobSpec) -> PlannedJob:
        """In place of the planning child process."""
        await asyncio.sleep(0.05 * self.world.loop.chance.random())
        return planned(spec, self._job.load(spec).graph)

    def load(self, deploy: messages.Deploy) -> JobCode:
        """In place of importing the user's module: each process has objects of its own."""
        return self._job.load(deploy.job)

    # ---- processes ------------------------------------------------------------------------------------------------

    @property
    def jobmanager(self) -> SimulatedJobManager:
        """The one that a stable service name points at: the newest that lives and was not overtaken, or else the newest."""
        alive = [
            jobmanager
            for jobmanager in self.jobmanagers
            if jobmanager.process.alive and jobmanager.dispatcher.fenced_by is None
        ]
        return (alive or self.jobmanagers)[-1]

    def start_jobmanager(self, job: SimulatedJob | None = None, *, recovering: bool) -> SimulatedJobManager:
        """Another JobManager process, whatever became of the last. ``job``: changed since."""
        self._job = job or self._job
        name = f"jm-{len(self.jobmanagers) + 1}"
        self.jobmanagers.append(SimulatedJobManager(self, name, self._job, recovering=recovering))
        return self.jobmanagers[-1]

    def start_task_manager(self) -> SimulatedTaskManager:
        """Another TaskManager."""
        self._names += 1
        task_manager = SimulatedTaskManager(self, f"tm-{self._names}")
        self.task_managers.append(task_manager)
        return task_manager

    def kill(self, process: Process, *, silently: bool = False) -> None:
        """As by SIGKILL; ``silently``: as by a power cut, no connection is reset."""
        self.trace.add("world", f"kills {process.name}{' silently' if silently else ''}")
        if silently:
            self._silent.add(process)
        process.kill()

    def reset(self, session: Session, process: Process) -> None:
        """What the machine of a dead process does to its connections."""
        if process not in self._silent:
            session.died(process)

    def live_task_managers(self) -> list[SimulatedTaskManager]:
        """TaskManagers whose supervisor lives."""
        self.task_managers = [tm for tm in self.task_managers if tm.process.alive]
        return self.task_managers

    # ---- the run ------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self) -> Iterator[SimulatedLoop]:
        """Everything is set up; at the end nothing is left."""
        loop = self.world.loop
        random_before = random.getstate()
        random.seed(loop.chance.random())
        mount(STORAGE, self.storage)
        try:
            with self.trace.listening(), _engine_prepared(self.options):
                try:
                    yield loop
                finally:
                    self._end()
        finally:
            unmount(STORAGE)
            random.setstate(random_before)

    def _end(self) -> None:
        self.trace.close()
        self.world.loop.abandon()
        self.world.calls.close()
        self.world.loop.close()


@contextlib.contextmanager
def _engine_prepared(options: ClusterOptions) -> Iterator[None]:
    """Small windows; locks that can pause; no real files, which a killed process would leave open in this one."""
    patches: list[tuple[Any, Mapping[str, Any]]] = [
        (credit_windows, {"WINDOW_BYTES": options.window_bytes}),
        (channels, {"GATHER_ROWS": options.gather_rows}),
        (sink_operator, {"threading": PAUSING_THREADING}),
        (file_sink, {"threading": PAUSING_THREADING}),
        (object_parts, {"tempfile": SimpleNamespace(SpooledTemporaryFile=lambda _size: io.BytesIO())}),
    ]
    before = [(module, {name: getattr(module, name) for name in values}) for module, values in patches]
    _set(patches)
    try:
        yield
    finally:
        _set(before)


def _set(patches: list[tuple[Any, Any]]) -> None:
    for module, values in patches:
        for name, value in values.items():
            setattr(module, name, value)

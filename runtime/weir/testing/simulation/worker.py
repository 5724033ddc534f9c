"""A simulated worker: the real ``WorkerRuntime`` and data loop, in a process of the simulation instead of the machine.

It stands in for ``worker_process.WorkerProcess``, so the real supervisor starts, feeds and ends it. Rounds of the data
loop are timers of its process; a deployment, which reads storage, runs as a blocking call during which no round is made.
"""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from weir.errors import FailureKind
from weir.ids import WorkerId
from weir.operators.job_code import JobCode
from weir.rpc import codec, messages
from weir.rpc.messages import Failure, WorkerReady
from weir.taskmanager.environment import RunAsync
from weir.taskmanager.loop import DataLoop
from weir.taskmanager.runtime import Done, WorkerRuntime
from weir.taskmanager.supervision import exits
from weir.taskmanager.supervision.worker_process import WorkerCallbacks, WorkerProcess
from weir.testing.simulation.blocking_calls import BlockingCalls
from weir.testing.simulation.connections import Pipe
from weir.testing.simulation.data_plane import DataPlanes, Host
from weir.testing.simulation.trace import Trace
from weir.testing.simulation.virtual_time import Process, SimulatedLoop
from weir.testing.simulation.weather import Weather

#: Threads of a worker for uploads and commits, as in ``ThreadBackground``.
_THREADS: Final = 4


@dataclass(frozen=True)
class World:
    """What everything in a simulation shares."""

    loop: SimulatedLoop
    calls: BlockingCalls
    weather: Weather
    planes: DataPlanes
    trace: Trace


class SimulatedDataLoop(DataLoop):
    """Whatever is posted brings the next round near."""

    def __init__(self, process: Process) -> None:
        super().__init__(process)
        self.posted: Callable[[], None] = lambda: None

    def post(self, call: Callable[[], None]) -> None:
        super().post(call)
        self.posted()

    @property
    def has_mail(self) -> bool:
        """Whether something waits for the next round."""
        return bool(self._mailbox)


class SimulatedBackground:
    """Blocking calls beside the data loop; a ``taskmanager.runtime.Background``."""

    def __init__(
        self, calls: BlockingCalls, process: Process, post: Callable[[Callable[[], None]], None]
    ) -> None:
        self._calls = calls
        self._process = process
        self._post = post
        self._pool = _Queue(_THREADS, self._begin)
        self._lanes: dict[str, _Queue] = {}

    def run(self, work: Callable[[], Any], done: Done) -> None:
        self._pool.add(work, done)

    def lane(self, name: str) -> RunAsync:
        queue = self._lanes.setdefault(name, _Queue(1, self._begin))
        return queue.add

    def _begin(self, work: Callable[[], Any], done: Done, ended: Callable[[], None]) -> None:
        def finished(result: Any, error: BaseException | None) -> None:
            self._post(lambda: done(result, error))
            ended()

        self._calls.start(self._process, work, finished)


class _Queue:
    """Work for some threads."""

    def __init__(
        self, threads: int, begin: Callable[[Callable[[], Any], Done, Callable[[], None]], None]
    ) -> None:
        self._free = threads
        self._begin = begin
        self._waiting: deque[tuple[Callable[[], Any], Done]] = deque()

    def add(self, work: Callable[[], Any], done: Done) -> None:
        self._waiting.append((work, done))
        self._next()

    def _next(self) -> None:
        while self._free and self._waiting:
            self._free -= 1
            work, done = self._waiting.popleft()
            self._begin(work, done, self._ended)

    def _ended(self) -> None:
        self._free += 1
        self._next()


class SimulatedWorker(WorkerProcess):
    """See the module. Nothing of the base class runs; it is what the supervisor's callbacks are typed with."""

    def __init__(
        self,
        world: World,
        owner: Process,
        load: Callable[[messages.Deploy], JobCode],
        worker: WorkerId,
        slot: int,
        callbacks: WorkerCallbacks,
        *,
        data_thread_waits: bool = False,
    ) -> None:
        """``owner``: the supervisor's process; the worker dies with it. ``load`` gives a fresh copy of the code.

        ``data_thread_waits``: operators may wait for locks and storage, so rounds are blocking calls too.
        """
        self.worker = worker
        self.slot = slot
        self.ready = None
        self.stall_timeout = None
        self.was_used = False
        self._world = world
        self._owner = owner
        self._callbacks = callbacks
        self._released = False
        self._ended_told = False
        self.process = Process(world.loop, worker)
        chance, weather = world.loop.chance, world.weather
        self._up = Pipe(owner, weather, chance)
        self._down = Pipe(self.process, weather, chance)
        self._data_thread_waits = data_thread_waits
        #: The data thread is inside a blocking call.
        self._occupied = False
        self._next_round: _NextRound | None = None
        self.loop = SimulatedDataLoop(self.process)
        self.loop.posted = self._wake
        background = SimulatedBackground(world.calls, self.process, self.loop.post)
        self.runtime = WorkerRuntime(
            worker,
            self.loop,
            self._report,
            background,
            clock=self.process,
            load=load,
            on_deployed=lambda: None,  # this process's collector stays as it is
        )
        address = f"data:{worker}"
        self._host: Host = world.planes.listen(worker, address, self.process, self.loop.post)
        self._host.lost = lambda *lost: self.loop.post(functools.partial(self.runtime.peer_lost, *lost))
        self.runtime.network = self._host
        self.process.wall_offset_ms = owner.wall_offset_ms
        starts_in = 0.05 + chance.random() * 0.3
        started = WorkerReady(worker=worker, pid=0, data_address=address)
        self.process.call_later(starts_in, self._up.put, self._on_ready, started)

    # ---- what the supervisor uses ----------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return 0

    @property
    def was_released(self) -> bool:
        return self._released

    def send(self, payload: bytes) -> None:
        self.was_used = True
        self._down.put(self._hear, payload)

    def release(self) -> None:
        self._released = True
        self._owner.call_soon(self.kill, "released")

    def check(self, now: float) -> None:
        """Nothing hangs here; a frozen worker is found by what it fails to do."""

    def forgive(self, now: float) -> None:
        """See ``check``."""

    async def wait_ended(self) -> None:
        """At once: the simulation ends its processes itself."""

    # ---- life ------------------------------------------------------------------------------------------------

    def kill(self, why: str) -> None:
        """End the process; the supervisor learns it after everything that the worker said."""
        if self.process.alive:
            self._world.trace.add(self.worker, f"killed: {why}")
            self.process.kill()
        if not self._ended_told:
            self._ended_told = True
            self._up.put(self._callbacks.ended, self, self._cause(why))

    def _cause(self, why: str) -> Failure:
        signs = exits.LastSigns(worker=self.worker, label="", stderr="", user_frame=None, dump="")
        if self._released:
            return exits.released(signs)
        return Failure(
            kind=FailureKind.WORKER_LOST,
            message=f"worker {self.worker} was killed ({why})",
            worker=self.worker,
        )

    def _on_ready(self, started: WorkerReady) -> None:
        self.ready = started
        self._callbacks.ready(self, started)

    # ---- messages --------------------------------------------------------------------------------------------

    def _report(self, message: messages.FromWorkerMessage) -> None:
        if self.process.alive:
            if not isinstance(message, messages.MetricsReport):
                self._world.trace.add(self.worker, f"says {_brief(message)}")
            self._up.put(self._callbacks.said, self, codec.encode(message))

    def _hear(self, payload: bytes) -> None:
        message = codec.decode_to_worker(payload)
        self._world.trace.add(self.worker, f"hears {_brief(message)}")
        if isinstance(message, messages.Deploy):
            self._occupied = True
            self._world.calls.start(self.process, lambda: self.runtime.handle(message), self._came_back)
        else:
            self.loop.post(functools.partial(self.runtime.handle, message))

    def _came_back(self, worked: Any, error: BaseException | None) -> None:
        self._occupied = False
        if error is not None:
            raise error
        self._continue(worked=worked is not False)

    # ---- the data thread ---------------------------------------------------------------------------------------

    def _wake(self) -> None:
        if not self._occupied and (self._next_round is None or not self._next_round.soon):
            self._schedule(self._world.weather.of_round(self._world.loop.chance), soon=True)

    def _schedule(self, delay: float, *, soon: bool = False) -> None:
        if self._next_round is not None:
            self._next_round.handle.cancel()
        self._next_round = _NextRound(self.process.call_later(delay, self._round), soon)

    def _round(self) -> None:
        self._next_round = None
        if self._occupied:
            return
        if self._data_thread_waits:
            self._occupied = True
            self._world.calls.start(self.process, self.loop.round, self._came_back)
        else:
            self._continue(worked=self.loop.round())

    def _continue(self, *, worked: bool) -> None:
        if worked or self.loop.has_mail:
            self._schedule(self._world.weather.of_round(self._world.loop.chance), soon=True)
        else:
            self._schedule(max(0.0005, self.loop.idle_timeout()))


@dataclass(frozen=True)
class _NextRound:
    handle: Any
    soon: bool


def _brief(message: Any) -> str:
    """A message as one word and what matters of it."""
    parts = [type(message).__name__]
    vertex, index = getattr(message, "vertex", None), getattr(message, "index", None)
    if vertex is not None:
        parts.append(f"{vertex[:6]}/{index}")
    checkpoint = getattr(message, "checkpoint_id", None)
    if checkpoint is not None:
        parts.append(f"chk-{checkpoint}")
    execution = message.execution
    parts.append(f"e{execution.epoch}a{execution.attempt}")
    failure = getattr(message, "failure", None)
    if failure is not None:
        parts.append(f"[{failure.kind}] {failure.message}")
    elif getattr(message, "message", None):
        parts.append(message.message)
    return " ".join(parts)

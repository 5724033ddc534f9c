"""The event loop of a simulation: virtual time, simulated processes, and one random number for each choice.

Every handle belongs to the process in whose context it was made, tasks and timers alike, so a process can be frozen
(its handles wait) and killed (they never run, and no ``finally`` does either). Within a process handles keep asyncio's
order; between processes the seed decides. Time moves only when nobody can run. ``blocking_calls`` adds what blocks.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import heapq
import random
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, Final, TypeVar, TypeVarTuple

from weir.errors import WeirError

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")

#: Handles without any progress of time, after which a simulation is declared to spin.
SPIN_LIMIT: Final = 200_000
#: Wall time at which every simulation begins, milliseconds.
EPOCH_MS: Final = 1_700_000_000_000

_current: ContextVar[Process | None] = ContextVar("weir_simulated_process", default=None)


class Stuck(WeirError):
    """The simulation cannot go on: nothing is left to run, or it spins without any progress of time."""


class ProcessState(enum.Enum):
    """Whether a process runs."""

    RUNNING = enum.auto()
    FROZEN = enum.auto()  #: as by SIGSTOP
    DEAD = enum.auto()  #: as by SIGKILL


class Process:
    """Something that can be frozen and killed; everything that it does is a handle of its own."""

    def __init__(self, loop: SimulatedLoop, name: str) -> None:
        self.name = name
        self.loop = loop
        self.state = ProcessState.RUNNING
        #: What is due, in order.
        self.ready: deque[asyncio.Handle] = deque()
        #: Called once when it dies.
        self.on_death: list[Callable[[], None]] = []
        #: Ahead of true wall time, milliseconds; a machine's processes share it.
        self.wall_offset_ms = 0
        self.tasks: set[asyncio.Task[Any]] = set()
        self._context = Context()
        self._context.run(_current.set, self)
        loop.processes.append(self)

    @property
    def alive(self) -> bool:
        """Not killed; it may be frozen."""
        return self.state is not ProcessState.DEAD

    def run(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Start a task of this process."""
        return self.loop.create_task(work, context=self._context.copy())

    def call_soon(self, call: Callable[..., Any], *arguments: Any) -> asyncio.Handle:
        """As the loop's, in this process."""
        return self.loop.call_soon(call, *arguments, context=self._context)

    def call_later(self, delay: float, call: Callable[..., Any], *arguments: Any) -> asyncio.TimerHandle:
        """As the loop's, in this process."""
        return self.loop.call_at(self.loop.time() + delay, call, *arguments, context=self._context.copy())

    def call_at(self, when: float, call: Callable[..., Any], *arguments: Any) -> asyncio.TimerHandle:
        """As the loop's, in this process."""
        return self.loop.call_at(when, call, *arguments, context=self._context)

    def freeze(self) -> None:
        """Stop where it stands; what others send it waits."""
        if self.state is ProcessState.RUNNING:
            self.state = ProcessState.FROZEN

    def thaw(self) -> None:
        """Go on."""
        if self.state is ProcessState.FROZEN:
            self.state = ProcessState.RUNNING
            self.loop.may_run(self)

    def kill(self) -> None:
        """It never does anything again."""
        if self.state is ProcessState.DEAD:
            return
        self.state = ProcessState.DEAD
        self.ready.clear()
        for call in self.on_death:
            call()

    def wall_ms(self) -> int:
        """Its machine's wall clock."""
        return EPOCH_MS + int(self.loop.time() * 1000) + self.wall_offset_ms

    def monotonic(self) -> float:
        """Its machine's other clock."""
        return self.loop.time()


class SimulatedLoop(asyncio.BaseEventLoop):
    """An asyncio loop without sockets, threads or waiting."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        #: All that ever were, the simulation itself first.
        self.processes: list[Process] = []
        #: The simulation itself, which cannot be killed.
        self.world = Process(self, "world")
        #: Processes that have something to do and are not frozen; the value says nothing.
        self._runnable: dict[Process, None] = {}
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._made = 0
        self._since_progress = 0
        #: What a task or callback raised and nobody took.
        self.unhandled: list[str] = []
        self.set_exception_handler(self._note_unhandled)

    def time(self) -> float:
        return self._now

    # ---- scheduling ------------------------------------------------------------------------------------------

    def call_soon(
        self, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._enqueue(handle)
        return handle

    #: Whoever holds the baton of ``blocking_calls`` runs alone, so there are no other threads to be safe from.
    call_soon_threadsafe = call_soon

    def call_at(
        self, when: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._made += 1
        heapq.heappush(self._timers, (when, self._made, timer))
        return timer

    def call_later(
        self, delay: float, callback: Callable[[*_Ts], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """It is passed over when it comes up."""

    def create_task(
        self, coro: Any, *, name: object = None, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=None, context=context)
        owner = (context.get(_current) if context is not None else _current.get()) or self.world
        # Strongly: a task of a dead process must not be collected, which would run its ``finally``.
        owner.tasks.add(task)
        task.add_done_callback(owner.tasks.discard)
        return task

    def run_in_executor(self, executor: Any, func: Callable[[*_Ts], _T], *args: *_Ts) -> asyncio.Future[_T]:
        raise AssertionError(f"{func} would run on a real thread; hand blocking work in as blocking calls")

    def may_run(self, process: Process) -> None:
        """The process may have something to do."""
        if process.ready and process.state is ProcessState.RUNNING:
            self._runnable[process] = None

    def _enqueue(self, handle: asyncio.Handle) -> None:
        process = handle._context.get(_current) or self.world  # type: ignore[attr-defined]  # noqa: SLF001
        if process.state is ProcessState.DEAD:
            return
        process.ready.append(handle)
        if process.state is ProcessState.RUNNING:
            self._runnable[process] = None

    # ---- running ---------------------------------------------------------------------------------------------

    def _run_once(self) -> None:
        """One handle of one process, or the next moment at which there is one."""
        process = self._choose()
        if process is None:
            self._pass_time()
            return
        handle = process.ready.popleft()
        if not process.ready:
            self._runnable.pop(process, None)
        if handle.cancelled():
            return
        self._since_progress += 1
        if self._since_progress > SPIN_LIMIT:
            raise Stuck(f"{process.name} spins at {self._now:.6f}: {handle}")
        handle._run()  # noqa: SLF001

    def _choose(self) -> Process | None:
        while self._runnable:
            if len(self._runnable) == 1:
                process = next(iter(self._runnable))
            else:
                process = self.chance.choice(list(self._runnable))
            if process.ready and process.state is ProcessState.RUNNING:
                return process
            del self._runnable[process]
        return None

    def _pass_time(self) -> None:
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            raise Stuck(f"nothing is left to do at {self._now:.6f}")
        if timers[0][0] > self._now:
            self._now = timers[0][0]
            self._since_progress = 0
        while timers and timers[0][0] <= self._now:
            timer = heapq.heappop(timers)[2]
            if not timer.cancelled():
                self._enqueue(timer)

    def _note_unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.unhandled.append(f"{context.get('message')}: {error!r}")

    # ---- the end -----------------------------------------------------------------------------------------------

    def abandon(self) -> None:
        """End all tasks without a trace: coroutines are closed, whatever they then do is not heard."""
        for process in reversed(self.processes):
            process.kill()
        # What a coroutine does while it is closed (in a ``finally``) must find this loop, and no other.
        asyncio._set_running_loop(self)  # noqa: SLF001
        try:
            while tasks := [task for process in self.processes for task in process.tasks]:
                for task in tasks:
                    self._close(task)
        finally:
            asyncio._set_running_loop(None)  # noqa: SLF001
        self._timers.clear()
        self._runnable.clear()

    def _close(self, task: asyncio.Task[Any]) -> None:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # noqa: SLF001
        for process in self.processes:
            process.tasks.discard(task)
        with contextlib.suppress(BaseException):
            task.get_coro().close()

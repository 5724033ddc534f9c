"""One worker process from start to end: exec, its socket, its stderr, its progress, its last signs.

A :class:`WorkerProcess` tells its supervisor by three callbacks that it is ready, what it says, and, once, why it
ended; the last comes only after everything that it said before. It runs in a session of its own, so that an
interrupt at the terminal does not reach it and its own children end with it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from weir import errors
from weir.clock import Clock
from weir.errors import FailureKind
from weir.ids import WorkerId
from weir.rpc import codec, lifeline
from weir.rpc.messages import Failure, WorkerReady
from weir.taskmanager.supervision import exits, traces
from weir.taskmanager.supervision.progress import Progress, SharedProgress
from weir.taskmanager.supervision.stall import StallWatch
from weir.taskmanager.supervision.stderr import StderrTail

log = structlog.get_logger()

#: Seconds for a fresh process until its first message.
READY_TIMEOUT = 60.0
#: Seconds that ``faulthandler`` gets to write the stacks of a hung process.
DUMP_SECONDS = 0.5
#: Seconds to read what an ended process left in its pipes.
DRAIN_SECONDS = 1.0
#: The module that a worker process runs.
WORKER_MODULE = "weir.taskmanager.worker"

#: What glibc keeps of freed memory instead of returning it at once, and up to which size a piece comes from there. Batches of columns are of
#: hundreds of kilobytes: each would be mapped, cleared and unmapped by the kernel, which takes a third of their time. Other libcs ignore it.
_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": str(8 << 20), "MALLOC_MMAP_THRESHOLD_": str(4 << 20)}
_ENGINE = os.path.dirname(os.path.abspath(errors.__file__))
_STDLIB = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib")})


@dataclass(frozen=True)
class WorkerCallbacks:
    """Whom a worker process tells; all are called on the event loop."""

    ready: Callable[[WorkerProcess, WorkerReady], None]
    said: Callable[[WorkerProcess, bytes], None]
    ended: Callable[[WorkerProcess, Failure], None]


class WorkerProcess:
    """A running worker process; see the module."""

    def __init__(
        self,
        worker: WorkerId,
        slot: int,
        callbacks: WorkerCallbacks,
        clock: Clock,
        module: str,
        arguments: Sequence[str] = (),
    ) -> None:
        """``arguments``: what the module is told besides."""
        self.worker = worker
        self.slot = slot
        self.ready: WorkerReady | None = None
        #: Seconds for one call of user code; ``None``: unlimited.
        self.stall_timeout: float | None = None
        #: Whether it was given anything to do.
        self.was_used = False
        self._callbacks = callbacks
        self._clock = clock
        self._started = clock.monotonic()
        self._progress = SharedProgress()
        self._trace_fd = os.memfd_create("weir-trace")
        self._stall = StallWatch()
        #: Why it is being ended, once that is decided here.
        self._verdict: Callable[[exits.LastSigns], Failure] | None = None
        self._stderr = StderrTail()
        self._socket, theirs = socket.socketpair()
        try:
            self._process = self._exec(module, theirs, arguments)
        except OSError:
            self._socket.close()
            self._close_descriptors()
            raise
        self._outgoing: asyncio.StreamWriter | None = None
        self._task = asyncio.create_task(self._run())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def was_released(self) -> bool:
        """Whether its end was asked for."""
        return self._verdict is exits.released

    def send(self, payload: bytes) -> None:
        """Pass an encoded message on; dropped if the process ends."""
        self.was_used = True
        if self._outgoing is not None:
            self._outgoing.write(codec.frame(payload))

    def release(self) -> None:
        """End it at once; ``ended`` follows."""
        self._end(exits.released)

    def check(self, now: float) -> None:
        """Find out whether it hangs; if so end it. Called about twice a second."""
        if self._verdict is not None:
            return
        if self.ready is None:
            if now - self._started > READY_TIMEOUT:
                self._end(lambda signs: exits.never_ready(READY_TIMEOUT, signs))
            return
        stalled = self._stall.stalled_for(self._progress.read(), now)
        timeout = self.stall_timeout
        if timeout is not None and stalled > timeout:
            self._verdict = lambda signs: exits.stalled(stalled, timeout, signs)
            self._dump_then_end()

    def forgive(self, now: float) -> None:
        """The supervisor was frozen: what it did not see does not count as a stall."""
        self._started = max(self._started, now - READY_TIMEOUT / 2)
        self._stall.forgive(now)

    async def wait_ended(self) -> None:
        """Until ``ended`` was called."""
        await asyncio.wait({self._task})

    def _exec(self, module: str, theirs: socket.socket, also: Sequence[str]) -> subprocess.Popen[bytes]:
        fds = {
            "--control-fd": theirs.fileno(),
            "--progress-fd": self._progress.fd,
            "--trace-fd": self._trace_fd,
        }
        arguments = [text for name, fd in fds.items() for text in (name, str(fd))]
        with theirs:
            return subprocess.Popen(
                [sys.executable, "-m", module, "--worker-id", self.worker, *arguments, *also],
                env={**_ALLOCATOR, **lifeline.environment(PYTHONHASHSEED="0")},
                stdin=subprocess.DEVNULL,
                stderr=self._stderr.write_end,
                pass_fds=tuple(fds.values()),
                start_new_session=True,
            )

    def _end(self, verdict: Callable[[exits.LastSigns], Failure]) -> None:
        if self._verdict is None:
            self._verdict = verdict
        self._kill(signal.SIGKILL)

    def _kill(self, number: signal.Signals) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _dump_then_end(self) -> None:
        log.warning("worker hangs", worker=self.worker, operator=self._progress.read().label)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
        asyncio.get_running_loop().call_later(DUMP_SECONDS, self._kill, signal.SIGKILL)

    async def _run(self) -> None:
        try:
            await self._follow()
            failure = self._explain(self._progress.read())
        except Exception as error:
            # That it ended must be told, whatever is wrong here: a job waits for it.
            log.exception("a worker cannot be followed to its end", worker=self.worker)
            self._kill(signal.SIGKILL)
            await asyncio.to_thread(self._process.wait)
            message = f"the worker process ended; a fault of Weir while it was followed: {error!r}"
            failure = Failure(kind=FailureKind.ENGINE, message=message, worker=self.worker)
        if self._outgoing is not None:
            self._outgoing.close()
            self._outgoing = None
        self._close_descriptors()
        self._callbacks.ended(self, failure)

    def _close_descriptors(self) -> None:
        self._stderr.close()
        self._progress.close()
        os.close(self._trace_fd)

    async def _follow(self) -> None:
        """Until the process is gone and nobody here waits for one of its descriptors."""
        reader, self._outgoing = await asyncio.open_connection(sock=self._socket)
        tasks = {asyncio.create_task(self._listen(reader)), asyncio.create_task(self._stderr.drain())}
        try:
            await self._wait_exit()
            await asyncio.wait(tasks, timeout=DRAIN_SECONDS)
        finally:
            # Ended for certain before a descriptor is closed: its number may be given to the next worker at once, and
            # whoever then still watches the old one makes the event loop deaf to the new.
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        frames = codec.FrameReader()
        try:
            while data := await reader.read(1 << 18):
                for payload in frames.feed(data):
                    self._hear(payload)
        except ConnectionError:
            pass  # the process ended with something of ours unread
        except Exception:
            log.exception("worker sent nonsense", worker=self.worker)
            self._kill(signal.SIGKILL)

    def _hear(self, payload: bytes) -> None:
        if self.ready is None:
            self.ready = codec.decode_worker_ready(payload)
            self._callbacks.ready(self, self.ready)
        else:
            self._callbacks.said(self, payload)

    async def _wait_exit(self) -> None:
        loop = asyncio.get_running_loop()
        exited = asyncio.Event()
        pidfd = os.pidfd_open(self.pid)
        loop.add_reader(pidfd, exited.set)
        try:
            await exited.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
        # What user code forked goes too, while the id of the group cannot yet be given to another one.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def _explain(self, progress: Progress) -> Failure:
        dump = os.pread(self._trace_fd, 1 << 16, 0).decode(errors="replace")
        signs = exits.LastSigns(
            worker=self.worker,
            label=progress.label if progress.busy else "",
            stderr=self._stderr.tail,
            user_frame=traces.user_frame(dump, _ENGINE, _STDLIB),
            dump=traces.user_stack(dump, _ENGINE, _STDLIB),
        )
        if self._verdict is not None:
            return self._verdict(signs)
        return exits.ended(self._process.returncode, signs)

"""The worker process: ``python -m weir.taskmanager.worker``, started by a supervisor, one for each slot.

The main thread is the data thread (``loop``). An I/O thread runs the event loop: the socket to the supervisor and
the gRPC data plane. A few more threads do blocking work (uploads, commits, enumerators). A worker serves one
deployment in its life; the supervisor then ends it and starts a fresh one.
"""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import functools
import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Coroutine
from typing import Any, NoReturn

import msgspec

from weir.clock import SystemClock
from weir.ids import WorkerId
from weir.rpc import codec, lifeline, messages
from weir.rpc.tls import TlsFolder
from weir.taskmanager.exchange.dataplane import DataPlane
from weir.taskmanager.loop import DataLoop
from weir.taskmanager.runtime import ThreadBackground, WorkerRuntime
from weir.taskmanager.sampling import sample_stacks
from weir.taskmanager.supervision.progress import LAYOUT, SIZE

#: Seconds before a broken data connection counts: the peer's own end is the better explanation.
LOST_PEER_GRACE = 2.0


class SharedProgressWriter:
    """The worker's end of the memory that it shares with its supervisor."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, SIZE)
        self._counter = 0
        self._labels: dict[str, bytes] = {}
        #: What runs now; "": nothing does.
        self.label = ""

    def busy(self, label: str) -> None:
        """Inside a call for ``label`` from now on."""
        self.label = label
        encoded = self._labels.get(label)
        if encoded is None:
            encoded = self._labels[label] = label.encode()[:112]
        self._counter += 1
        LAYOUT.pack_into(self._memory, 0, self._counter, 1, encoded)

    def idle(self) -> None:
        """Waiting for something to do."""
        self.label = ""
        self._counter += 1
        LAYOUT.pack_into(self._memory, 0, self._counter, 0, b"")


class Control:
    """The socket to the supervisor, on the I/O thread."""

    def __init__(self, fd: int) -> None:
        self._socket = socket.socket(fileno=fd)
        self._writer: asyncio.StreamWriter | None = None
        self.io: asyncio.AbstractEventLoop | None = None

    async def open(self) -> asyncio.StreamReader:
        """Connect the streams to the running loop."""
        self.io = asyncio.get_running_loop()
        reader, self._writer = await asyncio.open_connection(sock=self._socket)
        return reader

    def send(self, message: msgspec.Struct) -> None:
        """From any thread; order is kept."""
        assert self.io is not None
        self.io.call_soon_threadsafe(self._write, codec.frame(codec.encode(message)))

    def _write(self, frame: bytes) -> None:
        if self._writer is not None:
            self._writer.write(frame)


async def _serve(
    control: Control,
    worker: WorkerRuntime,
    progress: SharedProgressWriter,
    host: str,
    advertise: str,
    tls_dir: str | None,
) -> None:
    """The I/O thread: data plane up, say so, then pass on what comes from the supervisor."""
    io = asyncio.get_running_loop()
    reader = await control.open()

    def on_lost(execution: messages.Execution, message: str) -> None:
        lost = functools.partial(worker.peer_lost, execution, message)
        io.call_later(LOST_PEER_GRACE, worker.loop.post, lost)

    tls = None if tls_dir is None else TlsFolder(tls_dir)
    plane = DataPlane(worker.worker, worker.loop.post, on_lost, tls)
    worker.network = plane
    address = await plane.start(host, advertise)
    control.send(messages.WorkerReady(worker=worker.worker, pid=os.getpid(), data_address=address))
    frames = codec.FrameReader()
    sampled: set[asyncio.Task[None]] = set()
    while data := await reader.read(1 << 18):
        for payload in frames.feed(data):
            message = codec.decode_for_worker(payload)
            if isinstance(message, messages.SampleStacks):
                sampling = io.create_task(sample_stacks(message, lambda: progress.label, control.send))
                sampled.add(sampling)
                sampling.add_done_callback(sampled.discard)
            else:
                worker.loop.post(functools.partial(worker.handle, message))
    # The supervisor is gone: nothing that this process still did would be wanted.
    os._exit(0)


def _run_io(serve: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(serve)
    except BaseException:  # noqa: BLE001  the process must not live on without its I/O
        faulthandler.dump_traceback()
        sys.excepthook(*sys.exc_info())
        os._exit(70)


def _trace_exits(trace_fd: int) -> None:
    """``os._exit`` in user code leaves no trace by itself; so it leaves one first."""
    leave = os._exit

    def traced_exit(status: int) -> NoReturn:
        faulthandler.dump_traceback(trace_fd)
        leave(status)

    os._exit = traced_exit


def main(arguments: list[str] | None = None) -> None:
    """Run a worker until its supervisor ends it."""
    lifeline.follow_parent()
    parser = argparse.ArgumentParser(prog="python -m weir.taskmanager.worker")
    parser.add_argument("--worker-id", required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--progress-fd", type=int, required=True)
    parser.add_argument("--trace-fd", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1", help="where to listen for rows")
    parser.add_argument("--advertise", default=None, help="where peers reach this worker; default: --host")
    parser.add_argument("--tls-dir", default=None, help="certificates of the run")
    options = parser.parse_args(arguments)
    faulthandler.register(signal.SIGUSR1, file=options.trace_fd, all_threads=True)
    faulthandler.enable(file=options.trace_fd, all_threads=True)
    _trace_exits(options.trace_fd)
    control = Control(options.control_fd)
    progress = SharedProgressWriter(options.progress_fd)
    loop = DataLoop(SystemClock(), progress)
    worker = WorkerRuntime(WorkerId(options.worker_id), loop, control.send, ThreadBackground(loop.post))
    serving = _serve(
        control, worker, progress, options.host, options.advertise or options.host, options.tls_dir
    )
    threading.Thread(target=_run_io, args=(serving,), name="weir-io-loop", daemon=True).start()
    loop.run()


if __name__ == "__main__":
    main()

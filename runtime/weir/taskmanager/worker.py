"""The worker process: ``python -m weir.taskmanager.worker``, started by a supervisor, one for each slot.

The main thread is the data thread (``loop``). An I/O thread runs the event loop: the socket to the supervisor and
the gRPC data plane. A few more threads do blocking work (uploads, commits, enumerators). A worker serves one
deployment in its life; the supervisor then ends it and starts a fresh one.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import functools
import gc
import mmap
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import msgspec

from weir.clock import Clock, SystemClock
from weir.config import JobOptions
from weir.ids import OperatorId, WorkerId
from weir.records import Barrier
from weir.rpc import codec, lifeline, messages
from weir.state.snapshot import OperatorSubtaskState
from weir.taskmanager import causes
from weir.taskmanager.dataplane import DataPlane
from weir.taskmanager.deployment import Builder, check_plan, open_tasks
from weir.taskmanager.enumerators import EnumeratorTask
from weir.taskmanager.environment import RunAsync, SnapshotRequest
from weir.taskmanager.loop import AnyTask, DataLoop, metrics_report
from weir.taskmanager.network import Endpoints
from weir.taskmanager.progress import LAYOUT, SIZE
from weir.taskmanager.snapshots import SnapshotReader, SnapshotWriter

#: Seconds before a broken data connection counts: the peer's own end is the better explanation.
LOST_PEER_GRACE = 2.0
METRICS_SECONDS = 1.0
#: Young objects after which the cyclic collector runs, between two pieces of work.
_YOUNG_OBJECTS = 20_000


class SharedProgressWriter:
    """The worker's end of the memory that it shares with its supervisor."""

    def __init__(self, fd: int) -> None:
        self._memory = mmap.mmap(fd, SIZE)
        self._counter = 0
        self._labels: dict[str, bytes] = {}

    def busy(self, label: str) -> None:
        """Inside a call for ``label`` from now on."""
        encoded = self._labels.get(label)
        if encoded is None:
            encoded = self._labels[label] = label.encode()[:112]
        self._counter += 1
        LAYOUT.pack_into(self._memory, 0, self._counter, 1, encoded)

    def idle(self) -> None:
        """Waiting for something to do."""
        self._counter += 1
        LAYOUT.pack_into(self._memory, 0, self._counter, 0, b"")


class Worker:
    """One deployment on one data loop; a ``TaskEnvironment`` for its tasks."""

    def __init__(
        self, worker: WorkerId, loop: DataLoop, send: Callable[[messages.FromWorkerMessage], None]
    ) -> None:
        self.clock: Clock = SystemClock()
        self.worker = worker
        self.loop = loop
        self.network: Any = None
        self._send = send
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="weir-io")
        self._lanes: dict[str, ThreadPoolExecutor] = {}
        self._execution: messages.Execution | None = None
        self._writer: SnapshotWriter | None = None
        self._endpoints: Endpoints | None = None
        self._failed = False
        self._metrics_at = 0.0
        loop.on_failure = self._on_failure
        loop.after_round = self._after_round

    # ---- TaskEnvironment ---------------------------------------------------------------------------------

    def report(self, message: messages.FromWorkerMessage) -> None:
        self._send(message)

    def wake(self) -> None:
        self.loop.wake()

    def run_async(self, work: Callable[[], Any], done: Callable[[Any, BaseException | None], None]) -> None:
        self._submit(self._pool, work, done)

    def serial(self, name: str) -> RunAsync:
        lane = self._lanes.setdefault(name, ThreadPoolExecutor(max_workers=1, thread_name_prefix=name[:40]))
        return lambda work, done: self._submit(lane, work, done)

    def _submit(
        self,
        pool: ThreadPoolExecutor,
        work: Callable[[], Any],
        done: Callable[[Any, BaseException | None], None],
    ) -> None:
        def finished(future: Future[Any]) -> None:
            error = future.exception()
            result = None if error is not None else future.result()
            self.loop.post(lambda: done(result, error))

        pool.submit(work).add_done_callback(finished)

    def persist(self, request: SnapshotRequest) -> Mapping[OperatorId, OperatorSubtaskState]:
        assert self._writer is not None
        return self._writer.persist(
            request.execution,
            request.checkpoint_id,
            request.subtask,
            list(request.operators),
            key_groups=request.key_groups,
            finished=request.finished,
            watermark=request.watermark,
        )

    # ---- messages of the JobManager, on the data thread ----------------------------------------------------

    def handle(self, message: messages.ToWorkerMessage) -> None:
        """Carry out what the JobManager says; what is not of this worker's deployment is dropped."""
        if isinstance(message, messages.Deploy):
            if self._execution is None:
                self._execution = message.execution
                self._deploy(message)
            return
        if message.execution != self._execution:
            return
        if isinstance(message, messages.TriggerCheckpoint):
            barrier = Barrier(message.checkpoint_id, message.timestamp_ms, message.savepoint)
            for task in self.loop.tasks:
                if isinstance(task, EnumeratorTask):
                    task.trigger(barrier)
        elif isinstance(message, messages.NotifyComplete):
            for task in self.loop.tasks:
                task.notify_complete(message.checkpoint_id)
        elif isinstance(message, messages.NotifyAborted):
            for task in self.loop.tasks:
                task.abort(message.checkpoint_id)
        else:
            self._stop_tasks()

    def _deploy(self, deploy: messages.Deploy) -> None:
        from weir.api.loader import load_job  # the user's code, and all that it needs, only where there is a job

        try:
            options = JobOptions.from_settings(deploy.settings)
            job = deploy.job
            code = load_job(
                job.entrypoint,
                job.args,
                job.python_path,
                name=job.name,
                parallelism=options.pipeline.parallelism,
                max_parallelism=options.pipeline.max_parallelism,
            )
            check_plan(deploy, code)
            root = _open(deploy.checkpoint_root)
            self._writer = SnapshotWriter(root, options.state_backend.type)
            prepared = Builder(deploy, code, self.worker, self, self.network).build()
            self._endpoints = prepared.endpoints
            self.loop.tasks = prepared.tasks
            restore = _open(deploy.restore_root) if deploy.restore_root else root
            open_tasks(prepared, deploy, SnapshotReader(restore).read)
            self.network.open(deploy.execution, prepared.endpoints)
        except BaseException as error:  # noqa: BLE001  whatever loading or opening raised fails the deployment
            self._on_failure(None, error)
            return
        _tame_collector()

    def _stop_tasks(self) -> None:
        """Close every function and say that nothing runs any more."""
        tasks, self.loop.tasks = self.loop.tasks, []
        for task in tasks:
            with contextlib.suppress(Exception):
                task.close()
        if not self._failed and tasks and self._execution is not None:
            self._send(metrics_report(self._execution, tasks))
        if self._execution is not None:
            self._send(messages.TasksCancelled(execution=self._execution))

    def _on_failure(self, task: AnyTask | None, error: BaseException) -> None:
        """Report the first failure; nothing of this deployment runs on."""
        if self._failed or self._execution is None:
            return
        self._failed = True
        stopped, self.loop.tasks = self.loop.tasks, []
        self._send(
            messages.TaskFailed(
                execution=self._execution,
                failure=causes.failure_of(error, self.worker, None if task is None else task.identity.index),
                vertex=None if task is None else task.identity.vertex.id,
                index=None if task is None else task.identity.index,
            )
        )
        for each in stopped:
            with contextlib.suppress(Exception):
                each.close()

    def peer_lost(self, execution: messages.Execution, message: str) -> None:
        """A data connection broke and nobody ended this deployment since; on the data thread."""
        if execution == self._execution and self.loop.tasks:
            self._on_failure(None, causes.PeerLost(message))

    def _after_round(self) -> None:
        if self._endpoints is not None:
            self._endpoints.flush()
        if gc.get_count()[0] > _YOUNG_OBJECTS:
            gc.collect(1)
        now = self.clock.monotonic()
        if now >= self._metrics_at and self.loop.tasks and self._execution is not None:
            self._metrics_at = now + METRICS_SECONDS
            self._send(metrics_report(self._execution, self.loop.tasks))


def _open(uri: str | None) -> Any:
    from weir.storage import open_storage

    return None if uri is None else open_storage(uri)


def _tame_collector() -> None:
    """What is alive now stays: keep the cyclic collector away from it and out of the user's calls (rule 10)."""
    gc.collect()
    gc.freeze()
    gc.disable()


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


async def _serve(control: Control, worker: Worker, host: str) -> None:
    """The I/O thread: data plane up, say so, then pass on what comes from the supervisor."""
    io = asyncio.get_running_loop()
    reader = await control.open()

    def on_lost(execution: messages.Execution, message: str) -> None:
        lost = functools.partial(worker.peer_lost, execution, message)
        io.call_later(LOST_PEER_GRACE, worker.loop.post, lost)

    plane = DataPlane(worker.worker, worker.loop.post, on_lost)
    worker.network = plane
    address = await plane.start(host)
    control.send(messages.WorkerReady(worker=worker.worker, pid=os.getpid(), data_address=address))
    frames = codec.FrameReader()
    while data := await reader.read(1 << 18):
        for payload in frames.feed(data):
            message = codec.decode_to_worker(payload)
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


def main(arguments: list[str] | None = None) -> None:
    """Run a worker until its supervisor ends it."""
    lifeline.follow_parent()
    parser = argparse.ArgumentParser(prog="python -m weir.taskmanager.worker")
    parser.add_argument("--worker-id", required=True)
    parser.add_argument("--control-fd", type=int, required=True)
    parser.add_argument("--progress-fd", type=int, required=True)
    parser.add_argument("--trace-fd", type=int, required=True)
    options = parser.parse_args(arguments)
    faulthandler.register(signal.SIGUSR1, file=options.trace_fd, all_threads=True)
    faulthandler.enable(file=options.trace_fd, all_threads=True)
    control = Control(options.control_fd)
    loop = DataLoop(SystemClock(), SharedProgressWriter(options.progress_fd))
    worker = Worker(WorkerId(options.worker_id), loop, control.send)
    host = os.environ.get("WEIR_DATA_HOST", "127.0.0.1")
    threading.Thread(
        target=_run_io, args=(_serve(control, worker, host),), name="weir-io-loop", daemon=True
    ).start()
    loop.run()


if __name__ == "__main__":
    main()

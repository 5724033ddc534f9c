"""A whole cluster in one process, for debuggers: a breakpoint in a user function stops there.

The data loops of all slots run in turn on the calling thread, where ``pdb`` and IDEs expect user code; the JobManager
runs beside it on a thread of its own, with the same sessions, messages, checkpoints and storage as anywhere. Time
stands still at a breakpoint (``debug_clock``). A failure is not restarted: it is what the person is looking for.
"""

from __future__ import annotations

import asyncio
import bdb
import contextlib
import gc
import secrets
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from msgspec import structs

from weir.api.loader import load_request
from weir.errors import FailureKind
from weir.ids import JobId, TaskManagerId, WorkerId
from weir.jobmanager.dispatcher import Dispatcher, DispatcherOptions
from weir.jobmanager.planning import PlannedJob, planned
from weir.local.debug_clock import DebugClock
from weir.local.folder_lock import FolderLock
from weir.local.loopback import Loopback
from weir.operators.job_code import JobCode
from weir.rpc import codec, messages
from weir.rpc.links import JobManagerLink, SessionEnded, memory_links
from weir.rpc.requests import JobStatus, Submit
from weir.taskmanager.loop import AnyTask, DataLoop
from weir.taskmanager.runtime import ThreadBackground, WorkerRuntime

_T = TypeVar("_T")

#: Settings that this mode makes: the first failure is shown, not repeated.
SETTINGS = {"restart-strategy.type": "none"}
_TASK_MANAGER = TaskManagerId("one-process")


class SharedLoop(DataLoop):
    """A data loop that is run in turn with others: whatever is posted wakes them all."""

    def __init__(self, clock: DebugClock, awake: threading.Event) -> None:
        super().__init__(clock, clock)
        self._awake = awake

    def post(self, call: Callable[[], None]) -> None:
        super().post(call)
        self._awake.set()


def run_in_one_process(
    spec: messages.JobSpec, code: JobCode | None = None, restore_policy: str = "Resume"
) -> JobStatus:
    """Run the job to its end on the calling thread. ``code``: the job as this process recorded it already.

    Raises ``JobLoadError`` with the user's exception as its cause. ``KeyboardInterrupt`` and a debugger's ``quit``
    suspend the job at its last completed checkpoint and are raised again.
    """
    spec = structs.replace(spec, overrides={**spec.overrides, **SETTINGS})
    with contextlib.ExitStack() as held:
        if spec.checkpoint_storage is not None:
            lock = FolderLock.acquire(spec.checkpoint_storage, spec.namespace, spec.name)
            if lock is not None:
                held.callback(lock.close)
        return _OneProcess(spec, code or load_request(spec)).run(restore_policy)


class _OneProcess:
    """One run; see the module."""

    def __init__(self, spec: messages.JobSpec, code: JobCode) -> None:
        self._spec = spec
        self._code = code
        self._planned = planned(spec, code.graph)
        self._clock = DebugClock()
        self._awake = threading.Event()
        self._loopback = Loopback()
        self._control = asyncio.new_event_loop()
        self._dispatcher: Dispatcher | None = None
        self._loops: list[DataLoop] = []

    def run(self, restore_policy: str) -> JobStatus:
        """Start the control plane, run the loops until the job is settled, end the control plane."""
        thread = threading.Thread(target=self._control.run_forever, name="weir-jobmanager", daemon=True)
        thread.start()
        try:
            job_id = self._call(self._start(restore_policy))
            try:
                self._run_loops(job_id)
            except BaseException:
                self._suspend(job_id)
                raise
            return self._status(job_id)
        finally:
            self._call(_cancel_all())
            self._control.call_soon_threadsafe(self._control.stop)
            thread.join()
            self._control.close()
            gc.enable()
            gc.unfreeze()

    # ---- the calling thread ------------------------------------------------------------------------------

    def _run_loops(self, job_id: JobId) -> None:
        while not self._settled(job_id):
            self._awake.clear()
            worked = False
            for loop in list(self._loops):
                worked |= loop.round()
            if not worked:
                self._clock.idle()
                self._awake.wait(min([0.1, *(max(0.0, loop.idle_timeout()) for loop in self._loops)]))

    def _suspend(self, job_id: JobId) -> None:
        """Stop at the last completed checkpoint; user code is called no more, but to close it."""
        assert self._dispatcher is not None
        for loop in self._loops:
            tasks, loop.tasks = loop.tasks, []
            for task in tasks:
                with contextlib.suppress(Exception):
                    task.close()
        job = self._dispatcher.jobs[job_id]
        stopping = asyncio.run_coroutine_threadsafe(self._dispatcher.shutdown(), self._control)
        while not (stopping.done() and job.is_settled):
            for loop in list(self._loops):
                with contextlib.suppress(KeyboardInterrupt):
                    loop.round()
            self._awake.wait(0.05)
            self._awake.clear()

    def _settled(self, job_id: JobId) -> bool:
        assert self._dispatcher is not None
        return self._dispatcher.jobs[job_id].is_settled

    def _status(self, job_id: JobId) -> JobStatus:
        assert self._dispatcher is not None
        dispatcher = self._dispatcher

        async def status() -> JobStatus:
            return dispatcher.jobs[job_id].status()

        return self._call(status())

    def _call(self, work: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(work, self._control).result()

    # ---- the control plane's thread ------------------------------------------------------------------------

    async def _start(self, restore_policy: str) -> JobId:
        self._dispatcher = Dispatcher(DispatcherOptions(), self._clock, planner=self._plan)
        theirs, ours = memory_links()
        # Kept here because a loop holds its tasks weakly.
        self._sides = (
            asyncio.ensure_future(self._dispatcher.serve_session(theirs)),
            asyncio.ensure_future(self._supervise(ours)),
        )
        return await self._dispatcher.submit(Submit(job=self._spec, restore_policy=restore_policy))

    async def _plan(self, _spec: messages.JobSpec) -> PlannedJob:
        return self._planned

    async def _supervise(self, link: JobManagerLink) -> None:
        """The supervisor's side of the session, for workers that are data loops of this process."""
        slots = self._planned.slots
        link.send_nowait(
            messages.Register(task_manager=_TASK_MANAGER, slots=slots, version=codec.release(), pid=0)
        )
        runtimes: dict[WorkerId, WorkerRuntime] = {}
        with contextlib.suppress(SessionEnded):
            while True:
                message = await link.receive()
                if isinstance(message, messages.Registered):
                    self._beating = asyncio.ensure_future(_beat(link, message.heartbeat_interval))
                    for slot in range(slots):
                        runtime = self._add_worker(link, slot)
                        runtimes[runtime.worker] = runtime
                elif isinstance(message, messages.ToWorker):
                    self._to_worker(runtimes[message.worker], message.payload)
                elif isinstance(message, messages.ReleaseWorker):
                    self._release(link, runtimes.pop(message.worker))

    def _add_worker(self, link: JobManagerLink, slot: int) -> WorkerRuntime:
        worker = WorkerId(f"slot-{slot}-{secrets.token_hex(3)}")
        loop = SharedLoop(self._clock, self._awake)

        def send(message: messages.FromWorkerMessage) -> None:
            up = messages.FromWorker(worker=worker, payload=codec.encode(message))
            self._control.call_soon_threadsafe(link.send_nowait, up)

        runtime = WorkerRuntime(
            worker, loop, send, ThreadBackground(loop.post), clock=self._clock, load=lambda _: self._code
        )
        loop.on_failure = _quitting(loop.on_failure)
        runtime.network = self._loopback.network(worker, loop.post)
        self._loops.append(loop)
        info = messages.WorkerInfo(worker=worker, slot=slot, pid=0, data_address="loopback")
        link.send_nowait(messages.WorkerStarted(info=info))
        return runtime

    @staticmethod
    def _to_worker(runtime: WorkerRuntime, payload: bytes) -> None:
        message = codec.decode_to_worker(payload)
        runtime.loop.post(lambda: runtime.handle(message))

    def _release(self, link: JobManagerLink, runtime: WorkerRuntime) -> None:
        """Nothing runs in it any more: the JobManager asked for the end of its tasks before."""
        self._loops = [loop for loop in self._loops if loop is not runtime.loop]
        failure = messages.Failure(kind=FailureKind.WORKER_LOST, message="released")
        link.send_nowait(messages.WorkerLost(worker=runtime.worker, failure=failure, expected=True))


def _quitting(
    on_failure: Callable[[AnyTask | None, BaseException], None],
) -> Callable[[AnyTask | None, BaseException], None]:
    """``quit`` in the debugger ends the run as Ctrl-C does; it is no failure of the job."""

    def handle(task: AnyTask | None, error: BaseException) -> None:
        if isinstance(error.__cause__, bdb.BdbQuit):
            raise KeyboardInterrupt from error
        if not isinstance(error, KeyboardInterrupt):
            on_failure(task, error)

    return handle


async def _cancel_all() -> None:
    """End everything else that runs on this loop."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def _beat(link: JobManagerLink, interval: float) -> None:
    """Heartbeats, which stop with the process."""
    sequence = 0
    while True:
        sequence += 1
        link.send_nowait(messages.TaskManagerHeartbeat(sequence=sequence))
        await asyncio.sleep(interval)

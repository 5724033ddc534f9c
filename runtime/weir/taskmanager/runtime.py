"""One deployment in one worker, whatever surrounds it: carries out what the JobManager says, on the data thread.

``worker`` puts a process around it, ``local.one_process`` a debugger's session; both hand in how work is run beside
the data thread. A runtime serves one deployment in its life.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol

from weir.clock import Clock, SystemClock
from weir.config import JobOptions
from weir.ids import CheckpointId, OperatorId, WorkerId
from weir.operators.failures import operator_failure
from weir.operators.job_code import JobCode
from weir.records import Barrier
from weir.rpc import messages
from weir.serde import allow_pickle, allow_pickle_by
from weir.state.backend import backend_for, local_folder
from weir.state.snapshot import OperatorSubtaskState
from weir.storage import open_storage
from weir.storage.base import Storage
from weir.taskmanager import causes
from weir.taskmanager.deployment import Builder, check_plan, open_tasks
from weir.taskmanager.enumerators import EnumeratorTask
from weir.taskmanager.environment import RunAsync, SnapshotRequest
from weir.taskmanager.exchange.network import Endpoints, Network
from weir.taskmanager.local_copies import NO_COPIES, copies_of
from weir.taskmanager.loop import AnyTask, DataLoop, metrics_report
from weir.taskmanager.snapshots import SnapshotReader, SnapshotWriter

METRICS_SECONDS = 1.0
#: Young objects after which the cyclic collector runs, between two pieces of work.
_YOUNG_OBJECTS = 20_000

Done = Callable[[Any, BaseException | None], None]


def load_code(deploy: messages.Deploy) -> JobCode:
    """Run the job's code in this process. Raises ``JobLoadError``."""
    from weir.api.loader import (
        load_request,  # with the user's code comes the whole API: only where there is a job
    )

    return load_request(deploy.job)


class Background(Protocol):
    """Work beside the data thread."""

    def run(self, work: Callable[[], Any], done: Done) -> None:
        """In any order with others; ``done`` is posted to the data thread."""
        ...

    def lane(self, name: str) -> RunAsync:
        """One after the other."""
        ...


class ThreadBackground:
    """On threads of this process."""

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        """``post`` runs a call on the data thread."""
        self._post = post
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="weir-io")
        self._lanes: dict[str, ThreadPoolExecutor] = {}

    def run(self, work: Callable[[], Any], done: Done) -> None:
        self._submit(self._pool, work, done)

    def lane(self, name: str) -> RunAsync:
        lane = self._lanes.setdefault(name, ThreadPoolExecutor(max_workers=1, thread_name_prefix=name[:40]))
        return lambda work, done: self._submit(lane, work, done)

    def _submit(self, pool: ThreadPoolExecutor, work: Callable[[], Any], done: Done) -> None:
        def finished(future: Future[Any]) -> None:
            error = future.exception()
            result = None if error is not None else future.result()
            self._post(lambda: done(result, error))

        pool.submit(work).add_done_callback(finished)


def tame_collector() -> None:
    """What is alive now stays: keep the cyclic collector away from it and out of the user's calls (rule 10)."""
    gc.collect()
    gc.freeze()
    gc.disable()


class WorkerRuntime:
    """A ``TaskEnvironment`` for the tasks of one deployment; see the module."""

    def __init__(
        self,
        worker: WorkerId,
        loop: DataLoop,
        send: Callable[[messages.FromWorkerMessage], None],
        background: Background,
        *,
        clock: Clock | None = None,
        load: Callable[[messages.Deploy], JobCode] = load_code,
        on_deployed: Callable[[], None] = tame_collector,
    ) -> None:
        """``send`` reports to the JobManager; ``network`` must be set before the first message is handled."""
        self.worker = worker
        self.loop = loop
        self.network: Network | None = None
        self._clock: Clock = clock or SystemClock()
        self._send = send
        self._background = background
        self._load = load
        self._on_deployed = on_deployed
        self._execution: messages.Execution | None = None
        self._writer: SnapshotWriter | None = None
        self._copies = NO_COPIES
        self._endpoints: Endpoints | None = None
        #: The JobManager was told that nothing runs any more: the first failure, or the end.
        self._over = False
        self._metrics_at = 0.0
        loop.on_failure = self._on_failure
        loop.before_pause = self._before_pause

    # ---- TaskEnvironment ---------------------------------------------------------------------------------

    @property
    def clock(self) -> Clock:
        return self._clock

    def report(self, message: messages.FromWorkerMessage) -> None:
        self._send(message)

    def wake(self) -> None:
        self.loop.wake()

    def run_async(self, work: Callable[[], Any], done: Done) -> None:
        self._background.run(work, done)

    def serial(self, name: str) -> RunAsync:
        return self._background.lane(name)

    def persist(self, request: SnapshotRequest) -> Mapping[OperatorId, OperatorSubtaskState]:
        assert self._writer is not None
        try:
            return self._writer.persist(
                request.execution,
                request.checkpoint_id,
                request.subtask,
                list(request.operators),
                key_groups=request.key_groups,
                finished=request.finished,
                watermark=request.watermark,
                savepoint=request.savepoint,
                whole=request.whole,
                in_flight=request.in_flight(),
            )
        finally:
            for _, snapshot in request.operators:
                snapshot.release()

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
            barrier = Barrier(
                message.checkpoint_id, message.timestamp_ms, message.savepoint, message.stop, message.whole
            )
            for task in self.loop.tasks:
                if isinstance(task, EnumeratorTask):
                    task.trigger(barrier, drain=message.drain)
        elif isinstance(message, messages.NotifyComplete):
            for task in self.loop.tasks:
                task.notify_complete(message.checkpoint_id)
            self._forget_older_copies(CheckpointId(message.checkpoint_id))
        elif isinstance(message, messages.NotifyAborted):
            for task in self.loop.tasks:
                task.abort(message.checkpoint_id)
        else:
            self._stop_tasks()

    def _deploy(self, deploy: messages.Deploy) -> None:
        assert self.network is not None
        try:
            options = JobOptions.from_settings(deploy.settings)
            _allow_pickle(options)
            code = self._load(deploy)
            check_plan(deploy, code)
            root = _open(deploy.checkpoint_root)
            self._copies = copies_of(options, deploy.execution.job_id)
            self._writer = SnapshotWriter(
                root,
                options.state_backend.type,
                incremental=options.state_backend.incremental,
                copies=self._copies,
            )
            backend = backend_for(options.state_backend)
            prepared = Builder(deploy, code, self.worker, self, self.network, backend).build()
            self._endpoints = prepared.endpoints
            self.loop.tasks = prepared.tasks
            restore = _open(deploy.restore_root) if deploy.restore_root else root
            own, spool = deploy.restore_root is None, local_folder(options.state_backend)
            reader = SnapshotReader(restore, own=own, copies=self._copies, spool=spool)
            open_tasks(prepared, deploy, reader)
            self._copies.tell()
            self.network.open(deploy.execution, prepared.endpoints)
        except BaseException as error:  # noqa: BLE001  whatever loading or opening raised fails the deployment
            self._on_failure(None, error)
            return
        self._on_deployed()

    def _forget_older_copies(self, completed: CheckpointId) -> None:
        if self._copies is not NO_COPIES:
            self._background.run(lambda: self._copies.completed(completed), lambda *_: None)

    def _stop_tasks(self) -> None:
        """Close every function and say that nothing runs any more."""
        tasks, self.loop.tasks = self.loop.tasks, []
        for task in tasks:
            try:
                task.close()
            except Exception as error:  # noqa: BLE001  the results are complete; this is only said
                told = operator_failure(error, f"'{task.identity.vertex.name}', in close()")
                sys.stderr.write(f"weir: {told}\n")
        if not self._over and tasks and self._execution is not None:
            self._send(metrics_report(self._execution, tasks, self.loop))
        self._over = True
        if self._execution is not None:
            self._send(messages.TasksCancelled(execution=self._execution))

    def _on_failure(self, task: AnyTask | None, error: BaseException) -> None:
        """Report the first failure; nothing of this deployment runs on. What fails after the end concerns nobody."""
        if self._over or self._execution is None:
            return
        self._over = True
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

    def _before_pause(self) -> None:
        if self._endpoints is not None:
            self._endpoints.flush()
        if self.network is not None:
            self.network.flush()
        if gc.get_count()[0] > _YOUNG_OBJECTS:
            gc.collect(1)
        now = self._clock.monotonic()
        if now >= self._metrics_at and self.loop.tasks and self._execution is not None:
            self._metrics_at = now + METRICS_SECONDS
            self._send(metrics_report(self._execution, self.loop.tasks, self.loop))


def _allow_pickle(options: JobOptions) -> None:
    if options.state_backend.pickle_key_file is None:
        allow_pickle(None)
    else:
        allow_pickle_by(options.state_backend.pickle_key_file)


def _open(uri: str | None) -> Storage | None:
    return None if uri is None else open_storage(uri)

"""A TaskManager: one supervisor that holds a session with the JobManager and one worker process per slot.

Flow: connect, register, report the workers that are ready, then pass messages both ways and heartbeat, until the
session ends; then every worker is killed (what it runs belongs to a session that is dead), fresh ones start, and
the supervisor connects again. A slot is refilled whenever its worker ends. What runs inside a worker begins in
``worker``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from weir import crashpoints
from weir.clock import Clock
from weir.config import JobOptions
from weir.ids import TaskManagerId, WorkerId
from weir.rpc import codec, logs
from weir.rpc.client import Unreachable, connect_session
from weir.rpc.links import JobManagerLink, SessionEnded
from weir.rpc.messages import (
    Deploy,
    Failure,
    FromWorker,
    Goodbye,
    JobManagerHeartbeat,
    LogText,
    NotifyComplete,
    ReadLog,
    Register,
    Registered,
    ReleaseWorker,
    TaskManagerHeartbeat,
    ToWorker,
    TriggerCheckpoint,
    WorkerInfo,
    WorkerLost,
    WorkerReady,
    WorkerStarted,
)
from weir.taskmanager import local_copies
from weir.taskmanager.supervision.silence import SilenceWatch
from weir.taskmanager.supervision.worker_process import WORKER_MODULE, WorkerCallbacks, WorkerProcess

log = structlog.get_logger()

#: Seconds between looks at the workers' progress.
CHECK_INTERVAL = 0.5
#: Seconds to find a JobManager before the next attempt.
CONNECT_TIMEOUT = 5.0
#: Back-off between attempts to connect, and between starts of workers that die before they are ready.
BACKOFF_FIRST, BACKOFF_MOST = 0.1, 2.0

Connect = Callable[[str, float], Awaitable[JobManagerLink]]
#: Starts a worker: its id and slot, whom it tells, a clock, the module that it runs.
Spawn = Callable[[WorkerId, int, WorkerCallbacks, Clock, str], WorkerProcess]


class Dismissed(Exception):
    """The JobManager ended the cluster."""


@dataclass(frozen=True)
class TaskManagerOptions:
    """What a TaskManager is told when it is started."""

    jobmanager: str  #: host:port
    slots: int
    task_manager: TaskManagerId
    worker_module: str = WORKER_MODULE
    host: str = ""  #: its machine, for people; in a cluster the pod's name


class Supervisor:
    """One TaskManager; ``run`` returns when it is dismissed or cancelled, with no worker left."""

    def __init__(
        self,
        options: TaskManagerOptions,
        clock: Clock,
        pid: int,
        connect: Connect = connect_session,
        spawn: Spawn = WorkerProcess,
        authorities: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        """``authorities`` says, at each heartbeat, whose certificates are taken here."""
        self._authorities = authorities
        self._options = options
        self._clock = clock
        self._pid = pid
        self._connect = connect
        self._spawn = spawn
        self._workers: dict[int, WorkerProcess] = {}
        #: Workers of earlier sessions that are being killed; their slots have fresh ones.
        self._ending: set[WorkerProcess] = set()
        self._started = 0
        self._early_deaths = 0
        self._link: JobManagerLink | None = None
        self._stopping = False
        #: Where jobs that ran here keep copies of their snapshots.
        self._copies: set[str] = set()

    async def run(self) -> None:
        """Serve until dismissed."""
        checking = asyncio.create_task(self._check_workers())
        backoff = BACKOFF_FIRST
        try:
            self._fill_slots()
            while True:
                try:
                    await self._session()
                    backoff = BACKOFF_FIRST
                except Unreachable as error:
                    log.warning("no JobManager", reason=str(error))
                    backoff = min(BACKOFF_MOST, backoff * 2)
                await asyncio.sleep(backoff)
        except Dismissed as order:
            log.info("dismissed by the JobManager", reason=str(order))
        finally:
            checking.cancel()
            await self._stop()

    # ---- the session ---------------------------------------------------------------------------------------

    async def _session(self) -> None:
        link = await self._connect(self._options.jobmanager, CONNECT_TIMEOUT)
        used = False
        try:
            crashpoints.hit("supervisor.session.before-register")
            registered = await self._register(link)
            crashpoints.hit("supervisor.session.registered")
            used = True
            self._link = link
            for process in self._workers.values():
                if process.ready is not None:
                    link.send_nowait(WorkerStarted(info=_info(process, process.ready)))
            await self._converse(link, registered)
        except SessionEnded as error:
            log.warning("session ended", reason=str(error))
        except codec.ProtocolError as error:
            log.warning("session ended", reason=f"the JobManager is of another release of Weir: {error}")
        finally:
            self._link = None
            await link.close()
            if used:
                self._renew_workers()

    async def _register(self, link: JobManagerLink) -> Registered:
        options = self._options
        link.send_nowait(
            Register(
                task_manager=options.task_manager,
                slots=options.slots,
                version=codec.release(),
                pid=self._pid,
                host=options.host,
            )
        )
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                answer = await link.receive()
        except TimeoutError as error:
            raise SessionEnded(f"no answer to the registration within {CONNECT_TIMEOUT:g} s") from error
        if isinstance(answer, Goodbye):
            raise Dismissed(answer.reason) if answer.shutdown else SessionEnded(answer.reason)
        if not isinstance(answer, Registered):
            raise SessionEnded(f"the JobManager answered the registration by {type(answer).__name__}")
        refusal = codec.other_release("the JobManager", answer.version, "this TaskManager")
        if refusal is not None:
            raise SessionEnded(refusal)
        log.info("registered", jobmanager=options.jobmanager, session=answer.session, slots=options.slots)
        return answer

    async def _converse(self, link: JobManagerLink, registered: Registered) -> None:
        silence = SilenceWatch(registered.heartbeat_interval / 2, self._clock.monotonic())
        # Messages have no deadline of their own: in a freeze it would pass, with what came meanwhile unread.
        patience = asyncio.timeout(None)
        beating = asyncio.create_task(self._heartbeat(link, registered.heartbeat_interval))
        watching = asyncio.create_task(self._watch(silence, registered, patience))
        try:
            async with patience:
                await self._listen(link, silence)
        except TimeoutError as error:
            if not patience.expired():
                raise
            seconds = registered.heartbeat_timeout
            raise SessionEnded(f"the JobManager was silent for {seconds:g} s") from error
        finally:
            beating.cancel()
            watching.cancel()

    async def _listen(self, link: JobManagerLink, silence: SilenceWatch) -> None:
        while True:
            message = await link.receive()
            if isinstance(message, JobManagerHeartbeat):
                silence.hear(self._clock.monotonic())
            elif isinstance(message, ReadLog):
                link.send_nowait(_log_text(message))
            else:
                self._obey(message)

    async def _watch(self, silence: SilenceWatch, registered: Registered, patience: asyncio.Timeout) -> None:
        while True:
            await asyncio.sleep(registered.heartbeat_interval / 2)
            if silence.silent_for(self._clock.monotonic()) >= registered.heartbeat_timeout:
                patience.reschedule(asyncio.get_running_loop().time())
                return

    async def _heartbeat(self, link: JobManagerLink, interval: float) -> None:
        sequence = 0
        while True:
            sequence += 1
            link.send_nowait(TaskManagerHeartbeat(sequence=sequence, authorities=self._authorities()))
            await asyncio.sleep(interval)

    def _obey(self, message: ToWorker | ReleaseWorker | Goodbye | Registered) -> None:
        if isinstance(message, ToWorker):
            self._pass_on(message)
        elif isinstance(message, ReleaseWorker):
            process = self._by_id(message.worker)
            if process is not None:
                process.release()
        elif isinstance(message, Goodbye):
            raise Dismissed(message.reason) if message.shutdown else SessionEnded(message.reason)

    def _pass_on(self, message: ToWorker) -> None:
        process = self._by_id(message.worker)
        if process is None:
            return  # it ended; the JobManager has been told, or is being told
        inner = codec.decode_for_worker(message.payload)
        if isinstance(inner, Deploy):
            options = JobOptions.from_settings(inner.settings)
            process.stall_timeout = options.process.stall_timeout
            copies = local_copies.folder_of(options, inner.execution.job_id)
            self._copies |= set() if copies is None else {copies}
            crashpoints.hit("supervisor.deploy.before-pass")
        elif isinstance(inner, TriggerCheckpoint):
            crashpoints.hit("supervisor.trigger.before-pass")
        elif isinstance(inner, NotifyComplete):
            crashpoints.hit("supervisor.notify.before-pass")
        process.send(message.payload)
        crashpoints.hit("supervisor.message.after-pass")

    # ---- the workers ---------------------------------------------------------------------------------------

    def _fill_slots(self) -> None:
        for slot in range(self._options.slots):
            if slot not in self._workers:
                self._start_worker(slot)

    def _start_worker(self, slot: int) -> None:
        if self._stopping or slot in self._workers:
            return
        self._started += 1
        worker = WorkerId(f"{self._options.task_manager}-{slot}.{self._started}")
        callbacks = WorkerCallbacks(self._on_ready, self._on_said, self._on_ended)
        module = self._options.worker_module
        try:
            self._workers[slot] = self._spawn(worker, slot, callbacks, self._clock, module)
        except OSError as error:
            log.error("a worker process cannot be started", slot=slot, reason=str(error))
            self._start_later(slot)

    def _on_ready(self, process: WorkerProcess, ready: WorkerReady) -> None:
        self._early_deaths = 0
        crashpoints.hit("supervisor.worker.ready")
        if self._link is not None:
            self._link.send_nowait(WorkerStarted(info=_info(process, ready)))

    def _on_said(self, process: WorkerProcess, payload: bytes) -> None:
        # What a worker of an earlier session says goes nowhere: it is being killed.
        if self._link is not None and self._workers.get(process.slot) is process:
            crashpoints.hit("supervisor.said.before-pass")
            self._link.send_nowait(FromWorker(worker=process.worker, payload=payload))

    def _on_ended(self, process: WorkerProcess, failure: Failure) -> None:
        if self._workers.get(process.slot) is not process:
            self._ending.discard(process)
            return
        del self._workers[process.slot]
        crashpoints.hit("supervisor.worker.before-lost")
        if self._link is not None and process.ready is not None:
            self._link.send_nowait(
                WorkerLost(worker=process.worker, failure=failure, expected=process.was_released)
            )
        if process.ready is not None or process.was_released:
            self._start_worker(process.slot)
            return
        log.error(
            "worker process ended before it was ready", reason=failure.message, stderr=failure.traceback
        )
        self._start_later(process.slot)

    def _start_later(self, slot: int) -> None:
        self._early_deaths += 1
        delay = min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** min(self._early_deaths, 10))
        asyncio.get_running_loop().call_later(delay, self._start_worker, slot)

    def _renew_workers(self) -> None:
        """Kill the workers of a dead session and start fresh ones at once; unused ones stay."""
        for slot, process in list(self._workers.items()):
            if process.was_used:
                process.release()
                del self._workers[slot]
                self._ending.add(process)
        self._fill_slots()

    def _by_id(self, worker: WorkerId) -> WorkerProcess | None:
        return next((process for process in self._workers.values() if process.worker == worker), None)

    async def _check_workers(self) -> None:
        last = self._clock.monotonic()
        while True:
            await asyncio.sleep(CHECK_INTERVAL)
            now = self._clock.monotonic()
            frozen = now - last > 5 * CHECK_INTERVAL
            last = now
            for process in list(self._workers.values()):
                if frozen:
                    process.forgive(now)
                else:
                    process.check(now)

    async def _stop(self) -> None:
        self._stopping = True
        processes = [*self._workers.values(), *self._ending]
        for process in processes:
            process.release()
        await asyncio.gather(*(process.wait_ended() for process in processes))
        local_copies.remove(self._copies)


def _log_text(question: ReadLog) -> LogText:
    kept = logs.OWN
    text = kept.read() if question.text else b""
    return LogText(trigger=question.trigger, size=kept.size, modified_ms=kept.modified_ms, text=text)


def _info(process: WorkerProcess, ready: WorkerReady) -> WorkerInfo:
    return WorkerInfo(
        worker=process.worker, slot=process.slot, pid=ready.pid, data_address=ready.data_address
    )

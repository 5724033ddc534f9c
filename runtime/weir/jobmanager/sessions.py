"""The TaskManagers as the JobManager sees them: sessions, heartbeats, and who is lost.

``serve`` holds one supervisor's session from its ``Register`` to its end. A TaskManager that sends no heartbeat for
the time-out is lost: its session is dead from then on, whatever it still says, and its workers are gone. What
happens is told to a :class:`SessionListener`; ``dispatcher`` is the one.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from weir.clock import Clock
from weir.errors import FailureKind
from weir.ids import TaskManagerId, WorkerId
from weir.rpc import codec
from weir.rpc.links import SessionEnded, TaskManagerLink
from weir.rpc.messages import (
    Failure,
    FromWorker,
    FromWorkerMessage,
    Goodbye,
    JobManagerHeartbeat,
    LogText,
    ReadLog,
    Register,
    Registered,
    ReleaseWorker,
    SampleStacks,
    SessionDown,
    SessionUp,
    StackSamples,
    TaskManagerHeartbeat,
    ToWorker,
    ToWorkerMessage,
    WorkerInfo,
    WorkerLost,
    WorkerStarted,
)
from weir.rpc.requests import TaskManagerStatus

log = structlog.get_logger()

#: Seconds for a supervisor to register after it connected.
REGISTER_TIMEOUT: Final = 10.0
#: Seconds for a worker to answer with its stacks, and for a TaskManager to tell what it logged.
PATIENCE: Final = 5.0
#: Lost TaskManagers stay in the status for this many seconds, for whoever replaces them.
REMEMBER_LOST: Final = 600.0


class SessionListener(Protocol):
    """Who is told what happens to workers; all calls are made on the event loop and return at once."""

    def worker_started(self, task_manager: TaskManagerId, info: WorkerInfo) -> None:
        """A worker can take a deployment."""
        ...

    def workers_lost(self, failures: Mapping[WorkerId, Failure]) -> None:
        """These workers do not exist any more; those that go together come in one call."""
        ...

    def worker_said(self, worker: WorkerId, message: FromWorkerMessage) -> None:
        """A worker that is not lost said this."""
        ...


class _Session:
    """One registered TaskManager."""

    def __init__(self, register: Register, link: TaskManagerLink, now: float) -> None:
        self.register = register
        self.link = link
        self.id = secrets.token_hex(8)
        self.heard = now
        self.workers: dict[WorkerId, WorkerInfo] = {}
        self.authorities: tuple[str, ...] = ()
        self.over = asyncio.Event()


class Sessions:
    """All sessions of one JobManager, and the way to each worker."""

    def __init__(self, listener: SessionListener, clock: Clock, interval: float, timeout: float) -> None:
        """``interval`` and ``timeout`` of heartbeats in seconds."""
        self._listener = listener
        self._clock = clock
        self._interval = interval
        self._timeout = timeout
        self._sessions: dict[TaskManagerId, _Session] = {}
        self._lost: dict[TaskManagerId, tuple[Register, float]] = {}
        self._by_worker: dict[WorkerId, _Session] = {}
        self._closing = False
        #: By trigger: who waits for a worker's stacks, or for a log.
        self._asked: dict[str, asyncio.Future[StackSamples | LogText]] = {}

    # ---- what the job side uses -------------------------------------------------------------------------------

    def send(self, worker: WorkerId, message: ToWorkerMessage) -> None:
        """Say something to a worker; dropped if it is lost."""
        session = self._by_worker.get(worker)
        if session is not None:
            session.link.send_nowait(ToWorker(worker=worker, payload=codec.encode(message)))

    async def sample(self, worker: WorkerId, samples: int, interval: float) -> StackSamples | None:
        """What a worker's threads do; ``None``: it is lost, or does not answer in time."""
        session = self._by_worker.get(worker)
        if session is None:
            return None
        question = SampleStacks(trigger=secrets.token_hex(8), samples=samples, interval=interval)
        wrapped = ToWorker(worker=worker, payload=codec.encode(question))
        answer = await self._ask(session, question.trigger, wrapped, samples * interval + PATIENCE)
        return answer if isinstance(answer, StackSamples) else None

    async def read_log(self, task_manager: TaskManagerId, *, text: bool) -> LogText | None:
        """What a TaskManager logged, or only how much; ``None``: it is lost, or does not answer in time."""
        session = self._sessions.get(task_manager)
        if session is None:
            return None
        question = ReadLog(trigger=secrets.token_hex(8), text=text)
        answer = await self._ask(session, question.trigger, question, PATIENCE)
        return answer if isinstance(answer, LogText) else None

    async def _ask(
        self, session: _Session, trigger: str, question: SessionDown, patience: float
    ) -> StackSamples | LogText | None:
        self._asked[trigger] = asyncio.get_running_loop().create_future()
        session.link.send_nowait(question)
        try:
            async with asyncio.timeout(patience):
                return await self._asked[trigger]
        except TimeoutError:
            return None
        finally:
            self._asked.pop(trigger, None)

    def release(self, worker: WorkerId) -> None:
        """End a worker process; ``workers_lost`` follows."""
        session = self._by_worker.get(worker)
        if session is not None:
            session.link.send_nowait(ReleaseWorker(worker=worker))

    def data_address(self, worker: WorkerId) -> str:
        """Where the worker's data plane listens. Raises ``KeyError`` if it is lost."""
        return self._by_worker[worker].workers[worker].data_address

    def statuses(self, free: frozenset[WorkerId]) -> tuple[TaskManagerStatus, ...]:
        """Registered and lately lost TaskManagers; ``free`` are the workers that no job holds."""
        now = self._clock.monotonic()
        present = [
            _status(
                session.register,
                free=len(free & session.workers.keys()),
                lost=False,
                silent_ms=round((now - session.heard) * 1000),
                workers=tuple(session.workers.values()),
                authorities=session.authorities,
            )
            for session in self._sessions.values()
        ]
        gone = [
            _status(register, free=0, lost=True, silent_ms=round((now - at) * 1000))
            for register, at in self._lost.values()
            if now - at < REMEMBER_LOST
        ]
        return tuple(sorted([*present, *gone], key=lambda status: status.id))

    def end_all(self, reason: str, *, dismiss: bool) -> None:
        """End every session and refuse new ones; ``dismiss``: the TaskManagers end too, else they come back."""
        self._closing = dismiss
        for session in list(self._sessions.values()):
            session.link.send_nowait(Goodbye(reason=reason, shutdown=dismiss))
            self._close(session, reason)

    # ---- one session ----------------------------------------------------------------------------------------------

    async def serve(self, link: TaskManagerLink) -> None:
        """Hold one supervisor's session until it ends."""
        try:
            async with asyncio.timeout(REGISTER_TIMEOUT):
                register = await link.receive()
        except codec.ProtocolError as error:
            self._refuse(link, _foreign(error))
            return
        except (TimeoutError, SessionEnded) as error:
            log.warning("session without registration", reason=repr(error))
            return
        refusal = self._refusal(register)
        if refusal is not None or not isinstance(register, Register):
            self._refuse(link, refusal or Goodbye(reason="a session begins with Register"))
            return
        session = self._open(register, link)
        listening = asyncio.create_task(self._listen(session))
        ending = asyncio.create_task(session.over.wait())
        try:
            await asyncio.wait({listening, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (listening, ending):
                task.cancel()
            self._close(session, "its connection to the JobManager broke")

    @staticmethod
    def _refuse(link: TaskManagerLink, goodbye: Goodbye) -> None:
        log.warning("taskmanager refused", reason=goodbye.reason)
        link.send_nowait(goodbye)

    def _refusal(self, register: SessionUp) -> Goodbye | None:
        if self._closing:
            return Goodbye(reason="the JobManager ends", shutdown=True)
        if not isinstance(register, Register):
            return None
        who = f"TaskManager {register.task_manager}"
        reason = codec.other_release(who, register.version, "the JobManager")
        return None if reason is None else Goodbye(reason=reason)

    def _open(self, register: Register, link: TaskManagerLink) -> _Session:
        before = self._sessions.get(register.task_manager)
        if before is not None:
            self._close(before, "its TaskManager opened a new session")
        session = _Session(register, link, self._clock.monotonic())
        self._sessions[register.task_manager] = session
        self._lost.pop(register.task_manager, None)
        link.send_nowait(
            Registered(
                session=session.id,
                version=codec.release(),
                heartbeat_interval=self._interval,
                heartbeat_timeout=self._timeout,
            )
        )
        log.info("taskmanager registered", taskmanager=register.task_manager, slots=register.slots)
        return session

    async def _listen(self, session: _Session) -> None:
        while True:
            try:
                self._hear(session, await session.link.receive())
            except SessionEnded:
                return
            except codec.ProtocolError:
                log.exception("taskmanager sent nonsense", taskmanager=session.register.task_manager)
                return

    def _hear(self, session: _Session, message: SessionUp) -> None:
        if session.over.is_set():
            return  # whatever a dead session still says
        if isinstance(message, TaskManagerHeartbeat):
            session.heard = self._clock.monotonic()
            session.authorities = message.authorities
            session.link.send_nowait(JobManagerHeartbeat(sequence=message.sequence))
        elif isinstance(message, WorkerStarted):
            session.workers[message.info.worker] = message.info
            self._by_worker[message.info.worker] = session
            self._listener.worker_started(session.register.task_manager, message.info)
        elif isinstance(message, WorkerLost):
            self._forget(session, {message.worker: message.failure})
        elif isinstance(message, LogText):
            self._answered(message)
        elif isinstance(message, FromWorker) and message.worker in session.workers:
            said = codec.decode_of_worker(message.payload)
            if isinstance(said, StackSamples):
                self._answered(said)
            else:
                self._listener.worker_said(message.worker, said)

    def _answered(self, answer: StackSamples | LogText) -> None:
        waiting = self._asked.pop(answer.trigger, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _forget(self, session: _Session, failures: Mapping[WorkerId, Failure]) -> None:
        lost = {worker: failure for worker, failure in failures.items() if worker in session.workers}
        for worker in lost:
            del session.workers[worker], self._by_worker[worker]
        if lost:
            self._listener.workers_lost(lost)

    def _close(self, session: _Session, why: str) -> None:
        """The session is dead: nothing of it is heard any more, its workers are lost."""
        if session.over.is_set():
            return
        session.over.set()
        name = session.register.task_manager
        if self._sessions.get(name) is session:
            del self._sessions[name]
        if not self._closing:
            log.warning("taskmanager lost", taskmanager=name, reason=why)
        message = f"TaskManager {name} is lost: {why}"
        # All at once: who hears of one may ask for slots, and must not be given another one of this TaskManager.
        failures = {
            worker: Failure(kind=FailureKind.WORKER_LOST, message=message, worker=worker)
            for worker in session.workers
        }
        self._forget(session, failures)

    # ---- liveness ---------------------------------------------------------------------------------------------------

    async def watch(self) -> None:
        """Declare silent TaskManagers lost, for ever."""
        period = self._interval / 2
        last = self._clock.monotonic()
        while True:
            await asyncio.sleep(period)
            now = self._clock.monotonic()
            # Frozen ourselves: heartbeats lie unread, so their absence means nothing yet.
            frozen = now - last > self._interval + period
            last = now
            for session in list(self._sessions.values()):
                if frozen:
                    session.heard = now
                elif now - session.heard > self._timeout:
                    self._declare_lost(session, now)

    def _declare_lost(self, session: _Session, now: float) -> None:
        silence = now - session.heard
        self._lost[session.register.task_manager] = (session.register, now)
        session.link.send_nowait(Goodbye(reason=f"no heartbeat came for {silence:.1f} s"))
        self._close(session, f"no heartbeat for {silence:.1f} s (heartbeat.timeout is {self._timeout:g} s)")


def _foreign(error: codec.ProtocolError) -> Goodbye:
    """To a TaskManager whose first message is not understood here."""
    version = codec.claimed_release(error.data)
    reason = codec.other_release("the TaskManager", version, "the JobManager")
    return Goodbye(reason=reason or f"the TaskManager's first message is not understood: {error}")


def _status(
    register: Register,
    *,
    free: int,
    lost: bool,
    silent_ms: int,
    workers: tuple[WorkerInfo, ...] = (),
    authorities: tuple[str, ...] = (),
) -> TaskManagerStatus:
    return TaskManagerStatus(
        id=register.task_manager,
        pid=register.pid,
        slots=register.slots,
        free=free,
        lost=lost,
        silent_ms=silent_ms,
        host=register.host,
        workers=workers,
        authorities=authorities,
    )

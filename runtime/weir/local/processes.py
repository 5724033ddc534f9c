"""The processes of a local cluster, kept alive: a JobManager on a fixed loopback port, and TaskManagers as needed.

``Keeper`` runs on one event loop. A JobManager that died is started again and given its jobs back, to be recovered along
their logs; a TaskManager that died, or that the JobManager declared lost, is ended and replaced; when jobs need more
slots than there are, TaskManagers are added. Everything it started ends with ``stop``, and with this process.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from msgspec import structs

from weir.config.options import PARALLELISM
from weir.errors import Fenced, WeirError
from weir.ids import JobId, TaskManagerId
from weir.jobmanager.main import DEFAULT_REST, FENCED_EXIT
from weir.jobmanager.rest import listening
from weir.jobmanager.rest.token_file import token_for
from weir.rpc import lifeline
from weir.rpc.client import JobManagerClient, Unreachable
from weir.rpc.messages import JobSpec
from weir.rpc.requests import ClusterAnswer, JobStatus

log = structlog.get_logger()

#: Seconds between looks at processes, and at what the JobManager says of them.
LOOK_INTERVAL: Final = 0.1
ASK_INTERVAL: Final = 0.5
#: A JobManager that answers nothing for this many seconds is replaced.
PATIENCE: Final = 30.0
#: So many deaths of a JobManager in a row, each before it answered, are its end.
EARLY_DEATHS: Final = 5
#: Seconds for processes to end by themselves, before they are killed.
STOP_TIMEOUT: Final = 5.0


@dataclass(frozen=True)
class ClusterOptions:
    """What a local cluster consists of."""

    #: Slots of each TaskManager; ``None``: one TaskManager with as many as the jobs need.
    slots: int | None = None
    #: TaskManagers to begin with.
    task_managers: int = 1
    #: Environment variables for all processes.
    environment: Mapping[str, str] = field(default_factory=dict)
    #: ``HOST:PORT`` of REST, or ``DEFAULT_REST``: the default one or the next free one; ``None``: no REST.
    rest: str | None = None
    rest_token_file: str | None = None


@dataclass
class _TaskManager:
    id: str
    slots: int
    process: subprocess.Popen[bytes]


class Keeper:
    """See the module; used from its event loop only."""

    def __init__(self, options: ClusterOptions) -> None:
        """Raises ``AddressInUse``, ``ConfigError`` for the address of REST."""
        #: Bound here and handed to each JobManager, so that nobody takes the port between two of them.
        self._rest = _rest_socket(options)
        self.rest_address = None if self._rest is None else listening.text_of(self._rest)
        self.port = _free_port()
        self.client = JobManagerClient(f"127.0.0.1:{self.port}")
        self.jobmanager: subprocess.Popen[bytes] | None = None
        #: Why the cluster cannot go on.
        self.fault: WeirError | None = None
        self._options = options
        self._task_managers: dict[str, _TaskManager] = {}
        self._jobs: dict[JobId, JobSpec] = {}
        #: With which each job began.
        self._parallelism: dict[JobId, int] = {}
        #: TaskManagers without a job at the last look, and those that were told to end.
        self._idle: set[TaskManagerId] = set()
        self._leaving: list[subprocess.Popen[bytes]] = []
        self._ready = asyncio.Event()
        self._early_deaths = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    @property
    def taskmanager_pids(self) -> list[int]:
        """The TaskManager processes that live."""
        return [tm.process.pid for tm in self._task_managers.values()]

    async def start(self) -> None:
        """Start a JobManager, and TaskManagers if their size is known."""
        self._start_jobmanager()
        if self._options.slots is not None:
            for _ in range(self._options.task_managers):
                self._start_taskmanager(self._options.slots)
        self._tasks = [asyncio.create_task(self._look()), asyncio.create_task(self._ask())]

    async def submit(self, spec: JobSpec, *, slots_hint: int, restore_policy: str) -> JobId:
        """Hand a job in, and again if the JobManager dies meanwhile. Raises what it is refused for."""
        if self._options.slots is None and not self._task_managers:
            self._start_taskmanager(slots_hint)
        token = secrets.token_hex(8)
        while True:
            await self.wait_ready()
            try:
                job = await self.client.submit(spec, restore_policy=restore_policy, token=token)
            except Unreachable:
                await asyncio.sleep(LOOK_INTERVAL)
                continue
            self._jobs[job] = spec
            return job

    async def wait_ready(self) -> None:
        """Until a JobManager answers and has its jobs. Raises the cluster's fault."""
        while not self._ready.is_set():
            if self.fault is not None:
                raise self.fault
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_INTERVAL):
                    await self._ready.wait()

    def forget(self, job: JobId) -> None:
        """The job is settled: a new JobManager need not know it."""
        self._jobs.pop(job, None)

    async def stop(self, *, at_once: bool) -> None:
        """End everything, within ``STOP_TIMEOUT`` or at once."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        processes = [*self._leaving, *(tm.process for tm in self._task_managers.values())]
        if self.jobmanager is not None:
            processes.append(self.jobmanager)
        if not at_once:
            with contextlib.suppress(WeirError):
                await self.client.shutdown(timeout=STOP_TIMEOUT)
            for process in processes:
                _signal(process, signal.SIGTERM)
            await _wait_ended(processes, STOP_TIMEOUT)
        for process in processes:
            _kill(process)
        await self.client.__aexit__(None, None, None)
        # gRPC's last events are for this loop; they must find it open.
        await asyncio.sleep(0.05)
        if self._rest is not None:
            self._rest.close()

    # ---- the JobManager -----------------------------------------------------------------------------------------

    def _start_jobmanager(self) -> None:
        self._ready.clear()
        command = ["weir.jobmanager", "--port", str(self.port)]
        handed: tuple[int, ...] = ()
        if self._rest is not None:
            handed = (self._rest.fileno(),)
            command += ["--rest-fd", str(self._rest.fileno())]
        if self._options.rest_token_file is not None:
            command += ["--rest-token-file", self._options.rest_token_file]
        self.jobmanager = self._start(command, handed)

    def _check_jobmanager(self) -> None:
        process = self.jobmanager
        if process is None or process.poll() is None:
            return
        if process.returncode == FENCED_EXIT:
            self._fail(Fenced("another JobManager took over a job of this cluster; this cluster must stop"))
            return
        if not self._ready.is_set():
            self._early_deaths += 1
            if self._early_deaths >= EARLY_DEATHS:
                self._fail(
                    WeirError(
                        f"the JobManager ended {EARLY_DEATHS} times before it answered; see its messages above"
                    )
                )
                return
        log.warning("jobmanager ended, starting another", status=process.returncode)
        self._start_jobmanager()

    def _fail(self, fault: WeirError) -> None:
        self.fault = fault
        self._ready.clear()
        self.jobmanager = None

    async def _give_jobs_back(self) -> None:
        """A fresh JobManager answers: it recovers the jobs that ran."""
        for job, spec in list(self._jobs.items()):
            await self.client.submit(spec, recovering=True, job_id=job)
        self._early_deaths = 0
        self._ready.set()

    # ---- TaskManagers -------------------------------------------------------------------------------------------

    def _start_taskmanager(self, slots: int) -> None:
        name = f"local-{secrets.token_hex(3)}"
        arguments = ["--jobmanager", f"127.0.0.1:{self.port}", "--slots", str(slots), "--id", name]
        process = self._start(["weir.taskmanager", *arguments])
        self._task_managers[name] = _TaskManager(name, slots, process)

    def _check_taskmanagers(self) -> None:
        for tm in list(self._task_managers.values()):
            if tm.process.poll() is not None:
                log.warning("taskmanager ended, starting another", status=tm.process.returncode)
                del self._task_managers[tm.id]
                self._start_taskmanager(tm.slots)

    def _act_on(self, answer: ClusterAnswer) -> None:
        for status in answer.task_managers:
            tm = self._task_managers.get(status.id)
            if status.lost and tm is not None:
                log.warning("taskmanager is lost, ending it", taskmanager=tm.id)
                _kill(tm.process)
        required = sum(job.slots_required for job in answer.jobs if not job.state.is_settled)
        present = sum(tm.slots for tm in self._task_managers.values())
        while required > present:
            slots = self._options.slots or required - present
            self._start_taskmanager(slots)
            present += slots
        self._stop_surplus(answer, present - required)
        for job in answer.jobs:
            self._remember_parallelism(job)

    def _stop_surplus(self, answer: ClusterAnswer, surplus: int) -> None:
        """End a TaskManager that no job needs any more, if it was free for two looks; not those to begin with."""
        idle = {tm.id for tm in answer.task_managers if tm.free == tm.slots and not tm.lost}
        before, self._idle = self._idle, idle
        for tm in list(self._task_managers.values()):
            if len(self._task_managers) <= self._options.task_managers:
                return
            if tm.id in idle & before and tm.slots <= surplus:
                log.info("taskmanager is not needed any more, ending it", taskmanager=tm.id)
                surplus -= tm.slots
                del self._task_managers[tm.id]
                self._leaving.append(tm.process)
                _signal(tm.process, signal.SIGTERM)

    def _remember_parallelism(self, status: JobStatus) -> None:
        """A job that was rescaled keeps its parallelism when a JobManager that is started anew recovers it."""
        spec = self._jobs.get(status.job_id)
        if spec is None or status.parallelism == 0:
            return
        began_with = self._parallelism.setdefault(status.job_id, status.parallelism)
        known = spec.overrides.get(PARALLELISM.key, str(began_with))
        if known != str(status.parallelism):
            overrides = {**spec.overrides, PARALLELISM.key: str(status.parallelism)}
            self._jobs[status.job_id] = structs.replace(spec, overrides=overrides)

    # ---- watching -----------------------------------------------------------------------------------------------

    async def _look(self) -> None:
        while True:
            self._check_jobmanager()
            self._check_taskmanagers()
            await asyncio.sleep(LOOK_INTERVAL)

    async def _ask(self) -> None:
        loop = asyncio.get_running_loop()
        answered = loop.time()
        process = self.jobmanager
        while True:
            await asyncio.sleep(LOOK_INTERVAL if not self._ready.is_set() else ASK_INTERVAL)
            if self.jobmanager is not process:
                process, answered = self.jobmanager, loop.time()
            try:
                answer = await self.client.cluster(timeout=2.0)
                if not self._ready.is_set():
                    await self._give_jobs_back()
                self._act_on(answer)
            except Unreachable:
                if loop.time() - answered > PATIENCE and process is not None:
                    log.error("jobmanager does not answer, ending it")
                    _kill(process)
            except WeirError as error:
                self._fail(error)
            else:
                answered = loop.time()

    def _start(self, command: list[str], handed: tuple[int, ...] = ()) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            env=lifeline.environment(**self._options.environment),
            stdin=subprocess.DEVNULL,
            pass_fds=handed,
            start_new_session=True,
        )


def _rest_socket(options: ClusterOptions) -> socket.socket | None:
    if options.rest is None:
        return None
    bound = listening.bind(None if options.rest == DEFAULT_REST else options.rest)
    try:
        token_for(bound, options.rest_token_file)
    except BaseException:
        bound.close()
        raise
    return bound


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    if process.poll() is None:
        os.kill(process.pid, number)


def _kill(process: subprocess.Popen[bytes]) -> None:
    _signal(process, signal.SIGKILL)
    if process.returncode is None:
        process.wait()


async def _wait_ended(processes: list[subprocess.Popen[bytes]], timeout: float) -> None:
    deadline = asyncio.get_running_loop().time() + timeout
    while any(process.poll() is None for process in processes):
        if asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(0.02)

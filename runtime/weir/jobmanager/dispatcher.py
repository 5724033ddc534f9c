"""All jobs of a JobManager, its TaskManagers and its clients: who is told what.

The dispatcher is the ``SessionListener`` (workers come, go and speak) and the ``ControlService`` (clients ask).
It decides only which job a message is for, and which id a submitted job has.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

import structlog

from weir.checkpoint.paths import METADATA
from weir.clock import Clock
from weir.config import nearest
from weir.errors import ConfigError, UnknownJob, WeirError, WrongState
from weir.ids import JobId, TaskManagerId, WorkerId, new_job_id
from weir.jobmanager.care.disposal import Disposals
from weir.jobmanager.checkpoints.checkpointing import Blocking
from weir.jobmanager.facts import ClusterFacts
from weir.jobmanager.history.activation import Activation
from weir.jobmanager.history.journal import Journal, StoredJournal
from weir.jobmanager.history.restoring import choose_job
from weir.jobmanager.history.unstored_journal import UnstoredJournal
from weir.jobmanager.job import Job
from weir.jobmanager.job_services import JobServices
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.jobmanager.operations import Operation, OperationKind
from weir.jobmanager.planning import PlannedJob, Planner, PlanningError, plan_job
from weir.jobmanager.sessions import Sessions
from weir.jobmanager.slots.slot_pool import SlotPool
from weir.jobmanager.stacks import Stacks
from weir.rpc import codec, requests
from weir.rpc.links import TaskManagerLink
from weir.rpc.messages import Failure, FromWorkerMessage, JobSpec, LogText, WorkerInfo
from weir.rpc.requests import Answer, CertificateSlot, Request
from weir.storage import absolute_uri

log = structlog.get_logger()

#: Seconds for which a shutdown waits until those who began something asked how it ended.
TELL_PATIENCE: Final = 1.0
_TELL_POLL: Final = 0.05


@dataclass(frozen=True)
class DispatcherOptions:
    """What a JobManager is told when it is started. Times in seconds."""

    heartbeat_interval: float = 2.0
    heartbeat_timeout: float = 8.0
    run: str = "local"  #: names the workloads it runs in
    #: The certificates that this process has; none where gRPC is open.
    certificates: Callable[[], tuple[CertificateSlot, ...]] = tuple


class Dispatcher:
    """See the module. Jobs are kept until the JobManager ends."""

    def __init__(
        self,
        options: DispatcherOptions,
        clock: Clock,
        planner: Planner = plan_job,
        blocking: Blocking = asyncio.to_thread,
    ) -> None:
        self.sessions = Sessions(self, clock, options.heartbeat_interval, options.heartbeat_timeout)
        self.jobs: dict[JobId, Job] = {}
        self.stacks = Stacks(self.sessions.sample, clock)
        self.disposals = Disposals(blocking, self._started_from)
        #: Set when this process is to end; ``fenced_by`` says whether it was overtaken.
        self.ending = asyncio.Event()
        self.fenced_by: str | None = None
        self._planner = planner
        self._run = options.run
        self._certificates = options.certificates
        #: Tells this process from the one before it.
        self._instance = secrets.token_hex(4)
        self._submitting = asyncio.Lock()
        #: By the token of the call that submitted it.
        self._tokens: dict[str, JobId] = {}
        self._services = JobServices(
            clock=clock,
            gateway=self.sessions,
            pool=SlotPool(),
            planner=planner,
            journal_of=self._journal_of,
            fenced=self._fenced,
            jitter=lambda: random.uniform(-1, 1),
            blocking=blocking,
            replan=planner,
        )

    # ---- sessions -----------------------------------------------------------------------------------------------

    async def serve_session(self, link: TaskManagerLink) -> None:
        """Hold one TaskManager's session."""
        await self.sessions.serve(link)

    def worker_started(self, task_manager: TaskManagerId, info: WorkerInfo) -> None:
        self._services.pool.add(info.worker, task_manager)

    def workers_lost(self, failures: Mapping[WorkerId, Failure]) -> None:
        for worker in failures:
            self._services.pool.remove(worker)
        for job in list(self.jobs.values()):
            for worker, failure in failures.items():
                job.worker_lost(worker, failure)

    def worker_said(self, worker: WorkerId, message: FromWorkerMessage) -> None:
        job = self.jobs.get(message.execution.job_id)
        if job is not None:
            job.hear(worker, message)

    # ---- clients ------------------------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Answer:
        """Carry a client's call out. Raises ``WeirError`` for what is refused."""
        match request:
            case requests.Submit():
                return requests.Submitted(job_id=await self.submit(request))
            case requests.GetStatus():
                return requests.StatusAnswer(status=self.find(request.job).status())
            case requests.Suspend():
                await self._stop(request.job, StopKind.SUSPEND)
            case requests.Cancel():
                await self._stop(request.job, StopKind.CANCEL)
            case requests.TriggerSavepoint():
                steering = self.find(request.job).steering
                return _told(steering.savepoint(request.target, request.trigger or None))
            case requests.Stop():
                steering = self.find(request.job).steering
                return _told(
                    steering.stop(request.target, drain=request.drain, trigger=request.trigger or None)
                )
            case requests.GetSavepoint():
                return await self._savepoint(request)
            case requests.Rescale():
                steering = self.find(request.job).steering
                operation = steering.rescale(request.parallelism, request.trigger or None)
                operation = await steering.wait(operation)
                if operation.failure is not None:
                    raise WrongState(operation.failure)
            case requests.GetCluster():
                return requests.ClusterAnswer(
                    task_managers=self.sessions.statuses(self._services.pool.free),
                    jobs=tuple(job.status() for job in self.jobs.values()),
                )
            case requests.Shutdown():
                await self.shutdown()
        return requests.Done()

    async def read_log(self, task_manager: TaskManagerId, *, text: bool) -> LogText | None:
        """What a TaskManager logged, or only how much; ``None``: it does not answer."""
        return await self.sessions.read_log(task_manager, text=text)

    def now_ms(self) -> int:
        """Wall time."""
        return self._services.clock.wall_ms()

    def facts(self, *, with_jobs: bool = True) -> ClusterFacts:
        """Everything here at this moment, for REST."""
        return ClusterFacts(
            now_ms=self.now_ms(),
            version=codec.release(),
            task_managers=self.sessions.statuses(self._services.pool.free),
            jobs=tuple(job.facts() for job in self.jobs.values()) if with_jobs else (),
            ending=self.ending.is_set() or self.fenced_by is not None,
            run=self._run,
            instance=self._instance,
            certificates=self._certificates() if with_jobs else (),
        )

    async def submit(self, request: requests.Submit) -> JobId:
        """Plan a job, find its id and start it. What is wrong with its code is told by its status."""
        spec = request.job
        if request.job_id is None:
            planner, planned = await self._plan(spec)
        else:
            planner, planned = self._planner, None
        async with self._submitting:
            known = self._submitted_before(request)
            if known is not None:
                return known
            job_id, note = await self._job_id(request, planned)
            services = replace(self._services, planner=planner)
            run = int(self._run) if self._run.isascii() and self._run.isdigit() else 0
            activation = Activation(request.directive, standby=request.standby, run=run)
            job = Job(job_id, spec, services, recovering=request.recovering, note=note, activation=activation)
            self.jobs[job_id] = job
            self._tokens[request.token] = job_id
            log.info("job submitted", job=job_id, name=spec.name, note=note)
            job.start()
        return job_id

    def _submitted_before(self, request: requests.Submit) -> JobId | None:
        """The job that an earlier call of the same request made. Raises ``WeirError`` if the name is in use."""
        if request.token and request.token in self._tokens:
            return self._tokens[request.token]
        spec = request.job
        for job in self.jobs.values():
            if (job.spec.namespace, job.spec.name) == (spec.namespace, spec.name) and not job.is_settled:
                if request.job_id == job.job_id:
                    return job.job_id
                raise WeirError(f"job {spec.name!r} runs here already, as {job.job_id}; cancel it first")
        return None

    async def shutdown(self) -> None:
        """Suspend all jobs, dismiss the TaskManagers, then let the process end."""
        for job in self.jobs.values():
            job.stop_nowait(StopKind.SUSPEND)
        await asyncio.gather(*(job.settled.wait() for job in self.jobs.values()))
        # Who polls for a stop with a savepoint is told that it is done before this process is gone.
        for _ in range(round(TELL_PATIENCE / _TELL_POLL)):
            if not any(job.operations.untold for job in self.jobs.values()):
                break
            await asyncio.sleep(_TELL_POLL)
        self.sessions.end_all("the cluster shuts down", dismiss=True)
        asyncio.get_running_loop().call_later(0.1, self.ending.set)  # the answer leaves first

    async def _plan(self, spec: JobSpec) -> tuple[Planner, PlannedJob | None]:
        """Plan once, before the job's id is known: only its settings say where its earlier life is."""
        try:
            planned = await self._planner(spec)
        except PlanningError as error:
            return _answering(error), None
        return _answering(planned), planned

    async def _job_id(self, request: requests.Submit, planned: PlannedJob | None) -> tuple[JobId, str]:
        if request.job_id is not None:
            return request.job_id, ""
        root = None if planned is None else checkpoint_root(planned)
        if root is None:
            return new_job_id(), ""
        found, note = await self._services.blocking(choose_job, request.job, root, request.restore_policy)
        return found or new_job_id(), note

    def find(self, job: str) -> Job:
        """By id, or the newest of that name. Raises ``UnknownJob`` naming the nearest one."""
        for known in reversed(self.jobs.values()):
            if job in (known.job_id, known.spec.name):
                return known
        names = sorted({known.spec.name for known in self.jobs.values()})
        near = nearest(job, [*names, *self.jobs])
        hint = f"did you mean {near}?" if near else f"there are: {', '.join(names) or 'none'}"
        raise UnknownJob(f"no job {job!r} here; {hint}")

    def _started_from(self, uri: str) -> str | None:
        """A job that goes on from the snapshot there when it fails before its next checkpoint."""
        for job in self.jobs.values():
            if not job.is_settled and job.spec.restore_from is not None:
                folder = job.spec.restore_from.rstrip("/").removesuffix("/" + METADATA)
                if folder == absolute_uri(uri):
                    return job.name
        return None

    async def _savepoint(self, request: requests.GetSavepoint) -> requests.SavepointAnswer:
        job = self.find(request.job)
        operation = job.steering.operations.get(OperationKind.SAVEPOINT, request.trigger)
        if operation is None:
            raise WrongState(
                f"no savepoint of job {job.name} was triggered under {request.trigger!r} at this JobManager, or it was long "
                "ago; trigger it again"
            )
        return _told(await job.steering.wait(operation, request.wait))

    async def _stop(self, name: str, kind: StopKind) -> None:
        job = self.find(name)
        job.stop_nowait(kind)
        await job.settled.wait()

    # ---- services of jobs ---------------------------------------------------------------------------------------

    def _journal_of(self, planned: PlannedJob, job: JobId) -> Journal:
        enabled, root = planned.options.checkpoints.enabled, checkpoint_root(planned)
        if root is None and planned.spec.managed_by:
            # Without checkpoints, too, a log tells the first start of a run from one after a lost pod.
            root = planned.options.checkpoints.directory or planned.spec.checkpoint_storage
        if root is not None:
            return StoredJournal(
                planned.spec,
                job,
                root,
                self._run,
                self._services.clock,
                resumes=enabled,
                claims=planned.options.checkpoints.claims,
                retained=planned.options.checkpoints.num_retained,
            )
        if enabled:
            raise ConfigError(
                "execution.checkpointing.interval is set, but there is no place for checkpoints; "
                "set storage.checkpoints (state.checkpoints.dir)"
            )
        return UnstoredJournal(planned.spec, job)

    def _fenced(self, message: str) -> None:
        log.error("fenced: another JobManager took over", reason=message)
        self.fenced_by = message
        self.ending.set()


def _told(operation: Operation) -> requests.SavepointAnswer:
    return requests.SavepointAnswer(
        trigger=operation.trigger, done=operation.done, path=operation.path, failure=operation.failure
    )


def checkpoint_root(planned: PlannedJob) -> str | None:
    """Where the job's checkpoints go; ``None``: checkpointing is off, nothing is stored."""
    options = planned.options.checkpoints
    if not options.enabled:
        return None
    return options.directory or planned.spec.checkpoint_storage


def _answering(outcome: PlannedJob | PlanningError) -> Callable[[JobSpec], Awaitable[PlannedJob]]:
    async def plan(_spec: JobSpec) -> PlannedJob:
        if isinstance(outcome, PlanningError):
            raise outcome
        return outcome

    return plan

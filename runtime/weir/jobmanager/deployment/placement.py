"""The plan in force, the worker of each of its subtasks, and the way to them.

A plan that is to follow (another parallelism) takes effect with the next deployment.
"""

from __future__ import annotations

from collections import Counter

from msgspec import structs

from weir import crashpoints
from weir.ids import JobId, SubtaskId, TaskManagerId, WorkerId
from weir.jobmanager.deployment.scheduler import deployments
from weir.jobmanager.deployment.task_table import TaskTable
from weir.jobmanager.history.restoring import Restore
from weir.jobmanager.job_services import JobServices
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.region_events import DeployRegion
from weir.jobmanager.planning import PlannedJob
from weir.jobmanager.rescales.rescaling import stays_on
from weir.jobmanager.slots.slot_matching import match
from weir.rpc import messages
from weir.rpc.messages import Execution
from weir.rpc.requests import TaskState


class Placement:
    """Of one job; see the module."""

    def __init__(self, job: JobId, services: JobServices) -> None:
        self.planned: PlannedJob | None = None
        self.table: TaskTable | None = None
        #: URI of the job's folder, once it is known.
        self.root: str | None = None
        self._job = job
        self._services = services
        self._next: PlannedJob | None = None
        #: The TaskManagers that the next attempt stays on, if that matters.
        self._stays_on: frozenset[TaskManagerId] | None = None
        self._placed: dict[SubtaskId, WorkerId] = {}
        #: What each worker of the attempt was deployed as.
        self._executions: dict[WorkerId, Execution] = {}

    def plan(self, planned: PlannedJob) -> None:
        """The first plan."""
        self.planned = planned
        self.table = TaskTable(planned.plan)

    def plan_next(self, planned: PlannedJob, workers: set[WorkerId]) -> None:
        """From the next attempt on this is the plan; ``workers`` are those of this attempt."""
        self._next = planned
        homes = Counter(home for worker in workers if (home := self._services.pool.home(worker)))
        self._stays_on = stays_on(homes, planned.slots) if planned.slots < len(workers) else None

    def take_stays_on(self) -> frozenset[TaskManagerId] | None:
        """Where the next attempt is to stay; asked once."""
        among, self._stays_on = self._stays_on, None
        return among

    def take_next(self) -> PlannedJob | None:
        """The plan that takes effect now, if it is another one."""
        following, self._next = self._next, None
        if following is not None:
            self.planned = following
            self.known_table.replan(following.plan)
        return following

    def deploy(self, order: ev.DeployAttempt, restore: Restore | None) -> None:
        """Hand each worker its subtasks. Raises ``SnapshotMismatch``."""
        assert self.planned is not None
        self._placed = dict(match(self.planned.plan, order.workers))
        self._executions = dict.fromkeys(order.workers, order.execution)
        now_ms = self._services.clock.wall_ms()
        self.known_table.begin_attempt(self._placed, now_ms, order.execution.attempt)
        self._send_deployments(order.execution, order.workers, frozenset(order.workers), restore)

    def deploy_region(self, order: DeployRegion, restore: Restore | None) -> None:
        """Hand the fresh workers the subtasks of a region. Raises ``SnapshotMismatch``."""
        assert self.planned is not None
        of = order.execution
        execution = Execution(of.job_id, of.epoch, order.attempt)
        everybody = match(self.planned.plan, order.workers)
        placed = {subtask: everybody[subtask] for subtask in order.subtasks}
        self._placed |= placed
        before = {worker: self._executions.get(worker, of) for worker in order.workers}
        self._executions = before | dict.fromkeys(order.fresh, execution)
        self.known_table.begin_region(placed, self._services.clock.wall_ms(), order.attempt)
        self._send_deployments(execution, order.workers, frozenset(order.fresh), restore)

    def _send_deployments(
        self,
        execution: Execution,
        workers: tuple[WorkerId, ...],
        fresh: frozenset[WorkerId],
        restore: Restore | None,
    ) -> None:
        assert self.planned is not None
        gateway = self._services.gateway
        addresses = {worker: gateway.data_address(worker) for worker in workers}
        crashpoints.hit("jobmanager.deploy.before-send")
        made = deployments(execution, self.planned, addresses, self.root, restore)
        for worker, deploy in made.items():
            if worker in fresh:
                gateway.send(worker, deploy)
        crashpoints.hit("jobmanager.deploy.after-send")

    def in_force(self, execution: Execution) -> bool:
        """Whether some worker of the attempt was deployed as this."""
        return execution in self._executions.values()

    def send(self, subtasks: frozenset[SubtaskId] | None, message: messages.ToWorkerMessage) -> None:
        """To the workers of these subtasks, or to all of the attempt."""
        wanted = self._placed if subtasks is None else subtasks
        workers = {self._placed[subtask] for subtask in wanted if subtask in self._placed}
        self.tell(tuple(sorted(workers)), message)

    def tell(self, workers: tuple[WorkerId, ...], message: messages.ToWorkerMessage) -> None:
        """To each of these workers, in the name of its own deployment."""
        for worker in workers:
            execution = self._executions.get(worker, message.execution)
            if execution != message.execution:
                self._services.gateway.send(worker, structs.replace(message, execution=execution))
            else:
                self._services.gateway.send(worker, message)

    @property
    def known_table(self) -> TaskTable:
        """Since the job was planned."""
        assert self.table is not None, "planned"
        return self.table

    def set_state(self, subtask: SubtaskId, state: TaskState) -> None:
        """A subtask changed its state."""
        self.known_table.set_state(subtask, state, self._services.clock.wall_ms())

    def set_all(self, state: TaskState, among: frozenset[SubtaskId] | None = None) -> None:
        """All subtasks, or those ``among`` them, that have not failed or finished change theirs."""
        self.known_table.set_all(state, self._services.clock.wall_ms(), among)

"""What is known about one StreamJob at one moment: frozen facts, gathered by ``observer``, judged by ``reconciler``.

Facts only. Nothing here decides, waits or acts, and nothing here is ever written back. What the watch cache says may
be old: whatever is destructive carries its precondition in the action, and is checked live before it is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from weir_operator.models import RestorePolicy, StartMode


class Component(StrEnum):
    """The value of the label ``weir.dev/component``."""

    JOBMANAGER = "jobmanager"
    TASKMANAGER = "taskmanager"
    SNAPSHOTS = "snapshots"
    PREFLIGHT = "preflight"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDirective:
    """``start.json`` of a run: what its first JobManager restores.

    A JobManager that restarts within its run goes on from the log's tail, whatever this says.
    """

    run: int
    mode: StartMode
    path: str | None = None  #: with FROM, and never else
    #: The last record of the log that this decision rests on (0: the log is empty); None: whatever it is.
    expected_tail: int | None = None
    allow_non_restored_state: bool = False
    restore_policy: RestorePolicy = RestorePolicy.RESUME


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerFacts:
    """One container of a pod; the ended instance is the last one that ended."""

    name: str
    init: bool = False
    ready: bool = False
    restarts: int = 0
    running_since: datetime | None = None
    waiting_reason: str | None = (
        None  #: ``ImagePullBackOff``, ``CrashLoopBackOff``, ``CreateContainerConfigError``...
    )
    waiting_message: str | None = None
    exit_code: int | None = None
    exit_reason: str | None = None  #: ``OOMKilled``, ``Error``, ``Completed``...
    exit_message: str | None = None  #: the termination message: what the process said last, or its log's tail
    exited_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PodFacts:
    """One pod with the job's label."""

    name: str
    uid: str
    component: Component
    run: int | None  #: None for snapshot and preflight pods
    phase: str  #: ``Pending``, ``Running``, ``Succeeded``, ``Failed``, ``Unknown``
    created: datetime
    ready: bool = False
    node: str | None = None
    ip: str | None = None
    deleting_since: datetime | None = None
    #: ``metadata.deletionTimestamp``: when the pod is to be gone; long past = its node does not answer.
    deleted_by: datetime | None = None
    reason: str | None = None  #: of the pod itself: ``Evicted``, ``NodeLost``, ``Preempting``...
    message: str | None = None
    unschedulable: str | None = None  #: why the scheduler finds no node
    spare: bool = False  #: marked to be the first to go when its Deployment shrinks
    containers: tuple[ContainerFacts, ...] = ()

    @property
    def ended(self) -> bool:
        """No process of it runs any more."""
        return self.phase in {"Succeeded", "Failed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentFacts:
    """A Deployment of a run."""

    name: str
    uid: str
    replicas: int
    ready_replicas: int = 0
    revision: int | None = None  #: annotation ``weir.dev/revision``
    deleting: bool = False
    failure: str | None = None  #: message of the condition ReplicaFailure (quota, admission)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotFacts:
    """A checkpoint or savepoint that is complete."""

    path: str
    id: int | None = None
    completed_at: datetime | None = None
    bytes: int | None = None


class JobState(StrEnum):
    """Flink's job states, as REST reports them."""

    INITIALIZING = "INITIALIZING"
    CREATED = "CREATED"
    RUNNING = "RUNNING"
    FAILING = "FAILING"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"
    CANCELED = "CANCELED"
    FINISHED = "FINISHED"
    RESTARTING = "RESTARTING"
    SUSPENDED = "SUSPENDED"
    RECONCILING = "RECONCILING"


class Ending(StrEnum):
    """The terminal record that ends a fence log."""

    STOPPED = "Stopped"  #: with a savepoint; goes on from it
    FINISHED = "Finished"
    CANCELLED = "Cancelled"
    FAILED = "Failed"
    SUPERSEDED = "Superseded"


class FailureClass(StrEnum):
    """Whose fault a failure is; budgets and conditions go by it."""

    USER = "User"
    INFRASTRUCTURE = "Infrastructure"
    STORAGE = "Storage"
    CONFIG = "Config"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFacts:
    """One failure that the JobManager reports."""

    failure_class: FailureClass
    fingerprint: str  #: eight digits, the same in log, REST and CLI
    message: str
    at: datetime
    task_manager: str | None = None  #: the pod
    traceback: str | None = None  #: its end, without secrets


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRefused:
    """Nothing was claimed: the log had moved on since the decision."""

    expected: int
    found: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreHeld:
    """The engine will not choose what to restore: every way on loses or repeats something."""

    reason: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedSnapshot:
    """A damaged snapshot; an older one was restored in its place, as nothing was committed in between."""

    path: str
    reason: str


class RequestState(StrEnum):
    """Where a request that was made under a trigger id stands."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFacts:
    """A savepoint, stop or checkpoint that was asked for under a trigger id."""

    trigger: str
    state: RequestState
    snapshot: SnapshotFacts | None = None  #: COMPLETED
    failure: str | None = None  #: FAILED
    failure_class: FailureClass | None = None
    started_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateSlot:
    """Certificates that a JobManager has in its folder."""

    slot: str  #: ``a`` or ``b``
    not_before: datetime  #: presented since
    not_after: datetime
    everywhere: bool = False  #: all registered TaskManagers take them, too


@dataclass(frozen=True, slots=True, kw_only=True)
class JobManagerReport:
    """The answer of ``GET /jobs/:id/weir``, and of the requests whose triggers the status holds."""

    run: int
    state: JobState
    epoch: int | None = None  #: None: nothing is claimed yet (a standby, a refused or held start)
    tail: int | None = None  #: the last record of the fence log, as far as this process proved it
    ending: Ending | None = None
    parallelism: int | None = None
    max_parallelism: int | None = None
    slots_required: int | None = None
    task_managers: tuple[str, ...] = ()  #: names of the pods that are registered
    idle_task_managers: tuple[str, ...] = ()  #: those of them that no subtask is in
    running_since: datetime | None = None  #: all subtasks run since
    restored: SnapshotFacts | None = None
    last_checkpoint: SnapshotFacts | None = None
    retained: tuple[SnapshotFacts, ...] = ()  #: newest last
    last_savepoint: SnapshotFacts | None = None
    failures: tuple[FailureFacts, ...] = ()  #: newest last
    restarts: int = 0
    failed_checkpoints: int = 0  #: in a row, since the last that completed
    slow_edge: str = ""  #: which edge holds rows up, and why
    start_refused: StartRefused | None = None
    restore_held: RestoreHeld | None = None
    skipped: tuple[SkippedSnapshot, ...] = ()
    standby: bool = False  #: waits for ``activate``
    standby_ready: bool = False  #: and has its plan and its slots
    requests: Mapping[str, RequestFacts] = field(default_factory=dict)
    certificates: tuple[CertificateSlot, ...] = ()  #: none where gRPC is open, or somebody deleted them

    @property
    def has_own_checkpoint(self) -> bool:
        """A checkpoint was completed since this run restored its state."""
        last, restored, since = self.last_checkpoint, self.restored, self.running_since
        if last is None or since is None or (restored is not None and last.path == restored.path):
            return False
        return last.completed_at is None or last.completed_at >= since


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreachable:
    """The JobManager of a run should answer and does not."""

    since: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Everything that carries one run's label; what is None or False is not there."""

    run: int
    jobmanager: DeploymentFacts | None = None
    taskmanager: DeploymentFacts | None = None
    service: bool = False
    secret_named: bool = False  #: the Secret's metadata was listed; its content is never read
    start: StartDirective | None = None  #: ``start.json`` of the run's ConfigMap
    pods: tuple[PodFacts, ...] = ()
    report: JobManagerReport | Unreachable | None = None  #: None: no JobManager pod has an address

    @property
    def gone(self) -> bool:
        """Nothing that could run a process is left."""
        return self.jobmanager is None and self.taskmanager is None and not self.pods


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionFacts:
    """A ControllerRevision: the spec that a revision stands for."""

    revision: int
    spec_hash: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketFacts:
    """What ``python -m weir snapshots inspect`` found: the truth when no JobManager lives."""

    tail: int  #: 0: no life of this job id was ever begun
    last_run: int | None = None
    ending: Ending | None = None
    newest: SnapshotFacts | None = None  #: what a start from the tail restores
    retained: tuple[SnapshotFacts, ...] = ()
    restore_held: RestoreHeld | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreflightFacts:
    """The verdict of ``python -m weir preflight`` in the new image."""

    fits: bool
    message: str
    slots_required: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrandFacts:
    """A short-lived pod: it runs, it ended with an answer, or it ended without one."""

    purpose: str
    pod: str
    ended: bool = False
    trouble: str | None = None  #: why it does not run yet: no node, no image
    bucket: BucketFacts | None = None  #: of ``inspect``
    preflight: PreflightFacts | None = None
    answer: Mapping[str, Any] | None = (
        None  #: of ``delete``, ``sweep`` and ``purge``: what was done and what is left
    )
    failure: str | None = None  #: it ended without an answer: why


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotResource:
    """A StreamJobSnapshot that names this job."""

    name: str
    uid: str
    created: datetime
    phase: str | None = None
    path: str | None = None
    #: What it was taken for: ``Resource``, ``Nonce``, ``Schedule``, ``Upgrade``, ``Suspend``, ``Deletion``.
    trigger: str | None = None
    owned: bool = False  #: made by the operator for this job: retention may delete it
    job_id: str | None = None  #: of the job that took it
    deleting: bool = False
    completed_at: datetime | None = None
    bytes: int | None = None
    revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """All facts about one StreamJob."""

    runs: Mapping[int, RunFacts] = field(default_factory=dict)
    revisions: Mapping[int, RevisionFacts] = field(default_factory=dict)
    errands: Mapping[str, ErrandFacts] = field(default_factory=dict)  #: by purpose
    snapshots: tuple[SnapshotResource, ...] = ()
    #: Where the snapshot lies that ``restore.snapshot`` names, if it is complete.
    restore_snapshot: str | None = None
    #: Paths of snapshots that other resources start from: never deleted.
    snapshots_in_use: frozenset[str] = frozenset()
    rest_service_run: int | None = None  #: where the stable Service points; None: it does not exist
    drifted: tuple[str, ...] = ()  #: children that somebody edited or deleted, as ``Kind/name``
    namespace_terminating: bool = False

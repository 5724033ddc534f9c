"""The report for the operator: everything it goes by, in one answer. Our own; times are milliseconds of wall time."""

from __future__ import annotations

import enum

import msgspec

from weir.checkpoint.start_directive import StartDirective


class FailureClass(enum.StrEnum):
    """Whose fault a failure is."""

    USER = "User"
    INFRASTRUCTURE = "Infrastructure"
    STORAGE = "Storage"


class RequestState(enum.StrEnum):
    """How a request fares."""

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A checkpoint or savepoint that is complete."""

    path: str
    id: int | None = None
    completed_at_ms: int | None = None
    bytes: int | None = None


class ReportedFailure(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One failure of the job."""

    failure_class: FailureClass = msgspec.field(name="class")
    fingerprint: str
    message: str
    at_ms: int
    operator: str | None = None
    traceback: str = ""
    #: The pod whose worker it was.
    task_manager: str | None = None


class ReportedRequest(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A savepoint, stop, checkpoint or rescale that was asked for at this process."""

    trigger: str
    kind: str
    state: RequestState
    snapshot: Snapshot | None = None
    failure: str | None = None
    started_at_ms: int


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing was claimed: the log had another tail than the start was planned for."""

    expected: int
    found: int


class Blocked(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing was claimed: every way on loses or repeats something, or is forbidden by the policy."""

    reason: str
    choices: tuple[str, ...]


class SkippedSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """A damaged snapshot; what was restored stands in for it, and nothing was committed in between."""

    path: str
    reason: str


class Standby(msgspec.Struct, frozen=True, kw_only=True):
    """The job waits for ``POST /activate``; ready: its plan and its slots are there."""

    ready: bool


class ActivateBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Body of ``POST /activate``."""

    run: int
    start: StartDirective


class Certificates(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A slot of certificates that this process has."""

    slot: str
    not_before_ms: int  #: when they are presented
    not_after_ms: int
    #: Every registered TaskManager takes them, too.
    everywhere: bool


class Report(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One job, and the process that looks after it."""

    run: int | None
    #: Another one: another process.
    instance: str
    job_id: str
    name: str
    namespace: str
    state: str
    #: Nothing is claimed while these are absent, or there is no log.
    epoch: int | None = None
    tail: int | None = None
    ending: str | None = None
    parallelism: int | None = None
    max_parallelism: int | None = None
    slots_required: int | None = None
    slots_available: int
    task_managers_required: int | None = None
    #: Host names of those that are registered: in a cluster, the pods' names.
    task_managers: tuple[str, ...]
    #: Those of them in which no subtask of the job is.
    idle_task_managers: tuple[str, ...] = ()
    running_since_ms: int | None = None
    restored: Snapshot | None = None
    last_checkpoint: Snapshot | None = None
    retained: tuple[Snapshot, ...] = ()
    last_savepoint: Snapshot | None = None
    failures: tuple[ReportedFailure, ...] = ()
    restarts: int = 0
    #: Periodic checkpoints in a row.
    failed_checkpoints: int = 0
    start_refused: Refused | None = None
    restore_blocked: Blocked | None = None
    skipped: tuple[SkippedSnapshot, ...] = ()
    standby: Standby | None = None
    #: Why nothing is claimed yet, and it is tried again; "": nothing stands in the way.
    waiting_for_storage: str = ""
    #: Names the edge that holds rows up, and why; "": none does.
    slow_edge: str = ""
    requests: tuple[ReportedRequest, ...] = ()
    #: None where gRPC is open.
    certificates: tuple[Certificates, ...] = ()
    notes: tuple[str, ...] = ()

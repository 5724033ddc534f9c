"""What the operator says of a job: ``status`` of a StreamJob.

Half of it is for people; the other half is the operator's memory. What is under way (``upgrade``, ``pendingSnapshot``,
``deletion``) is written before the first side effect, so an operator that is killed anywhere goes on from here. All of it can
be lost: the bucket is the truth, and the operator finds its way back from there.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from weir_operator.models.base import StatusModel
from weir_operator.models.checks import MapKey
from weir_operator.models.conditions import Condition
from weir_operator.models.memory import Certificates, Deployed, End, Pin, Rescale, StartDirective
from weir_operator.models.operations import UpgradeMode
from weir_operator.models.values import Duration


class Phase(StrEnum):
    """The life of a job in one word; derived, for people."""

    PENDING = "Pending"
    RUNNING = "Running"
    UPGRADING = "Upgrading"
    RECOVERING = "Recovering"
    SUSPENDED = "Suspended"
    FINISHED = "Finished"
    FAILED = "Failed"
    DELETING = "Deleting"


class Trigger(StrEnum):
    """What a snapshot was taken for."""

    UPGRADE = "Upgrade"
    SUSPEND = "Suspend"
    NONCE = "Nonce"
    RESOURCE = "Resource"
    SCHEDULE = "Schedule"
    DELETION = "Deletion"
    STABILITY = "Stability"
    DRAIN = "Drain"


class UpgradePhase(StrEnum):
    """How far a change of the run has come, in order."""

    PREFLIGHT = "Preflight"
    PREPARING = "Preparing"
    STOPPING = "Stopping"
    DRAINING = "Draining"
    STARTING = "Starting"
    STABILIZING = "Stabilizing"


class UpgradeReason(StrEnum):
    """Why the run changes."""

    CREATE = "Create"
    SPEC = "Spec"
    SUSPEND = "Suspend"
    RESUME = "Resume"
    RESTART = "Restart"
    RESTORE = "Restore"
    ROLLBACK = "Rollback"
    RECOVERY = "Recovery"


class CheckpointRecord(StatusModel):
    """A completed checkpoint."""

    id: int = Field(description="Number of the checkpoint.")
    path: str = Field(description="Where it is.")
    completed_at: datetime | None = Field(default=None, description="When it was complete.")
    bytes: int | None = Field(default=None, description="Size of its state.")


class SavepointRecord(StatusModel):
    """A completed savepoint."""

    path: str = Field(description="Where it is.")
    completed_at: datetime | None = Field(default=None, description="When it was complete.")
    trigger: Trigger | None = Field(default=None, description="What it was taken for.")
    bytes: int | None = Field(default=None, description="Size of its state.")
    revision: int | None = Field(default=None, description="Revision of the job that took it.")
    name: str | None = Field(default=None, description="StreamJobSnapshot that tells of it.")


class Downtime(StatusModel):
    """Time without output, by phase."""

    stop: Duration | None = Field(default=None, description="From the stop to the last pod gone.")
    start: Duration | None = Field(default=None, description="From there to all TaskManagers registered.")
    restore: Duration | None = Field(default=None, description="From there to RUNNING.")


class UpgradeRecord(StatusModel):
    """The last change of the run that came to an end."""

    requested_mode: UpgradeMode | None = Field(default=None, description="What the spec asked for.")
    mode: UpgradeMode | None = Field(default=None, description="What was done.")
    reason: str | None = Field(default=None, description="Why.")
    revision: int | None = Field(default=None, description="Revision that it led to.")
    snapshot: str | None = Field(default=None, description="What the new run started from.")
    snapshot_age: Duration | None = Field(default=None, description="Age of that when the old run stopped.")
    completed_at: datetime | None = Field(default=None, description="When it ended.")
    downtime: Downtime | None = Field(default=None, description="Time without output, by phase.")


class PhaseTimes(StatusModel):
    """When each phase of an upgrade began."""

    phase: UpgradePhase = Field(description="The phase.")
    began_at: datetime = Field(description="When it began.")


class UpgradeIntent(StatusModel):
    """A change of the run that is under way."""

    reason: UpgradeReason = Field(description="Why the run changes.")
    phase: UpgradePhase = Field(description="How far it has come.")
    from_run: int | None = Field(default=None, description="Run that ends.")
    run: int | None = Field(default=None, description="Run that begins.")
    revision: int | None = Field(default=None, description="Revision that it leads to; none: no run follows.")
    requested_mode: UpgradeMode | None = Field(default=None, description="What the spec asked for.")
    mode: UpgradeMode | None = Field(default=None, description="What is done.")
    because: str | None = Field(default=None, description="Why that mode and snapshot, for people.")
    trigger: str | None = Field(
        default=None, description="Trigger id of the savepoint; a repeat is the same request."
    )
    snapshot: str | None = Field(default=None, description="Snapshot that the new run starts from.")
    snapshot_at: datetime | None = Field(default=None, description="When that was complete.")
    start: StartDirective | None = Field(default=None, description="What the new run is told.")
    nonce_before: int | None = Field(
        default=None, description="restore.nonce that was obeyed before the one that this change obeys."
    )
    parallelism: int | None = Field(default=None, description="Parallelism that a standby was made with.")
    overtaken: bool = Field(
        default=False, description="The log belongs to a run that this status does not know."
    )
    slots_required: int | None = Field(
        default=None, description="Slots that its plan needs, as the new image says."
    )
    attempts: int = Field(default=0, description="Savepoints that failed.")
    retry_at: datetime | None = Field(default=None, description="When the next is tried.")
    failure: str | None = Field(default=None, description="Why the last savepoint failed.")
    registered_at: datetime | None = Field(
        default=None, description="When all TaskManagers of the new run were registered."
    )
    times: tuple[PhaseTimes, ...] = Field(default=(), description="When each phase began.")


class Revision(StatusModel):
    """A version of the spec that ran."""

    revision: int = Field(description="Number, growing.")
    spec_hash: str = Field(description="Hash of the spec.")
    generation: int | None = Field(default=None, description="metadata.generation that it came from.")
    stable: bool = Field(default=False, description="Whether it became stable.")
    snapshot: str | None = Field(default=None, description="What it started from.")
    created_at: datetime | None = Field(default=None, description="When it was made.")


class Nonces(StatusModel):
    """Nonces that have been obeyed."""

    restart: int | None = Field(default=None, description="upgrade.restartNonce.")
    savepoint: int | None = Field(default=None, description="upgrade.savepointNonce.")
    restore: int | None = Field(default=None, description="restore.nonce.")
    rollback_to: int | None = Field(default=None, description="upgrade.rollbackTo.")


class PendingSnapshot(StatusModel):
    """A StreamJobSnapshot that is to be made: written down first, so that it is made once."""

    trigger: Trigger = Field(description="What it is for.")
    name: str = Field(description="Its name.")
    started_at: datetime = Field(description="When it was asked for.")


class Schedule(StatusModel):
    """The schedule of snapshots."""

    last_at: datetime | None = Field(default=None, description="Last time that was obeyed.")
    next_at: datetime | None = Field(default=None, description="Next time.")


class Sweep(StatusModel):
    """The last removal of what nothing refers to in the folder of a job that does not run."""

    run: int = Field(description="Run after whose end it was.")
    at: datetime = Field(description="When it ended.")
    deleted: int = Field(default=0, description="Objects that were deleted.")
    failure: str | None = Field(default=None, description="Why it failed; it is tried again.")


class Deletion(StatusModel):
    """The end of the resource."""

    began_at: datetime = Field(description="When deletion was first seen.")
    step: str = Field(description="What is being waited for.")
    pods_from: datetime | None = Field(default=None, description="When the removal of pods began.")
    trigger_id: str | None = Field(default=None, description="Trigger id of the last savepoint.")


class RootCause(StatusModel):
    """Why the job is not well."""

    kind: str = Field(description="Class of the cause, from a documented list.")
    message: str = Field(description="What happened and what to do.")
    pod: str | None = Field(default=None, description="Where.")
    log_tail: str | None = Field(default=None, description="The end of its log, without secrets.")
    at: datetime | None = Field(default=None, description="When it was first seen.")


class FailureBudget(StatusModel):
    """Restarts of pods by the operator, by class of failure."""

    kind: str = Field(description="Class of the failure: user, infrastructure or storage.")
    count: int = Field(description="How many since.")
    since: datetime = Field(description="Since when they are counted.")


class Summary(StatusModel):
    """What kubectl prints; never empty."""

    task_managers: str = Field(default="0/0", description="Registered and wanted.")
    checkpoint: str = Field(default="none", description="Number of the last checkpoint, none, or off.")
    message: str = Field(default="", description="Message of the Ready condition, one line.")


class StreamJobStatus(StatusModel):
    """What the operator says of a job."""

    phase: Phase | None = Field(default=None, description="The life of the job in one word.")
    summary: Summary | None = Field(default=None, description="What kubectl prints.")
    conditions: Annotated[tuple[Condition, ...], MapKey("type")] = Field(
        default=(), description="Ready, Progressing, Degraded, Suspended."
    )
    observed_generation: int | None = Field(
        default=None, description="Generation that this status speaks of."
    )
    job_id: str | None = Field(default=None, description="Id of the job; it never changes.")
    run: int = Field(default=0, description="Run that is live; names the workloads.")
    highest_run: int = Field(default=0, description="Highest run that was ever allocated.")
    claimed: bool = Field(
        default=False, description="A run has claimed the job's log: there is state to keep."
    )
    epoch: int | None = Field(default=None, description="Epoch of the engine's fence.")
    parallelism: int | None = Field(default=None, description="Parallelism that runs.")
    selector: str | None = Field(default=None, description="Label selector of live TaskManagers.")
    revision: int | None = Field(default=None, description="Revision that runs.")
    slow_edge: str | None = Field(
        default=None,
        description="Which edge of the running job holds rows up, and whether its receiver or the link is slow.",
    )
    last_checkpoint: CheckpointRecord | None = Field(default=None, description="The last completed one.")
    retained_checkpoints: tuple[CheckpointRecord, ...] = Field(default=(), description="Those that are kept.")
    last_savepoint: SavepointRecord | None = Field(default=None, description="The last savepoint.")
    snapshots: tuple[SavepointRecord, ...] = Field(
        default=(), description="Savepoints of the operator that exist."
    )
    pending_snapshot: PendingSnapshot | None = Field(
        default=None, description="A snapshot that is being asked for."
    )
    schedule: Schedule | None = Field(default=None, description="The schedule of snapshots.")
    sweep: Sweep | None = Field(default=None, description="The last sweep while no run was there.")
    deployed: Deployed | None = Field(default=None, description="The run that should be there.")
    not_running_since: datetime | None = Field(
        default=None, description="Since when its job does not run; none: it runs, or none should be there."
    )
    rescale: Rescale | None = Field(
        default=None, description="A change of the parallelism under way, or given up."
    )
    upgrade: UpgradeIntent | None = Field(default=None, description="A change of the run under way.")
    last_upgrade: UpgradeRecord | None = Field(default=None, description="The last change that ended.")
    revisions: tuple[Revision, ...] = Field(default=(), description="Versions that ran, newest last.")
    pin: Pin | None = Field(default=None, description="Why another revision runs than the spec describes.")
    end: End | None = Field(default=None, description="How the job ended by itself.")
    nonces: Nonces | None = Field(default=None, description="Nonces that have been obeyed.")
    root_cause: RootCause | None = Field(default=None, description="Why the job is not well.")
    failures: tuple[FailureBudget, ...] = Field(default=(), description="Failures by class.")
    certificates: Certificates | None = Field(
        default=None, description="Certificates of the live run's pods, with jobs.tls."
    )
    deletion: Deletion | None = Field(default=None, description="The end of the resource.")

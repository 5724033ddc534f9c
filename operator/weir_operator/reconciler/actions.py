"""What a plan may ask for, as data. ``apply`` carries actions out, in order, after the plan's status is written.

Each action may be carried out twice, or twice at once, with the same end: it goes by a name, a trigger id or a
precondition. A precondition that a live read refutes ends the pass; the next one plans again from newer facts.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from weir_operator.models import SavepointRecord, StreamJobSpec, Trigger
from weir_operator.observed import StartDirective


class Purpose(StrEnum):
    """Why a trigger id was made."""

    UPGRADE = "upgrade"
    SUSPEND = "suspend"
    DELETION = "deletion"
    NONCE = "nonce"
    SCHEDULE = "schedule"
    RESOURCE = "resource"
    STABILITY = "stability"


def trigger_id(uid: str, run: int, purpose: Purpose, nonce: object) -> str:
    """The id of a request to the JobManager (32 hex digits): the same intent always has the same id."""
    return hashlib.sha256(f"{uid}/{run}/{purpose}/{nonce}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureFinalizer:
    """Put ``weir.dev/job`` among the resource's finalizers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFinalizer:
    """Let the resource go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRevision:
    """Create the ControllerRevision ``<job>-<revision>`` if it is absent; if it is there, it is as it should be."""

    revision: int
    spec_hash: str
    spec: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRevision:
    """Delete the ControllerRevision of a revision that nothing can go back to any more."""

    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureRun:
    """Apply all objects of a run from a revision's spec; those that are as they should be are left alone."""

    run: int
    revision: int
    spec: StreamJobSpec  #: of that revision
    start: StartDirective
    standby: bool = False
    #: Replicas of the TaskManager Deployment.
    task_managers: int = 1
    #: The parallelism of the job document (it wins over the revision's spec).
    parallelism: int = 1
    #: Precondition, read live whenever the JobManager Deployment does not exist yet: no Deployment and no pod of another
    #: run of this job is left. False only for a standby.
    alone: bool = True
    #: UIDs of pods that count as gone nevertheless: their node does not answer, and the log fences them.
    given_up: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkSpare:
    """Let this pod be the first to go when its Deployment shrinks, or no longer, if it still is this pod."""

    name: str
    uid: str
    spare: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureShared:
    """Apply what all runs share: NetworkPolicy and the PodDisruptionBudgets."""

    spec: StreamJobSpec  #: of the revision that runs
    task_managers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PointService:
    """Let the stable Service ``<job>-rest`` select this run."""

    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRun:
    """Delete all objects of a run (foreground, by UID). The JobManager goes with or before the TaskManagers."""

    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueCertificates:
    """Create the run's Secret for a slot if it is absent; if it is there, it is what will do."""

    run: int
    slot: str
    not_before: datetime  #: when the certificates in it are to be presented


@dataclass(frozen=True, slots=True, kw_only=True)
class RetireCertificates:
    """Delete the run's Secret of a slot."""

    run: int
    slot: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StopWithSavepoint:
    """Ask the run's JobManager to stop with a savepoint; the id makes a repeat the same request."""

    run: int
    trigger: str
    target: str | None  #: folder; None: the job's own
    drain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerSavepoint:
    """Ask for a savepoint of a job that goes on."""

    run: int
    trigger: str
    target: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCheckpoint:
    """Ask for a checkpoint."""

    run: int
    trigger: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob:
    """Cancel the job of a run: a terminal record, then its checkpoints by ``onCancel``."""

    run: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Activate:
    """Tell a standby to take over."""

    run: int
    start: StartDirective


@dataclass(frozen=True, slots=True, kw_only=True)
class RescaleJob:
    """Set the job's parallelism through the JobManager's resource requirements; no pod is replaced."""

    run: int
    parallelism: int


class ErrandKind(StrEnum):
    """What a short-lived pod runs: ``python -m weir snapshots <kind>``."""

    INSPECT = "inspect"
    DELETE = "delete"
    SWEEP = "sweep"
    PURGE = "purge"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshotsPod:
    """Run an errand in the bucket; its answer appears in ``Observed.errands[purpose]``."""

    purpose: str
    kind: ErrandKind
    revision: int | None = None  #: whose image and storage it uses; None: those of the resource as it is
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPreflight:
    """Ask the new image whether its job fits a snapshot; the verdict appears in ``Observed.errands[purpose]``."""

    purpose: str
    revision: int
    snapshot: str | None
    exact: bool = False  #: somebody named it: no newer one speaks for it
    #: As it is asked for now (it wins over the revision's spec).
    allow_non_restored_state: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteErrand:
    """Delete the pod of an errand whose answer was used."""

    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePod:
    """Delete one pod, only if it still has this UID."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureSnapshotResource:
    """Create a StreamJobSnapshot of the operator if it is absent: one to be taken, or one that tells of what was taken."""

    name: str
    trigger: Trigger
    taken: SavepointRecord | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseSnapshot:
    """Take our finalizer from a StreamJobSnapshot, only if it still has this UID."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteObject:
    """Delete one object of ours, only if it still has this UID."""

    kind: str
    name: str
    uid: str


Action = (
    EnsureFinalizer
    | RemoveFinalizer
    | SaveRevision
    | DeleteRevision
    | EnsureRun
    | MarkSpare
    | EnsureShared
    | PointService
    | DeleteRun
    | IssueCertificates
    | RetireCertificates
    | StopWithSavepoint
    | TriggerSavepoint
    | TriggerCheckpoint
    | CancelJob
    | Activate
    | RescaleJob
    | RunSnapshotsPod
    | RunPreflight
    | DeleteErrand
    | DeletePod
    | EnsureSnapshotResource
    | ReleaseSnapshot
    | DeleteObject
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that people should see; ``docs/reference/events.md`` lists the reasons."""

    reason: str
    message: str
    warning: bool = False

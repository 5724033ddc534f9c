"""What the operator does with a job: ``restore``, ``upgrade``, ``snapshots`` and ``deletionPolicy`` of a StreamJob.

A nonce is a number that asks for something once: any change of it is the request.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import DefaultText, Rule
from weir_operator.models.execution import MAX_COUNT
from weir_operator.models.texts import CronText, Folder, ObjectName
from weir_operator.models.values import Duration, at_least


class RestorePolicy(StrEnum):
    """What to do with state found under this name."""

    RESUME = "Resume"
    REFUSE = "Refuse"
    FRESH = "Fresh"


class UpgradeMode(StrEnum):
    """What a new version starts from."""

    SAVEPOINT = "Savepoint"
    LAST_STATE = "LastState"
    STATELESS = "Stateless"


class Handover(StrEnum):
    """When the new pods are made."""

    RECREATE = "Recreate"
    STANDBY = "Standby"


class DeletionPolicy(StrEnum):
    """What becomes of state when the resource is deleted."""

    RETAIN = "Retain"
    SAVEPOINT = "Savepoint"
    PURGE = "Purge"


class Restore(SpecModel):
    """What the job starts from."""

    rules: ClassVar = (
        Rule(
            "restore has both from ({from}) and snapshot ({snapshot}); keep the one that the job shall start from",
            "!(has(self.from) && has(self.snapshot))",
            lambda restore: restore.from_ is None or restore.snapshot is None,
        ),
        Rule(
            "restore.nonce {nonce} asks to start from restore.from or restore.snapshot now, and neither is set; set one",
            "!has(self.nonce) || self.nonce == 0 || has(self.from) || has(self.snapshot)",
            lambda restore: restore.nonce == 0 or restore.from_ is not None or restore.snapshot is not None,
            at="nonce",
        ),
    )

    from_: Annotated[
        Folder | None, DefaultText("not set: state found under this name, by policy; else empty")
    ] = Field(
        default=None,
        alias="from",
        description="Savepoint or retained checkpoint to start from, as s3://bucket/savepoint-x: at the first start, and whenever nonce changes.",
    )
    snapshot: ObjectName | None = Field(
        default=None, description="The same, by the name of a StreamJobSnapshot of the same namespace."
    )
    nonce: int = Field(
        default=0,
        ge=0,
        le=MAX_COUNT,
        description="Changed: the job restarts from `from` or snapshot now, back to what it was then. What it committed since stays committed.",
    )
    policy: RestorePolicy = Field(
        default=RestorePolicy.RESUME,
        description="What to do with state that an earlier StreamJob of this name left: Resume goes on from it, Refuse does not start, Fresh starts empty and says so.",
    )


class Upgrade(SpecModel):
    """How a changed spec takes over."""

    rules: ClassVar = (
        Rule(
            "maxCheckpointAge belongs to mode LastState, but mode is {mode}; drop it or change mode",
            "!has(self.maxCheckpointAge) || (has(self.mode) && self.mode == 'LastState')",
            lambda upgrade: upgrade.max_checkpoint_age is None or upgrade.mode is UpgradeMode.LAST_STATE,
            at="maxCheckpointAge",
        ),
    )

    mode: UpgradeMode = Field(
        default=UpgradeMode.SAVEPOINT,
        description="What the new version starts from: Savepoint (taken now, or nothing is changed), LastState (the newest checkpoint) or Stateless (empty, and said so).",
    )
    handover: Handover = Field(
        default=Handover.RECREATE,
        description="Recreate: the old pods go, then the new ones come. Standby: new pods are made ready before the old job stops.",
    )
    savepoint_timeout: Annotated[Duration, at_least("1s")] = Field(
        default=Duration.of(600),
        description="A savepoint that takes longer is given up; the old job runs on, with condition UpgradeBlocked.",
    )
    max_checkpoint_age: Annotated[
        Annotated[Duration, at_least("1s")] | None, DefaultText("not set: any age")
    ] = Field(
        default=None,
        description="With LastState: a running job whose newest checkpoint is older takes a savepoint. A job that is down restarts whatever the age.",
    )
    stability_window: Duration = Field(
        default=Duration.of(60),
        description="A new version is stable when it has run this long and, with checkpoints, completed one; if it does not, rollback decides.",
    )
    rollback: bool = Field(
        default=True,
        description="Go back to the last stable revision when a new one does not become stable. No state is lost.",
    )
    rollback_to: int = Field(
        default=0,
        ge=0,
        le=MAX_COUNT,
        description="Run this revision of status.revisions instead of the spec; 0: the spec.",
    )
    restart_nonce: int = Field(
        default=0, ge=0, le=MAX_COUNT, description="Changed: restart now, the way an upgrade does."
    )
    savepoint_nonce: int = Field(
        default=0,
        ge=0,
        le=MAX_COUNT,
        description="Changed: take a savepoint now; the job runs on. See status.lastSavepoint.",
    )


class Keep(SpecModel):
    """How many savepoints of the operator are kept."""

    count: Annotated[int | None, DefaultText("not set: any number")] = Field(
        default=None, ge=1, le=1000, description="The newest so many are kept."
    )
    age: Annotated[Annotated[Duration, at_least("1m")] | None, DefaultText("not set: any age")] = Field(
        default=None, description="Older ones are deleted, but never the newest complete one."
    )


class Snapshots(SpecModel):
    """Savepoints by schedule, and how many are kept."""

    schedule: Annotated[CronText | None, DefaultText("not set: none by schedule")] = Field(
        default=None,
        description="When a savepoint is taken: minute hour day month weekday, in UTC, as '0 3 * * *'; or @hourly, @daily, @weekly, @monthly.",
    )
    keep: Keep = Field(
        default=Keep(),
        description="How many are kept, also while the job is suspended. Only savepoints that the operator took for this job are ever deleted.",
    )

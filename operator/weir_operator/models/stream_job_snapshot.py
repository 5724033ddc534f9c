"""``StreamJobSnapshot``: a savepoint as a resource; asked for, taken elsewhere, or made by the operator."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field

from weir_operator.models.base import ObjectMeta, SpecModel, StatusModel
from weir_operator.models.checks import ChangeRule, DefaultText, MapKey, Rule
from weir_operator.models.conditions import Condition
from weir_operator.models.stream_job_status import Trigger
from weir_operator.models.texts import Folder, ObjectName
from weir_operator.models.values import Duration

KIND = "StreamJobSnapshot"


class SnapshotPhase(StrEnum):
    """The life of a snapshot in one word."""

    PENDING = "Pending"
    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    DISPOSING = "Disposing"


def _fixed(name: str, attribute: str) -> ChangeRule:
    return ChangeRule(
        f"{name} cannot change: a snapshot is of one job at one time; make another StreamJobSnapshot",
        f"has(self.{name}) == has(oldSelf.{name}) && (!has(self.{name}) || self.{name} == oldSelf.{name})",
        lambda old, new: getattr(old, attribute) == getattr(new, attribute),
        at=name,
    )


class StreamJobSnapshotSpec(SpecModel):
    """What is asked for: a savepoint of a job, or one that was taken elsewhere."""

    rules: ClassVar = (
        Rule(
            "a snapshot has either job (one is taken) or external (one is there), and this has both or neither; keep one",
            "has(self.job) != has(self.external)",
            lambda spec: (spec.job is None) != (spec.external is None),
        ),
        Rule(
            "path says where a savepoint of job goes, but this is of external {external}; drop path",
            "!(has(self.path) && has(self.external))",
            lambda spec: spec.path is None or spec.external is None,
            at="path",
        ),
        Rule(
            "dispose deletes the files with the resource, but {external} was not made by the operator; drop dispose and delete it yourself",
            "!(has(self.dispose) && self.dispose && has(self.external))",
            lambda spec: not spec.dispose or spec.external is None,
            at="dispose",
        ),
    )
    change_rules: ClassVar = (
        _fixed("job", "job"),
        _fixed("path", "path"),
        _fixed("external", "external"),
    )

    job: ObjectName | None = Field(
        default=None, description="StreamJob of the same namespace whose savepoint is taken, now."
    )
    path: Annotated[Folder | None, DefaultText("storage.savepoints of the job")] = Field(
        default=None, description="Folder that the savepoint goes to, as s3://bucket/folder."
    )
    external: Folder | None = Field(
        default=None,
        description="A savepoint that was taken elsewhere, as s3://bucket/savepoint-x, so that restore.snapshot can name it.",
    )
    dispose: bool = Field(
        default=False,
        description="Delete the savepoint's files with this resource. Only files that the operator made are ever deleted.",
    )


class SnapshotSummary(StatusModel):
    """What kubectl prints; never empty."""

    job: str = Field(default="none", description="StreamJob that took it, or external.")
    size: str = Field(default="none", description="Size of its state, as 12Mi.")
    path: str = Field(default="none", description="Where it is.")
    message: str = Field(default="none", description="What happened, in a sentence.")


class StreamJobSnapshotStatus(StatusModel):
    """What became of it."""

    phase: SnapshotPhase | None = Field(
        default=None,
        description="Pending, InProgress, Completed, Failed or Disposing: the life of the snapshot in one word.",
    )
    summary: SnapshotSummary | None = Field(default=None, description="What kubectl prints.")
    conditions: Annotated[tuple[Condition, ...], MapKey("type")] = Field(
        default=(), description="Ready is True when the savepoint is complete and can be started from."
    )
    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that this status speaks of."
    )
    path: str | None = Field(default=None, description="Where the savepoint is.")
    bytes: int | None = Field(default=None, description="Size of its state.")
    duration: Duration | None = Field(
        default=None, description="How long it took, from the request to the last file."
    )
    job_revision: int | None = Field(
        default=None, description="Revision of the job that took it, as in its status.revisions."
    )
    job_id: str | None = Field(default=None, description="Id of the job that took it.")
    trigger: Trigger | None = Field(default=None, description="What it was taken for.")
    trigger_id: str | None = Field(
        default=None, description="Trigger id at the JobManager; a repeat is the same request."
    )
    started_at: datetime | None = Field(default=None, description="When it was asked for.")
    completed_at: datetime | None = Field(default=None, description="When it was complete.")
    attempts: int = Field(default=0, description="How often it was tried; four times at most.")
    retry_at: datetime | None = Field(default=None, description="When it is tried again.")
    message: str | None = Field(default=None, description="Why it failed, or what is being waited for.")


class StreamJobSnapshot(StatusModel):
    """A savepoint as a resource."""

    metadata: ObjectMeta
    spec: StreamJobSnapshotSpec = Field(
        description="What is asked for: a savepoint of a job, or one that was taken elsewhere."
    )
    status: StreamJobSnapshotStatus = Field(
        default=StreamJobSnapshotStatus(), description="What became of it; written by the operator."
    )

    @classmethod
    def of(cls, body: dict[str, Any]) -> Self:
        """Of what the API server says. Raises pydantic's ``ValidationError``."""
        return cls.model_validate(body)

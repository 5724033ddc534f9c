"""The operator's memory about runs, as parts of ``status``: what should be there, and what was decided about it.

Nothing here is needed to find a job's state again: that is in the bucket. It only saves the operator from asking.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from weir_operator.models.base import StatusModel


class StartMode(StrEnum):
    """What a run starts from: the fence's tail, a snapshot, nothing."""

    TAIL = "Tail"
    FROM = "From"
    EMPTY = "Empty"


class StartDirective(StatusModel):
    """What a new run is told to start from."""

    mode: StartMode = Field(default=StartMode.TAIL, description="Tail, From or Empty.")
    path: str | None = Field(default=None, description="Snapshot of From.")
    expected_tail: int | None = Field(
        default=None, description="Number of the fence record that was decided on."
    )
    unless_newer: bool = Field(
        default=False, description="From only if nothing was completed since; else Tail. Not told to a run."
    )


class Deployed(StatusModel):
    """The run that should be there. Its objects are made from this and from the revision's spec."""

    run: int = Field(description="Number of the run.")
    revision: int = Field(description="Revision that it runs.")
    parallelism: int = Field(description="Parallelism that it is told.")
    task_managers: int = Field(description="TaskManager pods that it should have.")
    start: StartDirective = Field(
        default=StartDirective(), description="What its first JobManager starts from."
    )
    standby: bool = Field(default=False, description="It was made ready beside the run before it.")
    began_at: datetime = Field(description="When it was decided on.")
    skipped: tuple[str, ...] = Field(
        default=(), description="Damaged snapshots that it passed over, as an event told."
    )


class PinReason(StrEnum):
    """Why another revision runs than the spec describes."""

    ROLLBACK = "Rollback"
    ROLLBACK_TO = "RollbackTo"


class Pin(StatusModel):
    """Another revision runs than the spec describes, until the spec changes."""

    revision: int = Field(description="Revision that runs instead.")
    against: str = Field(description="Hash of the spec that it runs instead of.")
    reason: PinReason = Field(description="Why.")
    message: str = Field(default="", description="What was wrong with the spec's own revision.")


class End(StatusModel):
    """The job came to an end by itself; only another revision or a nonce starts it again."""

    ending: str = Field(description="Finished, Failed or Cancelled.")
    revision: int | None = Field(default=None, description="Revision that ended.")
    message: str = Field(default="", description="Why, for people.")
    at: datetime = Field(description="When that was seen.")


class Rescale(StatusModel):
    """Another parallelism is being reached, or could not be."""

    parallelism: int = Field(description="What was asked for.")
    began_at: datetime = Field(description="When it was begun.")
    failure: str | None = Field(default=None, description="Why it was given up; none: it is under way.")
    retry_at: datetime | None = Field(default=None, description="When it is tried again.")


class Rotation(StatusModel):
    """Certificates of a run go over to another slot."""

    slot: str = Field(description="Slot that is to be presented.")
    not_before: datetime = Field(description="When it is to be presented.")
    tried_at: datetime = Field(description="Last step that was taken for it.")
    retiring: bool = Field(default=False, description="The slot before it is being deleted.")
    late: bool = Field(default=False, description="It was told that it takes too long.")


class Certificates(StatusModel):
    """Certificates by which the pods of a run know each other."""

    run: int = Field(description="Number of the run.")
    slot: str = Field(description="Slot that is presented: a or b.")
    not_before: datetime = Field(description="Since when.")
    not_after: datetime = Field(description="When they end; they are rotated long before.")
    rotation: Rotation | None = Field(default=None, description="The change to the other slot under way.")

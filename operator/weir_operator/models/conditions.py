"""A condition as Kubernetes' tools read it: ``kubectl wait`` and kstatus."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Literal

from pydantic import Field

from weir_operator.models.base import StatusModel


class ConditionType(StrEnum):
    """The four that are always there, and the named ones that are there while they hold."""

    READY = "Ready"
    PROGRESSING = "Progressing"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"
    UPGRADE_BLOCKED = "UpgradeBlocked"
    RESTORE_BLOCKED = "RestoreBlocked"
    STALLED = "Stalled"
    DRIFTED = "Drifted"
    RECONCILE_FAILED = "ReconcileFailed"


class Condition(StatusModel):
    """One condition."""

    type: str = Field(description="Name of the condition.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    observed_generation: int | None = Field(
        default=None, description="Generation of the spec that it speaks of."
    )
    last_transition_time: datetime = Field(description="When its status changed last.")
    reason: str = Field(description="Why, in one word for programs.")
    message: str = Field(default="", description="Why, for people.")

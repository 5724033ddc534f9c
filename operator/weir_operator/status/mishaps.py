"""The condition ``ReconcileFailed``: what hinders the operator itself, told where people look.

It is there while passes over a resource fail, and gone with the first that does not; everything else in the status stays
as the last good pass left it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from weir_operator.models import ConditionType

CONDITION = str(ConditionType.RECONCILE_FAILED)
_MAX_MESSAGE = 2000


def with_mishap(
    status: Mapping[str, Any],
    present: Mapping[str, Any],
    reason: str,
    message: str,
    generation: int | None,
    now: datetime,
) -> dict[str, Any]:
    """The status with the condition; ``present``: what is written now, so that it knows since when it holds."""
    known = next((held for held in _conditions(present) if held.get("type") == CONDITION), None)
    condition = {
        "type": CONDITION,
        "status": "True",
        "reason": reason,
        "message": message[:_MAX_MESSAGE],
        "lastTransitionTime": known["lastTransitionTime"] if known else now.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    if generation is not None:
        condition["observedGeneration"] = generation
    return {**status, "conditions": [*_others(status), condition]}


def without_mishap(status: Mapping[str, Any]) -> dict[str, Any]:
    """The status without it."""
    return {**status, "conditions": _others(status)}


def _others(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [condition for condition in _conditions(status) if condition.get("type") != CONDITION]


def _conditions(status: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = status.get("conditions")
    return [held for held in found if isinstance(held, Mapping)] if isinstance(found, list | tuple) else []

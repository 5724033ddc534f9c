"""Somebody edited or deleted an object of the job: that is told, whether it is put back at once or, while paused, not yet."""

from __future__ import annotations

from weir_operator.models import ConditionType
from weir_operator.reconciler.moment import Draft, Moment


def tell_corrected(moment: Moment, draft: Draft) -> None:
    """The objects are applied again in this pass."""
    if moment.observed.drifted:
        draft.say(
            "DriftCorrected",
            f"{', '.join(moment.observed.drifted)}: deleted, or changed by another hand than the operator's; applied again. "
            "What should last is asked for in the StreamJob",
            warning=True,
        )


def tell_found(moment: Moment, draft: Draft) -> None:
    """The objects stay as they are: the condition says so, and once an event."""
    known = any(held.type == ConditionType.DRIFTED for held in draft.status.conditions)
    if moment.observed.drifted and not known:
        draft.say(
            "DriftFound",
            f"{', '.join(moment.observed.drifted)}: deleted, or changed by another hand than the operator's; put back when "
            "paused is false",
            warning=True,
        )

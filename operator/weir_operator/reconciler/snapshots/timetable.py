"""When a schedule asks for the next snapshot. Times that passed while nobody looked count as one.

The next time stands in the status, so an operator that starts anew neither repeats the last one nor leaves one out.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from weir_operator.models import Schedule
from weir_operator.models.cron import Cron


@dataclass(frozen=True, slots=True)
class Turn:
    """What a look at the clock says."""

    due: bool
    #: To be remembered; None: there is no schedule.
    memory: Schedule | None


def turn(text: str | None, memory: Schedule | None, now: datetime) -> Turn:
    """Whether a time has come; ``text`` is a schedule that was validated."""
    if text is None:
        return Turn(due=False, memory=None)
    cron = Cron.parse(text)
    planned = memory.next_at if memory is not None else None
    last = memory.last_at if memory is not None else None
    if planned is None or cron.next_after(planned - timedelta(minutes=1)) != planned:
        return Turn(due=False, memory=Schedule(last_at=last, next_at=cron.next_after(now)))
    if now < planned:
        return Turn(due=False, memory=memory)
    return Turn(due=True, memory=Schedule(last_at=planned, next_at=cron.next_after(now)))

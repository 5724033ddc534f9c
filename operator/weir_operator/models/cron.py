"""Cron schedules: five fields (minute hour day month weekday) in UTC, read as cron reads them.

A day matches when month matches and, if both day and weekday are restricted, either of the two does. Names of months and
weekdays, ranges, lists and steps are understood; 7 is Sunday, as 0 is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

_NAMED = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
}
_MONTHS = {
    name: n
    for n, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}
_WEEKDAYS = {name: n for n, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
#: By field: its name, least and greatest value, names of values.
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _WEEKDAYS),
)
#: A schedule that matches no day within these is one that never does: leap days are at most eight years apart.
_HORIZON_DAYS = 366 * 8 + 1


@dataclass(frozen=True)
class Cron:
    """A schedule."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  #: Sunday is 0
    either_day: bool  #: day and weekday are both restricted, so one of them is enough

    @classmethod
    def parse(cls, text: str) -> Self:
        """Of its text. Raises ``ValueError``, which names the field and what it accepts."""
        parts = _NAMED.get(text, text).split()
        if len(parts) != len(_FIELDS):
            raise ValueError(
                f"{text!r} has {len(parts)} fields, expected five (minute hour day month weekday) or one of {', '.join(_NAMED)}"
            )
        minutes, hours, days, months, weekdays = (
            _values(part, *field) for part, field in zip(parts, _FIELDS, strict=True)
        )
        either_day = not (parts[2].startswith("*") or parts[4].startswith("*"))
        made = cls(minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either_day)
        if not any(
            made._matches(datetime(2000, 1, 1, tzinfo=UTC) + timedelta(n)) for n in range(_HORIZON_DAYS)
        ):
            raise ValueError(f"{text!r} never comes: no month of it has such a day")
        return made

    def next_after(self, moment: datetime) -> datetime:
        """The first time after ``moment`` (aware), in UTC."""
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start.replace(hour=0, minute=0)
        while True:
            if self._matches(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        found = day.replace(hour=hour, minute=minute)
                        if found >= start:
                            return found
            day += timedelta(days=1)

    def _matches(self, day: datetime) -> bool:
        by_day = day.day in self.days
        by_weekday = (day.weekday() + 1) % 7 in self.weekdays
        fits = by_day or by_weekday if self.either_day else by_day and by_weekday
        return day.month in self.months and fits


def _values(text: str, name: str, least: int, greatest: int, names: dict[str, int]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        span, slash, step = part.partition("/")
        low, dash, high = span.partition("-")
        try:
            first = least if span == "*" else _number(low, names)
            last = (
                greatest if span == "*" or (slash and not dash) else _number(high, names) if dash else first
            )
            width = _number(step, {}) if slash else 1
        except ValueError:
            first, last, width = 1, 0, 1
        if not (least <= first <= last <= greatest and width >= 1):
            raise ValueError(
                f"{name} is {text!r}; expected numbers from {least} to {greatest}, as 5, 1-5, */15 or 1,15"
                + (f", or {', '.join(names)}" if names else "")
            )
        found.update(range(first, last + 1, width))
    return frozenset(found)


def _number(text: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not text.isdecimal():
        raise ValueError(f"{text!r} is no number")
    return int(text)

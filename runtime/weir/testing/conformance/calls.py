"""Counts the calls that the engine makes to a connector, and kills the process at one of them.

Every call goes through ``Probe.around``. A process that died makes no call any more: its proxies raise ``ProcessDied``
whoever calls, until ``begin`` starts the next attempt. ``probed`` has the proxies.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from weir.errors import StorageUnavailable

T = TypeVar("T")


class Moment(enum.StrEnum):
    """What happens at a call."""

    BEFORE = "before"  #: the process dies, and the call is never made
    AFTER = "after"  #: the call has its effect, and the process dies before it hears of it
    REFUSED = "refused"  #: the call raises ``StorageUnavailable``, which may pass


@dataclass(frozen=True)
class Call:
    """The ``number``-th call (from 1) of a method within one attempt."""

    name: str  #: ``writer.prepare_commit``
    number: int

    def __str__(self) -> str:
        return f"{self.name} #{self.number}"


@dataclass(frozen=True)
class Strike:
    """Where an attempt is hit, and how."""

    call: Call
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment} {self.call}"


class ProcessDied(BaseException):
    """Unwinds what a killed process would have left standing."""


class Probe:
    """Watches the connector of one job over its attempts. The n-th attempt is hit by the n-th of ``strikes``."""

    def __init__(self, strikes: Sequence[Strike] = ()) -> None:
        #: Calls of each attempt, in order.
        self.attempts: list[list[Call]] = []
        self.dead = False
        #: Whether the present attempt was hit.
        self.struck = False
        self._strikes = list(strikes)
        self._counts: Counter[str] = Counter()

    def begin(self) -> None:
        """A new process starts."""
        self.attempts.append([])
        self.dead = self.struck = False
        self._counts = Counter()

    @property
    def hits(self) -> int:
        """Strikes that took place."""
        return len(self.attempts) - 1 + self.struck if self.attempts else 0

    def around(self, name: str, work: Callable[[], T]) -> T:
        """Make a call, unless it is the one that is not made. Raises ``ProcessDied``."""
        if self.dead:
            raise ProcessDied(name)
        self._counts[name] += 1
        call = Call(name, self._counts[name])
        self.attempts[-1].append(call)
        moment = self._moment_of(call)
        if moment is Moment.BEFORE:
            self._die(call)
        if moment is Moment.REFUSED:
            raise StorageUnavailable(f"the conformance kit refuses {call}")
        result = work()
        if moment is Moment.AFTER:
            self._die(call)
        return result

    def quietly(self, work: Callable[[], T], otherwise: T) -> T:
        """A call that is not counted, such as ``close``; a dead process does not make it."""
        return otherwise if self.dead else work()

    def _moment_of(self, call: Call) -> Moment | None:
        attempt = len(self.attempts) - 1
        if self.struck or attempt >= len(self._strikes) or self._strikes[attempt].call != call:
            return None
        self.struck = True
        return self._strikes[attempt].moment

    def _die(self, call: Call) -> None:
        self.dead = True
        raise ProcessDied(str(call))


def strikes_at(
    calls: Sequence[Call], per_method: int, refusable: frozenset[str] = frozenset()
) -> list[Strike]:
    """Strikes before and after the calls of an attempt: of each method up to ``per_method``, evenly spread.

    Methods in ``refusable`` may also answer that storage is not there.
    """
    by_name: dict[str, list[Call]] = {}
    for call in calls:
        by_name.setdefault(call.name, []).append(call)
    found = []
    for name, made in by_name.items():
        moments = [Moment.BEFORE, Moment.AFTER, *([Moment.REFUSED] if name in refusable else [])]
        found += [Strike(call, moment) for call in _spread(made, per_method) for moment in moments]
    return found


def _spread(calls: list[Call], most: int) -> list[Call]:
    """First and last, and others evenly between."""
    if len(calls) <= most:
        return calls
    if most == 1:
        return calls[:1]
    return [calls[i * (len(calls) - 1) // (most - 1)] for i in range(most)]

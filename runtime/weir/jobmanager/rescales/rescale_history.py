"""What is remembered of a job's rescales, for people: counts, a bounded history, how long each took. Decides nothing.

``in_place`` begins and ends an entry with each rescale; REST's ``rescales`` views show them.
"""

from __future__ import annotations

import enum
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

#: Rescales that are remembered.
REMEMBERED: Final = 20


class RescaleState(enum.StrEnum):
    """Flink's names; the last three are ends."""

    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    IGNORED = "IGNORED"  #: the job had that parallelism already


@dataclass(frozen=True)
class RescaleEntry:
    """One rescale. Times are wall milliseconds."""

    trigger: str  #: 32 lower-case hex digits, as the answer to the request gave
    number: int  #: counted from 1
    before: int
    wanted: int
    #: By vertex id: its parallelism before.
    vertices: Mapping[str, int]
    began_ms: int
    state: RescaleState = RescaleState.IN_PROGRESS
    ended_ms: int | None = None
    failure: str | None = None


@dataclass(frozen=True)
class RescaleFacts:
    """Everything since this JobManager took over the job."""

    counts: Mapping[RescaleState, int]
    entries: tuple[RescaleEntry, ...]  #: oldest first
    latest: Mapping[RescaleState, RescaleEntry]


NO_RESCALES: Final = RescaleFacts({}, (), {})


class RescaleHistory:
    """The rescales of one job."""

    def __init__(self) -> None:
        self._counts: Counter[RescaleState] = Counter()
        self._open: dict[str, RescaleEntry] = {}
        self._ended: deque[RescaleEntry] = deque(maxlen=REMEMBERED)
        self._latest: dict[RescaleState, RescaleEntry] = {}
        self._number = 0

    def began(self, trigger: str, before: int, wanted: int, vertices: Mapping[str, int], now_ms: int) -> None:
        """A rescale was asked for."""
        self._number += 1
        self._open[trigger] = RescaleEntry(trigger, self._number, before, wanted, vertices, now_ms)

    def ended(self, trigger: str, now_ms: int, failure: str | None = None) -> None:
        """It is over: done, failed, or nothing was to do."""
        entry = self._open.pop(trigger)
        if failure is not None:
            state = RescaleState.FAILED
        else:
            state = RescaleState.IGNORED if entry.before == entry.wanted else RescaleState.COMPLETED
        entry = replace(entry, state=state, ended_ms=now_ms, failure=failure)
        self._counts[state] += 1
        self._latest[state] = entry
        self._ended.append(entry)

    def facts(self) -> RescaleFacts:
        """As values."""
        counts = {state: self._counts[state] for state in RescaleState}
        counts[RescaleState.IN_PROGRESS] = len(self._open)
        return RescaleFacts(counts, (*self._ended, *self._open.values()), dict(self._latest))

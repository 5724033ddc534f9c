"""What a test's data may hold besides values: event times, passing time, snapshots and crashes.

The same list drives a harness (``Harness.run``) and a ``ScriptedSource`` in a real job: ``[1, 2, Checkpoint(), 3,
Crash(), 4]``. A watermark is ``weir.records.Watermark``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from weir.config import Duration


@dataclass(frozen=True)
class Row:
    """A value with its event time in milliseconds; ``input``: 0, or 1 for the second input."""

    value: Any
    timestamp: int | None = None
    input: int = 0


@dataclass(frozen=True)
class Wait:
    """Time passes: ``"5s"``, a ``timedelta`` or seconds."""

    duration: Duration


@dataclass(frozen=True)
class Checkpoint:
    """A harness takes a snapshot here; a source waits here until one was taken."""


@dataclass(frozen=True)
class Crash:
    """The process dies here, once: what is restored passes this place.

    A harness goes back to its last snapshot and is given again what came after it. ``how`` is for sources: ``raise``
    fails the job's task by an exception, ``exit`` and ``kill`` end the whole worker process.
    """

    how: Literal["raise", "exit", "kill"] = "raise"


@dataclass(frozen=True)
class Eof:
    """The input ends here; what stands behind it is not read."""


class InjectedCrash(Exception):
    """What a crash that a test asked for raises."""

"""Who may write: the term that a replica leads in, and the moment at which it must have stopped.

Every write asks ``guard`` immediately before it leaves, and takes no longer than is left of the term. The clock goes
on while the process is frozen or the machine sleeps, so a leader that wakes up late finds its term over before it can do
anything. What it already sent is fenced by preconditions: resource versions, UIDs, names that carry the run.
"""

from __future__ import annotations

import time

from weir_operator.clients.refusals import NotLeading

#: Annotation on what is applied: the term in which it was.
TERM_ANNOTATION = "weir.dev/term"


def boot_clock() -> float:
    """Seconds since boot, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Leadership:
    """One term of one replica. It ends when it is not prolonged, when it is lost, or when it is given up."""

    def __init__(self, term: int, until: float) -> None:
        self.term = term
        self._until = until
        self._over: str | None = None

    def prolong(self, until: float) -> None:
        """The Lease was renewed; a term that is over stays over."""
        self._until = max(self._until, until)

    def end(self, why: str) -> None:
        """Stop every later write."""
        self._over = self._over or why

    @property
    def remaining(self) -> float:
        """Seconds in which this replica may still write; negative: none."""
        return -1.0 if self._over else self._until - boot_clock()

    def guard(self, what: str) -> float:
        """Seconds that a write may take; raises when the term is over."""
        remaining = self.remaining
        if remaining <= 0:
            why = self._over or f"its Lease was last renewed too long ago, by {-remaining:.1f}s"
            self.end(why)
            raise NotLeading(f"{what} was not sent: this replica leads no more in term {self.term}: {why}")
        return remaining


class Unled(Leadership):
    """For tools and tests that run alone: leads for ever."""

    def __init__(self) -> None:
        super().__init__(0, float("inf"))

"""What rows are grouped into: spans of time, or one window for all of them. Plain values; state knows them as tuples."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from weir.records import MAX_TIMESTAMP


class Window(Protocol):
    """A group of rows of one key."""

    def max_timestamp(self) -> int:
        """The last millisecond that belongs to it; results carry it as their event time."""
        ...


class TimeWindow(NamedTuple):
    """From ``start`` until just before ``end``, in milliseconds since the epoch."""

    start: int
    end: int

    def max_timestamp(self) -> int:
        """``end - 1``: the last millisecond of the window."""
        return self.end - 1

    def intersects(self, other: TimeWindow) -> bool:
        """Whether the two overlap or touch, as sessions do that belong together."""
        return self.start <= other.end and self.end >= other.start

    def cover(self, other: TimeWindow) -> TimeWindow:
        """The smallest window with both in it."""
        return TimeWindow(min(self.start, other.start), max(self.end, other.end))


class GlobalWindow(NamedTuple):
    """The one window of ``GlobalWindows``; it never ends."""

    def max_timestamp(self) -> int:
        """The end of time."""
        return MAX_TIMESTAMP


def covering(windows: Iterable[TimeWindow]) -> list[tuple[TimeWindow, list[TimeWindow]]]:
    """Windows that overlap or touch brought together: each covering window, with those that it covers."""
    groups: list[tuple[TimeWindow, list[TimeWindow]]] = []
    for window in sorted(windows):
        if groups and groups[-1][0].intersects(window):
            cover, members = groups[-1]
            groups[-1] = (cover.cover(window), [*members, window])
        else:
            groups.append((window, [window]))
    return groups

"""Sessions: windows that grow and merge as long as rows keep coming, and end after a gap without one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from weir.config import Duration
from weir.errors import GraphError
from weir.windows.assigners import WindowAssigner
from weir.windows.lengths import length_ms
from weir.windows.triggers import EventTimeTrigger, ProcessingTimeTrigger, Trigger
from weir.windows.window import TimeWindow, covering

T = TypeVar("T")


class MergingWindowAssigner(WindowAssigner[T, TimeWindow]):
    """Windows that may become one when another row comes."""

    @abstractmethod
    def merge_windows(self, windows: Iterable[TimeWindow]) -> list[tuple[TimeWindow, list[TimeWindow]]]:
        """Disjoint windows that cover ``windows``, each with those that became it."""


@dataclass(frozen=True)
class Sessions(MergingWindowAssigner[Any]):
    """A row's window is as long as the gap; those that overlap or touch are one session."""

    #: Milliseconds, or what says them of a row.
    gap: int | Callable[[Any], int]

    def assign_windows(self, element: Any, timestamp: int) -> Iterable[TimeWindow]:
        gap = self.gap
        if not isinstance(gap, int):
            gap = gap(element)
            if not isinstance(gap, int) or gap < 1:
                raise GraphError(
                    f"{type(self).__name__}.with_dynamic_gap(): the gap of {element!r:.100} is {gap!r}; it must be a whole "
                    "number of milliseconds above 0"
                )
        return (TimeWindow(timestamp, timestamp + gap),)

    def merge_windows(self, windows: Iterable[TimeWindow]) -> list[tuple[TimeWindow, list[TimeWindow]]]:
        return covering(windows)


class EventTimeSessionWindows(Sessions):
    """Sessions that end when the watermark is a gap behind their last row."""

    @staticmethod
    def with_gap(size: Duration) -> EventTimeSessionWindows:
        """A gap of ``"30s"``, a ``timedelta`` or seconds. Raises ``GraphError`` below a millisecond."""
        return EventTimeSessionWindows(length_ms("EventTimeSessionWindows.with_gap()", "gap", size))

    @staticmethod
    def with_dynamic_gap(gap: Callable[[T], int]) -> EventTimeSessionWindows:
        """``gap(row)`` gives the milliseconds after each row. Raises ``GraphError`` for what cannot be called."""
        return EventTimeSessionWindows(_callable("EventTimeSessionWindows.with_dynamic_gap()", gap))

    def get_default_trigger(self) -> Trigger[Any, TimeWindow]:
        return EventTimeTrigger()

    def is_event_time(self) -> bool:
        return True


class ProcessingTimeSessionWindows(Sessions):
    """Sessions that end when no row came for a gap by the clock."""

    @staticmethod
    def with_gap(size: Duration) -> ProcessingTimeSessionWindows:
        """A gap of ``"30s"``, a ``timedelta`` or seconds. Raises ``GraphError`` below a millisecond."""
        return ProcessingTimeSessionWindows(length_ms("ProcessingTimeSessionWindows.with_gap()", "gap", size))

    @staticmethod
    def with_dynamic_gap(gap: Callable[[T], int]) -> ProcessingTimeSessionWindows:
        """``gap(row)`` gives the milliseconds after each row. Raises ``GraphError`` for what cannot be called."""
        return ProcessingTimeSessionWindows(_callable("ProcessingTimeSessionWindows.with_dynamic_gap()", gap))

    def get_default_trigger(self) -> Trigger[Any, TimeWindow]:
        return ProcessingTimeTrigger()

    def is_event_time(self) -> bool:
        return False


def _callable(call: str, value: Any) -> Callable[[Any], int]:
    if not callable(value):
        raise GraphError(
            f"{call} takes a function of a row that gives milliseconds, got {value!r:.100}; for a fixed gap use with_gap()"
        )
    found: Callable[[Any], int] = value
    return found

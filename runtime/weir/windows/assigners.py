"""Which windows a row belongs to, by its time: tumbling, sliding and global ones; sessions are in ``sessions``.

An assigner is a frozen description that the job holds. Tumbling and sliding windows are aligned to the clock, so the rows of
a batch are sorted into panes (stretches of time whose rows share all of their windows) and nothing is asked per row.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from weir.config import Duration
from weir.errors import GraphError
from weir.windows.lengths import length_ms, offset_ms
from weir.windows.triggers import EventTimeTrigger, NeverTrigger, ProcessingTimeTrigger, Trigger
from weir.windows.window import GlobalWindow, TimeWindow, Window

if TYPE_CHECKING:
    from typing import Self

T = TypeVar("T")
W = TypeVar("W", bound=Window)

#: So that who forgets the slide is told what to give, and not only that something is missing.
_MISSING: Any = None


class WindowAssigner(ABC, Generic[T, W]):
    """Puts rows into windows. One of your own gives ``TimeWindow`` objects (or the ``GlobalWindow``)."""

    @abstractmethod
    def assign_windows(self, element: T, timestamp: int) -> Iterable[W]:
        """The windows of a row. ``timestamp``: its event time, or the time now if ``is_event_time`` is false; milliseconds."""

    @abstractmethod
    def get_default_trigger(self) -> Trigger[T, W]:
        """The trigger, unless the job sets one."""

    @abstractmethod
    def is_event_time(self) -> bool:
        """Whether windows end by the watermark; else by the clock."""


@dataclass(frozen=True)
class AlignedWindows(WindowAssigner[Any, TimeWindow]):
    """Windows of ``size`` that begin each ``slide``, ``offset`` after the epoch; all in milliseconds."""

    size: int
    slide: int
    offset: int = 0

    @property
    def pane(self) -> int:
        """The length of a pane."""
        return math.gcd(self.size, self.slide)

    def panes(self, timestamps: list[int]) -> list[int]:
        """The start of each timestamp's pane."""
        pane, offset = self.pane, self.offset
        return [timestamp - (timestamp - offset) % pane for timestamp in timestamps]

    def windows_of(self, pane: int) -> list[TimeWindow]:
        """The windows of all rows of a pane, the latest first, as Flink goes through them."""
        last = pane - (pane - self.offset) % self.slide
        return [TimeWindow(start, start + self.size) for start in range(last, pane - self.size, -self.slide)]

    def ending_at(self, timestamp: int) -> TimeWindow | None:
        """The window whose last millisecond is ``timestamp``, if there is one."""
        start = timestamp + 1 - self.size
        return None if (start - self.offset) % self.slide else TimeWindow(start, timestamp + 1)

    def assign_windows(self, element: Any, timestamp: int) -> Iterable[TimeWindow]:
        return self.windows_of(timestamp - (timestamp - self.offset) % self.pane)


class _EventTime(AlignedWindows):
    def get_default_trigger(self) -> Trigger[Any, TimeWindow]:
        return EventTimeTrigger()

    def is_event_time(self) -> bool:
        return True


class _ProcessingTime(AlignedWindows):
    def get_default_trigger(self) -> Trigger[Any, TimeWindow]:
        return ProcessingTimeTrigger()

    def is_event_time(self) -> bool:
        return False


class _Tumbling(AlignedWindows):
    @classmethod
    def of(cls, size: Duration, offset: Duration | None = None) -> Self:
        """Windows of ``size`` (``"10s"``, a ``timedelta`` or seconds), one after the other.

        They begin at multiples of ``size`` since the epoch, shifted by ``offset``: a day in UTC+1 is
        ``of("1d", timedelta(hours=-1))``. Raises ``GraphError`` for a size below a millisecond or an offset that is not smaller.
        """
        call = f"{cls.__name__}.of()"
        length = length_ms(call, "size", size)
        return cls(length, length, offset_ms(call, offset, "size", length))


class _Sliding(AlignedWindows):
    @classmethod
    def of(cls, size: Duration, slide: Duration = _MISSING, offset: Duration | None = None) -> Self:
        """Windows of ``size`` that begin each ``slide``; a row belongs to all that cover its time.

        Raises ``GraphError`` for a size or slide below a millisecond, a missing slide, or an offset that is not smaller than it.
        """
        call = f"{cls.__name__}.of()"
        length = length_ms(call, "size", size)
        step = length_ms(call, "slide", slide)
        return cls(length, step, offset_ms(call, offset, "slide", step))


class TumblingEventTimeWindows(_Tumbling, _EventTime):
    """Windows one after the other that end when the watermark passes their last millisecond."""


class TumblingProcessingTimeWindows(_Tumbling, _ProcessingTime):
    """Windows one after the other that end by the clock."""


class SlidingEventTimeWindows(_Sliding, _EventTime):
    """Windows that overlap and end when the watermark passes their last millisecond."""


class SlidingProcessingTimeWindows(_Sliding, _ProcessingTime):
    """Windows that overlap and end by the clock."""


class GlobalWindows(WindowAssigner[Any, GlobalWindow]):
    """All rows of a key in one window that never ends; only useful with a trigger."""

    @staticmethod
    def create() -> GlobalWindows:
        """The assigner."""
        return GlobalWindows()

    def assign_windows(self, element: Any, timestamp: int) -> Iterable[GlobalWindow]:
        return (GlobalWindow(),)

    def get_default_trigger(self) -> Trigger[Any, GlobalWindow]:
        return NeverTrigger()

    def is_event_time(self) -> bool:
        return False


def checked_assigner(call: str, value: Any) -> WindowAssigner[Any, Any]:
    """``value`` if it is an assigner. Raises ``GraphError`` saying what was given and what to give."""
    if isinstance(value, WindowAssigner):
        return value
    example = "TumblingEventTimeWindows.of('10s')"
    if isinstance(value, type) and issubclass(value, WindowAssigner):
        raise GraphError(
            f"{call} takes an assigner, got the class {value.__name__}; make one, such as {example}"
        )
    raise GraphError(
        f"{call} takes an assigner, such as {example}, got {type(value).__name__}: {value!r:.100}"
    )

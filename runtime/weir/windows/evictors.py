"""Which rows of a window are dropped when it fires. A window with an evictor keeps all of its rows, also if they are reduced."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, NamedTuple, TypeVar

from weir.config import Duration
from weir.errors import GraphError
from weir.windows.lengths import length_ms
from weir.windows.window import Window

T = TypeVar("T")
W = TypeVar("W", bound=Window)


class TimestampedValue(NamedTuple, Generic[T]):
    """A row of a window with its event time in milliseconds (the time at which it came, for windows by the clock)."""

    value: T
    timestamp: int


class Evictor(ABC, Generic[T, W]):
    """Says which rows stay. Called on the data thread when a window fires; changes nothing itself."""

    @abstractmethod
    def evict_before(self, elements: list[TimestampedValue[T]], window: W) -> list[TimestampedValue[T]]:
        """The rows that the window function is to see."""

    def evict_after(self, elements: list[TimestampedValue[T]], window: W) -> list[TimestampedValue[T]]:
        """Of those, the rows that stay in the window after it fired. Default: all."""
        return elements


class CountEvictor(Evictor[Any, Any]):
    """Keeps the newest rows."""

    def __init__(self, max_count: int) -> None:
        if not isinstance(max_count, int) or isinstance(max_count, bool) or max_count < 1:
            raise GraphError(f"CountEvictor takes a whole number of 1 or more, got {max_count!r}")
        self.max_count = max_count

    @staticmethod
    def of(max_count: int) -> CountEvictor:
        """At most ``max_count`` rows. Raises ``GraphError`` for less than 1."""
        return CountEvictor(max_count)

    def evict_before(self, elements: list[TimestampedValue[Any]], window: Any) -> list[TimestampedValue[Any]]:
        return elements[-self.max_count :]


class TimeEvictor(Evictor[Any, Any]):
    """Keeps the rows that are not older than the newest one by more than a length of time."""

    def __init__(self, window_ms: int) -> None:
        self.window_ms = window_ms

    @staticmethod
    def of(window_size: Duration) -> TimeEvictor:
        """``"10s"``, a ``timedelta`` or seconds. Raises ``GraphError`` below a millisecond."""
        return TimeEvictor(length_ms("TimeEvictor.of()", "window size", window_size))

    def evict_before(self, elements: list[TimestampedValue[Any]], window: Any) -> list[TimestampedValue[Any]]:
        if not elements:
            return elements
        oldest = max(element.timestamp for element in elements) - self.window_ms
        return [element for element in elements if element.timestamp > oldest]

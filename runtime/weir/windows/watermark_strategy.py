"""How event time advances: who assigns timestamps, how far a watermark lags behind them, when a stream is idle.

A strategy is a frozen description that the job holds. The source operator (or
``assign_timestamps_and_watermarks``) makes one generator for each split or subtask from it and feeds it whole
batches of timestamps; so nothing here runs per record. Names follow PyFlink's ``WatermarkStrategy``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias

from weir.config import Duration, parse_duration
from weir.errors import GraphError
from weir.records import MIN_TIMESTAMP

#: ``assigner(value, record_timestamp) -> milliseconds``; ``record_timestamp`` is what the source knows, or ``None``.
TimestampAssigner: TypeAlias = Callable[[Any, int | None], int]


class WatermarkGenerator(Protocol):
    """Follows the timestamps of one split or subtask. Called on the data thread."""

    def on_batch(self, timestamps: list[int]) -> None:
        """Rows with these event times (milliseconds; not empty, in any order) passed."""
        ...

    def watermark(self) -> int:
        """The watermark now, milliseconds; never lower than the last answer."""
        ...


class BoundedOutOfOrderness:
    """Watermark = highest timestamp - bound - 1: rows may come up to ``bound`` milliseconds late."""

    __slots__ = ("_bound", "_highest")

    def __init__(self, bound_ms: int) -> None:
        self._bound = bound_ms
        self._highest: int | None = None

    def on_batch(self, timestamps: list[int]) -> None:
        highest = max(timestamps)
        if self._highest is None or highest > self._highest:
            self._highest = highest

    def watermark(self) -> int:
        if self._highest is None:
            return MIN_TIMESTAMP
        return max(MIN_TIMESTAMP, self._highest - self._bound - 1)


class NoWatermarks:
    """Event time does not advance before the end of input."""

    __slots__ = ()

    def on_batch(self, timestamps: list[int]) -> None:
        """Nothing follows from timestamps."""

    def watermark(self) -> int:
        return MIN_TIMESTAMP


@dataclass(frozen=True)
class WatermarkStrategy:
    """How a stream gets timestamps and watermarks. Begin with one of the ``for_...`` methods or ``no_watermarks``."""

    create_generator: Callable[[], WatermarkGenerator] = NoWatermarks
    timestamp_assigner: TimestampAssigner | None = None
    #: Seconds without a row after which the split does not hold back the watermark; ``None``: never.
    idleness_seconds: float | None = None

    @staticmethod
    def for_monotonous_timestamps() -> WatermarkStrategy:
        """Timestamps of a split never go back."""
        return WatermarkStrategy(_Bounded(0))

    @staticmethod
    def for_bounded_out_of_orderness(max_out_of_orderness: Duration) -> WatermarkStrategy:
        """Rows come at most this much (``"5s"``, a ``timedelta``, or seconds) after later ones."""
        return WatermarkStrategy(_Bounded(round(_duration(max_out_of_orderness) * 1000)))

    @staticmethod
    def for_generator(create_generator: Callable[[], WatermarkGenerator]) -> WatermarkStrategy:
        """Watermarks by a generator of your own; ``create_generator`` is called for each split or subtask."""
        return WatermarkStrategy(create_generator)

    @staticmethod
    def no_watermarks() -> WatermarkStrategy:
        """No event time: event-time timers fire at the end of input only."""
        return WatermarkStrategy()

    def with_timestamp_assigner(self, assigner: TimestampAssigner) -> WatermarkStrategy:
        """Take event time from rows: ``assigner(value, record_timestamp) -> milliseconds since the epoch``."""
        if not callable(assigner):
            raise GraphError(
                f"a timestamp assigner is a callable (value, record_timestamp) -> ms, got {assigner!r}"
            )
        return replace(self, timestamp_assigner=assigner)

    def with_idleness(self, timeout: Duration) -> WatermarkStrategy:
        """A split without rows for this long does not hold back the others' watermark."""
        seconds = _duration(timeout)
        if seconds <= 0:
            raise GraphError(f"idleness needs a duration above zero, got {timeout!r}")
        return replace(self, idleness_seconds=seconds)


@dataclass(frozen=True)
class _Bounded:
    """Makes generators; a value (not a closure), so that its settings are part of the plan digest."""

    bound_ms: int

    def __call__(self) -> WatermarkGenerator:
        return BoundedOutOfOrderness(self.bound_ms)


def _duration(value: Duration) -> float:
    try:
        return parse_duration(value)
    except ValueError as error:
        raise GraphError(str(error)) from None

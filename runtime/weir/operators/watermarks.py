"""``assign_timestamps_and_watermarks``: event times from the rows, and watermarks between batches. Hot path.

``BatchStamper`` is shared with sources. Watermarks are sent at most once a batch, when they advance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import repeat
from typing import TYPE_CHECKING, Any

from weir.errors import UserCodeError
from weir.operators.base import Operator, OperatorContext, RestoredState
from weir.operators.user_function import WrongUse, stopped_early
from weir.records import MAX_TIMESTAMP, MIN_TIMESTAMP, RowBatch, StreamElement, StreamStatus, Watermark

if TYPE_CHECKING:
    from weir.windows import WatermarkStrategy


class BatchStamper:
    """One strategy applied to one stream of batches (of one split, in a source)."""

    __slots__ = ("_assign", "_generator", "active_at")

    def __init__(self, strategy: WatermarkStrategy) -> None:
        self._assign = strategy.timestamp_assigner
        self._generator = strategy.create_generator()
        #: Monotonic seconds of the last batch, for idleness.
        self.active_at = 0.0

    def stamp(self, values: list[Any], timestamps: list[int] | None) -> list[int] | None:
        """Event times of a batch, which is also taken into account for the watermark."""
        assign = self._assign
        if assign is not None:
            known = repeat(None) if timestamps is None else timestamps
            timestamps = list(map(assign, values, known))
            if len(timestamps) != len(values):
                raise stopped_early(assign)
            if not _INT.issuperset(map(type, timestamps)):
                raise _no_timestamp(assign, timestamps)
        if timestamps:
            self._generator.on_batch(timestamps)
        return timestamps

    def note(self, timestamps: Any) -> None:
        """Take a column of event times into account: its extremes, which is what generators look at."""
        if timestamps is not None and len(timestamps):
            self._generator.on_batch([int(timestamps.min()), int(timestamps.max())])

    def watermark(self) -> int:
        """The watermark after all batches so far."""
        return self._generator.watermark()


_INT = frozenset({int})


def _no_timestamp(assign: Callable[..., Any], timestamps: list[Any]) -> UserCodeError:
    wrong = next(timestamp for timestamp in timestamps if type(timestamp) is not int)
    return WrongUse(
        assign,
        f"the timestamp assigner returned {type(wrong).__name__} {wrong!r:.80}; expected an int of milliseconds "
        "since the epoch",
    )


class TimestampsAndWatermarksOperator(Operator):
    """Replaces the watermarks of its input by those of its strategy.

    After a restore its watermarks begin anew with the rows, as in Flink: whoever gets them takes none back.
    """

    makes_watermarks = True

    def __init__(self, strategy: WatermarkStrategy) -> None:
        self._strategy = strategy

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._stamper = BatchStamper(self._strategy)
        self._stamper.active_at = context.clock.monotonic()
        self._idle = False
        self._sent = MIN_TIMESTAMP

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        values = batch.values
        timestamps = self._stamper.stamp(values, batch.timestamps)
        self._stamper.active_at = self.context.clock.monotonic()
        if self._idle:
            self._idle = False
            yield StreamStatus(idle=False)
        yield RowBatch(values, timestamps)
        watermark = self._stamper.watermark()
        if watermark > self._sent:
            self._sent = watermark
            yield Watermark(watermark)

    def on_watermark(self, watermark: Watermark) -> Iterator[StreamElement]:
        # Only the end of a bounded input passes: everything is complete then.
        if watermark.timestamp == MAX_TIMESTAMP:
            self._sent = MAX_TIMESTAMP
            yield watermark

    def next_timer(self) -> int | None:
        limit = self._strategy.idleness_seconds
        if limit is None or self._idle:
            return None
        waited = self.context.clock.monotonic() - self._stamper.active_at
        return self.context.clock.wall_ms() + int(max(0.0, limit - waited) * 1000) + (waited < limit)

    def on_paused(self, seconds: float) -> None:
        self._stamper.active_at += seconds

    def on_processing_time(self, now_ms: int) -> Iterator[StreamElement]:
        limit = self._strategy.idleness_seconds
        idle_for = self.context.clock.monotonic() - self._stamper.active_at
        if limit is not None and not self._idle and idle_for >= limit:
            self._idle = True
            yield StreamStatus(idle=True)

    def locate_failure(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Rows of a comprehension are not in this frame."""
        return {}

"""When a window gives its result: after each row, at a time, after a number of rows. Pure: time and timers come by the context.

A trigger is asked for each row and each of its timers, and answers what is done with the window. It holds nothing itself;
what it remembers is state of key and window, got from the context. Names and meaning are Flink's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from weir.config import Duration
from weir.errors import GraphError
from weir.state.descriptors import ReducingStateDescriptor, StateDescriptor
from weir.windows.lengths import length_ms
from weir.windows.window import Window

if TYPE_CHECKING:
    from weir.windows.window import GlobalWindow, TimeWindow

T = TypeVar("T")
W = TypeVar("W", bound=Window)


class TriggerResult(Enum):
    """What is done with a window: nothing, give its result, forget its rows, or both."""

    CONTINUE = (False, False)
    FIRE = (True, False)
    PURGE = (False, True)
    FIRE_AND_PURGE = (True, True)

    def is_fire(self) -> bool:
        """Whether the window gives its result."""
        return self.value[0]

    def is_purge(self) -> bool:
        """Whether the window forgets its rows (after it gave its result)."""
        return self.value[1]


class TriggerContext(ABC):
    """Time, timers and state of the current key and window; valid during a call of the trigger only."""

    @abstractmethod
    def get_current_processing_time(self) -> int:
        """Wall time, milliseconds since the epoch."""

    @abstractmethod
    def get_current_watermark(self) -> int:
        """Milliseconds since the epoch; ``MIN_TIMESTAMP`` before the first watermark."""

    @abstractmethod
    def register_processing_time_timer(self, time: int) -> None:
        """``on_processing_time`` is to be called at ``time`` (milliseconds)."""

    @abstractmethod
    def register_event_time_timer(self, time: int) -> None:
        """``on_event_time`` is to be called when the watermark passes ``time`` (milliseconds)."""

    @abstractmethod
    def delete_processing_time_timer(self, time: int) -> None:
        """Take a timer back; an unknown one is a no-op."""

    @abstractmethod
    def delete_event_time_timer(self, time: int) -> None:
        """Take a timer back; an unknown one is a no-op."""

    @abstractmethod
    def get_partitioned_state(self, state_descriptor: StateDescriptor) -> Any:
        """The handle of a state of this key and window; it is dropped with the window."""


class OnMergeContext(TriggerContext):
    """Of ``on_merge``: the current window is the merged one."""

    @abstractmethod
    def merge_partitioned_state(self, state_descriptor: StateDescriptor) -> None:
        """Bring what the merged windows had together (reducing, aggregating and list state)."""


class Trigger(ABC, Generic[T, W]):
    """Decides when a window gives its result. Called on the data thread; must not wait."""

    @abstractmethod
    def on_element(self, element: T, timestamp: int | None, window: W, ctx: TriggerContext) -> TriggerResult:
        """A row was added to ``window``."""

    @abstractmethod
    def on_processing_time(self, time: int, window: W, ctx: TriggerContext) -> TriggerResult:
        """A processing-time timer of ``window`` fired."""

    @abstractmethod
    def on_event_time(self, time: int, window: W, ctx: TriggerContext) -> TriggerResult:
        """An event-time timer of ``window`` fired, or the window is cleaned up at this time."""

    def can_merge(self) -> bool:
        """Whether it may be used with windows that merge; then ``on_merge`` is called. Default: no."""
        return False

    def on_merge(self, window: W, ctx: OnMergeContext) -> None:
        """Windows were merged into ``window``: set timers and merge state for it."""

    @abstractmethod
    def clear(self, window: W, ctx: TriggerContext) -> None:
        """``window`` is gone: delete its timers. Its state goes by itself."""


class EventTimeTrigger(Trigger[Any, "TimeWindow"]):
    """Fires when the watermark passes the end of the window, and again for each row that comes after that."""

    @staticmethod
    def create() -> EventTimeTrigger:
        """The trigger."""
        return EventTimeTrigger()

    def on_element(
        self, element: Any, timestamp: int | None, window: TimeWindow, ctx: TriggerContext
    ) -> TriggerResult:
        if window.max_timestamp() <= ctx.get_current_watermark():
            return TriggerResult.FIRE
        ctx.register_event_time_timer(window.max_timestamp())
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: TimeWindow, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.FIRE if time == window.max_timestamp() else TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: TimeWindow, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def can_merge(self) -> bool:
        return True

    def on_merge(self, window: TimeWindow, ctx: OnMergeContext) -> None:
        if window.max_timestamp() > ctx.get_current_watermark():
            ctx.register_event_time_timer(window.max_timestamp())

    def clear(self, window: TimeWindow, ctx: TriggerContext) -> None:
        ctx.delete_event_time_timer(window.max_timestamp())


class ProcessingTimeTrigger(Trigger[Any, "TimeWindow"]):
    """Fires when the clock passes the end of the window."""

    @staticmethod
    def create() -> ProcessingTimeTrigger:
        """The trigger."""
        return ProcessingTimeTrigger()

    def on_element(
        self, element: Any, timestamp: int | None, window: TimeWindow, ctx: TriggerContext
    ) -> TriggerResult:
        ctx.register_processing_time_timer(window.max_timestamp())
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: TimeWindow, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.FIRE

    def on_event_time(self, time: int, window: TimeWindow, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def can_merge(self) -> bool:
        return True

    def on_merge(self, window: TimeWindow, ctx: OnMergeContext) -> None:
        if window.max_timestamp() > ctx.get_current_processing_time():
            ctx.register_processing_time_timer(window.max_timestamp())

    def clear(self, window: TimeWindow, ctx: TriggerContext) -> None:
        ctx.delete_processing_time_timer(window.max_timestamp())


class NeverTrigger(Trigger[Any, "GlobalWindow"]):
    """Never fires: the default of ``GlobalWindows``."""

    def on_element(
        self, element: Any, timestamp: int | None, window: GlobalWindow, ctx: TriggerContext
    ) -> TriggerResult:
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: GlobalWindow, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: GlobalWindow, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def clear(self, window: GlobalWindow, ctx: TriggerContext) -> None:
        """It has no timers."""


def _add(value1: int, value2: int) -> int:
    return value1 + value2


class CountTrigger(Trigger[Any, Any]):
    """Fires each time ``count`` rows have come."""

    def __init__(self, count: int) -> None:
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise GraphError(f"CountTrigger takes a whole number of 1 or more, got {count!r}")
        self.count = count
        self._state = ReducingStateDescriptor("count", _add, int)

    @staticmethod
    def of(count: int) -> CountTrigger:
        """After each ``count`` rows. Raises ``GraphError`` for less than 1."""
        return CountTrigger(count)

    def on_element(
        self, element: Any, timestamp: int | None, window: Any, ctx: TriggerContext
    ) -> TriggerResult:
        count = ctx.get_partitioned_state(self._state)
        count.add(1)
        if count.get() >= self.count:
            count.clear()
            return TriggerResult.FIRE
        return TriggerResult.CONTINUE

    def on_processing_time(self, time: int, window: Any, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def on_event_time(self, time: int, window: Any, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def can_merge(self) -> bool:
        return True

    def on_merge(self, window: Any, ctx: OnMergeContext) -> None:
        ctx.merge_partitioned_state(self._state)

    def clear(self, window: Any, ctx: TriggerContext) -> None:
        ctx.get_partitioned_state(self._state).clear()


class ContinuousEventTimeTrigger(Trigger[Any, "TimeWindow"]):
    """Fires at each multiple of an interval of event time, and when the watermark passes the end of the window."""

    def __init__(self, interval_ms: int) -> None:
        self.interval_ms = interval_ms
        self._state = ReducingStateDescriptor("fire-time", min, int)

    @staticmethod
    def of(interval: Duration) -> ContinuousEventTimeTrigger:
        """Each ``"10s"``, ``timedelta`` or seconds. Raises ``GraphError`` for less than a millisecond."""
        return ContinuousEventTimeTrigger(length_ms("ContinuousEventTimeTrigger.of()", "interval", interval))

    def on_element(
        self, element: Any, timestamp: int | None, window: TimeWindow, ctx: TriggerContext
    ) -> TriggerResult:
        if window.max_timestamp() <= ctx.get_current_watermark():
            return TriggerResult.FIRE
        ctx.register_event_time_timer(window.max_timestamp())
        if ctx.get_partitioned_state(self._state).get() is None and timestamp is not None:
            self._set(timestamp - timestamp % self.interval_ms, window, ctx)
        return TriggerResult.CONTINUE

    def _set(self, start: int, window: TimeWindow, ctx: TriggerContext) -> None:
        time = min(start + self.interval_ms, window.max_timestamp())
        ctx.get_partitioned_state(self._state).add(time)
        ctx.register_event_time_timer(time)

    def on_event_time(self, time: int, window: TimeWindow, ctx: TriggerContext) -> TriggerResult:
        if time == window.max_timestamp():
            return TriggerResult.FIRE
        state = ctx.get_partitioned_state(self._state)
        if state.get() != time:
            return TriggerResult.CONTINUE
        state.clear()
        self._set(time, window, ctx)
        return TriggerResult.FIRE

    def on_processing_time(self, time: int, window: TimeWindow, ctx: TriggerContext) -> TriggerResult:
        return TriggerResult.CONTINUE

    def can_merge(self) -> bool:
        return True

    def on_merge(self, window: TimeWindow, ctx: OnMergeContext) -> None:
        ctx.merge_partitioned_state(self._state)
        if window.max_timestamp() > ctx.get_current_watermark():
            ctx.register_event_time_timer(window.max_timestamp())
        time = ctx.get_partitioned_state(self._state).get()
        if time is not None:
            ctx.register_event_time_timer(time)

    def clear(self, window: TimeWindow, ctx: TriggerContext) -> None:
        state = ctx.get_partitioned_state(self._state)
        time = state.get()
        if time is not None:
            ctx.delete_event_time_timer(time)
            state.clear()
        ctx.delete_event_time_timer(window.max_timestamp())


class PurgingTrigger(Trigger[T, W]):
    """Another trigger; when that fires, the window also forgets its rows."""

    def __init__(self, nested_trigger: Trigger[T, W]) -> None:
        if not isinstance(nested_trigger, Trigger):
            raise GraphError(
                f"PurgingTrigger takes a Trigger, such as CountTrigger.of(3), got {nested_trigger!r:.100}"
            )
        self.nested_trigger = nested_trigger

    @staticmethod
    def of(nested_trigger: Trigger[T, W]) -> PurgingTrigger[T, W]:
        """Around ``nested_trigger``. Raises ``GraphError`` for anything else."""
        return PurgingTrigger(nested_trigger)

    def on_element(self, element: T, timestamp: int | None, window: W, ctx: TriggerContext) -> TriggerResult:
        return _purging(self.nested_trigger.on_element(element, timestamp, window, ctx))

    def on_processing_time(self, time: int, window: W, ctx: TriggerContext) -> TriggerResult:
        return _purging(self.nested_trigger.on_processing_time(time, window, ctx))

    def on_event_time(self, time: int, window: W, ctx: TriggerContext) -> TriggerResult:
        return _purging(self.nested_trigger.on_event_time(time, window, ctx))

    def can_merge(self) -> bool:
        return self.nested_trigger.can_merge()

    def on_merge(self, window: W, ctx: OnMergeContext) -> None:
        self.nested_trigger.on_merge(window, ctx)

    def clear(self, window: W, ctx: TriggerContext) -> None:
        self.nested_trigger.clear(window, ctx)


def _purging(result: TriggerResult) -> TriggerResult:
    return TriggerResult.FIRE_AND_PURGE if result.is_fire() else result

"""What window functions and triggers are handed. One object of each for an operator, told the window before each call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from weir.functions import OutputTag, TimeDomain
from weir.operators.contexts import ElementContext, KeyedTimers
from weir.operators.window_states import ALL_WINDOWS, NoWindowState, StateStore, WindowStates
from weir.state.descriptors import StateDescriptor
from weir.windows.functions import KeyedStateStore, WindowContext
from weir.windows.triggers import OnMergeContext

if TYPE_CHECKING:
    from weir.operators.window_timers import WindowTimers


class FiringContext(WindowContext[Any]):
    """Of ``ProcessWindowFunction``."""

    def __init__(
        self, ctx: ElementContext, timers: KeyedTimers, states: WindowStates, *, merging: bool
    ) -> None:
        self._ctx = ctx
        self._timers = timers
        self._states = states
        self._merging = merging
        self._window: Any = None

    def begin(self, window: Any) -> None:
        """Calls from here on are about ``window``."""
        self._window = window

    def window(self) -> Any:
        return self._window

    def current_watermark(self) -> int:
        return self._timers.current_watermark()

    def current_processing_time(self) -> int:
        return self._timers.current_processing_time()

    def window_state(self) -> KeyedStateStore:
        if self._merging:
            return NoWindowState(self._states.label)
        return StateStore(self._states, tuple(self._window))

    def global_state(self) -> KeyedStateStore:
        return StateStore(self._states, ALL_WINDOWS)

    def output(self, tag: OutputTag[Any], value: Any) -> None:
        self._ctx.output(tag, value)


class TriggeringContext(OnMergeContext):
    """Of triggers."""

    def __init__(self, clock: KeyedTimers, timers: WindowTimers, states: WindowStates) -> None:
        self._clock = clock
        self._timers = timers
        self._states = states
        self._entry: tuple[int, ...] = ()
        self._merged: list[Any] = []

    def begin(self, window: Any, merged: list[Any] | None = None) -> TriggeringContext:
        """Calls from here on are about ``window``, which ``merged`` became."""
        self._entry = tuple(window)
        self._merged = merged or []
        return self

    def get_current_processing_time(self) -> int:
        return self._clock.current_processing_time()

    def get_current_watermark(self) -> int:
        return self._clock.current_watermark()

    def register_processing_time_timer(self, time: int) -> None:
        self._timers.register(TimeDomain.PROCESSING_TIME, time, self._entry)

    def register_event_time_timer(self, time: int) -> None:
        self._timers.register(TimeDomain.EVENT_TIME, time, self._entry)

    def delete_processing_time_timer(self, time: int) -> None:
        self._timers.delete(TimeDomain.PROCESSING_TIME, time, self._entry)

    def delete_event_time_timer(self, time: int) -> None:
        self._timers.delete(TimeDomain.EVENT_TIME, time, self._entry)

    def get_partitioned_state(self, state_descriptor: StateDescriptor) -> Any:
        return self._states.of(trigger_entry(self._entry), state_descriptor)

    def merge_partitioned_state(self, state_descriptor: StateDescriptor) -> None:
        others = [trigger_entry(tuple(window)) for window in self._merged]
        self._states.merge(trigger_entry(self._entry), others, state_descriptor)


def trigger_entry(entry: tuple[int, ...]) -> tuple[Any, ...]:
    """Where a trigger's states of a window are: apart from those of the window function."""
    return ("trigger", *entry)

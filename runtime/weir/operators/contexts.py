"""What process functions are handed per element. One object per operator; its key and timestamp are set by the
``for`` header of the loop that calls the function, so they cost no call. Hot path.
"""

from __future__ import annotations

from typing import Any

from weir.clock import Clock
from weir.errors import StateAccessError
from weir.functions import OutputTag, TimeDomain, TimerService
from weir.records import MIN_TIMESTAMP, RowBatch
from weir.state.descriptors import MapStateDescriptor
from weir.state.keyed import KeyCell
from weir.state.operator_state import OperatorStateStore
from weir.state.timers import TimerQueue


class SideOutputs:
    """Rows for side outputs since the last ``take``."""

    __slots__ = ("_rows",)

    def __init__(self) -> None:
        self._rows: dict[str, tuple[list[Any], list[int | None]]] = {}

    def add(self, tag: str, value: Any, timestamp: int | None) -> None:
        rows = self._rows.get(tag)
        if rows is None:
            rows = self._rows[tag] = ([], [])
        rows[0].append(value)
        rows[1].append(timestamp)

    def take(self) -> list[RowBatch]:
        """The collected rows as one batch per tag."""
        if not self._rows:
            return []
        taken, self._rows = self._rows, {}
        return [
            RowBatch(values, None if None in stamps else stamps, tag=tag)  # type: ignore[arg-type]
            for tag, (values, stamps) in taken.items()
        ]


class KeyedTimers(TimerService):
    """Timers of the current key; time as the operator sees it."""

    __slots__ = ("_cell", "_clock", "_event", "_processing", "watermark")

    def __init__(self, cell: KeyCell, clock: Clock, event: TimerQueue, processing: TimerQueue) -> None:
        self._cell = cell
        self._clock = clock
        self._event = event
        self._processing = processing
        self.watermark = MIN_TIMESTAMP

    def current_processing_time(self) -> int:
        return self._clock.wall_ms()

    def current_watermark(self) -> int:
        return self.watermark

    def register_event_time_timer(self, timestamp: int) -> None:
        self._event.register(self._cell.key, _milliseconds(timestamp))

    def register_processing_time_timer(self, timestamp: int) -> None:
        self._processing.register(self._cell.key, _milliseconds(timestamp))

    def delete_event_time_timer(self, timestamp: int) -> None:
        self._event.delete(self._cell.key, timestamp)

    def delete_processing_time_timer(self, timestamp: int) -> None:
        self._processing.delete(self._cell.key, timestamp)


class UnkeyedTimers(TimerService):
    """Tells the time; refuses timers, which need a key."""

    def __init__(self, clock: Clock, label: str) -> None:
        self._clock = clock
        self._label = label
        self.watermark = MIN_TIMESTAMP

    def current_processing_time(self) -> int:
        return self._clock.wall_ms()

    def current_watermark(self) -> int:
        return self.watermark

    def _refuse(self, timestamp: int) -> None:
        raise StateAccessError(
            f"operator {self._label} registers a timer ({timestamp}) but does not run on a keyed stream; "
            "put key_by(...) before it"
        )

    register_event_time_timer = _refuse
    register_processing_time_timer = _refuse
    delete_event_time_timer = _refuse
    delete_processing_time_timer = _refuse


def _milliseconds(timestamp: object) -> int:
    if timestamp.__class__ is not int:
        raise TypeError(
            f"a timer's timestamp is an int of milliseconds, got {type(timestamp).__name__} {timestamp!r}"
        )
    return timestamp


class ElementContext(KeyCell):
    """All contexts in one: ``Context``, ``KeyedContext``, ``OnTimerContext`` and the broadcast ones.

    It is the cell that keyed state reads the current key from.
    """

    __slots__ = ("_broadcast", "_sides", "_timers", "domain", "ts", "writable")

    def __init__(self, timers: TimerService | None, broadcast: OperatorStateStore | None = None) -> None:
        super().__init__()
        self._timers = timers
        self._sides = SideOutputs()
        self._broadcast = broadcast
        self.ts: int | None = None
        self.domain: TimeDomain | None = None
        #: Whether broadcast state may be written now: only by the broadcast side.
        self.writable = False

    def bind_timers(self, timers: TimerService) -> None:
        """Timers need the cell, which is this object; so they come second."""
        self._timers = timers

    def get_current_key(self) -> Any:
        return self.key

    def timestamp(self) -> int | None:
        return self.ts

    def timer_service(self) -> TimerService:
        assert self._timers is not None
        return self._timers

    def time_domain(self) -> TimeDomain | None:
        return self.domain

    def output(self, tag: OutputTag[Any], value: Any) -> None:
        if tag.__class__ is not OutputTag:
            raise TypeError(f"ctx.output needs an OutputTag first, got {type(tag).__name__} {tag!r}")
        self._sides.add(tag.tag_id, value, self.ts)

    def take_side_outputs(self) -> list[RowBatch]:
        """Side output rows since the last call."""
        return self._sides.take()

    def get_broadcast_state(self, descriptor: MapStateDescriptor[Any, Any]) -> Any:
        if self._broadcast is None:
            raise StateAccessError(
                f"broadcast state '{descriptor.name}' was asked for without a broadcast stream"
            )
        state = self._broadcast.get_broadcast_state(descriptor)
        return state if self.writable else ReadOnlyMap(state)


class ReadOnlyMap:
    """Broadcast state as the non-broadcast side sees it."""

    __slots__ = ("_state",)

    def __init__(self, state: Any) -> None:
        self._state = state

    def get(self, key: Any, default: Any = None) -> Any:
        found = self._state.get(key)
        return default if found is None else found

    def contains(self, key: Any) -> bool:
        return bool(self._state.contains(key))

    __contains__ = contains

    def __getitem__(self, key: Any) -> Any:
        return self._state[key]

    def keys(self) -> Any:
        return self._state.keys()

    def values(self) -> Any:
        return self._state.values()

    def items(self) -> Any:
        return self._state.items()

    def is_empty(self) -> bool:
        return bool(self._state.is_empty())

    def __iter__(self) -> Any:
        return iter(self._state.keys())

    def _refuse(self, *_: Any) -> None:
        raise StateAccessError(
            "broadcast state is read-only here; only process_broadcast_element may write it, so that all "
            "subtasks hold equal copies"
        )

    put = put_all = remove = clear = __setitem__ = _refuse

"""Timers of windows: the keyed queue knows key and time, a map state beside it which windows asked for them.

Timers by the clock fire one millisecond after their time, when no row of that time can come any more; the trigger is told
the time that it asked for.
"""

from __future__ import annotations

from typing import Any, Final

from weir.errors import UserCodeError
from weir.functions import TimeDomain
from weir.operators.contexts import ElementContext
from weir.state.descriptors import MapStateDescriptor
from weir.state.handles import MapState
from weir.state.reserved import WINDOW_TIMERS
from weir.state.timers import TimerQueue

TIMERS: Final[MapStateDescriptor[Any, Any]] = MapStateDescriptor(WINDOW_TIMERS)


class WindowTimers:
    """Of the current key; ``windows`` holds, by clock and time, the windows as plain tuples."""

    def __init__(
        self, cell: ElementContext, windows: MapState[Any, Any], event: TimerQueue, processing: TimerQueue
    ) -> None:
        self._cell = cell
        self._windows = windows
        self._queues = {TimeDomain.EVENT_TIME: event, TimeDomain.PROCESSING_TIME: processing}

    def register(self, domain: TimeDomain, time: int, entry: tuple[int, ...]) -> None:
        """A window's timer; the same one twice is one. Raises ``UserCodeError`` if ``time`` is no ``int``."""
        if type(time) is not int:
            raise UserCodeError(
                f"a timer's time is an int of milliseconds, got {type(time).__name__} {time!r}"
            )
        name = (domain.value, time)
        known = self._windows.get(name)
        if known is None:
            self._windows.put(name, [entry])
        elif entry not in known:
            self._windows.put(name, [*known, entry])
        self._queues[domain].register(self._cell.key, queued_at(domain, time))

    def delete(self, domain: TimeDomain, time: int, entry: tuple[int, ...]) -> None:
        """Take a timer back; an unknown one is a no-op."""
        name = (domain.value, time)
        known = self._windows.get(name)
        if known is None or entry not in known:
            return
        left = [other for other in known if other != entry]
        if left:
            self._windows.put(name, left)
            return
        self._windows.remove(name)
        self._queues[domain].delete(self._cell.key, queued_at(domain, time))

    def forget(self, kept: TimeDomain) -> None:
        """Forget the lists, and take back the timers but for those of the clock ``kept``, which others may need as well."""
        for name, time in list(self._windows.keys()):
            domain = TimeDomain(name)
            if domain is not kept:
                self._queues[domain].delete(self._cell.key, queued_at(domain, time))
        self._windows.clear()

    def listed(self) -> set[tuple[int, ...]]:
        """The windows that have any."""
        return {entry for entries in self._windows.values() for entry in entries}

    def take(self, domain: TimeDomain, queued: int) -> tuple[int, list[tuple[int, ...]]]:
        """Of a timer that came out of the queue: the time that was asked for, and the windows; they are forgotten."""
        time = queued if domain is TimeDomain.EVENT_TIME else queued - 1
        name = (domain.value, time)
        known = self._windows.get(name)
        if known is None:
            return time, []
        self._windows.remove(name)
        return time, known


def queued_at(domain: TimeDomain, time: int) -> int:
    """When the queue has a timer fire that was asked for at ``time``."""
    return time if domain is TimeDomain.EVENT_TIME else time + 1

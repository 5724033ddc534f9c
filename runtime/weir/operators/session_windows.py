"""Sessions with their default trigger: rows of a key until a gap without one. Hot path.

The sessions of a key are a small dict from window to state window, which is also what says which of them a timer ends; so a
row costs a look at that dict, and a timer is moved only when its session grew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from weir.operators.window_contents import Entry
from weir.operators.windows import WindowOperator
from weir.records import MIN_TIMESTAMP, RowBatch, StreamElement
from weir.state.descriptors import ValueStateDescriptor
from weir.state.heap import NO_KEY
from weir.state.layered import ABSENT
from weir.state.reserved import WINDOW_MERGES
from weir.windows.sessions import Sessions
from weir.windows.window import TimeWindow

#: By window, the window under which its contents are; both as plain tuples.
_Known = dict[Entry, Entry]


class SessionWindowOperator(WindowOperator):
    """See the module."""

    _merging = True

    def _register_more(self) -> None:
        self._kept: ValueStateDescriptor[Any] = ValueStateDescriptor(WINDOW_MERGES)
        self._sessions = self._store.get_state(self._kept)

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        if self._over:
            yield from self._end_over()
        ctx, assigner = self._ctx, self._settings.assigner
        assert batch.keys is not None
        assert isinstance(assigner, Sessions)
        table = self._store.values_of(self._kept, batch.keys)
        written: dict[Any, None] = {}
        for ctx.key, value, time in zip(batch.keys, batch.values, self._times(batch), strict=True):
            key = ctx.key
            found = table.get(key, ABSENT)
            known: _Known = {} if found is ABSENT else found
            (own,) = assigner.assign_windows(value, time)
            window = self._joined(known, own)
            if window is None:
                yield from self._late([value], [time])
                continue
            table[key] = known
            written[key] = None
            entry = known[window]
            self._contents.add(entry, value)
            if self._event_time and window.max_timestamp() <= self._timers.watermark:
                # Nothing else runs in this operator while a result waits to leave; snapshots are taken between batches.
                yield from self._emit(window, [(key, self._contents.result(entry))])
        self._store.note_written(self._kept, written)
        yield from self._flush()
        ctx.key = NO_KEY

    def _joined(self, known: _Known, own: TimeWindow) -> TimeWindow | None:
        """The session of a row whose own window is ``own``, which may join others; ``None``: the row is too late."""
        start, end = own
        near = [window for window in known if window[0] <= end and window[1] >= start]
        if not near:
            if self._is_late(own):
                return None
            known[tuple(own)] = tuple(own)
            self._set_timers(own)
            return own
        window = TimeWindow(min(start, *(w[0] for w in near)), max(end, *(w[1] for w in near)))
        if near == [window]:
            return window
        states = [known.pop(each) for each in near]
        self._contents.merge(states[0], states[1:])
        known[tuple(window)] = states[0]
        self._delete_timers(near, known)
        self._set_timers(window)
        return window

    # ---- timers ------------------------------------------------------------------------------------------

    def _times_of(self, window: TimeWindow) -> tuple[int, ...]:
        """When timers of a session fire."""
        if self._event_time:
            return window.max_timestamp(), self._cleanup_time(window)
        return (window.end,)  # a row of its last millisecond may still come while that lasts

    def _set_timers(self, window: TimeWindow) -> None:
        passed = self._timers.watermark if self._event_time else MIN_TIMESTAMP
        for time in self._times_of(window):
            if time > passed:
                self._queue.register(self._ctx.key, time)

    def _delete_timers(self, gone: list[Entry], known: _Known) -> None:
        """A session may end at the very time at which another one of its key is forgotten: that timer stays."""
        needed = {time for window in known for time in self._times_of(TimeWindow(*window))}
        for window in gone:
            for time in self._times_of(TimeWindow(*window)):
                if time not in needed:
                    self._queue.delete(self._ctx.key, time)

    def _fire_bucket(self, timestamp: int, keys: list[Any]) -> Iterator[StreamElement]:
        if self._ctx.domain is not self._domain:
            return  # what an earlier trigger left
        time = timestamp if self._event_time else timestamp - 1
        for key in keys:
            self._ctx.key = key
            known: _Known | None = self._sessions.value()
            due = [TimeWindow(*window) for window in known or ()]
            for window in due:
                if window.max_timestamp() != time:
                    continue
                result = self._contents.result((known or {})[window])
                if result is not ABSENT:  # an earlier trigger may have purged it
                    yield from self._emit(window, [(key, result)])
                    self._ctx.key = key
            for window in due:
                if self._cleanup_time(window) == time:
                    self._end(window)
        yield from self._flush()

    def _end(self, window: TimeWindow) -> None:
        known: _Known = self._sessions.value() or {}
        self._contents.clear(known.pop(window))
        if known:
            self._sessions.update(known)
        else:
            self._sessions.clear()
        self._gone(window, (self._ctx.key,))

    # ---- windows of another job's ------------------------------------------------------------------------

    def _restored_windows(self) -> Iterator[tuple[Any, TimeWindow, bool]]:
        asked = self._drop_lists()
        for key, _ in self._store.restored_entries(self._kept):
            self._ctx.key = key
            known: _Known = self._sessions.value() or {}
            for window in list(known):
                yield key, TimeWindow(*window), window in asked.get(key, ())

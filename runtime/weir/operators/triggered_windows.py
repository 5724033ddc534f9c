"""Windows that ask a trigger for each row and timer: global windows, and any window with a trigger or an evictor of its own.

The steps are those of Flink's window operator: put the row into its windows (which may merge), add it to their contents, ask
the trigger, give the result, set the timer at which the window is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from weir.functions import TimeDomain
from weir.operators.window_contents import Entry, ListedContents
from weir.operators.window_context import TriggeringContext, trigger_entry
from weir.operators.window_timers import TIMERS, WindowTimers
from weir.operators.windows import WindowOperator
from weir.records import MAX_TIMESTAMP, RowBatch, StreamElement
from weir.state.descriptors import ValueStateDescriptor
from weir.state.heap import NO_KEY
from weir.state.layered import ABSENT
from weir.state.reserved import WINDOW_MERGES
from weir.windows.evictors import TimestampedValue
from weir.windows.merging import Merge, MergingWindows
from weir.windows.sessions import MergingWindowAssigner
from weir.windows.triggers import TriggerResult
from weir.windows.window import GlobalWindow, TimeWindow

_MERGES: ValueStateDescriptor[Any] = ValueStateDescriptor(WINDOW_MERGES)

#: A window that gives a result, and the result.
_Fired = tuple[Any, Any]


class TriggeredWindowOperator(WindowOperator):
    """See the module. ``digest`` makes the result of a window's rows, where an evictor needs them to be kept."""

    _asks = True
    _window_timers: WindowTimers

    def __init__(
        self, *arguments: Any, digest: Callable[[list[Any]], Any] | None = None, **named: Any
    ) -> None:
        super().__init__(*arguments, **named)
        self._digest = digest
        self._merging = isinstance(self._settings.assigner, MergingWindowAssigner)

    def _register_more(self) -> None:
        self._trigger = self._settings.trigger
        self._asking = TriggeringContext(self._timers, self._window_timers, self._states)
        if self._merging:
            self._merges = self._store.get_state(_MERGES)

    # ---- rows --------------------------------------------------------------------------------------------

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        if self._over:
            yield from self._end_over()
        ctx = self._ctx
        assert batch.keys is not None
        times = self._times(batch)
        add = self._add_merging if self._merging else self._add
        rows = zip(batch.keys, batch.values, times, batch.timestamps or times, strict=True)
        for ctx.key, value, time, ctx.ts in rows:
            key = ctx.key
            fired, taken = add(list(self._settings.assigner.assign_windows(value, time)), value)
            if not taken:
                yield from self._late([value], [time])
            for window, result in fired:
                yield from self._emit(window, [(key, result)])
        yield from self._flush()
        ctx.key = NO_KEY

    def _add(self, windows: list[Any], value: Any) -> tuple[list[_Fired], bool]:
        """What fires, and whether any window took the row."""
        fired: list[_Fired] = []
        live = [window for window in windows if not self._is_late(window)]
        for window in live:
            fired += self._add_to(window, tuple(window), value)
        return fired, bool(live)

    def _add_merging(self, windows: list[TimeWindow], value: Any) -> tuple[list[_Fired], bool]:
        assigner = self._settings.assigner
        assert isinstance(assigner, MergingWindowAssigner)
        fired: list[_Fired] = []
        taken = False
        kept = self._merges.value()
        merging = MergingWindows.of_state(kept)
        for window in windows:
            added = merging.add(window, assigner.merge_windows)
            for merge in added.merges:
                self._merge(merge)
            if self._is_late(added.window):
                merging.retire(added.window)
                continue
            taken = True
            state_window = merging.state_window(added.window)
            assert state_window is not None
            fired += self._add_to(added.window, tuple(state_window), value)
        self._keep(merging, kept)
        return fired, taken

    def _add_to(self, window: Any, entry: Entry, value: Any) -> list[_Fired]:
        stamp = self._ctx.ts
        self._contents.add(entry, value if self._digest is None else (value, stamp))
        result = self._trigger.on_element(value, stamp, window, self._asking.begin(window))
        fired = self._answer(window, entry, result)
        cleanup = self._cleanup_time(window)
        if cleanup != MAX_TIMESTAMP:
            self._window_timers.register(self._domain, cleanup, tuple(window))
        return fired

    def _answer(self, window: Any, entry: Entry, result: TriggerResult) -> list[_Fired]:
        """Do what the trigger says; what fires."""
        fired: list[_Fired] = []
        if result.is_fire():
            found = self._evicted(window, entry) if self._digest is not None else self._contents.result(entry)
            if found is not ABSENT:
                fired.append((window, found))
        if result.is_purge():
            self._contents.clear(entry)
        return fired

    def _evicted(self, window: Any, entry: Entry) -> Any:
        """The result of what the evictor leaves of a window."""
        contents, evictor = self._contents, self._settings.evictor
        assert isinstance(contents, ListedContents)
        assert evictor is not None
        assert self._digest is not None
        rows = contents.result(entry)
        if rows is ABSENT:
            return ABSENT
        before = evictor.evict_before([TimestampedValue(*row) for row in rows], window)
        after = evictor.evict_after(before, window)
        if len(after) < len(rows):
            contents.replace(entry, [tuple(row) for row in after])
        return self._digest([row.value for row in before])

    # ---- merges ------------------------------------------------------------------------------------------

    def _merge(self, merge: Merge) -> None:
        self._trigger.on_merge(merge.result, self._asking.begin(merge.result, merge.merged))
        for window in merge.merged:
            self._forget_trigger(window)
        self._contents.merge(tuple(merge.state_window), [tuple(window) for window in merge.absorbed])

    def _forget_trigger(self, window: Any) -> None:
        self._trigger.clear(window, self._asking.begin(window))
        self._states.clear(trigger_entry(tuple(window)))
        self._window_timers.delete(self._domain, self._cleanup_time(window), tuple(window))

    def _keep(self, merging: MergingWindows, before: Any) -> None:
        kept = merging.kept()
        if not kept:
            self._merges.clear()
        elif kept != before:
            self._merges.update(kept)

    # ---- timers ------------------------------------------------------------------------------------------

    def _fire_bucket(self, timestamp: int, keys: list[Any]) -> Iterator[StreamElement]:
        domain = self._ctx.domain
        assert domain is not None
        for key in keys:
            self._ctx.key = key
            time, entries = self._window_timers.take(domain, timestamp)
            for entry in entries:
                window = TimeWindow(*entry) if entry else GlobalWindow()
                for _, result in self._due(domain, time, window):
                    yield from self._emit(window, [(key, result)])
                    self._ctx.key = key
        yield from self._flush()

    def _due(self, domain: TimeDomain, time: int, window: Any) -> Iterator[_Fired]:
        """A timer of a window of the current key. What comes last, forgetting it, is done when its result was given."""
        entry: Entry = tuple(window)
        if self._merging:
            merging = MergingWindows.of_state(self._merges.value())
            state_window = merging.state_window(window)
            if state_window is None:
                return
            entry = tuple(state_window)
        asked = (
            self._trigger.on_event_time
            if domain is TimeDomain.EVENT_TIME
            else self._trigger.on_processing_time
        )
        yield from self._answer(window, entry, asked(time, window, self._asking.begin(window)))
        if domain is self._domain and time == self._cleanup_time(window):
            self._end(window)

    def _end(self, window: Any) -> None:
        merging = MergingWindows.of_state(self._merges.value()) if self._merging else None
        state_window = window if merging is None else merging.mapping[window]
        self._contents.clear(tuple(state_window))
        self._forget_trigger(window)
        self._gone(window, (self._ctx.key,))
        if merging is not None:
            before = merging.kept()
            merging.retire(window)
            self._keep(merging, before)
        else:
            self._states.clear(tuple(window))

    # ---- windows of another job's ------------------------------------------------------------------------

    def _restored_windows(self) -> Iterator[tuple[Any, Any, bool]]:
        found: dict[Any, dict[Entry, None]] = {}
        if self._merging:
            for key, _ in self._store.restored_entries(_MERGES):
                self._ctx.key = key
                found[key] = dict.fromkeys(self._merges.value() or ())
        else:
            for key, entry in self._contents.restored():
                found.setdefault(key, {})[entry] = None
        timed = [key for key, _ in self._store.restored_entries(TIMERS)]
        for key in dict.fromkeys([*found, *timed]):
            self._ctx.key = key
            listed, windows = self._window_timers.listed(), found.get(key, {})
            if not self._merging:
                windows.update(
                    dict.fromkeys(listed)
                )  # one whose rows were purged is known by its timers only
            for entry in windows:
                yield key, TimeWindow(*entry) if entry else GlobalWindow(), entry in listed

    def _wake(self, window: Any, *, asked: bool) -> bool:
        """With the default trigger a window's timers need no list; from now on they do."""
        last, cleanup, entry = window.max_timestamp(), self._cleanup_time(window), tuple(window)
        if cleanup == MAX_TIMESTAMP:
            return True
        if self._event_time and cleanup <= self._timers.watermark:
            return False
        if not asked and self._waits(window):
            self._window_timers.register(self._domain, last, entry)
        self._window_timers.register(self._domain, cleanup, entry)
        return True

    def _kind_by_contents(self) -> str | None:
        kind = super()._kind_by_contents()
        if kind is not None or self._digest is None:
            return kind
        for key, entry in self._contents.restored():
            # All are of one kind, so that the first one tells it.
            self._ctx.key = key
            rows, listed = self._contents.result(entry), not entry or entry in self._window_timers.listed()
            stamped = all(
                isinstance(row, tuple) and len(row) == 2 and isinstance(row[1], int) for row in rows
            )
            return None if stamped and (listed or self._merging) else "windows without an evictor"
        return None

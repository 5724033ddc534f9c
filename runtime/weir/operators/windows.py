"""Windows of rows by key: what all of them share, and the quick form for windows that are aligned to the clock. Hot path.

Of aligned windows with their default trigger everything follows from the time: the rows of a batch that share all of their
windows are folded in one loop, a window needs one timer for each key, and a timer's time says which window it ends. All
other windows ask a trigger for each row: ``triggered_windows``. Results and names are Flink's in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from operator import itemgetter
from typing import Any

from weir.errors import UserCodeError
from weir.functions import TimeDomain
from weir.operators import window_notes
from weir.operators.base import MAX_BATCH_ROWS
from weir.operators.restored_windows import RestoredWindows
from weir.operators.user_function import (
    StreamingRuntimeContext,
    close_function,
    not_iterable,
    open_function,
)
from weir.operators.window_contents import Contents
from weir.operators.window_context import FiringContext
from weir.operators.window_states import WindowStates
from weir.operators.window_timers import TIMERS, WindowTimers
from weir.records import MAX_TIMESTAMP, RowBatch, StreamElement
from weir.state.descriptors import MapStateDescriptor
from weir.state.reserved import WINDOW_STATES, WINDOW_TIMERS
from weir.windows.assigners import AlignedWindows
from weir.windows.functions import ProcessWindowFunction
from weir.windows.settings import WindowSettings
from weir.windows.window import TimeWindow


class Rows:
    """Results that are collected until a batch is full."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.stamps: list[int] = []

    def take(self) -> Iterator[RowBatch]:
        """What was collected, if anything was."""
        if self.values:
            batch = RowBatch(self.values, self.stamps)
            self.values, self.stamps = [], []
            yield batch


class WindowOperator(RestoredWindows):
    """What all windows share: contents, lateness, and how a result leaves."""

    #: Whether windows merge; they have no state of their own then.
    _merging = False

    def __init__(
        self,
        settings: WindowSettings,
        contents: Contents,
        function: Any,
        window_function: Any,
        *,
        listed: bool,
    ) -> None:
        """``listed``: the window function is given all rows, not the one result of them."""
        super().__init__(function)
        self._settings = settings
        self._contents = contents
        self._window_function = window_function
        self._listed = listed
        self._event_time = settings.assigner.is_event_time()
        self._domain = TimeDomain.EVENT_TIME if self._event_time else TimeDomain.PROCESSING_TIME
        self._rows = Rows()

    def _register(self) -> None:
        runtime = StreamingRuntimeContext(self.context, self._store, self._operator_state)
        open_function(self._function, runtime)
        open_function(self._window_function, runtime)
        self._contents.register(self._store, self._ctx)
        self._states_descriptor: MapStateDescriptor[Any, Any] = MapStateDescriptor(WINDOW_STATES)
        self._states = WindowStates(self._store.get_state(self._states_descriptor), self.context.label)
        self._window_timers = None
        if self._asks or WINDOW_TIMERS in self._store.unclaimed():
            self._window_timers = WindowTimers(
                self._ctx,
                self._store.get_state(TIMERS),
                self._store.event_timers,
                self._store.processing_timers,
            )
        self._queue = self._store.event_timers if self._event_time else self._store.processing_timers
        self._firing = FiringContext(self._ctx, self._timers, self._states, merging=self._merging)
        self._clear_function = None
        function = self._window_function
        if (
            isinstance(function, ProcessWindowFunction)
            and type(function).clear is not ProcessWindowFunction.clear
        ):
            self._clear_function = function.clear
        self._register_more()
        runtime.opened()
        self._take_over()

    def _register_more(self) -> None:
        """Get further state of the engine's."""

    # ---- time --------------------------------------------------------------------------------------------

    def _times(self, batch: RowBatch) -> list[int]:
        """By which each row is put into windows."""
        if not self._event_time:
            return [self.context.clock.wall_ms()] * len(batch.values)
        if batch.timestamps is None:
            raise UserCodeError(
                f"{type(self._settings.assigner).__name__} puts rows into windows by event time, but they have none; give the source "
                "a WatermarkStrategy with a timestamp assigner, or use windows by processing time"
            )
        return batch.timestamps

    def _cleanup_time(self, window: Any) -> int:
        last: int = window.max_timestamp()
        return min(last + self._settings.lateness, MAX_TIMESTAMP) if self._event_time else last

    def _is_late(self, window: Any) -> bool:
        return self._event_time and self._cleanup_time(window) <= self._timers.watermark

    def _late(self, values: list[Any], stamps: list[int]) -> Iterator[RowBatch]:
        """Rows that no window took: those that came too late are counted, or go to their side output."""
        if not self._event_time:
            return
        latest = self._timers.watermark - self._settings.lateness
        late = [(value, stamp) for value, stamp in zip(values, stamps, strict=True) if stamp <= latest]
        tag = self._settings.late_tag
        if tag is None:
            self.late_rows += len(late)
        elif late:
            yield RowBatch([value for value, _ in late], [stamp for _, stamp in late], tag=tag.tag_id)

    # ---- results -----------------------------------------------------------------------------------------

    def _emit(self, window: Any, fired: Iterable[tuple[Any, Any]]) -> Iterator[StreamElement]:
        """Collect the results of a window for some keys; full batches leave."""
        stamp = window.max_timestamp()
        rows, call = self._rows, self._called(window)
        for key, result in fired:
            if call is None:
                rows.values.append(result)
                rows.stamps.append(stamp)
            else:
                yield from self._collect(call, window, key, result)
            if len(rows.values) >= MAX_BATCH_ROWS:
                yield from rows.take()

    def _called(self, window: Any) -> Callable[[Any, Any], Any] | None:
        function = self._window_function
        if function is None:
            return None
        if isinstance(function, ProcessWindowFunction):
            process, context = function.process, self._firing
            context.begin(window)
            return lambda key, elements: process(key, context, elements)
        apply = function.apply
        return lambda key, elements: apply(key, window, elements)

    def _collect(
        self, call: Callable[[Any, Any], Any], window: Any, key: Any, result: Any
    ) -> Iterator[StreamElement]:
        stamp = window.max_timestamp()
        ctx, rows = self._ctx, self._rows
        ctx.key, ctx.ts = key, stamp
        results = call(key, result if self._listed else [result])
        if results is None:
            return
        try:
            results = iter(results)
        except TypeError:
            raise not_iterable(self._window_function, results) from None
        while found := list(islice(results, MAX_BATCH_ROWS)):
            rows.values += found
            rows.stamps += [stamp] * len(found)
            if len(rows.values) >= MAX_BATCH_ROWS:
                yield from rows.take()
                yield from ctx.take_side_outputs()

    def _flush(self) -> Iterator[StreamElement]:
        yield from self._rows.take()
        yield from self._ctx.take_side_outputs()

    def _gone(self, window: Any, keys: Iterable[Any]) -> None:
        """A window was forgotten: so is its state."""
        if self._clear_function is not None:
            self._firing.begin(window)
            for self._ctx.key in keys:
                self._clear_function(self._firing)

    def locate_failure(self, frame: dict[str, Any]) -> dict[str, Any]:
        """What failed, from the locals of a method."""
        found = {}
        if "value" in frame:
            found["record"] = frame["value"]
        if "key" in frame:
            found["key"] = frame["key"]
        if isinstance(frame.get("window"), TimeWindow):
            found["window"] = tuple(frame["window"])
        return found

    def close(self) -> None:
        try:
            close_function(self._window_function)
        finally:
            super().close()


class AlignedWindowOperator(WindowOperator):
    """Tumbling and sliding windows with their default trigger."""

    @property
    def _assigner(self) -> AlignedWindows:
        assigner = self._settings.assigner
        assert isinstance(assigner, AlignedWindows)
        return assigner

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        if not batch.values:
            return
        if self._over:
            yield from self._end_over()
        assert batch.keys is not None
        stamps = self._times(batch)
        panes = self._assigner.panes(stamps)
        if panes.count(panes[0]) == len(panes):
            yield from self._put(batch.keys, batch.values, stamps, {panes[0]: list(range(len(panes)))})
        else:
            rows: dict[int, list[int]] = {}
            for row, pane in enumerate(panes):
                rows.setdefault(pane, []).append(row)
            yield from self._put(batch.keys, batch.values, stamps, rows)
        yield from self._flush()

    def _put(
        self, keys: list[Any], values: list[Any], stamps: list[int], panes: dict[int, list[int]]
    ) -> Iterator[StreamElement]:
        """Rows, by number in each pane, into their windows; each window gets its own in the order in which they came."""
        late: list[int] = []
        again: list[tuple[int, TimeWindow]] = []
        running: dict[TimeWindow, list[int]] = {}
        for pane, rows in panes.items():
            live = [window for window in self._assigner.windows_of(pane) if not self._is_late(window)]
            if not live:
                late += rows
            for window in live:
                if self._event_time and window.max_timestamp() <= self._timers.watermark:
                    again += [(row, window) for row in rows]
                else:
                    running[window] = [*running[window], *rows] if window in running else rows
        for window, rows in running.items():
            if len(rows) == len(values):
                self._add(window, keys, values)
            else:
                picked = sorted(rows)
                self._add(window, [keys[row] for row in picked], [values[row] for row in picked])
        if late:
            late.sort()
            yield from self._late([values[row] for row in late], [stamps[row] for row in late])
        if again:
            again.sort(key=itemgetter(0))
            yield from self._fire_again(again, keys, values)

    def _add(self, window: TimeWindow, keys: list[Any], values: list[Any]) -> None:
        """Rows of a window that has not ended."""
        self._contents.add_all(tuple(window), keys, values)
        distinct = dict.fromkeys(keys)
        if not self._event_time:
            # A row of the window's last millisecond may still come while that lasts.
            self._store.processing_timers.register_all(distinct, window.end)
            return
        self._store.event_timers.register_all(distinct, window.max_timestamp())
        if self._settings.lateness:
            self._store.event_timers.register_all(distinct, self._cleanup_time(window))

    def _fire_again(
        self, rows: list[tuple[int, TimeWindow]], keys: list[Any], values: list[Any]
    ) -> Iterator[StreamElement]:
        """Rows that are late but not too late: each one gives the window's new result."""
        ctx, contents = self._ctx, self._contents
        for row, window in rows:
            ctx.key, value = keys[row], values[row]
            contents.add(tuple(window), value)
            self._store.event_timers.register(ctx.key, self._cleanup_time(window))
            yield from self._emit(window, [(ctx.key, contents.result(tuple(window)))])

    # ---- timers ------------------------------------------------------------------------------------------

    def _fire_bucket(self, timestamp: int, keys: list[Any]) -> Iterator[StreamElement]:
        if self._ctx.domain is not self._domain:
            return  # what an earlier trigger left
        lateness = self._settings.lateness if self._event_time else 0
        last = timestamp if self._event_time else timestamp - 1
        for window in self._ending(last):
            given = keys if self._clear_function is None else []
            fired = self._contents.results(tuple(window), keys, keep=lateness > 0)
            yield from self._emit(window, fired if given is keys else _noting_keys(fired, given))
            if not lateness:
                self._forget(window, given)
        if lateness:
            for window in self._ending(last - lateness):
                self._forget(window, self._contents.forget(tuple(window), keys))
        if self._foreign:
            self._end_foreign(last - lateness)
        yield from self._flush()

    def _ending(self, last: int) -> list[TimeWindow]:
        """The windows with this last millisecond."""
        own = self._assigner.ending_at(last)
        foreign = self._foreign.get(last, [])
        return foreign if own is None else [own, *foreign]

    def _forget(self, window: TimeWindow, keys: list[Any]) -> None:
        """Of keys that had the window."""
        if isinstance(self._window_function, ProcessWindowFunction):
            self._gone(window, keys)
            self._store.take_entries(self._states_descriptor, tuple(window), keys)

    # ---- windows of another job's ------------------------------------------------------------------------

    def _restored_windows(self) -> Iterator[tuple[Any, TimeWindow, bool]]:
        asked = self._drop_lists()
        for key, entry in self._contents.restored():
            yield key, TimeWindow(*entry), entry in asked.get(key, ())

    def _wake(self, window: TimeWindow, *, asked: bool) -> bool:
        if not super()._wake(window, asked=asked):
            return False
        if not window_notes.is_of(self._assigner, window):
            foreign = self._foreign.setdefault(window.max_timestamp(), [])
            if window not in foreign:
                foreign.append(window)
        return True

    def _end(self, window: TimeWindow) -> None:
        self._contents.clear(tuple(window))
        self._forget(window, [self._ctx.key])

    def _end_foreign(self, last: int) -> None:
        """Those with this last millisecond are gone."""
        self._foreign.pop(last, None)
        self._take_note()


def _noting_keys(fired: Iterable[tuple[Any, Any]], keys: list[Any]) -> Iterator[tuple[Any, Any]]:
    """``fired`` as it is, and its keys."""
    for key, result in fired:
        keys.append(key)
        yield key, result

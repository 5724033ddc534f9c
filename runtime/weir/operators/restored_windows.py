"""Restored windows: they go on, also where the job has others now, or are refused. What all window operators do as they open.

A snapshot's notes (``window_notes``) say whether there is anything to do. If there is, each window is looked at once: what it needs
to end as it was to end is set anew, so that the rows that follow cost nothing more.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any

from msgspec import structs

from weir.functions import TimeDomain
from weir.operators import window_notes
from weir.operators.process import KeyedBase
from weir.operators.window_contents import Contents, Entry
from weir.operators.window_context import trigger_entry
from weir.operators.window_notes import WindowNote
from weir.operators.window_states import WindowStates
from weir.operators.window_timers import TIMERS, WindowTimers, queued_at
from weir.records import StreamElement, Watermark
from weir.state.reserved import WINDOW_ELEMENTS, WINDOW_MERGES, WINDOW_VALUES
from weir.state.timers import TimerQueue
from weir.windows.settings import WindowSettings
from weir.windows.window import TimeWindow


class RestoredWindows(KeyedBase):
    """See the module."""

    #: Whether a trigger is asked, whose timers are listed by window.
    _asks = False
    _settings: WindowSettings
    _contents: Contents
    _states: WindowStates
    _note: WindowNote
    _event_time: bool
    _domain: TimeDomain
    #: Of the clock by which windows end.
    _queue: TimerQueue
    #: Timers that triggers set, by window; without a trigger there may be some that the job's earlier one left.
    _window_timers: WindowTimers | None
    #: Keys with windows that are to be forgotten at once.
    _over: list[tuple[Any, Any]]
    #: Open windows that are not of those that the time alone tells now, by their last millisecond.
    _foreign: dict[int, list[TimeWindow]]

    def _take_over(self) -> None:
        """Let restored windows go on that were made by other settings. Raises ``SnapshotMismatch`` for what cannot."""
        label = self.context.label
        now = self._note = window_notes.note_of(self._settings, self._contents.kept, asks=self._asks)
        self._over: list[tuple[Any, Any]] = []
        self._foreign: dict[int, list[TimeWindow]] = {}
        self._take_note()
        found = window_notes.read(self._store.found_notes, label)
        if all(note == now for note in found):
            return
        for note in found:
            if note is not None and not note.goes_on(now) and self._holds_any():
                raise window_notes.refused(label, now, note)
        if None in found:
            kind = self._kind_by_contents()
            if kind is not None:
                raise window_notes.refused(label, now, kind)
        self._resume()

    def _kind_by_contents(self) -> str | None:
        """What the windows of a snapshot without notes are, if they are of another kind."""
        return window_notes.kind_by_contents(self._note, self._settings.assigner, self._store, self._contents)

    def _holds_any(self) -> bool:
        """Whether windows were restored, of whichever kind."""
        states = {WINDOW_VALUES, WINDOW_ELEMENTS, WINDOW_MERGES}
        return next(self._contents.restored(), None) is not None or not states.isdisjoint(
            self._store.left_over()
        )

    def _resume(self) -> None:
        """Give each restored window the timers that it needs now, and find those that are over by now."""
        for key, window, asked in self._restored_windows():
            self._ctx.key = key
            if not self._wake(window, asked=asked):
                self._over.append((key, window))
        self._take_note()

    def _take_note(self) -> None:
        """Snapshots are to say whether there is anything left that the next start has to look at."""
        settled = not self._over and not self._foreign
        self._store.note = window_notes.written(
            self._note if settled else structs.replace(self._note, timing=None)
        )

    def _end_over(self) -> Iterator[StreamElement]:
        """Forget windows that are over: before anything else is done, but not as the operator opens, when nothing can leave it."""
        for key, window in self._over:
            self._ctx.key = key
            self._end(window)
        self._over = []
        self._take_note()
        yield from self._ctx.take_side_outputs()

    def on_watermark(self, watermark: Watermark) -> Iterator[StreamElement]:
        if self._over:
            yield from self._end_over()
        yield from super().on_watermark(watermark)

    def on_processing_time(self, now_ms: int) -> Iterator[StreamElement]:
        if self._over:
            yield from self._end_over()
        yield from super().on_processing_time(now_ms)

    @abstractmethod
    def _restored_windows(self) -> Iterator[tuple[Any, Any, bool]]:
        """Before the first row: each key with each of its windows, and whether a trigger was asked of it. They may be changed meanwhile."""

    def _wake(self, window: Any, *, asked: bool) -> bool:
        """Set the timers of a restored window of the current key; whether it goes on.

        With the default trigger it waits for its end if there is a timer for that; else it gave its result, and is kept for late rows.
        """
        key, last = self._ctx.key, window.max_timestamp()
        waits = self._waits(window)
        if asked and not waits and not (self._event_time and last <= self._timers.watermark):
            self._queue.register(key, queued_at(self._domain, last))
            waits = True
        if not self._event_time or not self._settings.lateness:
            return waits
        cleanup = self._cleanup_time(window)
        if cleanup > self._timers.watermark:
            self._queue.register(key, cleanup)
            return True
        return waits

    def _waits(self, window: Any) -> bool:
        """Whether the current key has a timer at the end of a window."""
        return self._queue.has(self._ctx.key, queued_at(self._domain, window.max_timestamp()))

    @abstractmethod
    def _end(self, window: Any) -> None:
        """Forget a window of the current key."""

    def _drop_lists(self) -> dict[Any, set[Entry]]:
        """Forget which timers an earlier trigger set, and what it remembered; by key, of which windows."""
        asked: dict[Any, set[Entry]] = {}
        if self._window_timers is not None:
            keys = [key for key, _ in self._store.restored_entries(TIMERS)]
            for key in dict.fromkeys(keys):
                self._ctx.key = key
                asked[key] = self._window_timers.listed()
                self._window_timers.forget(self._domain)
                for entry in asked[key]:
                    self._states.clear(trigger_entry(entry))
        return asked

    @abstractmethod
    def _cleanup_time(self, window: Any) -> int:
        """When a window is forgotten."""

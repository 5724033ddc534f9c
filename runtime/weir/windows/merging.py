"""The windows of a key that merge: which there are, and under which window the state of each is kept. Pure.

State is never moved when a session merely grows: it stays under the window that it began with, its state window. Only when
two sessions with state become one, that of one is brought to the other's. The same bookkeeping as Flink's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

from weir.windows.window import TimeWindow

Merger: TypeAlias = Callable[[Iterable[TimeWindow]], list[tuple[TimeWindow, list[TimeWindow]]]]


class Merge(NamedTuple):
    """Windows that became one."""

    result: TimeWindow
    #: Those that are gone; their timers and triggers are to be cleared.
    merged: list[TimeWindow]
    #: Where the state of the result is, and the state windows whose contents belong there now.
    state_window: TimeWindow
    absorbed: list[TimeWindow]


class Added(NamedTuple):
    """What adding a window came to: the window in which the row is now, and the merge that made it, if there was one."""

    window: TimeWindow
    merges: list[Merge]


class MergingWindows:
    """The windows of one key: ``mapping`` is each window with its state window, and what is kept in state."""

    def __init__(self, mapping: dict[TimeWindow, TimeWindow]) -> None:
        self.mapping = mapping

    @staticmethod
    def of_state(kept: dict[tuple[int, int], tuple[int, int]] | None) -> MergingWindows:
        """From what ``kept`` gave."""
        return MergingWindows({TimeWindow(*w): TimeWindow(*s) for w, s in (kept or {}).items()})

    def kept(self) -> dict[tuple[int, int], tuple[int, int]]:
        """As plain tuples."""
        return {tuple(window): tuple(state) for window, state in self.mapping.items()}  # type: ignore[misc]

    def state_window(self, window: TimeWindow) -> TimeWindow | None:
        """Where a window's state is; ``None``: there is no such window any more."""
        return self.mapping.get(window)

    def retire(self, window: TimeWindow) -> None:
        """The window is gone."""
        self.mapping.pop(window, None)

    def add(self, window: TimeWindow, merge_windows: Merger) -> Added:
        """Add a row's window; merge what belongs together then."""
        if window in self.mapping:
            return Added(window, [])
        merges: list[Merge] = []
        found = window
        for result, members in merge_windows([*self.mapping, window]):
            if len(members) < 2:
                continue
            if window in members:
                found = result
            known = [member for member in members if member in self.mapping]
            states = [self.mapping.pop(member) for member in known]
            self.mapping[result] = states[0]
            # A window that the new one lies in is as it was.
            if known != [result]:
                merges.append(Merge(result, [w for w in known if w != result], states[0], states[1:]))
        if found not in self.mapping:
            self.mapping[found] = found
        return Added(found, merges)

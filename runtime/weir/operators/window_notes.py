"""What a snapshot notes of the windows in it, and what becomes of them in a job that has others.

A window goes on if only its times are others' (size, slide, offset, gap, lateness) or its trigger is: it ends when it was to end,
with the timers that it needs now. It is refused if what it keeps means something else: a folded value is no list of rows, and
the state of sessions lies where that of other windows does not. Snapshots from before there were notes are known by what is in them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from weir.errors import SnapshotCorrupt, SnapshotMismatch
from weir.operators.window_contents import Contents, Entry
from weir.state.descriptors import ValueStateDescriptor
from weir.state.registration import KeyedStates
from weir.state.reserved import WINDOW_ELEMENTS, WINDOW_MERGES, WINDOW_VALUES
from weir.windows.assigners import AlignedWindows, GlobalWindows, WindowAssigner
from weir.windows.sessions import MergingWindowAssigner
from weir.windows.settings import WindowSettings

PLAIN, MERGING, GLOBAL = "windows", "merging windows", "global windows"
EVENT_TIME, CLOCK = "event time", "the clock"
_BY_NAME = {WINDOW_VALUES: "one value for each key", WINDOW_ELEMENTS: "all rows"}
STAMPED = "all rows with their times (for an evictor)"


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """By what the timers of windows were set."""

    #: Size, slide and offset of windows that are aligned to the clock.
    aligned: tuple[int, int, int] | None
    lateness: int
    #: A trigger is asked, whose timers are listed.
    asks: bool


class WindowNote(msgspec.Struct, frozen=True, kw_only=True):
    """See the module. The names are part of the snapshot format."""

    windows: str
    clock: str
    contents: str
    #: ``None``: some windows were yet to end that an earlier job had made.
    timing: Timing | None

    def __str__(self) -> str:
        return f"{self.windows} by {self.clock} that keep {self.contents}"

    def goes_on(self, other: WindowNote) -> bool:
        """Whether windows of one are what the other knows."""
        return (self.windows, self.clock, self.contents) == (other.windows, other.clock, other.contents)


def note_of(settings: WindowSettings, contents: str, *, asks: bool) -> WindowNote:
    """Of a job's windows; ``contents``: what is kept of each."""
    assigner = settings.assigner
    aligned = (
        (assigner.size, assigner.slide, assigner.offset) if isinstance(assigner, AlignedWindows) else None
    )
    kind = PLAIN
    if isinstance(assigner, MergingWindowAssigner):
        kind = MERGING
    elif isinstance(assigner, GlobalWindows):
        kind = GLOBAL
    return WindowNote(
        windows=kind,
        clock=EVENT_TIME if assigner.is_event_time() else CLOCK,
        contents=STAMPED if settings.evictor is not None else contents,
        timing=Timing(aligned=aligned, lateness=settings.lateness, asks=asks),
    )


def written(note: WindowNote) -> dict[str, Any]:
    """As a snapshot has it."""
    made: dict[str, Any] = msgspec.to_builtins(note)
    return made


def read(found: Iterable[dict[str, Any] | None], label: str) -> list[WindowNote | None]:
    """The notes of a snapshot's files; ``None``: from before there were notes. Raises ``SnapshotCorrupt``."""
    try:
        return [None if each is None else msgspec.convert(each, WindowNote) for each in found]
    except msgspec.ValidationError as error:
        raise SnapshotCorrupt(
            f"what the snapshot of operator {label} notes of its windows is damaged: {error}"
        ) from error


def kind_by_contents(
    now: WindowNote, assigner: WindowAssigner[Any, Any], store: KeyedStates, contents: Contents
) -> str | None:
    """Of a snapshot without notes: what its windows are if they are of another kind than ``now``, as far as that can be told.

    A job that was changed so before changes were refused has lost windows of the other kind beside its own: it goes on.
    """
    left, first = store.left_over(), next(contents.restored(), None)
    other = WINDOW_ELEMENTS if contents.name == WINDOW_VALUES else WINDOW_VALUES
    if first is None:
        return f"windows that keep {_BY_NAME[other]}" if other in left else None
    if now.windows == MERGING:
        merges: ValueStateDescriptor[Any] = ValueStateDescriptor(WINDOW_MERGES)
        if next(store.restored_entries(merges), None) is None:
            return GLOBAL if first[1] == () else "windows that do not merge"
    elif WINDOW_MERGES in left and not any(is_of(assigner, entry) for _, entry in contents.restored()):
        return MERGING
    if first[1] == ():
        return GLOBAL if isinstance(assigner, AlignedWindows) else None
    if now.windows == GLOBAL:
        return PLAIN
    set_by = {EVENT_TIME: len(store.event_timers), CLOCK: len(store.processing_timers)}
    other_clock = CLOCK if now.clock == EVENT_TIME else EVENT_TIME
    return f"windows by {other_clock}" if set_by[other_clock] and not set_by[now.clock] else None


def is_of(assigner: WindowAssigner[Any, Any], entry: Entry) -> bool:
    """Whether a window is one of those that are aligned to the clock as the assigner has it."""
    return isinstance(assigner, AlignedWindows) and bool(entry) and assigner.ending_at(entry[1] - 1) == entry


def refused(label: str, now: WindowNote, then: WindowNote | str) -> SnapshotMismatch:
    """The error for windows that cannot go on."""
    return SnapshotMismatch(
        f"operator {label} has {now}, its snapshot holds open ones of another kind: {then}; keep the windows as they were, or give "
        "the operator another uid and start with --allow-non-restored-state, which drops the open windows"
    )

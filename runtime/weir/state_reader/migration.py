"""Keyed state under other keys and key groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from weir.errors import StateAccessError
from weir.state.descriptors import StateDescriptor
from weir.state_reader.keyed import KeyedSubtasks, TimerSet


def move(
    old: KeyedSubtasks,
    new: KeyedSubtasks,
    states: Sequence[StateDescriptor],
    key: Callable[[Any], Any],
    operator: str,
) -> None:
    """Put everything of ``old`` into ``new``. Raises ``StateAccessError`` for states not given and keys that become one."""
    tables = [(old.table(descriptor), new.table(descriptor)) for descriptor in states]
    left = old.unclaimed()
    if left:
        raise StateAccessError(
            f"operator {operator} also has the state {', '.join(map(repr, left))}, whose keys cannot be changed without its "
            "type; give the descriptors of all its states"
        )
    made: dict[Any, Any] = {}
    for source, target in tables:
        for before in source:
            after = _of(before, key, made, operator)
            target[after] = source[before]
    for event_time in (True, False):
        timers = TimerSet(new, event_time=event_time)
        for before, timestamp in TimerSet(old, event_time=event_time):
            timers.add((_of(before, key, made, operator), timestamp))


def _of(before: Any, key: Callable[[Any], Any], made: dict[Any, Any], operator: str) -> Any:
    after = key(before)
    other = made.setdefault(after, before)
    if other != before:
        raise StateAccessError(
            f"keys {other!r:.80} and {before!r:.80} of operator {operator} both become {after!r:.80}; join what they have "
            "first, and delete one of them"
        )
    return after

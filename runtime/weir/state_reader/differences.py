"""What is different between two snapshots, key by key, told without the job's code (``weir diff``).

Operators are matched by their ids, states by name and kind. Maps are compared entry by entry, lists without keys by how often an
element occurs. When a value was written, of state with a time to live, is not compared.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Any

import msgspec

from weir.checkpoint.store import LoadedSnapshot
from weir.ids import OperatorId
from weir.state_reader.contents import Contents, StateName
from weir.state_reader.operators import SavepointOperator

#: Characters of a value that is told.
_MOST = 120


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One key, an entry of its map, an element, or a timer; as Python would write it. ``None``: there is nothing."""

    key: str
    before: str | None = None
    after: str | None = None


class StateDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One state that is not the same."""

    name: str
    kind: str
    #: In the first snapshot and in the second; "": not there.
    types: tuple[str, str]
    added: int = 0
    removed: int = 0
    changed: int = 0
    #: The first of them, in the order of their keys.
    changes: tuple[Change, ...] = ()
    #: Why there are no changes to be told.
    note: str = ""


class OperatorDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One operator that is not the same."""

    uid: str | None
    name: str
    #: In the first snapshot and in the second; 0: it has no place there.
    parallelism: tuple[int, int]
    max_parallelism: tuple[int, int]
    states: tuple[StateDifference, ...]


class SnapshotDifference(msgspec.Struct, frozen=True, kw_only=True):
    """Two snapshots; without operators they hold the same state."""

    before: str  #: URI of its folder
    after: str
    operators: tuple[OperatorDifference, ...] = ()


def compare(
    before: LoadedSnapshot, after: LoadedSnapshot, limit: int = 20, only: OperatorId | None = None
) -> SnapshotDifference:
    """What ``after`` has otherwise than ``before``, telling up to ``limit`` changes of each state.

    ``only``: one operator. The state of one operator at a time is held in memory. Raises ``SnapshotCorrupt``.
    """
    olds = {state.operator_id: SavepointOperator(before, state) for state in before.metadata.operators}
    news = {state.operator_id: SavepointOperator(after, state) for state in after.metadata.operators}
    found = []
    for operator in dict.fromkeys([*olds, *news]):
        if only in (None, operator):
            different = _operator(olds.get(operator), news.get(operator), limit)
            if different is not None:
                found.append(different)
    return SnapshotDifference(before=before.uri, after=after.uri, operators=tuple(found))


def _operator(
    old: SavepointOperator | None, new: SavepointOperator | None, limit: int
) -> OperatorDifference | None:
    known = new or old
    assert known is not None
    was, now = _contents(old), _contents(new)
    names = dict.fromkeys([*was.types, *now.types])
    states = tuple(state for name in names if (state := _state(name, was, now, limit)) is not None)
    parallelism = (old.parallelism if old else 0), (new.parallelism if new else 0)
    most = (old.max_parallelism if old else 0), (new.max_parallelism if new else 0)
    if not states and parallelism[0] == parallelism[1] and most[0] == most[1]:
        return None
    return OperatorDifference(
        uid=known.uid, name=known.name, parallelism=parallelism, max_parallelism=most, states=states
    )


def _contents(operator: SavepointOperator | None) -> Contents:
    found = Contents()
    for data in operator.state_files() if operator else ():
        found.add(data)
    return found


def _state(name: StateName, was: Contents, now: Contents, limit: int) -> StateDifference | None:
    types = was.types.get(name, ""), now.types.get(name, "")
    if name in was.closed or name in now.closed:
        if sorted(was.closed.get(name, [])) == sorted(now.closed.get(name, [])):
            return None
        note = "its bytes differ; it is pickled, or of the job's own serializer, and is not opened"
        return StateDifference(name=name.name, kind=name.kind, types=types, note=note)
    old, new = was.tables.get(name, {}), now.tables.get(name, {})
    places = list(_places(old, new))
    if not places and types[0] == types[1]:
        return None
    told = heapq.nsmallest(limit, places, key=repr)
    return StateDifference(
        name=name.name,
        kind=name.kind,
        types=types,
        added=sum(place not in old for place in places),
        removed=sum(place not in new for place in places),
        changed=sum(place in old and place in new for place in places),
        changes=tuple(
            Change(key=_told(place), before=_at(old, place), after=_at(new, place)) for place in told
        ),
    )


def _places(old: dict[Any, Any], new: dict[Any, Any]) -> Iterator[Any]:
    """Where something else lies, as Python compares, a NaN with itself being the same."""
    for place, value in old.items():
        if place not in new or (new[place] != value and repr(new[place]) != repr(value)):
            yield place
    yield from (place for place in new if place not in old)


def _at(table: dict[Any, Any], place: Any) -> str | None:
    return _told(table[place]) if place in table else None


def _told(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."

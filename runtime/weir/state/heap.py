"""Keyed handles over flat dicts on the heap. Hot path: one attribute load and one dict operation per access.

The operator sets ``cell.key`` for each record; a handle looks the key up in its state's own table. While no
record is processed the cell holds :data:`NO_KEY`, which cannot be hashed, so that a use without a key is
found by the very lookup that it would spoil, at no cost for the others. Tables belong to the keyed store,
which puts others in their place while they stand still (``standing``), between batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from weir.errors import StateAccessError
from weir.state.descriptors import Aggregator
from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, State, ValueState
from weir.state.isolation import IMMUTABLE, isolated
from weir.state.standing import Overlay

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
IN = TypeVar("IN")
ACC = TypeVar("ACC")
OUT = TypeVar("OUT")


class NoKeyError(StateAccessError):
    """Keyed state or a timer was used while there is no current key."""


class _NoKey:
    """The key of nothing; hashing it is the error."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise NoKeyError(
            "keyed state or a timer was used without a key; use it only while an element or a timer "
            "of a keyed stream is processed (after key_by), not in open() or close()"
        )

    def __repr__(self) -> str:
        return "NO_KEY"


NO_KEY: Final = _NoKey()


class KeyCell:
    """Holds the current key; written by the operator's loop, read by all handles."""

    __slots__ = ("key",)

    def __init__(self) -> None:
        self.key: Any = NO_KEY


def without_key(name: str, operator: str) -> NoKeyError:
    """The error for a use of this state while no record is processed."""
    return NoKeyError(
        f"state {name!r} of operator {operator} was used without a key; use it only while an "
        "element or a timer of a keyed stream is processed (after key_by), not in open() or close()"
    )


class HeapHandle(State):
    """What all handles share: the cell, the table, and names for messages."""

    __slots__ = ("_cell", "_get", "_name", "_operator", "_remove", "table")

    def __init__(self, cell: KeyCell, table: dict[Any, Any], name: str, operator: str) -> None:
        self._cell = cell
        self._name = name
        self._operator = operator
        self.use(table)

    _get: Callable[[Any], Any]
    _remove: Callable[[Any], None]

    def use(self, table: dict[Any, Any], remove: Callable[[Any], None] | None = None) -> None:
        """From now on this is the table: it stands still, or no longer does. ``remove``: a key that is there, by default at once."""
        self.table = table
        if isinstance(table, Overlay):
            # Its own hits are then those of a dict.
            self._get, self._remove = table.__getitem__, table.remove
        else:
            self._get, self._remove = table.get, table.__delitem__
        if remove is not None:
            self._remove = remove

    def _no_key(self) -> NoReturn:
        raise without_key(self._name, self._operator) from None

    def clear(self) -> None:
        try:
            # Not pop(key, None): on an empty dict that does not hash the key.
            if self._cell.key in self.table:
                self._remove(self._cell.key)
        except NoKeyError:
            self._no_key()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r} of {self._operator}: {len(self.table)} keys>"


class HeapValueState(HeapHandle, ValueState[T]):
    """Table: key -> value; for declared types whose values cannot change."""

    __slots__ = ()

    def value(self) -> T | None:
        try:
            return self._get(self._cell.key)  # type: ignore[no-any-return]  # and one store less
        except NoKeyError:
            self._no_key()

    def update(self, value: T) -> None:
        if value is None:
            self.clear()  # else the key would stay for ever
            return
        try:
            self.table[self._cell.key] = value
        except NoKeyError:
            self._no_key()


class IsolatedValueState(HeapValueState[T]):
    """Table: key -> value that nobody else holds."""

    __slots__ = ()

    def value(self) -> T | None:
        try:
            value: T | None = self._get(self._cell.key)
        except NoKeyError:
            self._no_key()
        return value if value.__class__ in IMMUTABLE else isolated(value)

    def update(self, value: T) -> None:
        if value is None:
            self.clear()
            return
        try:
            self.table[self._cell.key] = value if value.__class__ in IMMUTABLE else isolated(value)
        except NoKeyError:
            self._no_key()


class HeapListState(HeapHandle, ListState[T]):
    """Table: key -> list, never empty, of elements that nobody else holds."""

    __slots__ = ()

    def get(self) -> list[T]:
        try:
            items = self._get(self._cell.key)
        except NoKeyError:
            self._no_key()
        return [] if items is None else isolated(items)

    def add(self, value: T) -> None:
        value = isolated(value)
        try:
            items = self._get(self._cell.key)
        except NoKeyError:
            self._no_key()
        if items is None:
            self.table[self._cell.key] = [value]
        else:
            items.append(value)

    def add_all(self, values: Iterable[T]) -> None:
        added = isolated(list(values))
        try:
            items = self._get(self._cell.key)
        except NoKeyError:
            self._no_key()
        if items is not None:
            items.extend(added)
        elif added:
            self.table[self._cell.key] = added

    def update(self, values: Iterable[T]) -> None:
        items = isolated(list(values))
        if not items:
            self.clear()
            return
        try:
            self.table[self._cell.key] = items
        except NoKeyError:
            self._no_key()


class HeapMapState(HeapHandle, MapState[K, V]):
    """Table: key -> dict, never empty, of values that nobody else holds."""

    __slots__ = ()

    def _entries(self) -> dict[K, V] | None:
        try:
            entries: dict[K, V] | None = self._get(self._cell.key)
        except NoKeyError:
            self._no_key()
        return entries

    def get(self, key: K) -> V | None:
        try:
            entries = self._get(self._cell.key)
        except NoKeyError:
            self._no_key()
        return None if entries is None else isolated(entries.get(key))

    def put(self, key: K, value: V) -> None:
        value = isolated(value)
        try:
            entries = self._get(self._cell.key)
        except NoKeyError:
            self._no_key()
        if entries is None:
            self.table[self._cell.key] = {key: value}
        else:
            entries[key] = value

    def put_all(self, entries: Mapping[K, V]) -> None:
        mine = self._entries()
        if mine is not None:
            mine.update(isolated(dict(entries)))
        elif entries:
            self.table[self._cell.key] = isolated(dict(entries))

    def remove(self, key: K) -> None:
        entries = self._entries()
        if entries is None:
            return
        entries.pop(key, None)
        if not entries:
            self._remove(self._cell.key)

    def contains(self, key: K) -> bool:
        entries = self._entries()
        return entries is not None and key in entries

    def keys(self) -> Iterable[K]:
        return list(self._entries() or ())

    def values(self) -> Iterable[V]:
        return isolated(list((self._entries() or {}).values()))

    def items(self) -> Iterable[tuple[K, V]]:
        return list(isolated(self._entries() or {}).items())

    def is_empty(self) -> bool:
        return self._entries() is None


class HeapReducingState(HeapHandle, ReducingState[T]):
    """Table: key -> folded value."""

    __slots__ = ("_reduce",)

    def __init__(
        self, cell: KeyCell, table: dict[Any, Any], name: str, operator: str, reduce: Callable[[T, T], T]
    ) -> None:
        super().__init__(cell, table, name, operator)
        self._reduce = reduce

    def get(self) -> T | None:
        try:
            return isolated(self._get(self._cell.key))  # type: ignore[no-any-return]
        except NoKeyError:
            self._no_key()

    def add(self, value: T) -> None:
        value = isolated(value)  # the fold may keep it, or parts of it
        key = self._cell.key
        try:
            current: Any = self._get(key)
        except NoKeyError:
            self._no_key()
        if current is None and key not in self.table:
            self.table[key] = value
        else:
            self.table[key] = self._reduce(current, value)


class HeapAggregatingState(HeapHandle, AggregatingState[IN, OUT]):
    """Table: key -> accumulator."""

    __slots__ = ("_add", "_create", "_result")

    def __init__(
        self,
        cell: KeyCell,
        table: dict[Any, Any],
        name: str,
        operator: str,
        function: Aggregator[IN, Any, OUT],
    ) -> None:
        super().__init__(cell, table, name, operator)
        self._add = function.add
        self._create = function.create_accumulator
        self._result = function.get_result

    def get(self) -> OUT | None:
        try:
            accumulator = self._get(self._cell.key)
            present = accumulator is not None or self._cell.key in self.table
        except NoKeyError:
            self._no_key()
        return isolated(self._result(accumulator)) if present else None

    def add(self, value: IN) -> None:
        value = isolated(value)
        key = self._cell.key
        try:
            accumulator = self._get(key)
        except NoKeyError:
            self._no_key()
        if accumulator is None and key not in self.table:
            accumulator = self._create()
        self.table[key] = self._add(value, accumulator)

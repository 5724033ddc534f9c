"""Keyed handles over tables in layers. Hot path: as ``weir.state.heap``, with one more dict operation for each write.

What goes in and comes out is isolated where it can change. Accumulators, which user code may change in place, are copied
at their first change after a cut: a snapshot may still be reading them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, NoReturn, TypeVar

from weir.state.descriptors import Aggregator
from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, ValueState
from weir.state.heap import KeyCell, NoKeyError, without_key
from weir.state.isolation import IMMUTABLE, isolated
from weir.state.layered.flat import ABSENT, FlatTable
from weir.state.layered.lists import ListTable
from weir.state.layered.maps import MapTable

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
IN = TypeVar("IN")
OUT = TypeVar("OUT")
_Table = TypeVar("_Table", FlatTable, ListTable, MapTable)


class _Layered(Generic[_Table]):
    """What all handles share."""

    __slots__ = ("_cell", "_name", "_operator", "_table")
    _table: _Table

    def __init__(self, cell: KeyCell, table: _Table, name: str, operator: str) -> None:
        self._cell = cell
        self._table = table
        self._name = name
        self._operator = operator

    def _no_key(self) -> NoReturn:
        raise without_key(self._name, self._operator) from None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r} of {self._operator}>"


class _Flat(_Layered[FlatTable]):
    __slots__ = ()

    def clear(self) -> None:
        try:
            self._table.young[self._cell.key] = ABSENT
            self._table.dirty[self._cell.key] = ABSENT
        except NoKeyError:
            self._no_key()


class LayeredValueState(_Flat, ValueState[T]):
    """For declared types whose values cannot change."""

    __slots__ = ()

    def value(self) -> T | None:
        try:
            value = self._table.young[self._cell.key]
        except NoKeyError:
            self._no_key()
        found: T | None = None if value is ABSENT else value
        return found

    def update(self, value: T) -> None:
        table = self._table
        key = self._cell.key
        try:
            table.young[key] = table.dirty[key] = ABSENT if value is None else value
        except NoKeyError:
            self._no_key()


class LayeredIsolatedValueState(LayeredValueState[T]):
    """For values that nobody else may hold."""

    __slots__ = ()

    def value(self) -> T | None:
        try:
            value = self._table.young[self._cell.key]
        except NoKeyError:
            self._no_key()
        if value is ABSENT:
            return None
        found: T = value if value.__class__ in IMMUTABLE else isolated(value)
        return found

    def update(self, value: T) -> None:
        super().update(value if value.__class__ in IMMUTABLE else isolated(value))


class LayeredListState(_Layered[ListTable], ListState[T]):
    """A list per key."""

    __slots__ = ()

    def get(self) -> list[T]:
        try:
            return isolated(self._table.get(self._cell.key))
        except NoKeyError:
            self._no_key()

    def add(self, value: T) -> None:
        try:
            self._table.append(self._cell.key, [isolated(value)])
        except NoKeyError:
            self._no_key()

    def add_all(self, values: Iterable[T]) -> None:
        if added := isolated(list(values)):
            try:
                self._table.append(self._cell.key, added)
            except NoKeyError:
                self._no_key()

    def update(self, values: Iterable[T]) -> None:
        items = isolated(list(values))
        try:
            self._table.replace(self._cell.key, items)
        except NoKeyError:
            self._no_key()

    def clear(self) -> None:
        self.update(())


class LayeredMapState(_Layered[MapTable], MapState[K, V]):
    """A map per key."""

    __slots__ = ()

    def get(self, key: K) -> V | None:
        value = self._found(key)
        return None if value is ABSENT else isolated(value)

    def contains(self, key: K) -> bool:
        return self._found(key) is not ABSENT

    def put(self, key: K, value: V) -> None:
        try:
            self._table.put(self._cell.key, key, isolated(value))
        except NoKeyError:
            self._no_key()

    def put_all(self, entries: Mapping[K, V]) -> None:
        for key, value in entries.items():
            self.put(key, value)

    def remove(self, key: K) -> None:
        try:
            self._table.put(self._cell.key, key, ABSENT)
        except NoKeyError:
            self._no_key()

    def keys(self) -> Iterable[K]:
        return list(self._whole())

    def values(self) -> Iterable[V]:
        return isolated(list(self._whole().values()))

    def items(self) -> Iterable[tuple[K, V]]:
        return list(isolated(self._whole()).items())

    def is_empty(self) -> bool:
        return not self._whole()

    def clear(self) -> None:
        try:
            self._table.clear(self._cell.key)
        except NoKeyError:
            self._no_key()

    def _found(self, key: K) -> Any:
        try:
            return self._table.get(self._cell.key, key)
        except NoKeyError:
            self._no_key()

    def _whole(self) -> dict[K, V]:
        try:
            found: dict[K, V] = self._table.whole(self._cell.key)
        except NoKeyError:
            self._no_key()
        return found


class LayeredReducingState(_Flat, ReducingState[T]):
    """A folded value per key."""

    __slots__ = ("_reduce",)

    def __init__(
        self, cell: KeyCell, table: FlatTable, name: str, operator: str, reduce: Callable[[T, T], T]
    ) -> None:
        super().__init__(cell, table, name, operator)
        self._reduce = reduce

    def get(self) -> T | None:
        try:
            value = self._table.young[self._cell.key]
        except NoKeyError:
            self._no_key()
        return None if value is ABSENT else isolated(value)

    def add(self, value: T) -> None:
        value = isolated(value)  # the fold may keep it, or parts of it
        table, key = self._table, self._cell.key
        try:
            current = table.young[key]
        except NoKeyError:
            self._no_key()
        if current is not ABSENT:
            value = self._reduce(current if key in table.dirty else isolated(current), value)
        table.young[key] = table.dirty[key] = value


class LayeredAggregatingState(_Flat, AggregatingState[IN, OUT]):
    """An accumulator per key."""

    __slots__ = ("_add", "_create", "_result")

    def __init__(
        self, cell: KeyCell, table: FlatTable, name: str, operator: str, function: Aggregator[IN, Any, OUT]
    ) -> None:
        super().__init__(cell, table, name, operator)
        self._add = function.add
        self._create = function.create_accumulator
        self._result = function.get_result

    def get(self) -> OUT | None:
        try:
            accumulator = self._table.young[self._cell.key]
        except NoKeyError:
            self._no_key()
        return None if accumulator is ABSENT else isolated(self._result(accumulator))

    def add(self, value: IN) -> None:
        value = isolated(value)
        table, key = self._table, self._cell.key
        try:
            accumulator = table.young[key]
        except NoKeyError:
            self._no_key()
        if accumulator is ABSENT:
            accumulator = self._create()
        elif key not in table.dirty:
            accumulator = isolated(accumulator)
        table.young[key] = table.dirty[key] = self._add(value, accumulator)

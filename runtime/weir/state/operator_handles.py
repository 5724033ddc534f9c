"""Handles of operator state: one list or one map for the whole instance, held directly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from weir.errors import StateAccessError
from weir.state.handles import ListState, MapState
from weir.state.isolation import isolated

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")


class OperatorListState(ListState[T]):
    """One list for the whole instance."""

    __slots__ = ("_items",)

    def __init__(self) -> None:
        self._items: list[T] = []

    def get(self) -> list[T]:
        return isolated(self._items)

    def add(self, value: T) -> None:
        self._items.append(isolated(value))

    def add_all(self, values: Iterable[T]) -> None:
        self._items.extend(isolated(list(values)))

    def update(self, values: Iterable[T]) -> None:
        self._items = isolated(list(values))

    def clear(self) -> None:
        self._items = []


class OperatorMapState(MapState[K, V]):
    """One map for the whole instance; the broadcast side writes it."""

    __slots__ = ("_entries",)

    def __init__(self, entries: dict[K, V]) -> None:
        self._entries = entries

    def get(self, key: K) -> V | None:
        return isolated(self._entries.get(key))

    def put(self, key: K, value: V) -> None:
        self._entries[key] = isolated(value)

    def put_all(self, entries: Mapping[K, V]) -> None:
        self._entries.update(isolated(dict(entries)))

    def remove(self, key: K) -> None:
        self._entries.pop(key, None)

    def contains(self, key: K) -> bool:
        return key in self._entries

    def keys(self) -> Iterable[K]:
        return list(self._entries)

    def values(self) -> Iterable[V]:
        return isolated(list(self._entries.values()))

    def items(self) -> Iterable[tuple[K, V]]:
        return list(isolated(self._entries).items())

    def is_empty(self) -> bool:
        return not self._entries

    def clear(self) -> None:
        self._entries.clear()

    def read_only(self, name: str) -> MapState[K, V]:
        """A view for the side that must not write."""
        return ReadOnlyMapState(self._entries, name)


class ReadOnlyMapState(OperatorMapState[K, V]):
    """What the non-broadcast side is handed."""

    __slots__ = ("_name",)

    def __init__(self, entries: dict[K, V], name: str) -> None:
        super().__init__(entries)
        self._name = name

    def _refuse(self) -> StateAccessError:
        return StateAccessError(
            f"broadcast state {self._name!r} is written where it can only be read; write it in "
            "process_broadcast_element, which sees the same elements in every instance"
        )

    def put(self, key: K, value: V) -> None:
        raise self._refuse()

    def put_all(self, entries: Mapping[K, V]) -> None:
        raise self._refuse()

    def remove(self, key: K) -> None:
        raise self._refuse()

    def clear(self) -> None:
        raise self._refuse()

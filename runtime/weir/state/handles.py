"""Handles: what user code holds for a piece of state. Names and meaning are PyFlink's.

Keyed handles always speak about the current key; operator and broadcast handles about the whole instance.
What ``value()`` or ``get()`` returns for an absent entry is ``None``. What is given and what is
returned are the caller's own: a change in place reaches the state by ``update`` (``put``), and nothing else by it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Generic, TypeAlias, TypeVar

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
IN = TypeVar("IN")
OUT = TypeVar("OUT")


class State(ABC):
    """Root of all handles."""

    __slots__ = ()

    @abstractmethod
    def clear(self) -> None:
        """Remove the current key's entry (operator state: everything)."""


class ValueState(State, Generic[T]):
    """One value per key."""

    __slots__ = ()

    @abstractmethod
    def value(self) -> T | None:
        """The current key's value, ``None`` before the first ``update``."""

    @abstractmethod
    def update(self, value: T) -> None:
        """Set the current key's value. ``None`` means absent, as after ``clear``."""


class ListState(State, Generic[T]):
    """A list per key (keyed state) or per instance (operator state)."""

    __slots__ = ()

    @abstractmethod
    def get(self) -> list[T]:
        """A copy of the list; empty when nothing was added."""

    @abstractmethod
    def add(self, value: T) -> None:
        """Append one element."""

    @abstractmethod
    def add_all(self, values: Iterable[T]) -> None:
        """Append elements."""

    @abstractmethod
    def update(self, values: Iterable[T]) -> None:
        """Replace the list by a copy of ``values``."""

    def __iter__(self) -> Iterator[T]:
        return iter(self.get())


class MapState(State, Generic[K, V]):
    """A map per key (keyed state), or one map that is equal in all instances (broadcast state)."""

    __slots__ = ()

    @abstractmethod
    def get(self, key: K) -> V | None:
        """The value of ``key``, ``None`` if there is none."""

    @abstractmethod
    def put(self, key: K, value: V) -> None: ...

    @abstractmethod
    def put_all(self, entries: Mapping[K, V]) -> None: ...

    @abstractmethod
    def remove(self, key: K) -> None:
        """Remove ``key``; an unknown one is a no-op."""

    @abstractmethod
    def contains(self, key: K) -> bool: ...

    @abstractmethod
    def keys(self) -> Iterable[K]:
        """A copy, in no order that all backends keep; the map may be changed while iterating."""

    @abstractmethod
    def values(self) -> Iterable[V]:
        """A copy, in the order of ``keys``."""

    @abstractmethod
    def items(self) -> Iterable[tuple[K, V]]:
        """A copy, in the order of ``keys``."""

    @abstractmethod
    def is_empty(self) -> bool: ...

    def __contains__(self, key: K) -> bool:
        return self.contains(key)

    def __getitem__(self, key: K) -> V | None:
        """Like ``get``: ``None`` for an unknown key, as in PyFlink."""
        return self.get(key)

    def __setitem__(self, key: K, value: V) -> None:
        self.put(key, value)

    def __delitem__(self, key: K) -> None:
        self.remove(key)

    def __iter__(self) -> Iterator[K]:
        return iter(self.keys())


class ReducingState(State, Generic[T]):
    """One value per key, folded with the descriptor's function."""

    __slots__ = ()

    @abstractmethod
    def get(self) -> T | None:
        """The folded value, ``None`` before the first ``add``."""

    @abstractmethod
    def add(self, value: T) -> None:
        """Fold one value in."""


class AggregatingState(State, Generic[IN, OUT]):
    """One accumulator per key."""

    __slots__ = ()

    @abstractmethod
    def get(self) -> OUT | None:
        """The result of the accumulator, ``None`` before the first ``add``."""

    @abstractmethod
    def add(self, value: IN) -> None:
        """Fold one value into the accumulator."""


#: Written by the broadcast side only, equal in all instances.
BroadcastState: TypeAlias = MapState[K, V]

"""A sweep through tables on the heap for what has expired, in slices between batches.

It walks over the keys that a table had when the sweep of that table began. What expires meanwhile is met by the next one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from weir.state.descriptors import StateKind
from weir.state.ttl import Lifetime, StateTime

#: Keys of one slice.
_SLICE: Final = 500
#: Milliseconds between the ends of a sweep and the next one, at least.
_PAUSE_MS: Final = 1000


class Sweep:
    """Over all tables of a store whose state expires, again and again."""

    def __init__(self, tables: list[tuple[StateKind, dict[Any, Any], Lifetime]], time: StateTime) -> None:
        self._tables = tables
        self._time = time
        self._walk: Iterator[None] | None = None
        self._next_ms = 0

    def step(self) -> None:
        """One slice, if it is time."""
        if self._walk is None:
            if self._time.wall_ms() < self._next_ms:
                return
            self._walk = self._walked()
        if next(self._walk, self) is self:
            self._walk = None
            self._next_ms = self._time.wall_ms() + _PAUSE_MS

    def _walked(self) -> Iterator[None]:
        for kind, table, life in self._tables:
            keys = iter(list(table))
            while part := list(islice(keys, _SLICE)):
                now = life.now()
                for key in part:
                    kept = table.get(key)
                    if kept is None:
                        continue
                    remains = life.remains(kind, kept, now)
                    if remains is None:
                        del table[key]
                    elif kind is StateKind.LIST or kind is StateKind.MAP:
                        table[key] = remains
                yield

"""A sweep through tables on the heap for what has expired, in slices between batches.

It walks over the keys that a table had when the sweep of that table began: a large one stands still for it, so that its keys need
not be copied. What expires meanwhile is met by the next one. A snapshot ends such a walk, and as it reads the whole table
anyway, it tells what it met.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from weir.state.descriptors import StateKind
from weir.state.standing import StandingTable
from weir.state.ttl import Lifetime, StateTime

#: Keys of one slice.
_SLICE: Final = 500
#: Seconds between the ends of a sweep and the next one, at least.
_PAUSE: Final = 1.0
#: Seconds after a snapshot in which large tables are left to the next one.
_SWEPT: Final = 10.0


class Mortal(NamedTuple):
    """A table whose state expires."""

    kind: StateKind
    table: StandingTable
    life: Lifetime

    def entries(
        self, found: Iterator[tuple[Any, Any]], now: int, met: deque[tuple[Mortal, Any]] | None
    ) -> Iterator[tuple[Any, Any]]:
        """Without what has expired at ``now``; ``met`` is told of it."""
        for key, kept in found:
            remains = self.life.remains(self.kind, kept, now)
            if met is not None and (remains is None or self._lost(kept, remains)):
                met.append((self, key))
            if remains is not None:
                yield key, remains

    def sweep(self, key: Any, now: int) -> None:
        """Remove what has expired of one key."""
        kept = self.table.peek(key)
        if kept is None:
            return
        remains = self.life.remains(self.kind, kept, now)
        if remains is None:
            self.table.remove(key)
        elif self._lost(kept, remains):
            self.table.front[key] = remains

    def _lost(self, kept: Any, remains: Any) -> bool:
        """Whether some elements or entries have expired."""
        return remains is not kept and len(remains) < len(kept)


class Sweep:
    """Over all tables of a store whose state expires, again and again."""

    def __init__(self, time: StateTime) -> None:
        self.tables: dict[str, Mortal] = {}
        #: A table stands still for it.
        self.holds = False
        self._time = time
        self._walk: Iterator[None] | None = None
        self._next = 0.0
        #: Until then large tables are left alone.
        self._swept = 0.0
        #: What snapshots met, from their own threads.
        self._met: deque[tuple[Mortal, Any]] = deque()

    def on_snapshot(self) -> deque[tuple[Mortal, Any]] | None:
        """A snapshot begins. Where it tells what it met; ``None``: what others met is not removed yet."""
        self.let_go()
        self._swept = self._time.monotonic() + _SWEPT
        return None if self._met else self._met

    def let_go(self) -> None:
        """No table needs to stand still for it."""
        if self.holds:
            self._walk, self.holds = None, False

    def step(self, small: int) -> None:
        """One slice, if it is time. Tables of up to ``small`` keys need not stand still."""
        if self._met:
            for _ in range(min(_SLICE, len(self._met))):
                mortal, key = self._met.popleft()
                mortal.sweep(key, mortal.life.now())
            return
        if self._walk is None:
            if self._time.monotonic() < self._next:
                return
            self._walk = self._walked(small)
        if next(self._walk, self) is self:
            self._walk = None
            self._next = self._time.monotonic() + _PAUSE

    def _walked(self, small: int) -> Iterator[None]:
        for mortal in self.tables.values():
            table = mortal.table
            if len(table.base) <= small:
                yield from self._slices(mortal, list(table.base))
            elif self._time.monotonic() >= self._swept and table.whole:
                self.holds = True
                cut = table.cut()
                try:
                    yield from self._slices(mortal, cut.base)
                finally:
                    cut.over = True
                self.holds = False

    def _slices(self, mortal: Mortal, keys: Iterable[Any]) -> Iterator[None]:
        left = iter(keys)
        while part := list(islice(left, _SLICE)):
            now = mortal.life.now()
            for key in part:
                mortal.sweep(key, now)
            yield

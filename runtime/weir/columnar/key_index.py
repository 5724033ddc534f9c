"""Which slot of the accumulator arrays a key has: open addressing over numpy arrays, a whole batch at a time. Hot path.

Slots are dense: the first key that was ever seen has slot 0. A batch of known keys costs a few array passes; new keys
are placed by rounds in which each free cell goes to one of those that want it. As long as all keys lie near each other, or
fill so much of the range that they are in that it takes no more room, a table by key takes the place of the cells: one
look-up, no hash. A batch of one key gives its slot for all rows as an array without memory (``strides`` 0), which folds
look for. :class:`ObjectKeyIndex` does the same for keys that are no integers, by a dict over the distinct values of the
batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Slots = npt.NDArray[np.int64]
#: Slots by key or by hash: half as wide, so that twice as many are in the processor's cache.
_Table = npt.NDArray[np.int32]

_FREE: Final = -1
_SMALLEST: Final = 1 << 10
#: How far apart the keys of a table may be however few they are: a quarter of a megabyte of slots.
_NEAR: Final = 1 << 16


class IntegerKeyIndex:
    """Slots of 64-bit integer keys."""

    def __init__(self) -> None:
        self._count = 0
        self._keys: Int64s = np.empty(_SMALLEST // 2, dtype=np.int64)
        #: Slots by key less ``_low``, while keys are near each other; then by hash.
        self._near: _Table | None = np.empty(0, dtype=np.int32)
        self._low = 0
        self._cells: _Table = np.empty(0, dtype=np.int32)

    def __len__(self) -> int:
        return self._count

    @property
    def keys(self) -> Int64s:
        """All keys in the order of their slots; a view."""
        return self._keys[: self._count]

    def slots(self, keys: Int64s) -> Slots:
        """The slot of each key; new keys get the next ones, in no particular order within the batch."""
        if not len(keys):
            return np.empty(0, dtype=np.int64)
        low, high = int(keys.min()), int(keys.max())
        if low < high:
            return self._slots(keys, low, high)
        only = self._slots(keys[:1], low, high)
        return np.broadcast_to(only, len(keys))

    def _slots(self, keys: Int64s, low: int, high: int) -> Slots:
        if self._near is not None:
            table = self._reach(self._near, low, high)
            if table is not None:
                self._near = table
                return self._look_up(table, keys)
            self._near = None
            self._rebuild(_cells_for(self._count + len(keys)))
        self._reserve_keys(self._count + len(keys))
        size = _cells_for(self._count + len(keys))  # cells are at most half full
        if size > len(self._cells):
            first = min(low, int(self.keys.min()))
            if max(high, int(self.keys.max())) - first < size:
                return self._look_up(self._by_key(first, size), keys)
            self._rebuild(size)
        cells = _mixed(keys) & np.int64(len(self._cells) - 1)
        found: Slots = self._cells[cells].astype(np.int64)
        # An index of -1 reads some key; the second condition rules it out.
        known = (self._keys[found] == keys) & (found != _FREE)
        if not known.all():
            pending = np.flatnonzero(~known)
            found[pending] = self._place(keys[pending], cells[pending])
        return found

    def _by_key(self, low: int, size: int) -> _Table:
        """From now on a table of this size in place of the cells."""
        self._cells = np.empty(0, dtype=np.int32)
        self._low = low
        self._near = np.full(size, _FREE, dtype=np.int32)
        self._near[self.keys - low] = np.arange(self._count)
        return self._near

    def _reach(self, table: _Table, low: int, high: int) -> _Table | None:
        """The table, grown if it must be to hold these keys; ``None``: they are too far apart."""
        first, end = low, high + 1
        if len(table):
            first, end = min(low, self._low), max(end, self._low + len(table))
        if first == self._low and end == first + len(table):
            return table
        size = _cells_for(end - first) // 2
        if size > max(_NEAR, _cells_for(self._count)):
            return None
        # Keys grow more often than they shrink: what the table has more than it needs lies above.
        grown = np.full(size, _FREE, dtype=np.int32)
        begin = self._low - first if len(table) else 0
        grown[begin : begin + len(table)] = table
        self._low = first
        return grown

    def _look_up(self, table: _Table, keys: Int64s) -> Slots:
        places = keys - self._low
        found = table[places]
        if found.min() == _FREE:
            missing = np.flatnonzero(found == _FREE)
            wanted = places[missing]
            table[wanted] = missing  # of equal keys the last row stays
            new = wanted[table[wanted] == missing]
            first = self._count
            self._reserve_keys(first + len(new))
            self._count += len(new)
            self._keys[first : self._count] = new + self._low
            table[new] = np.arange(first, self._count)
            found = table[places]
        return found.astype(np.int64)

    def _place(self, keys: Int64s, cells: Int64s) -> Slots:
        """Slots of keys that are not in the first cell they look at: somewhere behind it, or new."""
        mask = np.int64(len(self._cells) - 1)
        result = np.empty(len(keys), dtype=np.int64)
        rows = np.arange(len(keys))
        while len(rows):
            found = self._cells[cells]
            free = np.flatnonzero(found == _FREE)
            if len(free):
                self._claim(keys[rows[free]], cells[free])
                found = self._cells[cells]
            mine = self._keys[found] == keys[rows]
            result[rows[mine]] = found[mine]
            rows = rows[~mine]
            cells = (cells[~mine] + 1) & mask
        return result

    def _claim(self, keys: Int64s, cells: Int64s) -> None:
        """Give each free cell to one of the keys that want it."""
        self._cells[cells] = np.arange(len(keys))  # the last writer stays
        winners = self._cells[cells] == np.arange(len(keys))
        cells, keys = cells[winners], keys[winners]
        first = self._count
        self._count += len(keys)
        self._keys[first : self._count] = keys
        self._cells[cells] = np.arange(first, self._count)

    def _reserve_keys(self, count: int) -> None:
        if count > len(self._keys):
            grown = np.empty(max(count, 2 * len(self._keys)), dtype=np.int64)
            grown[: self._count] = self._keys[: self._count]
            self._keys = grown

    def _rebuild(self, size: int) -> None:
        self._cells = np.full(size, _FREE, dtype=np.int32)
        keys, mask = self.keys, np.int64(size - 1)
        rows = np.arange(self._count)
        cells = _mixed(keys) & mask
        while len(rows):
            free = self._cells[cells] == _FREE
            self._cells[cells[free]] = rows[free]
            placed = self._cells[cells] == rows
            rows, cells = rows[~placed], (cells[~placed] + 1) & mask


class ObjectKeyIndex:
    """Slots of keys of any other type; ``slots`` is asked with the distinct values of a batch."""

    def __init__(self) -> None:
        self._slots: dict[Any, int] = {}

    def __len__(self) -> int:
        return len(self._slots)

    @property
    def keys(self) -> list[Any]:
        """All keys in the order of their slots."""
        return list(self._slots)

    def slots(self, distinct: Iterable[Any]) -> Slots:
        """The slot of each value; new ones get the next slots in their order."""
        slots = self._slots
        return np.array([slots.setdefault(key, len(slots)) for key in distinct], dtype=np.int64)


def _cells_for(count: int) -> int:
    """A power of two that is at least twice as large."""
    return max(_SMALLEST, 1 << (2 * count - 1).bit_length())


def _mixed(keys: Int64s) -> Int64s:
    """The finalizer of splitmix64: near keys lie far apart. Never stored, so free to change."""
    mixed = keys.view(np.uint64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))).view(np.int64)

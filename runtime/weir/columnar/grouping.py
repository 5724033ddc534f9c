"""Rows of a batch brought together by slot, without sorting slots. Hot path.

Each slot of the batch gets a representative, the number of its last row, which fits 16 bits: numpy orders such numbers by
radix, or, with the number of the row below them, sorts 32 bits by vector instructions. Which is faster is the processor's
affair, and is tried out once. Batches hold at most :data:`MAX_ROWS` rows for that. Where most rows are alone with their slot,
only the others are sorted.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

#: Rows of a column batch that operators take at once.
MAX_ROWS: Final = 1 << 16

Int64s = npt.NDArray[np.int64]
UInt16s = npt.NDArray[np.uint16]
Array = npt.NDArray[Any]


class Groups(NamedTuple):
    """A batch by slot: ``order`` lists its rows, those of one slot together and in their own order."""

    order: Int64s
    starts: Int64s  #: where each group begins in ``order``
    slots: Int64s  #: the slot of each group

    @property
    def lengths(self) -> Int64s:
        """Rows of each group."""
        return np.diff(self.starts, append=len(self.order))

    @property
    def ends(self) -> Int64s:
        """The position in ``order`` of the last row of each group."""
        return np.append(self.starts[1:], len(self.order)) - 1

    def by_row(self, ordered: Array) -> Array:
        """What is in the order of ``order``, by the number of the row."""
        rows = np.empty_like(ordered)
        rows[self.order] = ordered
        return rows


class Grouper:
    """Holds the scratch array between batches."""

    def __init__(self) -> None:
        self._representative = np.empty(1024, dtype=np.uint16)

    def group(self, slots: Int64s, count: int) -> Groups:
        """Groups of a batch that is not empty; ``count``: slots there are."""
        if count > len(self._representative):
            self._representative = np.empty(max(count, 2 * len(self._representative)), dtype=np.uint16)
        rows = np.arange(len(slots), dtype=np.uint16)
        self._representative[slots] = rows
        representatives = self._representative[slots]
        again = np.flatnonzero(representatives != rows)
        if len(again) > len(slots) // _FEW:
            order, starts = _sorted(representatives)
        else:
            together = np.zeros(len(slots), dtype=np.bool_)
            together[again] = True
            together[representatives[again]] = True
            alone, shared = np.flatnonzero(~together), np.flatnonzero(together)
            order, starts = _sorted(representatives[shared])
            order = np.concatenate((alone, shared[order]))
            starts = np.concatenate((np.arange(len(alone)), starts + len(alone)))
        return Groups(order, starts, slots[order[starts]])


#: One row in so many may share its slot with an earlier one for the rows that do to be looked for.
_FEW: Final = 4
_FIRST: Final = np.array([True])
_LOW: Final = np.uint32(0xFFFF)
_BITS: Final = np.uint32(16)
#: Rows, and how often they are sorted, to see which way is faster here.
_TRIED: Final = 1 << 14
_TRIES: Final = 5


def _sorted(representatives: UInt16s) -> tuple[Int64s, Int64s]:
    """The rows by representative and then number, and where each representative begins among them."""
    return _fastest_sort()(representatives)


def sorted_by_radix(representatives: UInt16s) -> tuple[Int64s, Int64s]:
    """As ``_sorted``; in the time of a few passes, anywhere."""
    order = np.argsort(representatives, kind="stable")
    return order, _starts(representatives[order])


def sorted_by_vectors(representatives: UInt16s) -> tuple[Int64s, Int64s]:
    """As ``_sorted``; fast where the processor stores chosen lanes of a vector fast, which AMD's Zen 4 does not."""
    both = representatives.astype(np.uint32)
    both <<= _BITS
    both |= np.arange(len(both), dtype=np.uint32)
    both.sort()
    order = (both & _LOW).astype(np.int64)
    both >>= _BITS
    return order, _starts(both)


def _starts(ordered: Array) -> Int64s:
    return np.flatnonzero(np.concatenate((_FIRST[: len(ordered)], ordered[1:] != ordered[:-1])))


@functools.cache
def _fastest_sort() -> Callable[[UInt16s], tuple[Int64s, Int64s]]:
    """Of two that give the same; trying takes some milliseconds."""
    # Numbers without order, the same in every process.
    representatives = np.arange(_TRIED, dtype=np.uint16) * np.uint16(40503) >> np.uint16(3)

    def seconds(sort: Callable[..., object]) -> float:
        times = []
        for _ in range(_TRIES):
            began = time.perf_counter()
            sort(representatives)
            times.append(time.perf_counter() - began)
        return min(times)

    return min((sorted_by_radix, sorted_by_vectors), key=seconds)


def running(operation: np.ufunc, values: Array, groups: Groups, before: Array) -> Array:
    """``operation`` over the rows of each group in their order, beginning with its value in ``before``.

    ``values`` are in the order of ``groups.order``, and so is the result, whose entry for a row includes it. Each group
    is folded by itself, so a sum of floats is the one that a loop over the rows gives.
    """
    result = values.copy()
    result[groups.starts] = operation(before, values[groups.starts])
    lengths = groups.lengths
    # Few rounds serve all short groups, a row of each at a time; long ones are few, a batch being small.
    short = np.flatnonzero((lengths > 1) & (lengths <= _LONG))
    places, left = groups.starts[short] + 1, lengths[short] - 1
    while len(places):
        result[places] = operation(result[places - 1], values[places])
        going_on = left > 1
        places, left = places[going_on] + 1, left[going_on] - 1
    for group in np.flatnonzero(lengths > _LONG):
        start = groups.starts[group]
        part = slice(start, start + lengths[group])
        result[part] = operation.accumulate(result[part])
    return result


_LONG: Final = 32


def running_integer_sum(values: Int64s, groups: Groups, before: Int64s) -> Int64s:
    """As ``running`` with ``np.add``, by one pass: what the groups before it add is taken off again, exactly."""
    sums = np.cumsum(values)
    offsets = before - sums[groups.starts] + values[groups.starts]
    sums += np.repeat(offsets, groups.lengths)
    return sums

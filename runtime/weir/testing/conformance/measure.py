"""What became of the rows: lost, doubled, strange, out of order; and the guarantee that follows. Pure."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any


class Guarantee(enum.StrEnum):
    """What a connector promises about each row, whatever crashes."""

    EXACTLY_ONCE = "exactly once"
    AT_LEAST_ONCE = "at least once"  #: none is lost
    AT_MOST_ONCE = "at most once"  #: none is doubled
    NONE = "none"


@dataclass(frozen=True)
class Difference:
    """How what came out differs from what was expected; numbers of rows."""

    lost: int = 0
    doubled: int = 0
    #: Rows that nobody expected.
    strange: int = 0
    #: Rows that came before one that belongs ahead of them.
    reordered: int = 0

    def __add__(self, other: Difference) -> Difference:
        return Difference(
            self.lost + other.lost,
            self.doubled + other.doubled,
            self.strange + other.strange,
            self.reordered + other.reordered,
        )

    @property
    def guarantee(self) -> Guarantee:
        """The strongest promise that holds."""
        if self.strange or (self.lost and self.doubled):
            return Guarantee.NONE
        if self.lost:
            return Guarantee.AT_MOST_ONCE
        return Guarantee.AT_LEAST_ONCE if self.doubled else Guarantee.EXACTLY_ONCE


def compare(expected: Sequence[Any], found: Iterable[Any]) -> Difference:
    """``expected`` in its order; a row counts as doubled when it comes more often than there."""
    wanted = list(map(_identity, expected))
    left = Counter(wanted)
    known = set(wanted)
    doubled = strange = 0
    kept: list[Hashable] = []
    for row in map(_identity, found):
        if left[row] > 0:
            left[row] -= 1
            kept.append(row)
        elif row in known:
            doubled += 1
        else:
            strange += 1
    return Difference(sum(left.values()), doubled, strange, _descents(wanted, kept))


def _descents(wanted: list[Hashable], kept: list[Hashable]) -> int:
    """Neighbours in ``kept`` that stand the other way round in ``wanted``."""
    places: dict[Hashable, list[int]] = {}
    for place, row in enumerate(wanted):
        places.setdefault(row, []).append(place)
    nth: Counter[Hashable] = Counter()
    order = []
    for row in kept:
        order.append(places[row][nth[row]])
        nth[row] += 1
    return sum(1 for before, after in pairwise(order) if after < before)


def _identity(row: Any) -> Hashable:
    """The row, or what stands for one that cannot be hashed."""
    try:
        hash(row)
    except TypeError:
        return repr(row)
    return row  # type: ignore[no-any-return]

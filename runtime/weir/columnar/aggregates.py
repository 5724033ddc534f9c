"""Declared aggregates of columns, as a user writes them: ``Sum("price")``. Data only; ``accumulators`` computes them.

An aggregate can be compared, hashed into the plan and written into a snapshot. Nulls count as not there, as in SQL:
``Count("price")`` counts prices, ``Count()`` rows, and an aggregate over nothing but nulls is null. A column of whole numbers in
some batches and of floats in others counts as one of floats from then on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

#: Columns that windows add to keys and results: when a window begins, and ends, milliseconds.
WINDOW_START: Final = "window_start"
WINDOW_END: Final = "window_end"


@dataclass(frozen=True)
class Aggregate:
    """One aggregate of ``column``; ``name`` is the column of the result, by default made of both (``sum_price``)."""

    column: str = ""
    name: str = ""

    #: How snapshots and plans call it.
    kind: ClassVar[str] = ""

    @property
    def result(self) -> str:
        """The name of the result's column."""
        return self.name or (f"{self.kind}_{self.column}" if self.column else self.kind)


@dataclass(frozen=True)
class Count(Aggregate):
    """How many rows, or with a column, how many that are not null. An int64."""

    kind: ClassVar[str] = "count"


@dataclass(frozen=True)
class Sum(Aggregate):
    """The sum of a column: int64, which wraps as in Arrow, for whole numbers and booleans, else float64."""

    kind: ClassVar[str] = "sum"


@dataclass(frozen=True)
class Min(Aggregate):
    """The least value of a column."""

    kind: ClassVar[str] = "min"


@dataclass(frozen=True)
class Max(Aggregate):
    """The greatest value of a column."""

    kind: ClassVar[str] = "max"


@dataclass(frozen=True)
class Mean(Aggregate):
    """The mean of a column, a float64."""

    kind: ClassVar[str] = "mean"

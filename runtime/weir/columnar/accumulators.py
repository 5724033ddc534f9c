"""What aggregates add up to, by slot: numpy arrays that a whole batch is folded into at once. Hot path.

A :class:`Fold` is one number a slot and a ufunc. Every declared aggregate is made of one or two of them, so checkpoints,
growth and merging of panes are written once, for folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from weir.columnar.aggregates import Aggregate
from weir.columnar.grouping import Groups, running, running_integer_sum

Array = npt.NDArray[Any]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_INT64: Final = np.dtype(np.int64)
_FLOAT64: Final = np.dtype(np.float64)
_GREATEST: Final = int(np.iinfo(np.int64).max)
_LEAST: Final = int(np.iinfo(np.int64).min)


class Input(NamedTuple):
    """A column as accumulators take it: int64 or float64; ``valid`` is ``None`` where nothing is null."""

    values: Array
    valid: Bools | None = None


class Fold:
    """One number a slot; a slot without a row holds ``initial``, which changes nothing of what is folded into it."""

    __slots__ = ("array", "initial", "operation")

    def __init__(self, operation: np.ufunc, dtype: np.dtype[Any], initial: float) -> None:
        self.operation = operation
        self.initial = initial
        self.array: Array = np.empty(0, dtype=dtype)

    def reserve(self, count: int) -> None:
        """Room for ``count`` slots."""
        if count > len(self.array):
            grown = np.full(max(count, 2 * len(self.array), 256), self.initial, dtype=self.array.dtype)
            grown[: len(self.array)] = self.array
            self.array = grown

    def add(self, slots: Int64s, values: Array | np.int64) -> None:
        """Fold rows in; sums of floats in their order, so that they do not hang on how rows are batched."""
        counted = isinstance(values, np.int64)
        if len(slots) and not slots.strides[0] and not (self._is_sum and self.array.dtype.kind == "f"):
            whole = values * len(slots) if counted else self.operation.reduce(values)
            self.array[slots[0]] = self.operation(self.array[slots[0]], whole)
        elif counted and len(self.array) <= 2 * len(slots):
            self.array += values * np.bincount(slots, minlength=len(self.array))
        else:
            self.operation.at(self.array, slots, values)

    @property
    def _is_sum(self) -> bool:
        return self.operation is np.add

    def take(self, values: Array) -> Array:
        """Values as it adds them up: with the first floats, all that it has become floats."""
        if values.dtype == self.array.dtype:
            return values
        if values.dtype.kind == "f":
            self.array, self.initial = self._as_floats(self.array), float(self._as_floats(self.initial))
            return values
        floats: Array = self._as_floats(values)
        return floats

    def _as_floats(self, whole: Any) -> Any:
        """Whole numbers as floats; the limits that stand for no value are no numbers."""
        if self.operation is np.minimum:
            return np.where(whole == _GREATEST, np.inf, whole)
        return np.where(whole == _LEAST, -np.inf, whole) if self.operation is np.maximum else whole * 1.0

    def merge(self, slots: Int64s, values: Array) -> None:
        """Fold one value into each of these slots, all of them different."""
        values = self.take(values)
        self.array[slots] = self.operation(self.array[slots], values)

    def running(self, groups: Groups, values: Array) -> Array:
        """Fold rows (in the order of the groups) in; the value of its slot after each row."""
        before = self.array[groups.slots]
        if self._is_sum and self.array.dtype == _INT64:
            after: Array = running_integer_sum(values, groups, before)
        else:
            after = running(self.operation, values, groups, before)
        self.array[groups.slots] = after[groups.ends]
        return after


class Accumulator:
    """One aggregate: its value, how many values there were, or both.

    A sum, a least and a greatest value need the count only to know whether there was any value; while no null was seen
    there always was one, and nothing is counted.
    """

    def __init__(self, aggregate: Aggregate, dtype: np.dtype[Any]) -> None:
        """``dtype``: of the column, int64 or float64."""
        self.aggregate = aggregate
        self._counts = Fold(np.add, _INT64, 0)
        self._value: Fold | None = None
        match aggregate.kind:
            case "sum":
                self._value = Fold(np.add, dtype, 0)
            case "mean":  # what is divided in the end need not be whole, and whole numbers would wrap
                self._value = Fold(np.add, _FLOAT64, 0)
            case "min":
                self._value = Fold(np.minimum, dtype, _greatest(dtype))
            case "max":
                self._value = Fold(np.maximum, dtype, _least(dtype))
        self._slots = 0
        #: How many slots have a value though nothing counted it; ``None``: values are counted.
        self._uncounted: int | None = None if aggregate.kind in {"count", "mean"} else 0

    @property
    def folds(self) -> dict[str, Fold]:
        """By the name under which a snapshot holds it; what was not counted is one."""
        if self._value is None:
            return {"count": self._counts}
        if self._uncounted is not None:
            self._counts.reserve(self._slots)
            self._counts.array[: self._uncounted] = 1
        return {"count": self._counts, "value": self._value}

    def reserve(self, count: int) -> None:
        """Room for ``count`` slots; the batch that follows has a row for each of the new ones."""
        self._slots = max(count, self._slots)
        if self._value is not None:
            self._value.reserve(count)
        if self._uncounted is None:
            self._counts.reserve(count)

    def restore(self, slots: Int64s, stored: Mapping[str, Array]) -> None:
        """Fold what ``folds`` held into slots, all of them different."""
        for name, fold in self.folds.items():
            fold.merge(slots, stored[name])
        if self._uncounted is not None:
            whole = bool((self._counts.array[: self._slots] > 0).all())
            self._uncounted = self._slots if whole else None

    def add(self, slots: Int64s, column: Input | None) -> None:
        """Fold a batch in; ``None``: rows are counted."""
        valid = None if column is None else column.valid
        counted = self._counted(valid)
        if valid is not None:
            slots = slots[valid]
        if counted:
            self._counts.add(slots, _ONE)
        if self._value is not None:
            assert column is not None
            self._value.add(slots, self._value.take(column.values if valid is None else column.values[valid]))

    def running(self, groups: Groups, column: Input | None) -> tuple[Array, Bools | None]:
        """Fold a batch in, row by row; the result after each row, in the order of the groups, and which are not null."""
        valid = None if column is None or column.valid is None else column.valid[groups.order]
        if not self._counted(valid):
            assert column is not None
            assert self._value is not None
            return self._value.running(groups, self._value.take(column.values)[groups.order]), None
        ones = np.ones(len(groups.order), dtype=np.int64) if valid is None else valid.astype(np.int64)
        counts = self._counts.running(groups, ones)
        if self._value is None:
            return counts, None
        assert column is not None
        values = self._value.take(column.values)[groups.order]
        if valid is not None:
            values = np.where(valid, values, np.array(self._value.initial, dtype=values.dtype))
        return self._finished(self._value.running(groups, values), counts)

    def results(self, slots: Int64s) -> tuple[Array, Bools | None]:
        """The results of slots now, and which are not null (``None``: all)."""
        if self._value is None:
            return self._counts.array[slots], None
        values = self._value.array[slots]
        return (
            (values, None)
            if self._uncounted is not None
            else self._finished(values, self._counts.array[slots])
        )

    def _counted(self, valid: Bools | None) -> bool:
        """Whether the values of the next batch must be counted: from the first null on."""
        if self._uncounted is None:
            return True
        if valid is None:
            self._uncounted = self._slots
            return False
        self._counts = self.folds["count"]
        self._uncounted = None
        return True

    def _finished(self, values: Array, counts: Int64s) -> tuple[Array, Bools | None]:
        there = counts > 0
        if self.aggregate.kind == "mean":
            values = np.divide(values, counts, out=np.zeros(len(counts)), where=there)
        return values, None if there.all() else there


_ONE: Final = np.int64(1)


def _greatest(dtype: np.dtype[Any]) -> float:
    return np.inf if dtype.kind == "f" else _GREATEST


def _least(dtype: np.dtype[Any]) -> float:
    return -np.inf if dtype.kind == "f" else _LEAST

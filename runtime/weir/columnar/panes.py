"""Aggregates by key in arrays: what a running aggregate keeps, and what a window keeps for each of its panes. Hot path.

Snapshots hold the keys and the folds as Arrow columns with their key groups, so that a rescale takes its part by one
filter. Restoring merges: two old subtasks never hold the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weir.columnar.accumulators import Accumulator, Input
from weir.columnar.aggregates import Aggregate
from weir.columnar.grouping import Grouper
from weir.columnar.keying import KeySlots
from weir.errors import SnapshotMismatch, UserCodeError

Int64s = npt.NDArray[np.int64]


class KeyedAggregates:
    """Some aggregates of some keys."""

    def __init__(self, keys: Sequence[str], aggregates: Sequence[Aggregate]) -> None:
        self.keys = KeySlots(keys)
        self._aggregates = tuple(aggregates)
        #: Made with the first batch, whose columns say what they add up.
        self._accumulators: list[Accumulator] = []
        self._grouper = Grouper()

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, data: pa.RecordBatch) -> Int64s:
        """Fold a batch in; the slots of its rows."""
        slots, inputs = self._taken(data)
        for accumulator, column in zip(self._accumulators, inputs, strict=True):
            accumulator.add(slots, column)
        return slots

    def running(self, data: pa.RecordBatch) -> dict[str, pa.Array]:
        """Fold a batch in, row by row; the results after each row."""
        slots, inputs = self._taken(data)
        groups = self._grouper.group(slots, len(self.keys))
        results = {}
        for accumulator, column in zip(self._accumulators, inputs, strict=True):
            values, there = accumulator.running(groups, column)
            results[accumulator.aggregate.result] = _as_array(
                groups.by_row(values), None if there is None else groups.by_row(there)
            )
        return results

    def results(self, slots: Int64s) -> dict[str, pa.Array]:
        """Key columns and results of these slots."""
        columns = dict(zip(self.keys.names, self.keys.columns(slots), strict=True))
        for accumulator in self._accumulators:
            columns[accumulator.aggregate.result] = _as_array(*accumulator.results(slots))
        return columns

    def merge(self, other: KeyedAggregates) -> None:
        """Fold all keys of another one in."""
        columns = other.columns()
        if columns is not None:
            self.restore(columns)

    def columns(self) -> pa.RecordBatch | None:
        """Keys and folds, as a snapshot holds them; ``None``: there is no key."""
        if not len(self.keys):
            return None
        count = len(self.keys)
        names, arrays = list(self.keys.names), self.keys.columns()
        for number, accumulator in enumerate(self._accumulators):
            for name, fold in accumulator.folds.items():
                names.append(_fold_name(number, accumulator.aggregate, name))
                arrays.append(pa.array(fold.array[:count].copy()))
        return pa.RecordBatch.from_arrays(arrays, names=names)

    def restore(self, columns: pa.RecordBatch) -> None:
        """Fold in what ``columns`` gave. Raises ``SnapshotMismatch`` for other aggregates."""
        slots = self.keys.slots(columns)
        for number, accumulator in enumerate(self._ready(columns)):
            accumulator.reserve(len(self.keys))
            accumulator.restore(
                slots,
                {
                    name: _column(columns, _fold_name(number, accumulator.aggregate, name))
                    for name in accumulator.folds
                },
            )

    def _ready(self, columns: pa.RecordBatch) -> list[Accumulator]:
        if not self._accumulators:
            for number, aggregate in enumerate(self._aggregates):
                dtype = np.dtype(np.int64)
                if aggregate.kind != "count":
                    dtype = _column(columns, _fold_name(number, aggregate, "value")).dtype
                self._accumulators.append(Accumulator(aggregate, dtype))
        return self._accumulators

    def _taken(self, data: pa.RecordBatch) -> tuple[Int64s, list[Input | None]]:
        slots = self.keys.slots(data)
        inputs = [input_of(data, aggregate) for aggregate in self._aggregates]
        if not self._accumulators:
            self._accumulators = [
                Accumulator(aggregate, np.dtype(np.int64) if column is None else column.values.dtype)
                for aggregate, column in zip(self._aggregates, inputs, strict=True)
            ]
        for accumulator in self._accumulators:
            accumulator.reserve(len(self.keys))
        return slots, inputs


def input_of(data: pa.RecordBatch, aggregate: Aggregate) -> Input | None:
    """The column of an aggregate as numbers; ``None``: it counts rows. Raises ``UserCodeError``."""
    if not aggregate.column:
        return None
    index = data.schema.get_field_index(aggregate.column)
    if index < 0:
        raise UserCodeError(
            f"{aggregate!r}: there is no column {aggregate.column!r}; there are {', '.join(data.schema.names)}"
        )
    column = data.column(index)
    valid = None
    if column.null_count:
        valid = column.is_valid().to_numpy(zero_copy_only=False)
    if aggregate.kind == "count":
        return Input(np.zeros(len(column), dtype=np.int64), valid)
    kind = column.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise UserCodeError(
            f"{aggregate!r}: column {aggregate.column!r} is {kind}; sums, means, least and greatest values are of numbers"
        )
    wide = pa.float64() if pa.types.is_floating(kind) else pa.int64()
    if valid is not None:
        column = column.fill_null(0) if not pa.types.is_boolean(kind) else column.fill_null(False)
    if kind != wide:
        try:
            column = column.cast(wide)
        except pa.ArrowInvalid as error:
            raise UserCodeError(
                f"{aggregate!r}: column {aggregate.column!r} is {kind}, and not all of it fits {wide}: {error}"
            ) from error
    return Input(column.to_numpy(zero_copy_only=False), valid)


def _fold_name(number: int, aggregate: Aggregate, fold: str) -> str:
    return f"{number}:{aggregate.kind}:{aggregate.column}:{fold}"


def _column(columns: pa.RecordBatch, name: str) -> npt.NDArray[Any]:
    index = columns.schema.get_field_index(name)
    if index < 0:
        raise SnapshotMismatch(
            f"the snapshot's aggregates are {', '.join(columns.schema.names)}, the job's need {name}; keep the aggregates "
            "and their order, or give the operator another uid"
        )
    values: npt.NDArray[Any] = columns.column(index).to_numpy(zero_copy_only=False)
    return values


def _as_array(values: npt.NDArray[Any], there: npt.NDArray[np.bool_] | None) -> pa.Array:
    return pa.array(values) if there is None else pa.array(values, mask=~there)

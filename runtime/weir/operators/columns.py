"""Operators over column batches: project, filter, convert, and aggregate by key. Hot path: Arrow and numpy do all that is per row.

Batches larger than the grouping can take at once are cut; nothing else here looks at their size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from weir.columnar import snapshots
from weir.columnar.aggregates import Aggregate
from weir.columnar.expressions import Expression
from weir.columnar.grouping import MAX_ROWS
from weir.columnar.panes import KeyedAggregates
from weir.columnar.taking import taken
from weir.errors import UserCodeError
from weir.keygroups import key_group_range
from weir.operators.base import Operator, OperatorContext, OperatorSnapshot, RestoredState
from weir.records import ColumnBatch, RowBatch, StreamElement
from weir.state.native import state_files
from weir.state.registration import EncodedSnapshot


class ProjectOperator(Operator):
    """New columns from expressions; ``keep``: beside those that are there, whose names they may take."""

    def __init__(self, columns: Mapping[str, Expression], *, keep: bool) -> None:
        self._columns = dict(columns)
        self._keep = keep

    def process(self, batch: Any, input_index: int) -> Iterator[StreamElement]:
        data: pa.RecordBatch = batch.data
        made = {name: data.column(name) for name in data.schema.names} if self._keep else {}
        for name, expression in self._columns.items():
            made[name] = _as_column(expression.evaluate(data), data.num_rows)
        yield ColumnBatch(pa.RecordBatch.from_arrays(list(made.values()), names=list(made)), batch.timestamps)


class FilterColumnsOperator(Operator):
    """The rows for which an expression is true; null counts as false."""

    def __init__(self, predicate: Expression) -> None:
        self._predicate = predicate

    def process(self, batch: Any, input_index: int) -> Iterator[StreamElement]:
        mask = _as_column(self._predicate.evaluate(batch.data), len(batch))
        if not pa.types.is_boolean(mask.type):
            raise UserCodeError(
                f"filter({self._predicate!r}) is {mask.type}; expected true or false for each row"
            )
        found = _true_rows(mask.fill_null(False) if mask.null_count else mask)
        if not len(found):
            return
        if len(found) == len(batch):
            yield ColumnBatch(batch.data, batch.timestamps)
            return
        yield taken(batch, found)


class ToRowsOperator(Operator):
    """Rows for Python functions: tuples of the named columns, or dicts of all. No other column is converted."""

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = tuple(columns)

    def process(self, batch: Any, input_index: int) -> Iterator[StreamElement]:
        data: pa.RecordBatch = batch.data
        names = self._columns or data.schema.names
        values = [_python_values(_named(data, name)) for name in names]
        rows: list[Any] = list(zip(*values, strict=True))
        if not self._columns:
            rows = [dict(zip(names, row, strict=True)) for row in rows]
        yield RowBatch(rows, None if batch.timestamps is None else batch.timestamps.tolist())


class ToColumnsOperator(Operator):
    """Columns from rows that are dicts or tuples."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema

    def process(self, batch: Any, input_index: int) -> Iterator[StreamElement]:
        names = self._schema.names
        rows = batch.values
        if rows and not isinstance(rows[0], Mapping):
            rows = [dict(zip(names, row, strict=True)) for row in rows]
        try:
            data = pa.RecordBatch.from_pylist(rows, schema=self._schema)
        except (pa.ArrowException, TypeError) as error:
            raise UserCodeError(f"to_columns({self._schema!r:.200}): {error}") from error
        stamps = None if batch.timestamps is None else np.array(batch.timestamps, dtype=np.int64)
        yield ColumnBatch(data, stamps)


class KeyedColumnsOperator(Operator):
    """What operators with columnar state by key share: their key groups, snapshot and restore."""

    def __init__(self, keys: Sequence[str], aggregates: Sequence[Aggregate]) -> None:
        self._keys = tuple(keys)
        self._aggregates = tuple(aggregates)

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._groups = key_group_range(context.max_parallelism, context.parallelism, context.subtask_index)
        if restored is not None:
            tables = snapshots.read(
                state_files(restored.keyed, context.label),
                context.label,
                self._groups,
                context.max_parallelism,
                self._signature(),
                self._keys,
            )
            for table in tables:
                self._restore_table(table)

    def snapshot(self, checkpoint_id: int) -> OperatorSnapshot:
        written = snapshots.write(
            self.context.label,
            self._groups,
            self.context.max_parallelism,
            self._signature(),
            self._tables(),
        )
        return OperatorSnapshot(keyed=EncodedSnapshot(written))

    def _read(self, data: pa.RecordBatch) -> pa.RecordBatch:
        """The columns that keys and aggregates read, as far as they are there."""
        names = dict.fromkeys((*self._keys, *(each.column for each in self._aggregates if each.column)))
        return data.select([name for name in names if name in data.schema.names])

    def _signature(self) -> dict[str, Any]:
        """What a snapshot must have been made by."""
        return {
            "keys": list(self._keys),
            "aggregates": [[each.kind, each.column, each.result] for each in self._aggregates],
        }

    def _tables(self) -> Iterator[snapshots.Table]:
        raise NotImplementedError

    def _restore_table(self, table: snapshots.Table) -> None:
        raise NotImplementedError

    def _table(self) -> KeyedAggregates:
        return KeyedAggregates(self._keys, self._aggregates)


class RunningAggregateOperator(KeyedColumnsOperator):
    """The aggregates of a key so far, beside the columns of each row; or one row for each key of a batch."""

    def __init__(self, keys: Sequence[str], aggregates: Sequence[Aggregate], *, by_row: bool = True) -> None:
        super().__init__(keys, aggregates)
        self._by_row = by_row
        self._state = self._table()

    def process(self, batch: Any, input_index: int) -> Iterator[StreamElement]:
        for part in cut(batch):
            yield self._each_row(part) if self._by_row else self._each_key(part)

    def _each_row(self, batch: ColumnBatch) -> ColumnBatch:
        made = {name: batch.data.column(name) for name in batch.data.schema.names}
        made.update(self._state.running(batch.data))
        return ColumnBatch(
            pa.RecordBatch.from_arrays(list(made.values()), names=list(made)), batch.timestamps
        )

    def _each_key(self, batch: ColumnBatch) -> ColumnBatch:
        slots = self._state.add(batch.data)
        last = np.full(len(self._state), -1, dtype=np.int64)
        last[slots] = np.arange(len(slots))
        touched = np.flatnonzero(last >= 0)
        made = self._state.results(touched)
        stamps = None if batch.timestamps is None else batch.timestamps[last[touched]]
        return ColumnBatch(pa.RecordBatch.from_arrays(list(made.values()), names=list(made)), stamps)

    def _tables(self) -> Iterator[snapshots.Table]:
        columns = self._state.columns()
        if columns is not None:
            yield snapshots.Table("running", columns)

    def _restore_table(self, table: snapshots.Table) -> None:
        self._state.restore(table.columns)


def cut(batch: ColumnBatch) -> Iterator[ColumnBatch]:
    """The batch in parts that the grouping can take; none of them is empty."""
    if len(batch) <= MAX_ROWS:
        if len(batch):
            yield batch
        return
    for start in range(0, len(batch), MAX_ROWS):
        stamps = None if batch.timestamps is None else batch.timestamps[start : start + MAX_ROWS]
        yield ColumnBatch(batch.data.slice(start, MAX_ROWS), stamps)


def _named(data: pa.RecordBatch, name: str) -> pa.Array:
    index = data.schema.get_field_index(name)
    if index < 0:
        raise UserCodeError(f"there is no column {name!r}; there are {', '.join(data.schema.names)}")
    return data.column(index)


def _as_column(value: Any, rows: int) -> pa.Array:
    """What an expression gave; a scalar stands for every row."""
    if isinstance(value, pa.Scalar):
        return pa.repeat(value, rows)
    return value.combine_chunks() if isinstance(value, pa.ChunkedArray) else value


def _true_rows(mask: pa.Array) -> npt.NDArray[np.int64]:
    """Numbers of the rows that are true; there is no null. Arrow keeps a bit each, which numpy unpacks faster."""
    end = mask.offset + len(mask)
    bits = np.frombuffer(mask.buffers()[1], dtype=np.uint8, count=-(-end // 8))
    return np.flatnonzero(np.unpackbits(bits, count=end, bitorder="little")[mask.offset :].view(bool))


def _python_values(column: pa.Array) -> list[Any]:
    if column.null_count == 0 and (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        values: list[Any] = column.to_numpy(zero_copy_only=False).tolist()
        return values
    as_list: list[Any] = column.to_pylist()
    return as_list

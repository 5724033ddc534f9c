"""A generator of columns: a batch is made from the numbers of its rows, so that any position can be read again. Hot path.

Splits, positions and rates are those of ``datagen``; a block of row numbers is one batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weir.connectors.datagen import GeneratorReader, GeneratorSplit, deal_out
from weir.connectors.fixed_splits import FixedSplits, unassigned_in
from weir.connectors.source import (
    EnumeratorContext,
    Fetched,
    ReaderContext,
    Source,
    SplitEnumerator,
    SplitReader,
)
from weir.connectors.timestamp_column import event_times
from weir.errors import UserCodeError, UserError

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK = 32768


class ColumnGeneratorSource(Source[Any, GeneratorSplit]):
    """Rows ``start`` to ``start + n`` are the record batch ``batch_fn(start, n)``; without ``count`` it never ends.

    ``batch_fn`` must give the same rows for the same numbers every time. ``timestamp_column`` holds event times in
    milliseconds (int64). ``rows_per_second`` limits all readers together; ``num_splits`` is one a reader by default.
    """

    columnar = True

    def __init__(
        self,
        batch_fn: Callable[[int, int], pa.RecordBatch],
        count: int | None = None,
        rows_per_second: float | None = None,
        num_splits: int | None = None,
        timestamp_column: str | None = None,
    ) -> None:
        for name, value, low in (
            ("count", count, 0),
            ("rows_per_second", rows_per_second, 1e-6),
            ("num_splits", num_splits, 1),
        ):
            if value is not None and value < low:
                raise UserError(
                    f"ColumnGeneratorSource got {name}={value}; use {low} or more, or leave it out"
                )
        self._batch_fn = batch_fn
        self._count = count
        self._rate = rows_per_second
        self._num_splits = num_splits
        self._timestamp_column = timestamp_column

    @property
    def split_type(self) -> type[GeneratorSplit]:
        return GeneratorSplit

    def create_enumerator(self, context: EnumeratorContext) -> SplitEnumerator[GeneratorSplit]:
        splits = deal_out(self._count, self._num_splits or context.parallelism, _BLOCK)
        return FixedSplits(splits, lambda split: split.index % context.parallelism)

    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> SplitEnumerator[GeneratorSplit]:
        splits = unassigned_in(state, GeneratorSplit)
        return FixedSplits(splits, lambda split: split.index % context.parallelism)

    def create_reader(self, context: ReaderContext) -> SplitReader[Any, GeneratorSplit]:
        return _ColumnGeneratorReader(self._make, self._timestamp_column, self._rate, context.monotonic)

    def _make(self, numbers: range) -> Any:
        start, rows = numbers.start, len(numbers)
        try:
            batch = self._batch_fn(start, rows)
        except Exception as error:
            raise UserCodeError(
                f"batch_fn({start}, {rows}) failed: {type(error).__name__}: {error}"
            ) from error
        got = getattr(batch, "num_rows", None)
        if got != rows:
            what = f"a {type(batch).__name__}" if got is None else f"{got} rows"
            raise UserCodeError(
                f"batch_fn({start}, {rows}) returned {what}; it must return an Arrow RecordBatch of {rows} rows"
            )
        return batch


class _ColumnGeneratorReader(GeneratorReader[Any]):
    """A generator reader whose event times are a column."""

    def __init__(
        self,
        make: Callable[[range], Any],
        timestamp_column: str | None,
        rate: float | None,
        monotonic: Callable[[], float],
    ) -> None:
        super().__init__(make, None, rate, monotonic)
        self._timestamp_column = timestamp_column

    def _read(self, index: int, rows: int) -> Fetched:
        fetched = super()._read(index, rows)
        name = self._timestamp_column
        if name is None:
            return fetched
        return fetched._replace(timestamps=event_times(fetched.values, name))

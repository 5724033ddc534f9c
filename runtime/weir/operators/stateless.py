"""``map``, ``flat_map`` and ``filter``: a user function over a batch, driven from C. Hot path.

The position of the iterator over the rows tells, after an exception, which row it was. On a keyed stream a rich function
may keep state by key: then the rows come with their keys set.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from itertools import chain, compress, islice
from typing import Any

from weir.functions import FilterFunction, FlatMapFunction, Function, MapFunction, callable_of
from weir.operators.base import (
    MAX_BATCH_ROWS,
    Operator,
    OperatorContext,
    OperatorSnapshot,
    RestoredState,
)
from weir.operators.calls import keyed_rows
from weir.operators.user_function import (
    StreamingRuntimeContext,
    close_function,
    not_iterable,
    open_function,
    stopped_early,
)
from weir.records import RowBatch, StreamElement, Watermark
from weir.state.heap import NO_KEY, KeyCell
from weir.state.operator_state import OperatorStateStore
from weir.state.registration import KeyedStates


class UserFunctionOperator(Operator):
    """An operator around one user function that may be rich and may hold operator state."""

    #: Whether the function may keep state by key on a keyed stream.
    by_key = False
    _cell: KeyCell | None = None
    _store: KeyedStates | None = None

    def __init__(self, function: Any) -> None:
        self._function = function

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._operator_state = OperatorStateStore(context.label)
        if restored is not None and restored.operator:
            self._operator_state.restore(
                list(restored.operator),
                context.subtask_index,
                context.parallelism,
                own_only=restored.own_only,
            )
        if isinstance(self._function, Function):
            if self.by_key and context.keyed:
                self._keep_keys(context, restored)
            runtime = StreamingRuntimeContext(context, self._store, self._operator_state)
            open_function(self._function, runtime)
            runtime.opened()
            self.tends = self._store is not None and self._store.tends

    def on_watermark(self, watermark: Watermark) -> Iterator[StreamElement]:
        if self._store is not None:
            self._store.time.watermark = watermark.timestamp
        yield watermark

    def _keep_keys(self, context: OperatorContext, restored: RestoredState | None) -> None:
        self._cell = KeyCell()
        self._store = context.backend.open(self._cell, context.keyed_place)
        if restored is not None and restored.keyed:
            self._store.restore(restored.keyed)
        if restored is not None and restored.watermark is not None:
            self._store.time.watermark = restored.watermark

    def snapshot(self, checkpoint_id: int) -> OperatorSnapshot:
        return OperatorSnapshot(
            keyed=None if self._store is None else self._store.begin_snapshot(),
            operator=self._operator_state.snapshot(),
            split_only=self._operator_state.split_only,
        )

    def tend(self) -> bool:
        return self._store is not None and self._store.tend()

    def close(self) -> None:
        try:
            close_function(self._function)
        finally:
            if self._store is not None:
                self._store.close()


class RowWiseOperator(UserFunctionOperator):
    """Calls a plain callable per row, without timers or side outputs."""

    by_key = True

    def __init__(self, function: Any, method: str, base: type) -> None:
        super().__init__(function)
        self._call: Callable[[Any], Any] = callable_of(function, method, base)

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        rows = iter(batch.values)
        cell = self._cell
        if cell is None or batch.keys is None:
            yield from self._apply(batch, rows)
        else:
            yield from self._apply(batch, keyed_rows(cell, batch.keys, rows))
            cell.key = NO_KEY

    def share_key(self, cell: KeyCell | None) -> None:
        """Use the key of another operator, whose function this one calls."""
        self._cell = cell

    @abstractmethod
    def _apply(self, batch: RowBatch, rows: Iterator[Any]) -> Iterator[StreamElement]:
        """Run over ``rows``, an iterator over ``batch.values``."""

    def locate_failure(self, frame: dict[str, Any]) -> dict[str, Any]:
        """What failed, from the locals of ``process``: the row before the iterator's position."""
        rows, batch = frame.get("rows"), frame.get("batch")
        if batch is None or rows is None or not hasattr(rows, "__length_hint__"):
            return {}
        position = len(batch.values) - rows.__length_hint__() - 1
        if position < 0:
            return {}
        found = {"record": batch.values[position]}
        if self._cell is not None and batch.keys is not None:
            found["key"] = batch.keys[position]
        return found


class MapOperator(RowWiseOperator):
    """One result per row; timestamps stay."""

    def __init__(self, function: Any) -> None:
        super().__init__(function, "map", MapFunction)

    def _apply(self, batch: RowBatch, rows: Iterator[Any]) -> Iterator[StreamElement]:
        values = list(map(self._call, rows))
        if len(values) != len(batch.values):
            raise stopped_early(self._call)
        yield RowBatch(values, batch.timestamps)


class FilterOperator(RowWiseOperator):
    """Keeps the rows for which the function is true."""

    def __init__(self, function: Any) -> None:
        super().__init__(function, "filter", FilterFunction)

    def _apply(self, batch: RowBatch, rows: Iterator[Any]) -> Iterator[StreamElement]:
        keep = list(map(self._call, rows))
        if len(keep) != len(batch.values):
            raise stopped_early(self._call)
        values = list(compress(batch.values, keep))
        if values:
            stamps = batch.timestamps
            yield RowBatch(values, None if stamps is None else list(compress(stamps, keep)))


class FlatMapOperator(RowWiseOperator):
    """Any number of results per row, drawn lazily so that a huge result is handed on in parts."""

    def __init__(self, function: Any) -> None:
        super().__init__(function, "flat_map", FlatMapFunction)

    def _apply(self, batch: RowBatch, rows: Iterator[Any]) -> Iterator[StreamElement]:
        if batch.timestamps is not None:
            yield from self._stamped(batch.timestamps, rows)
            return
        results = chain.from_iterable(
            map(self._results, rows) if self._may_be_none() else map(self._call, rows)
        )
        while out := list(islice(results, MAX_BATCH_ROWS)):
            yield RowBatch(out)

    def _may_be_none(self) -> bool:
        """Generator functions always give an iterable; others are checked."""
        code = getattr(self._call, "__code__", None)
        return code is None or not code.co_flags & 0x20

    def _results(self, row: Any) -> Any:
        try:
            found = self._call(row)
        except StopIteration:
            raise stopped_early(self._call) from None
        if found is None:
            return ()
        if not hasattr(found, "__iter__"):
            raise not_iterable(self._call, found)
        return found

    def _stamped(self, timestamps: list[int], rows: Iterator[Any]) -> Iterator[StreamElement]:
        values: list[Any] = []
        stamps: list[int] = []
        for timestamp, row in zip(timestamps, rows, strict=True):
            results = iter(self._results(row))
            while True:
                values.extend(islice(results, MAX_BATCH_ROWS))
                stamps.extend([timestamp] * (len(values) - len(stamps)))
                if len(values) < MAX_BATCH_ROWS:
                    break
                yield RowBatch(values, stamps)
                values, stamps = [], []
        if values:
            yield RowBatch(values, stamps)

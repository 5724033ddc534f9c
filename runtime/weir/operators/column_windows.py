"""Declared aggregates per key and event-time window, tumbling or hopping, by panes. Hot path.

A hop of ten seconds every two keeps five panes of two seconds: each row is added once, whatever the overlap, and a window
that ends merges its panes. Rows whose windows have all ended are late: dropped and counted, as in Flink without allowed
lateness. A pane knows up to which watermark its windows have fired: after a rescale keys of subtasks that were at
different watermarks meet in one, and none may fire twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from weir.columnar import snapshots
from weir.columnar.aggregates import WINDOW_END, WINDOW_START, Aggregate
from weir.columnar.panes import KeyedAggregates
from weir.errors import UserCodeError
from weir.operators.base import OperatorContext, RestoredState
from weir.operators.columns import KeyedColumnsOperator, cut
from weir.records import MIN_TIMESTAMP, ColumnBatch, StreamElement, Watermark


class WindowAggregateOperator(KeyedColumnsOperator):
    """Windows of ``size`` milliseconds that begin each ``slide``; ``size`` is a multiple of it."""

    def __init__(self, keys: Sequence[str], aggregates: Sequence[Aggregate], size: int, slide: int) -> None:
        super().__init__(keys, aggregates)
        self._size = size
        self._slide = slide
        #: By start, and the watermark up to which windows with these keys have fired before the restore.
        self._panes: dict[tuple[int, int], KeyedAggregates] = {}
        self._watermark = MIN_TIMESTAMP
        self.late_rows = 0

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        if restored is not None and restored.watermark is not None:
            self._watermark = restored.watermark
        super().open(context, restored)

    def process(self, batch: Any, input_index: int) -> Iterator[StreamElement]:
        if batch.timestamps is None:
            raise UserCodeError(
                f"{self.context.label}: windows need event times, but its rows have none; give the source a timestamp column "
                "and a watermark strategy"
            )
        for part in cut(batch):
            self._add(part)
        return iter(())

    def _add(self, batch: ColumnBatch) -> None:
        stamps = batch.timestamps
        assert stamps is not None
        first, last = int(stamps.min()), int(stamps.max())
        if self._start_of(first) == self._start_of(last):
            self._add_to(self._start_of(first), batch.data)
            return
        data = self._read(batch.data)
        starts = stamps // self._slide  # panes by number
        if (stamps[1:] >= stamps[:-1]).all():
            borders = [0, *(np.flatnonzero(starts[1:] != starts[:-1]) + 1).tolist(), len(stamps)]
            for begin, end in pairwise(borders):
                self._add_to(int(starts[begin]) * self._slide, data.slice(begin, end - begin))
            return
        for start in np.unique(starts).tolist():
            self._add_to(start * self._slide, data.take(pa.array(np.flatnonzero(starts == start))))

    def _start_of(self, timestamp: int) -> int:
        return timestamp - timestamp % self._slide

    def _add_to(self, start: int, data: pa.RecordBatch) -> None:
        # The last window with this pane begins where the pane does.
        if start + self._size - 1 <= self._watermark:
            self.late_rows += data.num_rows
            return
        self._pane(start, MIN_TIMESTAMP).add(data)

    def _pane(self, start: int, fired: int) -> KeyedAggregates:
        pane = self._panes.get((start, fired))
        if pane is None:
            pane = self._panes[start, fired] = self._table()
        return pane

    def on_watermark(self, watermark: Watermark) -> Iterator[StreamElement]:
        before, self._watermark = self._watermark, watermark.timestamp
        if self._panes:
            for start in self._due(before, watermark.timestamp):
                yield from self._fire(start)
            for pane in [each for each in self._panes if each[0] + self._size - 1 <= watermark.timestamp]:
                del self._panes[pane]
        yield watermark

    def _due(self, before: int, now: int) -> list[int]:
        """Starts of the windows that end with this watermark, oldest first."""
        reach = range(0, self._size, self._slide)
        windows = {start - back for start, _ in self._panes for back in reach}
        return sorted(start for start in windows if before < start + self._size - 1 <= now)

    def _fire(self, start: int) -> Iterator[StreamElement]:
        end = start + self._size - 1
        panes = [
            pane for (at, fired), pane in sorted(self._panes.items()) if start <= at <= end and fired < end
        ]
        if not panes:
            return
        if len(panes) == 1:
            window = panes[0]
        else:
            window = self._table()
            for pane in panes:
                window.merge(pane)
        made = window.results(np.arange(len(window)))
        rows = len(window)
        for name, moment in ((WINDOW_START, start), (WINDOW_END, start + self._size)):
            if name not in self._keys:
                made[name] = pa.array(np.full(rows, moment), type=pa.int64())
        stamps = np.full(rows, end, dtype=np.int64)
        yield ColumnBatch(pa.RecordBatch.from_arrays(list(made.values()), names=list(made)), stamps)

    def _signature(self) -> dict[str, Any]:
        return {**super()._signature(), "size": self._size, "slide": self._slide}

    def _tables(self) -> Iterator[snapshots.Table]:
        for (start, fired), pane in sorted(self._panes.items()):
            columns = pane.columns()
            if columns is not None:
                yield snapshots.Table(f"{start}:{max(fired, self._watermark)}", columns)

    def _restore_table(self, table: snapshots.Table) -> None:
        start, fired = map(int, table.name.split(":"))
        self._pane(start, fired).restore(table.columns)

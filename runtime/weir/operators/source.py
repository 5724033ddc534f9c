"""The head of a reader's chain: drives a ``SplitReader`` and keeps a watermark per split. Hot path.

Splits and barriers come from the enumerator on one ordered channel; the task calls ``poll`` when nothing is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from weir.connectors.source import Fetched, Pending, ReaderContext, Source
from weir.errors import UserError
from weir.operators.base import MAX_BATCH_ROWS, Operator, OperatorContext, OperatorSnapshot, RestoredState
from weir.operators.watermarks import BatchStamper
from weir.records import (
    MAX_TIMESTAMP,
    MIN_TIMESTAMP,
    Batch,
    ColumnBatch,
    RowBatch,
    StreamElement,
    StreamStatus,
    Watermark,
)
from weir.state import reserved
from weir.state.descriptors import ListStateDescriptor
from weir.state.operator_state import OperatorStateStore

#: Rows of one fetch: within the L2 cache together with what the chain makes of them.
FETCH_ROWS = 1000
#: The same for columns: enough for a call on a column to cost nothing beside its work, and groups fit 16 bits.
FETCH_COLUMN_ROWS = 32768
_SPLITS = ListStateDescriptor(reserved.SPLITS, bytes)


class SourceOperator(Operator):
    """Reads the splits that it is given."""

    def __init__(self, source: Source[Any, Any], strategy: Any = None) -> None:
        self._source = source
        self._strategy = strategy
        #: The split whose rows are on their way through the chain; asked also when another operator cannot be opened.
        self._emitting: str | None = None

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(self._source.split_type).decode
        self._monotonic = context.clock.monotonic
        self._reader = self._source.create_reader(
            ReaderContext(context.subtask_index, context.parallelism, context.wake, self._monotonic)
        )
        self._most = FETCH_COLUMN_ROWS if self._source.columnar else FETCH_ROWS
        self._stampers: dict[str, BatchStamper] = {}
        self._sent = MIN_TIMESTAMP
        self._idle = False
        #: Monotonic seconds of the last row or assignment, less the time in which none could come.
        self._active_at = self._monotonic()
        #: When it was last seen which splits are silent: those that were, then, wait for nothing more.
        self._looked_at = self._active_at
        self._no_more = False
        #: How old the newest row was when it was emitted, milliseconds; ``None``: rows have no timestamps.
        self.emit_lag_ms: int | None = None
        if restored is not None:
            self._restore(restored)

    def _restore(self, restored: RestoredState) -> None:
        if restored.finished and self._source.endless:
            raise UserError(
                "the snapshot is of a source that had read all its input, and what is behind it was told so: it cannot go on "
                "without an end; start from an earlier snapshot, leave the source as it was, or start without state"
            )
        self._no_more = restored.finished
        if restored.watermark is not None:
            self._sent = restored.watermark
        store = OperatorStateStore(self.context.label)
        store.restore(
            list(restored.operator),
            self.context.subtask_index,
            self.context.parallelism,
            own_only=restored.own_only,
        )
        splits = list(store.get_list_state(_SPLITS).get())
        if splits:
            self.add_splits(splits, no_more=False)

    def add_splits(self, splits: list[bytes], no_more: bool) -> None:
        """Splits from the enumerator, encoded; ``no_more``: the last ones."""
        self._no_more = self._no_more or no_more
        if splits:
            decoded = [self._decode(split) for split in splits]
            self._reader.add_splits(decoded)
            for split in decoded:
                # From now on it holds the watermark back: its rows may be older than those of the others.
                self._stamper_of(split.split_id)

    def _stamper_of(self, split_id: str) -> BatchStamper | None:
        if self._strategy is None:
            return None
        stamper = self._stampers.get(split_id)
        if stamper is None:
            stamper = self._stampers[split_id] = BatchStamper(self._strategy)
            stamper.active_at = self._active_at = self._monotonic()
        return stamper

    @property
    def watermark(self) -> int:
        """The last one that was sent, or restored."""
        return self._sent

    def wants_splits(self) -> bool:
        """Everything assigned is read, and more may come."""
        return not self._no_more and self._reader.is_idle()

    def exhausted(self) -> bool:
        """Everything assigned is read, and nothing more will come."""
        return self._no_more and self._reader.is_idle()

    def pending(self) -> Pending:
        """What is left of the splits that are here, as far as the reader knows."""
        return self._reader.pending()

    def origin(self) -> str:
        split_id = self._emitting
        if split_id is None:
            return ""
        try:
            found = [split for split in self._reader.snapshot() if split.split_id == split_id]
        except Exception:  # noqa: BLE001  a broken reader must not hide the failure
            found = []
        position = getattr(found[0], "position", None) if found else None
        return f"split {split_id!r}" + ("" if position is None else f" before position {position}")

    def next_fetch_at(self) -> float | None:
        """Monotonic seconds before which polling is pointless."""
        return self._reader.next_fetch_at()

    def poll(self) -> Iterator[StreamElement] | None:
        """One fetch as stream elements; ``None`` when nothing is there now."""
        fetched = self._reader.fetch(self._most)
        if fetched is None:
            return None
        return self._emit(fetched) if len(fetched.values) else self._advance()

    def _emit(self, fetched: Fetched) -> Iterator[StreamElement]:
        batch = self._stamped(fetched)
        if batch.timestamps is not None and len(batch):
            self.emit_lag_ms = self.context.clock.wall_ms() - int(batch.timestamps[-1])
        if self._idle:
            self._idle = False
            yield StreamStatus(idle=False)
        self._emitting = fetched.split_id
        yield batch
        self._emitting = None
        yield from self._advance()

    def _stamped(self, fetched: Fetched) -> Batch:
        timestamps = fetched.timestamps
        stamper = self._stamper_of(fetched.split_id)
        if stamper is not None:
            if self._source.columnar:
                stamper.note(timestamps)
            else:
                timestamps = stamper.stamp(fetched.values, timestamps)
            stamper.active_at = self._active_at = self._monotonic()
        return (ColumnBatch if self._source.columnar else RowBatch)(fetched.values, timestamps)

    def _advance(self) -> Iterator[StreamElement]:
        """Ended splits no longer hold the watermark back; the smallest of the others is it."""
        ended = self._end_splits()
        holding = self._active() if self._stampers else ended
        watermark = min((stamper.watermark() for stamper in holding), default=MIN_TIMESTAMP)
        if watermark > self._sent:
            self._sent = watermark
            yield Watermark(watermark)

    def _end_splits(self) -> list[BatchStamper]:
        """Forget the splits that ended since the last call; what they said last."""
        ended = [self._stampers.pop(split, None) for split in self._reader.finished_splits()]
        return [stamper for stamper in ended if stamper is not None]

    def _active(self) -> list[BatchStamper]:
        """Splits that hold the watermark back; when all are silent, the last one that fell silent."""
        limit = None if self._strategy is None else self._strategy.idleness_seconds
        stampers = list(self._stampers.values())
        if limit is None:
            return stampers
        now = self._looked_at = self._monotonic()
        active = [stamper for stamper in stampers if stamper.active_at + limit > now]
        if active:
            return active
        latest = max(stamper.active_at for stamper in stampers)
        return [stamper for stamper in stampers if stamper.active_at == latest]

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        raise AssertionError("a source has no row input")

    def next_timer(self) -> int | None:
        limit = None if self._strategy is None else self._strategy.idleness_seconds
        if limit is None or self._idle:
            return None
        # A split that falls silent lets the others' time go on, though no row comes that would say so.
        holding = [
            each.active_at for each in self._stampers.values() if each.active_at + limit > self._looked_at
        ]
        wait: float = max(0.0, min(holding, default=self._active_at) + limit - self._monotonic())
        return self.context.clock.wall_ms() + int(wait * 1000) + (wait > 0)

    def on_paused(self, seconds: float) -> None:
        self._active_at += seconds
        self._looked_at += seconds
        for stamper in self._stampers.values():
            stamper.active_at += seconds

    def on_processing_time(self, now_ms: int) -> Iterator[StreamElement]:
        limit = None if self._strategy is None else self._strategy.idleness_seconds
        yield from self._advance()
        if limit is not None and not self._idle and self._active_at + limit <= self._monotonic():
            self._idle = True
            yield StreamStatus(idle=True)

    def end_input(self) -> Iterator[StreamElement]:
        self._sent = MAX_TIMESTAMP
        yield Watermark(MAX_TIMESTAMP)

    def snapshot(self, checkpoint_id: int) -> OperatorSnapshot:
        store = OperatorStateStore(self.context.label)
        store.get_list_state(_SPLITS).update([self._encode(split) for split in self._reader.snapshot()])
        return OperatorSnapshot(operator=store.snapshot(), split_only=True)

    def close(self) -> None:
        self._reader.close()


assert FETCH_ROWS <= MAX_BATCH_ROWS

"""The end of a stream: a ``Writer`` fed by the chain, and commits that follow completed checkpoints.

Committables live in operator state from the barrier that made them until the outside acknowledged them, so a
crash at any line leads to the same commit again. Commits run off the data thread, one call at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from weir import crashpoints
from weir.connectors.sink import Committer, Sink, Writer, WriterContext
from weir.errors import WeirError
from weir.operators.base import Operator, OperatorContext, OperatorSnapshot, RestoredState
from weir.operators.failures import operator_failure
from weir.records import StreamElement
from weir.state import reserved
from weir.state.descriptors import ListStateDescriptor
from weir.state.operator_state import OperatorStateStore

_PENDING = ListStateDescriptor(reserved.COMMITTABLES, bytes)


class SinkOperator(Operator):
    """Writes rows or columns; emits none."""

    def __init__(self, sink: Sink[Any, Any]) -> None:
        self._sink = sink
        self._columnar = sink.columnar

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._writer_context = WriterContext(
            job_id=context.job_id,
            operator_id=context.operator_id,
            subtask_index=context.subtask_index,
            parallelism=context.parallelism,
            epoch=context.epoch,
            attempt=context.attempt,
        )
        self._writer: Writer[Any, Any] = self._sink.create_writer(self._writer_context)
        kind = self._sink.committable_type
        self._committer: Committer[Any] | None = None
        #: Encoded committables by the checkpoint they belong to, oldest first.
        self._pending: dict[int, list[bytes]] = {}
        #: Prepared, but not known to be durable; by checkpoint. Emptied on I/O threads, under the lock.
        self._unfinished: dict[int, list[Any]] = {}
        self._finishing = threading.Lock()
        self._committing = False
        self._completed = 0
        self._swept = False
        if kind is not None:
            self._committer = self._sink.create_committer()
            self._encode = msgspec.msgpack.Encoder().encode
            self._decode = msgspec.msgpack.Decoder(kind).decode
            self._decode_all = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]
            if restored is not None:
                self._commit_restored(restored)

    def _commit_restored(self, restored: RestoredState) -> None:
        """Commit what the snapshot held, before the first row and so before any later checkpoint."""
        assert self._committer is not None
        store = OperatorStateStore(self.context.label)
        store.restore(
            list(restored.operator),
            self.context.subtask_index,
            self.context.parallelism,
            own_only=restored.own_only,
        )
        restored_pending = [
            committable
            for own in store.get_list_state(_PENDING).get()
            for committable in self._decode_all(own)
        ]
        if restored_pending:
            crashpoints.hit("worker.sink.before-restored-commit")
            self._committer.commit(restored_pending)
            crashpoints.hit("worker.sink.after-restored-commit")

    def process(self, batch: Any, input_index: int) -> Iterator[StreamElement]:
        self._writer.write(batch.data if self._columnar else batch.values, batch.timestamps)
        return iter(())

    def snapshot(self, checkpoint_id: int) -> OperatorSnapshot:
        prepared = self._writer.prepare_commit()
        if self._committer is None:
            return OperatorSnapshot()
        crashpoints.hit("worker.sink.prepared")
        if prepared:
            self._pending[checkpoint_id] = [self._encode(item) for item in prepared]
            self._unfinished[checkpoint_id] = prepared
        store = OperatorStateStore(self.context.label)
        everything = [msgspec.Raw(item) for items in self._pending.values() for item in items]
        if everything:
            # One element, so that after a rescale they are committed by one subtask, in this order.
            store.get_list_state(_PENDING).update([self._encode(everything)])
        return OperatorSnapshot(
            operator=store.snapshot(),
            has_commits=bool(everything),
            finish=self._finish_up_to(checkpoint_id) if self._unfinished else None,
        )

    def _finish_up_to(self, checkpoint_id: int) -> Callable[[], None]:
        """The slow half of this barrier's prepare, and of earlier ones whose checkpoint was declined."""

        def finish() -> None:
            with self._finishing:
                for checkpoint in sorted(self._unfinished):
                    if checkpoint <= checkpoint_id:
                        crashpoints.hit("worker.sink.before-finish-prepare")
                        self._writer.finish_prepare(self._unfinished[checkpoint])
                        del self._unfinished[checkpoint]
                        crashpoints.hit("worker.sink.after-finish-prepare")

        return finish

    def notify_complete(self, checkpoint_id: int) -> None:
        self._completed = max(self._completed, checkpoint_id)
        self._commit_next()

    def pending_commits(self) -> int:
        return sum(1 for checkpoint in self._pending if checkpoint <= self._completed) + self._committing

    def _commit_next(self) -> None:
        """Hand what is due to the I/O thread, unless a call is under way: then its end does."""
        committer = self._committer
        if committer is None or self._committing:
            return
        due = [checkpoint for checkpoint in self._pending if checkpoint <= self._completed]
        if not due and self._swept:
            return
        items = [self._decode(item) for checkpoint in due for item in self._pending[checkpoint]]
        sweep = not self._swept

        def work() -> None:
            crashpoints.hit("worker.sink.before-commit")
            if items:
                committer.commit(items)
            crashpoints.hit("worker.sink.after-commit")
            if sweep:
                committer.abort_leftovers(self._writer_context)

        def done(_: Any, error: BaseException | None) -> None:
            self._committing = False
            if error is None:
                self._swept = True
                for checkpoint in due:
                    del self._pending[checkpoint]
                self._commit_next()
            elif not (isinstance(error, WeirError) and error.retryable):
                raise operator_failure(error, self.context.label, self.context.location) from error
            # A retryable fault is tried again with the next completed checkpoint or end-of-job poll.

        self._committing = True
        self.context.run_async(work, done)

    def retry_commits(self) -> None:
        """Try again what a retryable fault left pending."""
        if any(checkpoint <= self._completed for checkpoint in self._pending):
            self._commit_next()

    def close(self) -> None:
        self._writer.close()

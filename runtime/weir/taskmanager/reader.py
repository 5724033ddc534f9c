"""A subtask whose head reads splits: polls its reader while the channel from the enumerator has nothing. Hot path.

Splits and barriers come on that one channel, in order; so a barrier cuts the reader's rows where the task takes it.
"""

from __future__ import annotations

from collections.abc import Iterator

from weir.errors import UserError
from weir.operators.base import OperatorContext, RestoredState
from weir.operators.source import SourceOperator
from weir.records import BATCHES, EndOfInput, SplitsAssigned, StreamElement, Watermark
from weir.taskmanager.exchange.channels import InputChannel
from weir.taskmanager.task import Task


class ReaderTask(Task):
    """A subtask whose head reads splits; its only channel comes from the source's enumerator."""

    def open(self, contexts: list[OperatorContext], restored: list[RestoredState | None]) -> None:
        head = self.chain.operators[0]
        assert isinstance(head, SourceOperator)
        self._source = head
        self._asked = False
        super().open(contexts, restored)

    def _restored_over(self) -> None:
        """It has no splits, and was told that it gets no more."""
        self._end(repeat=True)

    def _work(self) -> bool:
        found = self._gate.next()
        if found is not None:
            self._handle(*found)
            return True
        if self.ended:
            return False
        return self._poll()

    def _poll(self) -> bool:
        chain = self.chain
        chain.running = 0
        try:
            elements = self._source.poll()
        except Exception as error:
            raise chain.failure(error, 0) from error
        if elements is not None:
            self._drive(self._emit_rows(elements))
            return True
        if self._source.exhausted():
            self._end()
            return True
        if not self._asked and self._source.wants_splits():
            self._asked = True
            upstream = self._gate.channels[0].upstream
            assert upstream is not None
            upstream.request_splits()
        return False

    def _fire_timers(self) -> bool:
        fired = super()._fire_timers()
        if fired:
            # Its splits may have fallen silent; a snapshot has the watermark that the source sent last.
            self._watermarks.current = max(self._watermarks.current, self._source.watermark)
        return fired

    def _emit_rows(self, elements: Iterator[StreamElement]) -> Iterator[None]:
        return self.chain.emit_from(0, self._counted(elements))

    def _counted(self, elements: Iterator[StreamElement]) -> Iterator[StreamElement]:
        for element in elements:
            if isinstance(element, Watermark):
                self._watermarks.current = element.timestamp
            else:
                self.chain.rows_in[0] += len(element) if isinstance(element, BATCHES) else 0
            yield element

    def _handle(self, channel: InputChannel, element: StreamElement) -> None:
        if isinstance(element, SplitsAssigned):
            self._asked = False
            if self.ended and element.splits:
                raise self.chain.failure(
                    UserError("the enumerator assigned a split to a reader that it had told no_more"), 0
                )
            self._source.add_splits(element.splits, element.no_more)
        else:
            super()._handle(channel, element)

    def _on_channel_end(self, channel: InputChannel, end: EndOfInput) -> None:
        """The enumerator ends by ``no_more``; only a person ends the input here, whatever is left to read."""
        if not self.ended:
            self.drained = end.drained
            self._end()

    def next_deadline(self, now: float) -> float | None:
        deadline = super().next_deadline(now)
        if self.credit.exhausted or self.ended or self.held:
            return deadline
        fetch_at = self._source.next_fetch_at()
        if fetch_at is None:
            return deadline
        return fetch_at if deadline is None else min(deadline, fetch_at)

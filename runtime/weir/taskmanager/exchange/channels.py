"""Channels between subtasks: the receiving end with its queue, the sending ends with their credit. Hot path.

Credit is counted in bytes. A sender may send while its credit is positive, so an empty channel takes one batch of
any size; what it overdraws is given back like the rest when the receiver consumed it. Control elements cost
nothing but keep their order. A sender never waits: its task is not run while a channel has no credit.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

from weir.records import Batch, ColumnBatch, RowBatch, StreamElement
from weir.state.sizes import deep_size
from weir.taskmanager.exchange import credit_windows, wire
from weir.taskmanager.exchange.column_codec import ColumnDecoder, ColumnEncoder
from weir.taskmanager.exchange.row_codec import RowDecoder, RowEncoder
from weir.taskmanager.exchange.starvation import Starvation

#: Rows, and estimated bytes, that a remote channel gathers while an earlier message is under way.
GATHER_ROWS = 1000
GATHER_BYTES = 64 * 1024


class Upstream(Protocol):
    """The way back from a receiving end to its sender."""

    def charge(self, amount: int) -> None:
        """Something that was never sent takes its share of the window, until it is given back."""
        ...

    def give_back(self, amount: int) -> None:
        """Return credit."""
        ...

    def request_splits(self) -> None:
        """Ask the enumerator at the other end."""
        ...


class InputChannel:
    """Receiving end: elements in order, still encoded if they came from another process."""

    __slots__ = (
        "_columns",
        "_decoder",
        "backlog",
        "blocked",
        "bytes_in",
        "ended",
        "gate",
        "index",
        "input_index",
        "queue",
        "number",
        "queued_bytes",
        "restored_bytes",
        "upstream",
        "window",
    )

    def __init__(
        self, index: int, input_index: int, upstream: Upstream | None = None, window: int | None = None
    ) -> None:
        """``window``: bytes that may be on their way or queued now, by default ``WINDOW_BYTES``."""
        self.index = index
        self.input_index = input_index
        self.upstream = upstream
        self.window = credit_windows.WINDOW_BYTES if window is None else window
        #: (kind, element or payload, cost); kind 0 marks a live element.
        self.queue: deque[tuple[int, Any, int]] = deque()
        self.queued_bytes = 0
        #: What was taken, as credit counts it.
        self.bytes_in = 0
        #: What it began with after a restore, which nobody sent since.
        self.restored_bytes = 0
        #: In the deployment; ``None``: rows on it are not counted.
        self.number: int | None = None
        self.blocked = False
        #: Elements at the head of the queue that were held back and go before those of other channels.
        self.backlog = 0
        self.ended = False
        #: Called when the queue was empty and is not any more.
        self.gate: Callable[[InputChannel], None] = lambda _: None
        self._decoder = RowDecoder()
        self._columns = ColumnDecoder()

    def put(self, kind: int, item: Any, cost: int) -> None:
        """Append; only from the data thread."""
        queue = self.queue
        queue.append((kind, item, cost))
        self.queued_bytes += cost
        if len(queue) == 1:
            self.gate(self)

    def take(self) -> StreamElement:
        """The next element; gives its credit back."""
        kind, item, cost = self.queue.popleft()
        if cost:
            self.queued_bytes -= cost
            self.bytes_in += cost
            if self.upstream is not None:
                self.upstream.give_back(cost)
        if kind == 0:
            element: StreamElement = item
            return element
        if kind == wire.Kind.ROWS:
            return self._decoder.decode(item)
        return self._columns.decode(item) if kind == wire.Kind.COLUMNS else wire.decode_control(kind, item)


class CreditGate:
    """How many of a task's output channels have no credit; the task runs only at zero."""

    __slots__ = ("exhausted", "now")

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """``now``: monotonic seconds."""
        self.exhausted = 0
        self.now = now


class OutputChannel(Protocol):
    """Sending end."""

    @property
    def window(self) -> int:
        """Bytes that may be on their way or queued."""
        ...

    bytes_out: int  #: of rows, as credit counts them: encoded, or estimated where they go by reference
    starved: Starvation  #: how long it had no credit

    @property
    def number(self) -> int | None:
        """In the deployment; ``None``: rows on it are not counted."""
        ...

    def used(self) -> int:
        """Bytes of the window that are under way or queued at the receiver."""
        ...

    def send_rows(self, batch: Batch) -> None: ...

    def send_control(self, element: StreamElement) -> None: ...

    def flush(self) -> None:
        """Send what was gathered, if the receiver has room."""
        ...


class LocalChannel:
    """Both ends in one worker: batches go by reference. It is its own way back."""

    __slots__ = ("_credit", "_credit_gate", "_request", "_target", "bytes_out", "starved")

    def __init__(self, target: InputChannel, credit_gate: CreditGate) -> None:
        self._target = target
        self._credit = target.window
        self._credit_gate = credit_gate
        self.starved = Starvation(credit_gate.now)
        self._request: Callable[[], None] | None = None
        self.bytes_out = 0
        target.upstream = self

    def send_rows(self, batch: Batch) -> None:
        cost = estimated_bytes(batch)
        self.bytes_out += cost
        before = self._credit
        self._credit = before - cost
        if before > 0 >= self._credit:
            self._credit_gate.exhausted += 1
            self.starved.begin()
        self._target.put(0, batch, cost)

    def send_control(self, element: StreamElement) -> None:
        self._target.put(0, element, 0)

    def flush(self) -> None:
        """Nothing is gathered."""

    def used(self) -> int:
        """Bytes that the receiver has not taken."""
        return self._target.window - self._credit

    @property
    def window(self) -> int:
        """The receiving end's."""
        return self._target.window

    def charge(self, amount: int) -> None:
        before = self._credit
        self._credit = before - amount
        if before > 0 >= self._credit:
            self._credit_gate.exhausted += 1
            self.starved.begin()

    def give_back(self, amount: int) -> None:
        before = self._credit
        self._credit = before + amount
        if before <= 0 < self._credit:
            self._credit_gate.exhausted -= 1
            self.starved.end()

    @property
    def number(self) -> int | None:
        """The receiving end's."""
        return self._target.number

    def on_request(self, handler: Callable[[], None]) -> None:
        """Where requests for splits go."""
        self._request = handler

    def request_splits(self) -> None:
        assert self._request is not None
        self._request()


class RemoteChannel:
    """Sending end of a channel to another worker; ``send`` hands frames to the connection, never blocking."""

    __slots__ = (
        "_columns",
        "_credit",
        "_credit_gate",
        "_encoder",
        "_gathered_bytes",
        "_keys",
        "_rows",
        "_send",
        "_stamps",
        "bytes_out",
        "number",
        "on_split_request",
        "starved",
        "window",
    )

    def __init__(
        self,
        number: int,
        send: Callable[[list[bytes]], None],
        credit_gate: CreditGate,
        window: int | None = None,
    ) -> None:
        """``window``: what the receiver will grant, by default ``WINDOW_BYTES``."""
        self.number = number
        self.window = credit_windows.WINDOW_BYTES if window is None else window
        self._send = send
        self._encoder = RowEncoder()
        self._columns = ColumnEncoder()
        # Nothing may be sent before the receiver granted its window.
        self._credit = 0
        self._credit_gate = credit_gate
        credit_gate.exhausted += 1
        self.starved = Starvation(credit_gate.now)
        self.starved.begin()
        self._rows: list[Any] = []
        self._stamps: list[int] | None = None
        self._keys: list[Any] | None = None
        self._gathered_bytes = 0
        self.bytes_out = 0
        self.on_split_request: Callable[[], None] | None = None

    def send_rows(self, batch: Batch) -> None:
        if isinstance(batch, ColumnBatch):
            if self._rows:
                self._send_gathered()
            self._send_payload(wire.Kind.COLUMNS, self._columns.encode(batch))
            return
        if not self._rows:
            if self._credit >= self.window or len(batch.values) >= GATHER_ROWS:
                self._send_batch(batch)
                return
            self._rows = list(batch.values)
            self._stamps = None if batch.timestamps is None else list(batch.timestamps)
            self._keys = None if batch.keys is None else list(batch.keys)
            self._gathered_bytes = 0
        elif (self._stamps is None) != (batch.timestamps is None):
            self._send_gathered()
            self.send_rows(batch)
            return
        else:
            self._gather(batch)
        # Large rows must not gather: they would be memory that no credit counts.
        self._gathered_bytes += estimated_bytes(batch)
        if len(self._rows) >= GATHER_ROWS or self._gathered_bytes >= GATHER_BYTES:
            self._send_gathered()

    def _gather(self, batch: RowBatch) -> None:
        self._rows.extend(batch.values)
        if self._stamps is not None and batch.timestamps is not None:
            self._stamps.extend(batch.timestamps)
        if self._keys is not None and batch.keys is not None:
            self._keys.extend(batch.keys)

    def send_control(self, element: StreamElement) -> None:
        if self._rows:
            self._send_gathered()
        kind, payload = wire.encode_control(element)
        self._send(wire.frame(self.number, kind, payload))

    def flush(self) -> None:
        if self._rows and self._credit > 0:
            self._send_gathered()

    def _send_gathered(self) -> None:
        batch = RowBatch(self._rows, self._stamps, self._keys)
        self._rows = []
        self._send_batch(batch)

    def _send_batch(self, batch: RowBatch) -> None:
        self._send_payload(wire.Kind.ROWS, self._encoder.encode(batch))

    def _send_payload(self, kind: wire.Kind, payload: bytes) -> None:
        size = len(payload)
        self.bytes_out += size
        before = self._credit
        self._credit = before - size
        if before > 0 >= self._credit:
            self._credit_gate.exhausted += 1
            self.starved.begin()
        self._send(wire.frame(self.number, kind, payload))

    def used(self) -> int:
        """Bytes that the receiver has not taken; all of the window before it was granted."""
        return self.window - self._credit

    def on_credit(self, amount: int, window: int) -> None:
        """Credit came back, and what the window is now; on the data thread."""
        self.window = window
        before = self._credit
        self._credit = before + amount
        if before <= 0 < self._credit:
            self._credit_gate.exhausted -= 1
            self.starved.end()
        if self._rows and self._credit >= self.window:
            # Nothing is under way: no later credit would take these along, and a busy task never flushes.
            self._send_gathered()


def estimated_bytes(batch: Batch) -> int:
    """Cost of a batch that is not encoded: of rows, their number times the size of the largest sampled one."""
    if isinstance(batch, ColumnBatch):
        return batch.nbytes
    values = batch.values
    count = len(values)
    if not count:
        return 0
    largest = max(deep_size(values[0]), deep_size(values[count // 2]), deep_size(values[-1]))
    return count * largest

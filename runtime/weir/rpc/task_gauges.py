"""What a subtask says of itself besides its counters, in each report of a worker."""

from __future__ import annotations

import msgspec

from weir.ids import VertexId


class ChannelGauge(msgspec.Struct, frozen=True, kw_only=True):
    """The channel of a subtask that was without credit longest lately, by second."""

    vertex: VertexId  #: to which it leads
    index: int
    starved_ms: int
    bytes_out: float


class TaskGauges(msgspec.Struct, frozen=True, kw_only=True):
    """What a subtask looks like at the moment of a report, beside its counters. Shares are from 0 to 1."""

    input_used: float = 0.0  #: of the bytes that may wait at its inputs
    output_used: float = 0.0  #: of the bytes that it may have under way
    window_bytes: int = 0  #: that one channel may hold
    output_watermark: int | None = None
    timers_fired: int = 0
    late_dropped: int = 0  #: rows that came after their window was gone
    dead_letters: int = 0  #: rows whose function raised, and that were diverted
    #: Sources: how old the newest row was when it was emitted, by its own timestamp.
    emit_lag_ms: int | None = None
    #: Sources: what they have not fetched yet of the splits that they have; ``None``: they do not know.
    pending_records: int | None = None
    pending_bytes: int | None = None
    #: ``None``: all of its channels had credit at all times.
    slowest: ChannelGauge | None = None
    #: Of the worker that it shares with others: calls that wait, and how long one waited lately.
    mailbox_size: int = 0
    mailbox_latency_ms: float = 0.0

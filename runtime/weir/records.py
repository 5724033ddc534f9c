"""What flows on an edge: batches of rows, and the control elements between them.

The unit is a batch, never a record. Barriers and watermarks fall between batches, so no per-record
code looks for them. Hot path: every row of a job passes through :class:`RowBatch`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

#: Milliseconds since the epoch. Flink's ``Long.MIN_VALUE`` / ``MAX_VALUE``.
MIN_TIMESTAMP: Final = -(2**63)
MAX_TIMESTAMP: Final = 2**63 - 1


class RowBatch:
    """A batch of Python values with parallel lists of event timestamps and keys.

    ``timestamps`` is ``None`` on streams whose rows carry no event time; ``keys`` is set on keyed
    edges only (the sender computed them). ``tag`` names a side output; ``None`` is the main one.
    Rows of one batch may be handed by reference to several consumers, so a batch is never changed
    after it was emitted.
    """

    __slots__ = ("keys", "tag", "timestamps", "values")

    def __init__(
        self,
        values: list[Any],
        timestamps: list[int] | None = None,
        keys: list[Any] | None = None,
        tag: str | None = None,
    ) -> None:
        self.values = values
        self.timestamps = timestamps
        self.keys = keys
        self.tag = tag

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"RowBatch({len(self.values)} rows, tag={self.tag!r})"


class ColumnBatch:
    """A batch of rows as columns: an Arrow record batch, with a parallel array of event timestamps.

    Arrow data never changes, so consumers share it. Keys are columns: who needs them takes them from ``data``.
    """

    __slots__ = ("data", "tag", "timestamps")

    def __init__(
        self, data: pa.RecordBatch, timestamps: npt.NDArray[np.int64] | None = None, tag: str | None = None
    ) -> None:
        self.data = data
        self.timestamps = timestamps
        self.tag = tag

    def __len__(self) -> int:
        rows: int = self.data.num_rows
        return rows

    @property
    def nbytes(self) -> int:
        """What its columns and timestamps hold, as credit counts it."""
        stamps = 0 if self.timestamps is None else self.timestamps.nbytes
        return int(self.data.nbytes) + stamps

    def __repr__(self) -> str:
        return f"ColumnBatch({len(self)} rows of {', '.join(self.data.schema.names)}, tag={self.tag!r})"


class Watermark:
    """No row with a timestamp <= ``timestamp`` (milliseconds) follows on this channel, except late ones."""

    __slots__ = ("timestamp",)

    def __init__(self, timestamp: int) -> None:
        self.timestamp = timestamp

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Watermark) and other.timestamp == self.timestamp

    def __hash__(self) -> int:
        return hash(self.timestamp)

    def __repr__(self) -> str:
        return f"Watermark({self.timestamp})"


class Barrier:
    """Cuts the stream: what came before belongs to snapshot ``checkpoint_id``, what follows does not."""

    __slots__ = ("checkpoint_id", "savepoint", "stop", "timestamp", "whole")

    def __init__(
        self,
        checkpoint_id: int,
        timestamp: int = 0,
        savepoint: str = "",
        stop: bool = False,
        whole: bool = False,
    ) -> None:
        self.checkpoint_id = checkpoint_id
        #: Wall time of the trigger, milliseconds.
        self.timestamp = timestamp
        #: URI of the savepoint's folder; "": a checkpoint.
        self.savepoint = savepoint
        #: The job stops with this snapshot: nothing follows.
        self.stop = stop
        #: The backend's own files, all stored for this snapshot: a native savepoint, or a checkpoint that is no increment.
        self.whole = whole

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Barrier) and other.checkpoint_id == self.checkpoint_id

    def __hash__(self) -> int:
        return hash(self.checkpoint_id)

    def __repr__(self) -> str:
        return f"Barrier({self.checkpoint_id})"


class StreamStatus:
    """Whether a channel is idle (then it does not hold back the watermark)."""

    __slots__ = ("idle",)

    def __init__(self, idle: bool) -> None:
        self.idle = idle

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StreamStatus) and other.idle == self.idle

    def __hash__(self) -> int:
        return hash(self.idle)

    def __repr__(self) -> str:
        return f"StreamStatus(idle={self.idle})"


class EndOfInput:
    """No row follows on this channel; barriers still do, until the job ends.

    ``drained``: a person ended the input early. A snapshot after it may still be started from: the sources go on.
    """

    __slots__ = ("drained",)

    def __init__(self, drained: bool = False) -> None:
        self.drained = drained

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EndOfInput) and other.drained == self.drained

    def __hash__(self) -> int:
        return hash(self.drained)

    def __repr__(self) -> str:
        return "EndOfInput(drained=True)" if self.drained else "EndOfInput()"


class SplitsAssigned:
    """From a source's enumerator to one reader: new splits, encoded; ``no_more`` closes the list."""

    __slots__ = ("no_more", "splits")

    def __init__(self, splits: list[Any], no_more: bool = False) -> None:
        self.splits = splits
        self.no_more = no_more

    def __repr__(self) -> str:
        return f"SplitsAssigned({len(self.splits)} splits, no_more={self.no_more})"


#: What holds rows.
Batch: TypeAlias = RowBatch | ColumnBatch
BATCHES: Final = (RowBatch, ColumnBatch)
StreamElement: TypeAlias = Batch | Watermark | Barrier | StreamStatus | EndOfInput | SplitsAssigned

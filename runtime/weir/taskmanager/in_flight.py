"""What an unaligned barrier overtook at the inputs of one subtask, as bytes of a checkpoint, and back.

A :class:`Recording` is one channel: what stood before the barrier, in order, as it came over the wire, with what its decoder
had learned by then. Rows that came by reference are pickled at once: whoever processes them may change them. A checkpoint gets
them in other forms (``stored_rows``), for who writes to its storage must not run code here by them.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from weir.errors import SerializationError, SnapshotCorrupt, SnapshotMismatch
from weir.records import (
    Barrier,
    ColumnBatch,
    EndOfInput,
    RowBatch,
    SplitsAssigned,
    StreamElement,
)
from weir.taskmanager import stored_rows
from weir.taskmanager.exchange import wire
from weir.taskmanager.exchange.column_codec import ColumnDecoder, ColumnEncoder
from weir.taskmanager.exchange.row_codec import RowDecoder

_VERSION: Final = 2
_MAGIC: Final = b"WEIRINFLIGHT" + bytes([_VERSION]) + b"\n"
#: What is said again after a restore: barriers belong to one attempt, and who ended says so anew.
_NOT_KEPT: Final = (Barrier, EndOfInput, SplitsAssigned)
_NOT_KEPT_KINDS: Final = frozenset({int(wire.Kind.BARRIER), int(wire.Kind.END), int(wire.Kind.SPLITS)})


class EdgeName(msgspec.Struct, frozen=True, array_like=True):
    """An edge as seen by its receiver, the same in every plan of the same graph."""

    source: str  #: id of the operator that sends
    side_tag: str | None
    input_index: int
    ordinal: int  #: among edges that are alike otherwise


class ChannelName(msgspec.Struct, frozen=True, array_like=True):
    """The channel from one sending subtask."""

    edge: EdgeName
    sender: int
    senders: int  #: parallelism of the sending side


class RecordedChannel(msgspec.Struct, frozen=True, array_like=True):
    """One channel in a checkpoint."""

    name: ChannelName
    common: bytes  #: what the decoder of columns had learned, or nothing
    elements: list[tuple[int, bytes]]  #: kinds and payloads of frames, rows as ``stored_rows`` has them

    def decoded(self) -> Iterator[tuple[StreamElement, int]]:
        """Each element with its bytes, as credit counts them."""
        columns = ColumnDecoder(self.common)
        for kind, payload in self.elements:
            if kind == wire.Kind.ROWS:
                yield stored_rows.decode(payload), len(payload)
            elif kind == wire.Kind.COLUMNS:
                yield columns.decode(payload), len(payload)
            else:
                yield wire.decode_control(kind, payload), 0


class InFlight(msgspec.Struct, frozen=True, array_like=True):
    """Everything of one subtask."""

    parallelism: int
    max_parallelism: int
    channels: list[RecordedChannel]


class Recording:
    """Keeps what is before the barrier of one channel. On the data thread; bytes are made of it elsewhere."""

    def __init__(self, name: ChannelName, rows: RowDecoder, columns: ColumnDecoder, taken: int = 0) -> None:
        """With what the channel's decoders know before the first element that is added; ``taken``: bytes by then."""
        self.bytes = 0
        #: Bytes before the barrier as credit counts them, processed or kept here.
        self.received = taken
        self._name = name
        self._numbered = rows.numbered()
        self._common = columns.common
        self._elements: list[tuple[int, bytes]] = []
        self._fault: Exception | None = None

    def add(self, kind: int, item: Any, cost: int) -> None:
        """An entry of the channel's queue."""
        self.received += cost
        if kind == 0:
            if isinstance(item, _NOT_KEPT):
                return
            kind, item = self._encoded(item)
        elif kind in _NOT_KEPT_KINDS:
            return
        self.bytes += len(item)
        self._elements.append((int(kind), item))

    def _encoded(self, element: StreamElement) -> tuple[int, bytes]:
        try:
            if isinstance(element, RowBatch):
                rows = (element.values, element.timestamps, element.keys)
                return wire.Kind.ROWS, pickle.dumps(rows, protocol=5)
            if isinstance(element, ColumnBatch):
                return wire.Kind.COLUMNS, ColumnEncoder().encode(element)
            return wire.encode_control(element)
        except Exception as error:  # noqa: BLE001  whatever pickling the user's rows raises; the checkpoint is declined
            self._fault = self._fault or error
            return wire.Kind.ROWS, b""

    def recorded(self) -> RecordedChannel | None:
        """``None``: nothing was on its way. Raises ``SerializationError`` when rows cannot be stored."""
        if self._fault is not None:
            raise SerializationError(
                f"rows that an unaligned barrier overtook cannot be stored: {type(self._fault).__name__}: {self._fault}; "
                "make them of builtin types, or switch unaligned checkpoints off"
            ) from self._fault
        if not self._elements:
            return None
        return RecordedChannel(self._name, self._common, self._stored())

    def _stored(self) -> list[tuple[int, bytes]]:
        rows = RowDecoder(self._numbered)
        try:
            return [
                (kind, stored_rows.encode(rows.decode(payload)) if kind == wire.Kind.ROWS else payload)
                for kind, payload in self._elements
            ]
        except SerializationError as error:
            raise SerializationError(
                f"rows that an unaligned barrier overtook cannot be stored: {error}; or switch unaligned checkpoints off"
            ) from error


def encode(parallelism: int, max_parallelism: int, recordings: Iterable[Recording]) -> bytes | None:
    """A subtask's recordings as bytes; ``None``: nothing was on its way. Raises ``SerializationError``."""
    channels = [found for recording in recordings if (found := recording.recorded()) is not None]
    if not channels:
        return None
    return _MAGIC + msgspec.msgpack.encode(InFlight(parallelism, max_parallelism, channels))


def decode(data: bytes) -> InFlight:
    """Raises ``SnapshotMismatch`` for another version, ``SnapshotCorrupt`` for other bytes."""
    if data[: len(_MAGIC)] != _MAGIC:
        if data[: len(_MAGIC) - 2] == _MAGIC[:-2]:
            raise SnapshotMismatch(
                f"in-flight data has format version {data[len(_MAGIC) - 2]}, this Weir reads {_VERSION}; "
                "restore with the Weir that wrote it"
            )
        raise SnapshotCorrupt(f"not in-flight data: it begins with {data[: len(_MAGIC)]!r}")
    try:
        return msgspec.msgpack.decode(memoryview(data)[len(_MAGIC) :], type=InFlight)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotCorrupt(f"in-flight data is damaged: {error}") from error

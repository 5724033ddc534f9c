"""Frames of the data plane: what a channel carries between two workers, as bytes. Hot path.

A message on the gRPC stream is any number of frames. A frame is a header (channel number, kind, flags, length) and
its payload. A payload above ``CHUNK_BYTES`` is cut into several frames; all but the last have the flag MORE.
How rows are written is the business of ``row_codec``; both ends run the same code, plan and interpreter.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum

import msgspec

from weir.records import (
    Barrier,
    EndOfInput,
    SplitsAssigned,
    StreamElement,
    StreamStatus,
    Watermark,
)

#: Channel, kind, flags, payload length.
HEADER = struct.Struct("<IBBxxI")
CHUNK_BYTES = 1 << 20
MORE = 1


class Kind(IntEnum):
    """What a frame carries. The last two go upstream."""

    ROWS = 1
    WATERMARK = 2
    BARRIER = 3
    STATUS = 4
    END = 5
    SPLITS = 6
    COLUMNS = 7
    CREDIT = 16
    REQUEST = 17


#: What costs credit.
CARRY_ROWS = frozenset({int(Kind.ROWS), int(Kind.COLUMNS)})

_INT64 = struct.Struct("<q")
_CREDIT = struct.Struct("<qq")
#: Number, time of the trigger, whether the job stops (1) and the snapshot is whole (2); then the URI of a savepoint's folder.
_BARRIER = struct.Struct("<qqB")
_SPLITS_ENCODER = msgspec.msgpack.Encoder()
_SPLITS_DECODER = msgspec.msgpack.Decoder(tuple[bool, list[bytes]])


def encode_control(element: StreamElement) -> tuple[Kind, bytes]:
    """Kind and payload of anything but rows."""
    if isinstance(element, Watermark):
        return Kind.WATERMARK, _INT64.pack(element.timestamp)
    if isinstance(element, Barrier):
        flags = element.stop | element.whole << 1
        head = _BARRIER.pack(element.checkpoint_id, element.timestamp, flags)
        return Kind.BARRIER, head + element.savepoint.encode()
    if isinstance(element, StreamStatus):
        return Kind.STATUS, b"\1" if element.idle else b"\0"
    if isinstance(element, EndOfInput):
        return Kind.END, b"\1" if element.drained else b""
    if isinstance(element, SplitsAssigned):
        return Kind.SPLITS, _SPLITS_ENCODER.encode((element.no_more, element.splits))
    raise TypeError(f"{type(element).__name__} is not a control element")


def decode_control(kind: int, payload: bytes | memoryview) -> StreamElement:
    """The element of a downstream frame that is not ROWS."""
    if kind == Kind.WATERMARK:
        return Watermark(_INT64.unpack(payload)[0])
    if kind == Kind.BARRIER:
        checkpoint_id, timestamp, flags = _BARRIER.unpack_from(payload)
        savepoint = bytes(payload[_BARRIER.size :]).decode()
        return Barrier(checkpoint_id, timestamp, savepoint, bool(flags & 1), bool(flags & 2))
    if kind == Kind.STATUS:
        return StreamStatus(idle=bytes(payload) == b"\1")
    if kind == Kind.END:
        return EndOfInput(drained=bytes(payload) == b"\1")
    if kind == Kind.SPLITS:
        no_more, splits = _SPLITS_DECODER.decode(payload)
        return SplitsAssigned(splits, no_more)
    raise ValueError(f"unknown frame kind {kind}")


def frame(channel: int, kind: Kind, payload: bytes) -> list[bytes]:
    """The frames of one payload: one, or chunks of it."""
    if len(payload) <= CHUNK_BYTES:
        return [HEADER.pack(channel, kind, 0, len(payload)) + payload]
    view = memoryview(payload)
    frames = []
    for start in range(0, len(payload), CHUNK_BYTES):
        part = view[start : start + CHUNK_BYTES]
        flags = MORE if start + CHUNK_BYTES < len(payload) else 0
        frames.append(HEADER.pack(channel, kind, flags, len(part)) + part)
    return frames


def credit_frame(channel: int, amount: int, window: int) -> bytes:
    """Upstream: ``amount`` bytes of credit are back, and the whole window is ``window`` bytes from now on."""
    return HEADER.pack(channel, Kind.CREDIT, 0, _CREDIT.size) + _CREDIT.pack(amount, window)


def decode_credit(payload: bytes | memoryview) -> tuple[int, int]:
    """Amount and window of a CREDIT payload."""
    amount, window = _CREDIT.unpack(payload)
    return amount, window


def request_frame(channel: int) -> bytes:
    """Upstream: the reader at the end of this channel wants splits."""
    return HEADER.pack(channel, Kind.REQUEST, 0, 0)


class FrameReader:
    """Splits messages into (channel, kind, payload), joining chunks."""

    def __init__(self) -> None:
        self._parts: dict[int, list[bytes]] = {}

    def read(self, message: bytes) -> Iterator[tuple[int, int, bytes]]:
        """The complete frames of one message."""
        position, end = 0, len(message)
        while position < end:
            channel, kind, flags, length = HEADER.unpack_from(message, position)
            position += HEADER.size
            payload = message[position : position + length]
            position += length
            if flags & MORE or channel in self._parts:
                parts = self._parts.setdefault(channel, [])
                parts.append(payload)
                if flags & MORE:
                    continue
                payload = b"".join(self._parts.pop(channel))
            yield channel, kind, payload

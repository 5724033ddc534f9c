"""Bytes of the control plane: msgpack of ``messages`` and ``requests``, and frames on a worker's socket.

A frame is a length (four bytes, big-endian) and one encoded message. Nothing here touches a socket: bytes
go in, messages come out. Bytes that are no message of the expected union raise :class:`ProtocolError`, which
names what was expected; the one who reads ends that conversation and lives on.
"""

from __future__ import annotations

import struct
import sys
from typing import Final, TypeVar

import msgspec

from weir.errors import WeirError
from weir.rpc import messages

_M = TypeVar("_M")

_LENGTH: Final = struct.Struct(">I")
_ENCODER: Final = msgspec.msgpack.Encoder()

_SESSION_UP: Final[msgspec.msgpack.Decoder[messages.SessionUp]] = msgspec.msgpack.Decoder(messages.SessionUp)
_SESSION_DOWN: Final[msgspec.msgpack.Decoder[messages.SessionDown]] = msgspec.msgpack.Decoder(
    messages.SessionDown
)
_TO_WORKER: Final[msgspec.msgpack.Decoder[messages.ToWorkerMessage]] = msgspec.msgpack.Decoder(
    messages.ToWorkerMessage
)
_FOR_WORKER: Final[msgspec.msgpack.Decoder[messages.ToWorkerMessage | messages.SampleStacks]] = (
    msgspec.msgpack.Decoder(messages.ToWorkerMessage | messages.SampleStacks)
)
_OF_WORKER: Final[msgspec.msgpack.Decoder[messages.FromWorkerMessage | messages.StackSamples]] = (
    msgspec.msgpack.Decoder(messages.FromWorkerMessage | messages.StackSamples)
)
_FROM_WORKER: Final[msgspec.msgpack.Decoder[messages.FromWorkerMessage]] = msgspec.msgpack.Decoder(
    messages.FromWorkerMessage
)
_WORKER_READY: Final = msgspec.msgpack.Decoder(messages.WorkerReady)


class ProtocolError(WeirError):
    """The other side sent bytes that are no message of this conversation."""

    def __init__(self, message: str, data: bytes = b"") -> None:
        super().__init__(message)
        self.data = data


def release() -> str:
    """The release of Weir that speaks; both ends of a session must be of the same."""
    # Through the module table: the facade is no room, and this room must not seem to import what it exports.
    return str(sys.modules["weir"].__version__)


def other_release(who: str, version: str, here: str) -> str | None:
    """Why ``who`` and this process (``here``) must not go on; ``None``: they are of one release."""
    if version == release():
        return None
    return f"{who} is Weir {version or 'of an unknown release'}, {here} is Weir {release()}; run both from the same release"


def claimed_release(data: bytes) -> str:
    """The release that a ``Register`` names which cannot be decoded here; "" where none is found."""
    try:
        version = msgspec.msgpack.decode(data).get("version")
    except (msgspec.MsgspecError, AttributeError, UnicodeDecodeError):
        return ""
    return version if isinstance(version, str) else ""


def encode(message: msgspec.Struct) -> bytes:
    """Any message, as msgpack."""
    return _ENCODER.encode(message)


def decode_session_up(data: bytes) -> messages.SessionUp:
    """What a supervisor says to the JobManager. Raises ``ProtocolError``."""
    return _decode(_SESSION_UP, data, "a supervisor's message")


def decode_session_down(data: bytes) -> messages.SessionDown:
    """What the JobManager says to a supervisor. Raises ``ProtocolError``."""
    return _decode(_SESSION_DOWN, data, "a JobManager's message")


def decode_to_worker(data: bytes) -> messages.ToWorkerMessage:
    """What the JobManager says to a worker. Raises ``ProtocolError``."""
    return _decode(_TO_WORKER, data, "a message to a worker")


def decode_from_worker(data: bytes) -> messages.FromWorkerMessage:
    """What a worker says to the JobManager. Raises ``ProtocolError``."""
    return _decode(_FROM_WORKER, data, "a worker's message")


def decode_for_worker(data: bytes) -> messages.ToWorkerMessage | messages.SampleStacks:
    """Whatever goes to a worker process, whether about a deployment or not. Raises ``ProtocolError``."""
    return _decode(_FOR_WORKER, data, "a message to a worker")


def decode_of_worker(data: bytes) -> messages.FromWorkerMessage | messages.StackSamples:
    """Whatever a worker process says. Raises ``ProtocolError``."""
    return _decode(_OF_WORKER, data, "a worker's message")


def decode_worker_ready(data: bytes) -> messages.WorkerReady:
    """The first frame of a worker. Raises ``ProtocolError``."""
    return _decode(_WORKER_READY, data, "a worker's first message")


def _decode(decoder: msgspec.msgpack.Decoder[_M], data: bytes, what: str) -> _M:
    try:
        return decoder.decode(data)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"{len(data)} bytes are not {what}: {error}", data) from error


def frame(payload: bytes) -> bytes:
    """``payload`` as one frame of a worker's socket."""
    return _LENGTH.pack(len(payload)) + payload


class FrameReader:
    """Cuts a byte stream back into frames; keeps what is not yet complete."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads that are complete with ``data``, in order."""
        self._buffer += data
        payloads = []
        start = 0
        while len(self._buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer, start)
            end = start + _LENGTH.size + length
            if end > len(self._buffer):
                break
            payloads.append(bytes(self._buffer[start + _LENGTH.size : end]))
            start = end
        del self._buffer[:start]
        return payloads

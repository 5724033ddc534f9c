"""What both ends of gRPC agree on: method names, channel options, and a stream as a :class:`~weir.rpc.links.Link`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Generic, TypeVar

import grpc
import grpc.aio
import msgspec

from weir.rpc import codec
from weir.rpc.links import SessionEnded
from weir.rpc.tls import TlsFolder

SERVICE: Final = "weir.JobManager"
SESSION: Final = "Session"
CALL: Final = "Call"
#: Metadata of a call: the release of who calls.
RELEASE: Final = "weir-release"

#: Seconds that a closing session waits for its queued messages to leave.
FLUSH_SECONDS: Final = 1.0

OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A port in use must be an error, not a second listener that steals half of the connections.
    ("grpc.so_reuseport", 0),
    # Peers are reached directly, whatever proxy the environment names for the web.
    ("grpc.enable_http_proxy", 0),
    # Liveness is decided by our own heartbeats; these only free the sockets of hosts that vanished.
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # Back to a restarted JobManager at once instead of after a minute of back-off.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1_000),
)


def authority(host: str, port: int) -> str:
    """``host:port`` as gRPC takes it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listen(server: grpc.aio.Server, host: str, port: int, tls: TlsFolder | None) -> int:
    """Let ``server`` listen; the port. Raises ``RuntimeError`` as gRPC does."""
    if tls is None:
        return int(server.add_insecure_port(authority(host, port)))
    return int(server.add_secure_port(authority(host, port), tls.server()))


def dial(address: str, role: str, tls: TlsFolder | None) -> grpc.aio.Channel:
    """A channel to a process of ``role``. Raises ``ConfigError`` where there is no certificate to show."""
    if tls is None:
        return grpc.aio.insecure_channel(address, options=OPTIONS)
    credentials, options = tls.channel(role)
    return grpc.aio.secure_channel(address, credentials, options=(*OPTIONS, *options))


_In = TypeVar("_In")
_Out = TypeVar("_Out", bound=msgspec.Struct)


class StreamLink(Generic[_In, _Out]):
    """One end of a gRPC stream. ``run_writer`` must run beside it for as long as it lives."""

    def __init__(
        self,
        read: Callable[[], Awaitable[bytes | None]],
        write: Callable[[bytes], Awaitable[None]],
        decode: Callable[[bytes], _In],
    ) -> None:
        """``read`` answers ``None`` at the stream's end; both may raise ``SessionEnded``."""
        self._read = read
        self._write = write
        self._decode = decode
        self._outgoing: asyncio.Queue[_Out | None] = asyncio.Queue()
        self._ended = asyncio.Event()
        self._writer = asyncio.create_task(self._run_writer())

    def send_nowait(self, message: _Out) -> None:
        if not self._ended.is_set():
            self._outgoing.put_nowait(message)

    async def receive(self) -> _In:
        if self._ended.is_set():
            raise SessionEnded("the session was closed here")
        reading = asyncio.ensure_future(self._read())
        ending = asyncio.create_task(self._ended.wait())
        try:
            await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
            data = reading.result() if reading.done() else None
        finally:
            ending.cancel()
            reading.cancel()
        if data is None:
            self._ended.set()
            raise SessionEnded("the other side closed the session")
        return self._decode(data)

    async def close(self) -> None:
        self._ended.set()
        self._outgoing.put_nowait(None)
        await asyncio.wait({self._writer}, timeout=FLUSH_SECONDS)
        self._writer.cancel()

    async def _run_writer(self) -> None:
        try:
            while (message := await self._outgoing.get()) is not None:
                await self._write(codec.encode(message))
        except SessionEnded:
            self._ended.set()

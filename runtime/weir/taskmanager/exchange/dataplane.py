"""The gRPC data plane of a worker: one server, one stream per (sending worker, receiving worker) pair.

Everything here runs on the I/O thread's event loop. The data thread hands frames over by appending to an outbox; one
pump per stream joins what has gathered into messages, so small batches share the cost of a message. What
arrives is handed to the data loop's mailbox. The receiver always reads, so credit and barriers never stand behind data.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

import grpc
import grpc.aio

from weir.errors import ConfigError
from weir.ids import AttemptId, Epoch, WorkerId
from weir.rpc import messages, wire
from weir.rpc.tls import TASKMANAGER, TlsFolder
from weir.taskmanager.exchange.network import Endpoints, PeerLink
from weir.taskmanager.exchange.wire import FrameReader

SERVICE = "weir.Data"
METHOD = "Stream"
#: Frames are joined up to this many bytes per gRPC message.
MESSAGE_BYTES = 512 * 1024

Post = Callable[[Callable[[], None]], None]
OnLost = Callable[[messages.Execution, str], None]


class Outbox:
    """Frames on their way to one peer; ``send`` and ``flush`` are called on the data thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop, waiting: list[Outbox]) -> None:
        """``waiting``: those with frames that their pumps were not told of."""
        self._loop = loop
        self._waiting = waiting
        self._frames: deque[bytes] = deque()
        self._event = asyncio.Event()
        self._awake = False

    def send(self, frames: list[bytes]) -> None:
        """Queue frames; a pump that is awake takes them, else ``flush`` wakes it."""
        self._frames.extend(frames)
        if not self._awake:
            self._awake = True
            self._waiting.append(self)

    def flush(self) -> None:
        """Wake the pump, once for all that gathers until it runs."""
        self._loop.call_soon_threadsafe(self._event.set)

    async def message(self) -> bytes:
        """The next message: all frames that are there, up to ``MESSAGE_BYTES``."""
        while not self._frames:
            self._awake = False
            if self._frames:
                break
            await self._event.wait()
            self._event.clear()
        parts = [self._frames.popleft()]
        size = len(parts[0])
        while self._frames and size + len(self._frames[0]) <= MESSAGE_BYTES:
            parts.append(self._frames.popleft())
            size += len(parts[-1])
        return parts[0] if len(parts) == 1 else b"".join(parts)


class DataPlane:
    """Both directions of one worker."""

    def __init__(self, worker: WorkerId, post: Post, on_lost: OnLost, tls: TlsFolder | None = None) -> None:
        """``post`` runs a call on the data thread; ``on_lost`` hears of a broken stream (I/O thread)."""
        self._tls = tls
        self._worker = worker
        self._post = post
        self._on_lost = on_lost
        self._endpoints: dict[messages.Execution, asyncio.Future[Endpoints]] = {}
        self._links: dict[WorkerId, PeerLink] = {}
        self._waiting: list[Outbox] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, host: str, advertise: str) -> str:
        """Listen on a free port of ``host``; the address that peers use, at ``advertise``."""
        self._loop = asyncio.get_running_loop()
        self._server = grpc.aio.server(options=wire.OPTIONS)
        handler = grpc.method_handlers_generic_handler(
            SERVICE, {METHOD: grpc.stream_stream_rpc_method_handler(self._serve)}
        )
        self._server.add_generic_rpc_handlers((handler,))
        port = wire.listen(self._server, host, 0, self._tls)
        await self._server.start()
        return wire.authority(advertise, port)

    async def stop(self) -> None:
        """Close everything at once."""
        for task in self._tasks:
            task.cancel()
        await self._server.stop(None)

    def _registered(self, execution: messages.Execution) -> asyncio.Future[Endpoints]:
        found = self._endpoints.get(execution)
        if found is None:
            found = self._endpoints[execution] = self._loop.create_future()
        return found

    # ---- called on the data thread ---------------------------------------------------------------------

    def connect(self, execution: messages.Execution, peer: WorkerId, address: str) -> PeerLink:
        """One stream to ``peer``, shared by all channels that go there."""
        link = self._links.get(peer)
        if link is None:
            outbox = Outbox(self._loop, self._waiting)
            self._links[peer] = link = outbox
            self._loop.call_soon_threadsafe(self._spawn, execution, peer, address, outbox)
        return link

    def open(self, execution: messages.Execution, endpoints: Endpoints) -> None:
        """Deliver frames of ``execution`` to ``endpoints`` from now on."""
        self._loop.call_soon_threadsafe(lambda: self._registered(execution).set_result(endpoints))

    def flush(self) -> None:
        """Wake the pumps that have something to send: one wake-up for the work of a while, not one for each batch."""
        while self._waiting:
            self._waiting.pop().flush()

    # ---- sending side ----------------------------------------------------------------------------------

    def _spawn(self, execution: messages.Execution, peer: WorkerId, address: str, outbox: Outbox) -> None:
        task = self._loop.create_task(self._sender(execution, peer, address, outbox))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _sender(
        self, execution: messages.Execution, peer: WorkerId, address: str, outbox: Outbox
    ) -> None:
        metadata = (
            ("job", execution.job_id),
            ("epoch", str(execution.epoch)),
            ("attempt", str(execution.attempt)),
            ("worker", self._worker),
            ("receiver", peer),
        )
        try:
            channel = wire.dial(address, TASKMANAGER, self._tls)
        except ConfigError as error:
            self._on_lost(execution, f"worker {peer} at {address} cannot be reached: {error}")
            return
        async with channel:
            call = channel.stream_stream(f"/{SERVICE}/{METHOD}")(metadata=metadata)
            pump = asyncio.create_task(self._pump(call, outbox))
            try:
                endpoints = await self._registered(execution)
                reader = FrameReader()
                async for message in call:
                    frames = list(reader.read(message))
                    self._post(lambda frames=frames: _deliver(endpoints.from_receiver, frames))  # type: ignore[misc]
                self._on_lost(execution, f"worker {peer} at {address} closed the data connection")
            except grpc.aio.AioRpcError as error:
                self._on_lost(
                    execution, f"data connection to worker {peer} at {address} broke: {error.details()}"
                )
            finally:
                pump.cancel()

    @staticmethod
    async def _pump(call: grpc.aio.StreamStreamCall, outbox: Outbox) -> None:
        try:
            while True:
                await call.write(await outbox.message())
        except grpc.aio.AioRpcError:
            # The reading side of the same call reports why it broke.
            return

    # ---- receiving side --------------------------------------------------------------------------------

    async def _serve(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> None:
        metadata = dict(context.invocation_metadata() or ())
        if metadata.get("receiver") != self._worker:
            await context.abort(
                grpc.StatusCode.FAILED_PRECONDITION,
                f"this is worker {self._worker}, not {metadata.get('receiver')}",
            )
        execution = messages.Execution(
            job_id=metadata["job"],
            epoch=Epoch(int(metadata["epoch"])),
            attempt=AttemptId(int(metadata["attempt"])),
        )
        endpoints = await self._registered(execution)
        outbox = Outbox(self._loop, self._waiting)
        sender = WorkerId(str(metadata["worker"]))
        self._post(lambda: endpoints.sender_connected(sender, outbox))
        pump = asyncio.create_task(self._pump_back(context, outbox))
        reader = FrameReader()
        try:
            async for message in requests:
                frames = list(reader.read(message))
                self._post(lambda frames=frames: _deliver(endpoints.from_sender, frames))  # type: ignore[misc]
        finally:
            pump.cancel()

    @staticmethod
    async def _pump_back(context: grpc.aio.ServicerContext, outbox: Outbox) -> None:
        try:
            while True:
                await context.write(await outbox.message())
        except grpc.aio.AioRpcError:
            return


def _deliver(handler: Callable[[int, int, bytes], None], frames: list[tuple[int, int, bytes]]) -> None:
    for number, kind, payload in frames:
        handler(number, kind, payload)

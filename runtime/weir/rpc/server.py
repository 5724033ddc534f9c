"""The JobManager's end of gRPC: sessions of supervisors and calls of clients, as bytes without protobuf.

A :class:`ControlServer` hands each session, as a link, and each decoded request to one :class:`ControlService`.
Errors of ours travel to the client as ``Refused``; anything else is a bug, logged here and answered as one.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

import grpc
import grpc.aio
import msgspec
import structlog

from weir.errors import AddressInUse, WeirError
from weir.rpc import codec, links, wire
from weir.rpc.messages import SessionDown, SessionUp
from weir.rpc.requests import Answer, Refused, Request
from weir.rpc.tls import TlsFolder

log = structlog.get_logger()

_REQUEST = msgspec.msgpack.Decoder(Request)


class ControlService(Protocol):
    """What a JobManager does with what it is told."""

    async def serve_session(self, link: links.TaskManagerLink) -> None:
        """Hold one supervisor's session; the session ends when this returns."""
        ...

    async def answer(self, request: Request) -> Answer:
        """Carry a client's call out. ``WeirError`` becomes ``Refused``."""
        ...


class ControlServer:
    """A listening gRPC server."""

    def __init__(self, server: grpc.aio.Server, host: str, port: int) -> None:
        self._server = server
        self.host = host
        self.port = port

    @property
    def address(self) -> str:
        """``host:port`` to reach it."""
        return wire.authority(self.host, self.port)

    @classmethod
    async def start(
        cls, service: ControlService, host: str, port: int, tls: TlsFolder | None = None
    ) -> ControlServer:
        """Listen on ``host``; port 0 takes a free one. With ``tls`` callers must be of the same run. Raises ``AddressInUse``."""
        # Asked of the system first: gRPC's library may abort the whole process on its way back from a port it cannot have.
        try:
            async with await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port):
                pass
        except OSError as error:
            raise _in_use(host, port) from error
        server = grpc.aio.server(options=wire.OPTIONS)
        server.add_generic_rpc_handlers((_handlers(service),))
        try:
            bound = wire.listen(server, host, port, tls)
        except RuntimeError as error:
            raise _in_use(host, port) from error
        await server.start()
        return cls(server, host, bound)

    async def stop(self, grace: float = 1.0) -> None:
        """Refuse new calls, wait ``grace`` seconds for those under way, close everything."""
        await self._server.stop(grace)


def _in_use(host: str, port: int) -> AddressInUse:
    return AddressInUse(
        f"cannot listen on {host}:{port}: another process has the port, or the address is not of this "
        f"machine; end that process or choose another port (0 takes a free one)"
    )


def _handlers(service: ControlService) -> grpc.GenericRpcHandler:
    async def session(_requests: Any, context: Any) -> None:
        link = _link(context)
        try:
            await service.serve_session(link)
        except asyncio.CancelledError:
            pass  # the supervisor hung up, or the server stops
        finally:
            await link.close()

    async def call(data: bytes, context: Any) -> bytes:
        caller = dict(context.invocation_metadata() or ()).get(wire.RELEASE, "")
        refusal = codec.other_release("who calls", str(caller), "the JobManager")
        if refusal is not None:
            return codec.encode(Refused(error="WeirError", message=refusal))
        return codec.encode(await _answer(service, data))

    return grpc.method_handlers_generic_handler(
        wire.SERVICE,
        {
            wire.SESSION: grpc.stream_stream_rpc_method_handler(session),
            wire.CALL: grpc.unary_unary_rpc_method_handler(call),
        },
    )


def _link(context: Any) -> wire.StreamLink[SessionUp, SessionDown]:
    async def read() -> bytes | None:
        try:
            data = await context.read()
        except Exception as error:  # gRPC has many words for it
            raise links.SessionEnded("the supervisor's connection broke") from error
        return None if data is grpc.aio.EOF else bytes(data)

    async def write(data: bytes) -> None:
        try:
            await context.write(data)
        except Exception as error:  # gRPC has many words for it
            raise links.SessionEnded("the supervisor's connection broke") from error

    return wire.StreamLink(read, write, codec.decode_session_up)


async def _answer(service: ControlService, data: bytes) -> Answer:
    try:
        request = _REQUEST.decode(data)
    except msgspec.MsgspecError as error:
        return Refused(error="WeirError", message=f"no request of Weir {codec.release()}: {error}")
    try:
        return await service.answer(request)
    except WeirError as error:
        return Refused(error=type(error).__name__, message=str(error))
    except Exception as error:
        log.exception("call failed", request=type(request).__name__)
        return Refused(error="WeirError", message=f"a fault of Weir in {type(request).__name__}: {error!r}")

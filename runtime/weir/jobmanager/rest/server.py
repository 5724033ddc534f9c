"""The HTTP server: aiohttp reads requests and writes answers, ``gate`` does everything between. The only aiohttp here.

``jobmanager.main`` loads this module when it has a socket to serve, and never where a JobManager is only talked about.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Final, Self

import structlog
from aiohttp import web

from weir.errors import ConfigError
from weir.jobmanager.rest import gate, listening
from weir.jobmanager.rest.access import Caller
from weir.jobmanager.rest.exchange import Answer, Cluster, Refusal, refusal_answer
from weir.jobmanager.rest.managed import OPERATOR_HEADER
from weir.jobmanager.rest.token_file import TokenFile
from weir.rpc import codec

log = structlog.get_logger()

#: Seconds for requests under way when the server stops, and until an idle connection is closed.
_SHUTDOWN: Final = 1.0
_KEEP_ALIVE: Final = 30.0
#: Answers to those who may know nothing.
_STRANGERS: Final = frozenset({401, 403})
#: Seconds for a body to come.
_BODY_TIMEOUT: Final = 30.0


class RestServer:
    """A listening server; ``stop`` ends it."""

    def __init__(self, runner: web.ServerRunner, address: str) -> None:
        self._runner = runner
        self.address = address  #: ``host:port``

    @classmethod
    async def start(cls, cluster: Cluster, bound: socket.socket, token: TokenFile) -> Self:
        """Serve on a listening socket."""
        bound.setblocking(False)
        handling = _Handling(cluster, token)
        runner = web.ServerRunner(web.Server(handling.handle, access_log=None, keepalive_timeout=_KEEP_ALIVE))
        await runner.setup()
        await web.SockSite(runner, bound, shutdown_timeout=_SHUTDOWN).start()
        return cls(runner, listening.text_of(bound))

    async def stop(self) -> None:
        """Refuse new requests and end those under way."""
        await self._runner.cleanup()


class _Handling:
    """One request after the other, on the event loop."""

    def __init__(self, cluster: Cluster, token: TokenFile) -> None:
        self._cluster = cluster
        self._token = token

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """What aiohttp calls."""
        made = await self._answer(request)
        return web.Response(
            body=made.body,
            status=made.status,
            headers={
                **made.headers,
                **({} if made.status in _STRANGERS else {"Weir-Version": codec.release()}),
                "Content-Type": made.content_type,
                "Cache-Control": "no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )

    async def _answer(self, request: web.BaseRequest) -> Answer:
        headers = request.headers
        caller = Caller(
            request.method, headers.get("Authorization"), headers.get("Host"), headers.get("Origin")
        )
        path = request.rel_url.raw_path
        try:
            match = gate.admit(gate.RawRequest(caller, path, {}), self._token.value())
            body = await _body(request) if match.route.reads_body else b""
        except Refusal as refusal:
            return refusal_answer(refusal)
        except ConfigError as error:
            log.error("the REST token cannot be read", reason=str(error))
            return refusal_answer(Refusal(503, "the token of this JobManager cannot be read; see its log"))
        raw = gate.RawRequest(caller, path, dict(request.query), body, headers.get(OPERATOR_HEADER))
        return await gate.answer(self._cluster, raw, match)


async def _body(request: web.BaseRequest) -> bytes:
    """The whole body. Raises ``Refusal`` when it is too large or too slow."""
    too_large = Refusal(413, f"the request's body is larger than {gate.MAX_BODY} bytes")
    if request.content_length is not None and request.content_length > gate.MAX_BODY:
        raise too_large
    found = bytearray()
    try:
        async with asyncio.timeout(_BODY_TIMEOUT):
            async for chunk in request.content.iter_any():
                found += chunk
                if len(found) > gate.MAX_BODY:
                    raise too_large
    except TimeoutError:
        raise Refusal(408, f"the request's body did not come within {_BODY_TIMEOUT:g} s") from None
    return bytes(found)

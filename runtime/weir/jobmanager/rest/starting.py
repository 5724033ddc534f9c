"""Starts REST in a JobManager: the socket and the token at once, aiohttp beside the first work of the process."""

from __future__ import annotations

import asyncio
import importlib
import socket
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from weir.jobmanager.rest import listening
from weir.jobmanager.rest.exchange import Cluster
from weir.jobmanager.rest.token_file import TokenFile, token_for

if TYPE_CHECKING:
    from weir.jobmanager.rest.server import RestServer

log = structlog.get_logger()


@dataclass(frozen=True)
class RestOptions:
    """Where to listen, and who may ask."""

    #: ``HOST:PORT``; ``None``: the default one or the next free one.
    address: str | None = None
    #: A listening socket that was handed over; it wins over ``address``.
    fd: int | None = None
    token_file: str | None = None


class Rest:
    """A bound socket whose server is being started, or runs."""

    def __init__(self, options: RestOptions) -> None:
        """Raises ``AddressInUse``, ``ConfigError``."""
        if options.fd is None:
            self._socket = listening.bind(options.address)
        else:
            self._socket = socket.socket(fileno=options.fd)
            self._socket.set_inheritable(False)
        self.address = listening.text_of(self._socket)
        try:
            self._token: TokenFile = token_for(self._socket, options.token_file)
        except BaseException:
            self._socket.close()
            raise
        self._server: RestServer | None = None

    async def serve(self, cluster: Cluster) -> None:
        """Answer requests from now on; those that came earlier waited."""
        try:
            server = await asyncio.to_thread(importlib.import_module, "weir.jobmanager.rest.server")
            self._server = await server.RestServer.start(
                replace(cluster, address=self.address), self._socket, self._token
            )
        except Exception:
            # Jobs go on: they are worth more than the view of them.
            log.exception("REST cannot be served", address=self.address)
            return
        log.info("rest listens", address=self.address)

    async def stop(self) -> None:
        """Refuse new requests and end those under way."""
        if self._server is not None:
            await self._server.stop()
        self._socket.close()

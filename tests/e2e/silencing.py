"""A proxy before the API server, in a pod with the operator, whose watches are silent while there is a file /tmp/silent: `python silencing.py PORT`.

It stands alone: a scenario brings it into the pod as a file. Connections stay open and every other request passes, as behind a balancer that has lost its memory.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import sys
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_SILENT = Path("/tmp/silent")
_HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}


def is_silent() -> bool:
    """Whether watches tell nothing."""
    return _SILENT.exists()


async def serve(request: web.Request) -> web.StreamResponse:
    """One request of the operator, with the pod's token."""
    body = await request.read()
    headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
    headers["Authorization"] = f"Bearer {(_ACCOUNT / 'token').read_text()}"
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    url = f"https://{host}:{port}{request.raw_path}"
    session: ClientSession = request.app["session"]
    async with session.request(request.method, url, data=body or None, headers=headers) as answer:
        response = web.StreamResponse(status=answer.status)
        response.content_type = answer.content_type
        await response.prepare(request)
        async for part in answer.content.iter_any():
            if "watch" not in request.query or not is_silent():
                await response.write(part)
    if "watch" in request.query and is_silent():
        await asyncio.Event().wait()
    return response


async def main() -> None:
    trusted = ssl.create_default_context(cafile=str(_ACCOUNT / "ca.crt"))
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", serve)
    connector = TCPConnector(ssl=trusted, limit=0)
    async with ClientSession(
        connector=connector, timeout=ClientTimeout(total=None), auto_decompress=False
    ) as session:
        app["session"] = session
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", int(sys.argv[1])).start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())

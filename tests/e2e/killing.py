"""An operator that is killed after every write: ``python -m tests.e2e.killing NAMESPACE IMAGE FOLDER``, run in the cluster's network.

It reaches the API server through a proxy, which passes a write on, ends the operator's process with SIGKILL when the write is done, and never gives the answer.
Then another operator is started. The same write (its method, its path, and for a status the phase that it tells of) meets that once, so that an
operator that is always killed after its first write gets on all the same. Its own Lease, its canary and events are let through. What was
met is a line each on standard output; closing standard input ends all.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.kube_config import load_kube_config

_KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "{url}"}}}}]
users: [{{name: me, user: {{}}}}]
"""
_LET_THROUGH = ("/leases", "/events", "/configmaps/weir-operator-canary")
_HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}


class Killer:
    """The proxy and the operator behind it."""

    def __init__(self, namespace: str, image: str, folder: Path, server: str, session: ClientSession) -> None:
        self._namespace, self._image, self._folder = namespace, image, folder
        self._server, self._session = server, session
        self._met: set[tuple[str, str, str]] = set()
        self._operator: asyncio.subprocess.Process | None = None
        self.killed = asyncio.Event()

    async def start(self) -> None:
        """Another process of the operator."""
        settings = {
            "NAMESPACES": self._namespace,
            "NAMESPACE": self._namespace,
            "IMAGE": self._image,
            "POLL": "1s",
            "KEY_FILE": str(self._folder / "key"),
            "PROBE_ADDRESS": "127.0.0.1:0",
            "METRICS_ADDRESS": "127.0.0.1:0",
            "LEASE_DURATION": "2s",
            "LEASE_RENEW_DEADLINE": "1500ms",
            "LEASE_RETRY": "300ms",
        }
        environment = os.environ | {f"WEIR_OPERATOR_{name}": value for name, value in settings.items()}
        environment["KUBECONFIG"] = str(self._folder / "kubeconfig")
        with (self._folder / "operator.log").open("ab") as log:
            self._operator = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "weir_operator", env=environment, stdout=log, stderr=log
            )

    async def kill(self) -> None:
        """End it at once."""
        if self._operator is not None and self._operator.returncode is None:
            self._operator.kill()
            await self._operator.wait()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One request of the operator."""
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._server}{request.raw_path}"
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            if (
                request.method != "GET"
                and answer.status < 300
                and self._is_new(request.method, request.path, body)
            ):
                await answer.read()
                await self.kill()
                self.killed.set()
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                async for part in answer.content.iter_any():
                    await response.write(part)
            return response

    def _is_new(self, method: str, path: str, body: bytes) -> bool:
        if any(part in path for part in _LET_THROUGH):
            return False
        phase = ""
        if path.endswith("/status"):
            upgrade = json.loads(body).get("status", {}).get("upgrade") or {}
            phase = upgrade.get("phase", "-")
        met = (method, path, phase)
        if met in self._met:
            return False
        self._met.add(met)
        print(method, path, phase, flush=True)
        return True


async def play(namespace: str, image: str, folder: Path) -> None:
    """Until standard input is closed."""
    configuration = Configuration()
    await load_kube_config(client_configuration=configuration)
    client = ApiClient(configuration)
    # No limit: watches of operators that were killed stay open for minutes, and those of the next one would wait behind them.
    connector = TCPConnector(ssl=client.rest_client.ssl_context, limit=0)
    session = ClientSession(connector=connector, timeout=ClientTimeout(total=None), auto_decompress=False)
    killer = Killer(namespace, image, folder, configuration.host, session)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", killer.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    (folder / "kubeconfig").write_text(_KUBECONFIG.format(url=f"http://127.0.0.1:{port}"))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    try:
        await killer.start()
        while not ended.done():
            killed = asyncio.create_task(killer.killed.wait())
            await asyncio.wait({ended, killed}, return_when=asyncio.FIRST_COMPLETED)
            killed.cancel()
            if killer.killed.is_set():
                killer.killed.clear()
                await killer.start()
    finally:
        await killer.kill()
        await runner.cleanup()
        await session.close()
        await client.close()


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1], sys.argv[2], Path(sys.argv[3])))

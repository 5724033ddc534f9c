"""An operator outside of the cluster's pods that reaches the API server through a proxy of ours, which a scenario lets do harm.

``play`` runs in the cluster's network, as a process of its own, until its standard input is closed. What the proxy does to a request is told by a subclass
of ``Proxied``: ``before`` may answer it in place of the API server, ``after`` learns what was done.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

from aiohttp import ClientSession, ClientTimeout, TCPConnector, web
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.kube_config import load_kube_config

from tests.e2e import installing
from tests.e2e.stage import Stage

_KUBECONFIG = """
apiVersion: v1
kind: Config
current-context: here
contexts: [{{name: here, context: {{cluster: here, user: me}}}}]
clusters: [{{name: here, cluster: {{server: "{url}"}}}}]
users: [{{name: me, user: {{}}}}]
"""
_HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "content-length", "accept-encoding"}


class Proxied:
    """The proxy and the operator behind it."""

    #: ``WEIR_OPERATOR_*`` variables in addition, without that beginning.
    SETTINGS: ClassVar[Mapping[str, str]] = {}

    def __init__(self, namespace: str, image: str, folder: Path, server: str, session: ClientSession) -> None:
        self._namespace, self._image, self._folder = namespace, image, folder
        self._server, self._session = server, session
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
            **self.SETTINGS,
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

    async def before(self, request: web.Request) -> web.StreamResponse | None:
        """Before a request is passed on; an answer stands for the API server's."""
        return None

    async def after(self, request: web.Request, body: bytes, status: int) -> None:
        """A request that is no watch was carried out; the operator has no answer yet."""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One request of the operator."""
        body = await request.read()
        if (answered := await self.before(request)) is not None:
            return answered
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"{self._server}{request.raw_path}"
        async with self._session.request(request.method, url, data=body or None, headers=headers) as answer:
            content = None
            if request.method != "GET":
                content = await answer.read()
                await self.after(request, body, answer.status)
            response = web.StreamResponse(status=answer.status)
            response.content_type = answer.content_type
            with contextlib.suppress(ConnectionError):
                await response.prepare(request)
                if content is not None:
                    await response.write(content)
                async for part in answer.content.iter_any():
                    await response.write(part)
            return response


async def play(kind: type[Proxied], namespace: str, image: str, folder: Path) -> None:
    """Until standard input is closed; an operator that was killed is followed by another."""
    configuration = Configuration()
    await load_kube_config(client_configuration=configuration)
    client = ApiClient(configuration)
    # No limit: watches of operators that were killed stay open for minutes, and those of the next one would wait behind them.
    connector = TCPConnector(ssl=client.rest_client.ssl_context, limit=0)
    session = ClientSession(connector=connector, timeout=ClientTimeout(total=None), auto_decompress=False)
    proxied = kind(namespace, image, folder, configuration.host, session)
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_route("*", "/{rest:.*}", proxied.serve)
    runner = web.AppRunner(app, shutdown_timeout=1.0)  # watches of the dead never end
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    (folder / "kubeconfig").write_text(_KUBECONFIG.format(url=f"http://127.0.0.1:{port}"))
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    try:
        await proxied.start()
        while not ended.done():
            killed = asyncio.create_task(proxied.killed.wait())
            await asyncio.wait({ended, killed}, return_when=asyncio.FIRST_COMPLETED)
            killed.cancel()
            if proxied.killed.is_set():
                proxied.killed.clear()
                await proxied.start()
    finally:
        await proxied.kill()
        await runner.cleanup()
        await session.close()
        await client.close()


@contextlib.contextmanager
def instead_of_the_chart_s(stage: Stage, module: str, folder: Path) -> Iterator[Path]:
    """The operator of ``python -m MODULE NAMESPACE IMAGE FOLDER`` serves the stage; the file has what that prints.

    The chart's operator must have been stopped.
    """
    key = stage.get("secret", f"{installing.NAME}-key")["data"]["key"]
    (folder / "key").write_bytes(base64.b64decode(key))
    command = [sys.executable, "-m", module, stage.namespace, stage.images.weir, str(folder)]
    environment = os.environ | {"KUBECONFIG": str(stage.cluster.provider.kubeconfig)}
    said = folder / "said"
    with said.open("wb") as out, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            stage.cluster.provider.enter(command),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=errors,
        )
    try:
        yield said
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(60)
        print(said.read_text(), (folder / "errors").read_text())
        print((folder / "operator.log").read_text()[-4000:])

"""The HTTP endpoints of the operator: ``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from weir_operator.handlers.vitals import Vitals
from weir_operator.metrics import Metrics

_Page = Callable[[web.Request], Awaitable[web.Response]]


class Probes:
    """Serves them on two addresses, so that metrics can be open to others than the kubelet."""

    def __init__(self, vitals: Vitals, metrics: Metrics) -> None:
        self._vitals, self._metrics = vitals, metrics
        self._runners: list[web.AppRunner] = []

    async def start(self, probe_address: str, metrics_address: str) -> None:
        """Listen."""
        pages: dict[str, dict[str, _Page]] = {
            probe_address: {"/healthz": self._healthz, "/readyz": self._readyz}
        }
        pages.setdefault(metrics_address, {})["/metrics"] = self._page
        for address, paths in pages.items():
            app = web.Application()
            app.add_routes([web.get(path, page) for path, page in paths.items()])
            runner = web.AppRunner(app, access_log=None)
            await runner.setup()
            host, _, port = address.rpartition(":")
            await web.TCPSite(runner, host.strip("[]") or None, int(port)).start()
            self._runners.append(runner)

    async def stop(self) -> None:
        """Listen no more."""
        for runner in self._runners:
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        complaint = self._vitals.complaint()
        return web.Response(text=complaint or "ok", status=503 if complaint else 200)

    async def _readyz(self, _: web.Request) -> web.Response:
        ready = self._vitals.ready
        return web.Response(text="ok" if ready else "starting", status=200 if ready else 503)

    async def _page(self, _: web.Request) -> web.Response:
        self._metrics.loop_lag.set(self._vitals.lag)
        self._metrics.silence.set(self._vitals.silence)
        return web.Response(body=self._metrics.page(), content_type="text/plain")

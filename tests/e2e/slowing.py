"""An operator whose API server is slow and says "too many": ``python -m tests.e2e.slowing NAMESPACE IMAGE FOLDER``, run in the cluster's network.

A proxy between them answers each third request with 429, delays the others, some by ten seconds, and does so to a number of requests; what comes then passes
untouched. Watches begin late, too. The Lease is only a little late: for it an API server has a level of priority of its own. A line on standard output for each
request that is neither: what became of it, how many seconds after the first, and what it was. Closing standard input ends all.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import ClassVar

from aiohttp import ClientSession, web

from tests.e2e.proxying import Proxied, play

#: Requests that meet it, after those of the start.
DISTURBED = 90
QPS, BURST = 5, 10
SHORT_S, LONG_S = 0.3, 10.0
TOO_MANY, SLOW = 3, 20


class Slow(Proxied):
    """The proxy and the operator behind it."""

    SETTINGS: ClassVar = {"QPS": str(QPS), "BURST": str(BURST), "PROGRESS": "1s"}

    def __init__(self, namespace: str, image: str, folder: Path, server: str, session: ClientSession) -> None:
        super().__init__(namespace, image, folder, server, session)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._met = 0

    async def before(self, request: web.Request) -> web.StreamResponse | None:
        if "watch" in request.query:
            await self._delay(SHORT_S)
            return None
        if "/leases" in request.path:
            await self._delay(SHORT_S)
            return None
        self._met += 1
        number = self._met
        if number > DISTURBED:
            self._tell("passed", request)
            return None
        if number % TOO_MANY == 0:
            self._tell("refused", request)
            body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 429}
            return web.json_response(body, status=429, headers={"Retry-After": "1"})
        self._tell("delayed", request)
        await self._delay(LONG_S if number % SLOW == 0 else SHORT_S)
        return None

    async def _delay(self, seconds: float) -> None:
        if self._met <= DISTURBED:
            await asyncio.sleep(seconds)

    def _tell(self, what: str, request: web.Request) -> None:
        print(
            what, f"{self._loop.time() - self._began:.3f}", request.method, request.path_qs[:160], flush=True
        )


if __name__ == "__main__":
    asyncio.run(play(Slow, sys.argv[1], sys.argv[2], Path(sys.argv[3])))

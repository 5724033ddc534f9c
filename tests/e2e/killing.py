"""An operator that is killed after every write: ``python -m tests.e2e.killing NAMESPACE IMAGE FOLDER``, run in the cluster's network.

It reaches the API server through a proxy, which passes a write on, ends the operator's process with SIGKILL when the write is done, and never gives the answer.
Then another operator is started. The same write (its method, its path, and for a status the phase that it tells of) meets that once, so that an
operator that is always killed after its first write gets on all the same. Its own Lease, its canary and events are let through. What was
met is a line each on standard output; closing standard input ends all.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import ClassVar

from aiohttp import ClientSession, web

from tests.e2e.proxying import Proxied, play

_LET_THROUGH = ("/leases", "/events", "/configmaps/weir-operator-canary")


class Killer(Proxied):
    """The proxy and the operator behind it."""

    SETTINGS: ClassVar = {"LEASE_DURATION": "2s", "LEASE_RENEW_DEADLINE": "1500ms", "LEASE_RETRY": "300ms"}

    def __init__(self, namespace: str, image: str, folder: Path, server: str, session: ClientSession) -> None:
        super().__init__(namespace, image, folder, server, session)
        self._met: set[tuple[str, str, str]] = set()

    async def after(self, request: web.Request, body: bytes, status: int) -> None:
        if status < 300 and self._is_new(request.method, request.path, body):
            await self.kill()
            self.killed.set()

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


if __name__ == "__main__":
    asyncio.run(play(Killer, sys.argv[1], sys.argv[2], Path(sys.argv[3])))

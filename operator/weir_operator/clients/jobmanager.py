"""The JobManagers' REST, as the operator calls it: short deadlines, a bearer token of the run, trigger ids for repeats.

A pod is called by its address, so that what answers is the run that was meant: the stable Service moves. The header
``Weir-Operator`` names the StreamJob; JobManagers refuse to be steered by anybody else.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from weir_operator.errors import TemporaryError

PORT = 8081
_READ_SECONDS = 3.0
_ACT_SECONDS = 5.0
#: Larger answers are not read: an engine gone wild must not fill the operator's memory.
_MAX_ANSWER = 4 * 1024 * 1024


class JobManagerUnreachable(TemporaryError):
    """No answer, or none that can be read."""


class JobManagerRefused(TemporaryError):
    """It answered, and will not do it."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, delay=2.0)
        #: The HTTP status.
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One JobManager: where it is, and as whom it is called."""

    host: str
    token: str
    #: ``<namespace>/<name>`` of the StreamJob.
    resource: str
    job_id: str
    tls: ssl.SSLContext | None = None

    @property
    def base(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{PORT}"


class JobManagers:
    """Calls JobManagers over one pool of connections."""

    def __init__(self) -> None:
        self._session: aiohttp.ClientSession | None = None

    async def report(self, endpoint: Endpoint) -> Mapping[str, Any]:
        """What it says of its job: one cheap call."""
        return await self._call(endpoint, "GET", "/jobs/weir", seconds=_READ_SECONDS)

    async def savepoint(self, endpoint: Endpoint, trigger: str, target: str | None) -> None:
        """Ask for a savepoint of a job that goes on."""
        body = {"target-directory": target, "triggerId": trigger}
        await self._call(endpoint, "POST", f"/jobs/{endpoint.job_id}/savepoints", body)

    async def stop(self, endpoint: Endpoint, trigger: str, target: str | None, *, drain: bool) -> None:
        """Ask for a stop with a savepoint."""
        body = {"targetDirectory": target, "drain": drain, "triggerId": trigger}
        await self._call(endpoint, "POST", f"/jobs/{endpoint.job_id}/stop", body)

    async def checkpoint(self, endpoint: Endpoint, trigger: str) -> None:
        """Ask for a checkpoint now."""
        await self._call(endpoint, "POST", f"/jobs/{endpoint.job_id}/checkpoints", {"triggerId": trigger})

    async def cancel(self, endpoint: Endpoint) -> None:
        """Cancel the job for good."""
        await self._call(endpoint, "PATCH", f"/jobs/{endpoint.job_id}?mode=cancel")

    async def activate(self, endpoint: Endpoint, start: Mapping[str, Any]) -> None:
        """Tell a standby to take over."""
        await self._call(endpoint, "POST", "/activate", {"run": start["run"], "start": dict(start)})

    async def rescale(self, endpoint: Endpoint, parallelism: int) -> None:
        """Ask for another parallelism of all vertices, in place; one that it has already changes nothing."""
        path = f"/jobs/{endpoint.job_id}/resource-requirements"
        vertices = await self._call(endpoint, "GET", path, seconds=_READ_SECONDS)
        bounds = {"parallelism": {"lowerBound": 1, "upperBound": parallelism}}
        present = {
            str((of_vertex.get("parallelism") or {}).get("upperBound")) for of_vertex in vertices.values()
        }
        if present != {str(parallelism)}:
            await self._call(endpoint, "PUT", path, dict.fromkeys(vertices, bounds))

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _call(
        self,
        endpoint: Endpoint,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        seconds: float = _ACT_SECONDS,
    ) -> Mapping[str, Any]:
        what = f"{method} {endpoint.base}{path} of {endpoint.resource}"
        headers = {"Authorization": f"Bearer {endpoint.token}", "Weir-Operator": endpoint.resource}
        try:
            async with self._pool().request(
                method,
                endpoint.base + path,
                json=None if body is None else {k: v for k, v in body.items() if v is not None},
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
                ssl=endpoint.tls if endpoint.tls is not None else True,
                allow_redirects=False,
            ) as response:
                data = await _body(response)
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = str(error) or f"no answer within {seconds:.0f}s"
            raise JobManagerUnreachable(f"{what}: {why}", delay=2.0) from error
        return _answer(what, status, data)

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Pods come and go, and each is called every few seconds: idle connections are not worth their memory.
            connector = aiohttp.TCPConnector(limit=128, limit_per_host=2, keepalive_timeout=15.0)
            self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self._session


async def _body(response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > _MAX_ANSWER:
            break
    return bytes(data)


def _answer(what: str, status: int, data: bytes) -> Mapping[str, Any]:
    if len(data) > _MAX_ANSWER:
        raise JobManagerUnreachable(f"{what}: the answer is larger than {_MAX_ANSWER} bytes")
    try:
        answer = json.loads(data) if data.strip() else {}
    except ValueError:
        raise JobManagerUnreachable(f"{what}: {status}, not JSON: {data[:200]!r}") from None
    if 200 <= status < 300 and isinstance(answer, dict):
        return answer
    errors = answer.get("errors") if isinstance(answer, dict) else None
    message = "; ".join(map(str, errors)) if isinstance(errors, list) else data[:500].decode(errors="replace")
    raise JobManagerRefused(f"{what}: {status} {message}", status=status)

"""The API server: dicts in, dicts out, through the asynchronous client of the ``kubernetes`` package.

Reads may be repeated here; a write is sent once, and whoever planned it looks again. Each write asks the leadership
first. Applying is server-side apply with our field manager, so that what others set in an object stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp
import msgspec
from kubernetes.aio.client.api_client import ApiClient

from weir_operator.clients.kinds import Kind, kind_of
from weir_operator.clients.leadership import TERM_ANNOTATION, Leadership
from weir_operator.clients.pacing import Pacer
from weir_operator.clients.refusals import Absent, NamespaceEnds, NotLeading, Throttled, Unanswered, refusal
from weir_operator.errors import TemporaryError

Body = dict[str, Any]

FIELD_MANAGER = "weir-operator"
_JSON = "application/json"
_APPLY = "application/apply-patch+yaml"
_MERGE = "application/merge-patch+json"
#: A read is repeated this often before its failure is told.
_READ_ATTEMPTS = 3

#: Called after each request: verb, kind, status (0: no answer), seconds.
Listener = Callable[[str, str, int, float], None]


@dataclass(frozen=True, slots=True)
class Limits:
    """How patient a client is, and how large a page."""

    request_seconds: float = 15.0
    page: int = 250


class Kubernetes:
    """One connection pool to one API server."""

    def __init__(
        self,
        api: ApiClient,
        pacer: Pacer,
        leadership: Leadership,
        limits: Limits | None = None,
        listener: Listener = lambda *_: None,
    ) -> None:
        self._api, self._pacer, self._leadership = api, pacer, leadership
        self._limits, self._listener = limits or Limits(), listener

    @property
    def leadership(self) -> Leadership:
        """The term that this client writes in."""
        return self._leadership

    def led_by(self, leadership: Leadership) -> Kubernetes:
        """The same connections, for another term."""
        return Kubernetes(self._api, self._pacer, leadership, self._limits, self._listener)

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        """One object, read live; raises Absent."""
        return await self._read(kind, kind.path(namespace, name))

    async def find(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        """One object, read live, or None."""
        try:
            return await self.get(kind, namespace, name)
        except Absent:
            return None

    async def pages(
        self, kind: Kind, namespace: str | None, labels: str | None = None
    ) -> AsyncIterator[Body]:
        """All objects as they were at one moment, page by page; raises Gone when that moment is too long ago."""
        query: dict[str, str] = {"limit": str(self._limits.page)}
        if labels:
            query["labelSelector"] = labels
        while True:
            page = await self._read(kind, kind.path(namespace), query)
            yield page
            token = (page.get("metadata") or {}).get("continue")
            if not token:
                return
            query["continue"] = token

    async def list(self, kind: Kind, namespace: str | None, labels: str | None = None) -> list[Body]:
        """All objects of a list that is known to be short, read live."""
        return [
            item async for page in self.pages(kind, namespace, labels) for item in page.get("items") or ()
        ]

    async def apply(self, manifest: Mapping[str, Any], *, uid: str | None = None, force: bool = True) -> Body:
        """Create or complete an object; with ``uid``: only if it still is that one, else Conflict."""
        kind, metadata = kind_of(manifest), dict(manifest["metadata"])
        metadata["annotations"] = {
            **(metadata.get("annotations") or {}),
            TERM_ANNOTATION: str(self._leadership.term),
        }
        if uid:
            metadata["uid"] = uid
        path = kind.path(metadata["namespace"], metadata["name"])
        query = {"fieldManager": FIELD_MANAGER, "force": str(force).lower()}
        return await self._write(
            "PATCH", kind, path, query, {**manifest, "metadata": metadata}, content=_APPLY
        )

    async def create(self, kind: Kind, body: Mapping[str, Any]) -> Body:
        """Create an object; Conflict if it exists."""
        path = kind.path(body["metadata"]["namespace"])
        return await self._write("POST", kind, path, {"fieldManager": FIELD_MANAGER}, dict(body))

    async def namespace_ends(self, namespace: str, kind: Kind) -> bool:
        """Whether a namespace is being deleted; asked without a right to read namespaces, by an object that is not made in either case."""
        metadata = {"name": f"{FIELD_MANAGER}-asks", "namespace": namespace}
        body = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata}
        query = {"fieldManager": FIELD_MANAGER, "dryRun": "All"}
        try:
            await self._write("POST", kind, kind.path(namespace), query, body)
        except NamespaceEnds:
            return True
        except TemporaryError:
            return False
        return False

    async def replace(
        self, kind: Kind, body: Mapping[str, Any], subresource: str | None = None, *, ahead: bool = False
    ) -> Body:
        """Write a whole object, or its subresource; Conflict if its resource version has passed.

        ``ahead``: of other requests that wait for their turn, since people wait for this one.
        """
        metadata = body["metadata"]
        path = kind.path(metadata["namespace"], metadata["name"], subresource)
        query = {"fieldManager": FIELD_MANAGER}
        return await self._write("PUT", kind, path, query, dict(body), ahead=ahead)

    async def merge(
        self, kind: Kind, namespace: str, name: str, patch: Mapping[str, Any], subresource: str | None = None
    ) -> Body:
        """A merge patch; with ``metadata.resourceVersion`` in it: Conflict if that has passed."""
        path = kind.path(namespace, name, subresource)
        return await self._write(
            "PATCH", kind, path, {"fieldManager": FIELD_MANAGER}, dict(patch), content=_MERGE
        )

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        version: str | None = None,
        foreground: bool = False,
        grace_seconds: int | None = None,
    ) -> bool:
        """Delete one object, only if it still is this one; whether there was something to delete."""
        conditions = {"uid": uid, "resourceVersion": version}
        body: Body = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {name: value for name, value in conditions.items() if value},
            "propagationPolicy": "Foreground" if foreground else "Background",
        }
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            await self._write("DELETE", kind, kind.path(namespace, name), {}, body)
        except Absent:
            return False
        return True

    async def close(self) -> None:
        """Close the connections."""
        await self._api.close()

    async def _read(self, kind: Kind, path: str, query: Mapping[str, str] | None = None) -> Body:
        for attempt in range(1, _READ_ATTEMPTS + 1):
            await self._pacer.turn()
            try:
                seconds = self._limits.request_seconds
                return await self._send("GET", kind, path, query or {}, None, {"Accept": _JSON}, seconds)
            except (Throttled, Unanswered) as error:
                if attempt == _READ_ATTEMPTS:
                    raise
                await asyncio.sleep(error.delay * attempt)
        raise AssertionError("unreachable")

    async def _write(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str],
        body: Body,
        *,
        content: str = _JSON,
        ahead: bool = False,
    ) -> Body:
        await self._pacer.turn(ahead=ahead)
        what = f"{method} {path}"
        seconds = min(self._limits.request_seconds, self._leadership.guard(what))
        headers = {"Accept": _JSON, "Content-Type": content}
        try:
            return await self._send(method, kind, path, query, body, headers, seconds)
        except Unanswered as error:
            if self._leadership.remaining <= 0:
                raise NotLeading(f"{error}, and this replica leads no more") from error
            raise

    async def _send(
        self,
        method: str,
        kind: Kind,
        path: str,
        query: Mapping[str, str],
        body: Body | None,
        headers: dict[str, str],
        seconds: float,
    ) -> Body:
        clock = asyncio.get_running_loop().time
        started, status = clock(), 0
        what = f"{method} {path}"
        try:
            status, data, retry_after = await exchange(self._api, method, path, query, body, headers, seconds)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            why = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise Unanswered(
                f"{what}: no answer within {self._limits.request_seconds:.0f}s ({why})", delay=1.0
            ) from error
        finally:
            self._listener(method, kind.name, status, clock() - started)
        if 200 <= status < 300:
            # Lists of a thousand jobs are read at each start, and this reads them in a third of the time.
            answer: Body = msgspec.json.decode(data)
            return answer
        refused = refusal(what, status, data, retry_after)
        if isinstance(refused, Throttled):
            self._pacer.pause(refused.delay)
        raise refused


async def exchange(
    api: ApiClient,
    method: str,
    path: str,
    query: Mapping[str, str],
    body: Body | None,
    headers: dict[str, str],
    seconds: float,
) -> tuple[int, bytes, str | None]:
    """One request; status, body and ``Retry-After``. No pace, no guard: the Lease goes this way too."""
    await authorize(api, headers)
    url = f"{api.configuration.host}{path}" + (f"?{urlencode(query)}" if query else "")
    timeout = aiohttp.ClientTimeout(total=seconds)
    async with asyncio.timeout(seconds):
        response = await api.rest_client.request(
            method, url, headers=headers, body=body, _request_timeout=timeout
        )
        data: bytes = await response.read()
    return int(response.status), data, response.headers.get("Retry-After")


async def authorize(api: ApiClient, headers: dict[str, str]) -> None:
    """Add the credentials, read again where they rotate."""
    headers["User-Agent"] = FIELD_MANAGER
    update: Callable[..., Awaitable[None]] = api.update_params_for_auth
    await update(headers, [], ["BearerToken"], None, None, None)

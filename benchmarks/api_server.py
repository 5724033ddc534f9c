"""A real API server (etcd and kube-apiserver, nothing else) in a network namespace of its own, and a small client of it.

The programs are those of the test cluster. There are no controllers and no nodes: whoever uses it plays them.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Collection
from pathlib import Path
from typing import Any, Self

import aiohttp

from tests.cluster import builder, programs, settings
from tests.cluster.pki import Authority

_MERGE = "application/merge-patch+json"
READY_SECONDS = 120.0


def authority(folder: Path) -> Authority:
    """Of the certificates below ``folder``."""
    return Authority(folder / "pki", settings.SERVER)


def kubeconfig(folder: Path) -> Path:
    """By which one is allowed everything."""
    return authority(folder).kubeconfig("admin", "/O=system:masters/CN=weir-admin")


def start(folder: Path) -> list[subprocess.Popen[bytes]]:
    """Both programs, with their logs and data in ``folder``; the caller ends them. The namespace must be our own."""
    for arguments in (
        ("ip", "link", "set", "lo", "up"),
        # The whole range is this machine's, so that any pod may have any address of it.
        ("ip", "route", "add", "local", "198.18.0.0/16", "dev", "lo"),
    ):
        subprocess.run(arguments, check=True)
    made = authority(folder)
    made.create()
    kubeconfig(folder)
    etcd = [flag for flag in programs.etcd() if not flag.startswith("--data-dir")]
    etcd += [f"--data-dir={folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=error"]
    left_out = ("--enable-admission-plugins", "--audit")  # what is measured is not audited
    api = programs.apiserver(made, folder / "audit.json", folder / "audit.log")
    api = [flag for flag in api if not flag.startswith(left_out)]
    # Nobody makes service accounts here, and endpoints of the API server are of no use.
    api += ["--disable-admission-plugins=ServiceAccount", "--endpoint-reconciler-type=none"]
    started = []
    for name, command in (("etcd", etcd), ("kube-apiserver", api)):
        with (folder / f"{name}.log").open("wb") as log:
            started.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=folder))
    return started


def missing() -> str | None:
    """Why this machine cannot do it."""
    if not builder.has("kubelet"):
        return "the programs of the test cluster are not built: python -m tests.cluster prepare"
    return None


class Api:
    """Calls of the API server, as the administrator."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    @classmethod
    def of(cls, folder: str | Path) -> Self:
        """Of the server that was started in ``folder``; used with ``async with``."""
        made = authority(Path(folder))
        context = ssl.create_default_context(cafile=made.certificate)
        context.load_cert_chain(*made.issue("admin", "/O=system:masters/CN=weir-admin"))
        connector = aiohttp.TCPConnector(ssl=context, limit=64)
        return cls(aiohttp.ClientSession(settings.SERVER, connector=connector, trust_env=False))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Any = None, *, allowed: Collection[int] = ()
    ) -> dict[str, Any]:
        """The answer; a refusal raises unless its status is allowed. A ``PATCH`` is a merge patch."""
        headers = {"Content-Type": _MERGE if method == "PATCH" else "application/json"}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, path, data=data, headers=headers) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
            if answer.status >= 300 and answer.status not in allowed:
                raise RuntimeError(f"{method} {path}: {answer.status} {found.get('message')}")
            return found

    async def wait_ready(self) -> None:
        """Until it serves."""
        deadline = time.monotonic() + READY_SECONDS
        while True:
            try:
                async with self._session.get("/readyz") as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            if time.monotonic() > deadline:
                raise SystemExit("the API server does not get ready; see its log")
            await asyncio.sleep(0.2)

    async def follow(self, path: str) -> AsyncIterator[dict[str, Any]]:
        """Every object of a collection as it is, and as it becomes; what is deleted is left out.

        A watch that breaks or is too old is followed by another list, so an object may come twice.
        """
        while True:
            listed = await self.call("GET", path)
            for body in listed["items"]:
                yield body
            try:
                async for body in self._watch(path, listed["metadata"]["resourceVersion"]):
                    yield body
            except (aiohttp.ClientError, TimeoutError):
                continue

    async def _watch(self, path: str, version: str) -> AsyncIterator[dict[str, Any]]:
        """Until the server ends it."""
        query = f"{path}{'&' if '?' in path else '?'}watch=true&resourceVersion={version}"
        timeout = aiohttp.ClientTimeout(total=None)
        async with self._session.get(query, timeout=timeout) as answer:
            buffer = b""
            async for chunk in answer.content.iter_any():
                *lines, buffer = (buffer + chunk).split(b"\n")
                for line in lines:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    if event["type"] != "DELETED":
                        yield event["object"]

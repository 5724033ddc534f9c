"""kopf, as a transport: it watches, reconnects and pages, and every event goes to one function of ours.

It runs in a thread with a loop of its own, since it ends whatever else runs in its loop when it ends, and it ends when a
stream answers with an error. Then it is begun again, in the same process; what happened meanwhile is in its first lists.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from typing import Any

import kopf
import structlog

from weir_operator.clients.access import in_cluster
from weir_operator.clients.kinds import Kind
from weir_operator.observer.children import JOB, WATCHED
from weir_operator.observer.world import RESOURCES

_log = structlog.get_logger(__name__)

#: Kind, type of the event (None: from a list), body.
Sink = Callable[[Kind, str | None, dict[str, Any]], None]
_LONGEST_PAUSE = 30.0


class _NoDiffs(kopf.DiffBaseStorage):
    """kopf compares each body with the one before, for handlers that we do not have."""

    def build(self, *, body: Any, extra_fields: Any = None) -> Any:
        return {}

    def fetch(self, *, body: Any) -> Any:
        return None

    def store(self, *, body: Any, patch: Any, essence: Any) -> None:
        return None


class Watches:
    """The watches of all kinds, in a thread."""

    def __init__(self, namespaces: Iterable[str], page: int, sink: Sink) -> None:
        self._namespaces, self._page, self._sink = tuple(namespaces), page, sink
        self._loop = asyncio.get_running_loop()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watches", daemon=True)
        self.restarts = 0

    def start(self) -> None:
        """Begin to watch."""
        self._thread.start()

    def stop(self) -> None:
        """End it; events that are on their way still come."""
        self._stop.set()

    def _run(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            try:
                asyncio.run(self._watch())
                pause = 1.0
            except Exception as error:  # noqa: BLE001 - whatever ended the watches, they are begun again
                _log.warning("the watches ended and begin again", error=repr(error), pause=pause)
                self._stop.wait(pause)
                pause = min(_LONGEST_PAUSE, pause * 2)
            self.restarts += 1

    async def _watch(self) -> None:
        registry = kopf.OperatorRegistry()
        login = kopf.login_with_service_account if in_cluster() else kopf.login_with_kubeconfig
        kopf.on.login(registry=registry)(login)
        settings = self._settings()
        for kind in (*RESOURCES, *WATCHED):
            self._register(registry, kind)
        for kind in WATCHED:
            settings.watching.label_selectors[kind.group, kind.version, kind.plural] = JOB
        where: dict[str, Any] = (
            {"namespaces": self._namespaces} if self._namespaces else {"clusterwide": True}
        )
        await kopf.operator(
            registry=registry, settings=settings, standalone=True, stop_flag=self._stop, **where
        )

    def _register(self, registry: kopf.OperatorRegistry, kind: Kind) -> None:
        async def pass_on(event: kopf.RawEvent, **_: Any) -> None:
            body: Any = event["object"]
            self._loop.call_soon_threadsafe(self._sink, kind, event["type"], body)

        handler = kopf.on.event(kind.group, kind.version, kind.plural, id=kind.plural, registry=registry)
        handler(pass_on)

    def _settings(self) -> kopf.OperatorSettings:
        settings = kopf.OperatorSettings()
        settings.process.ultimate_exiting_timeout = None
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.watching.chunk_size = self._page
        settings.watching.server_timeout = 290
        settings.queueing.idle_timeout = 0.5
        settings.persistence.diffbase_storage = _NoDiffs()
        return settings

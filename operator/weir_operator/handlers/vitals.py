"""Whether this process still does its work: a loop that is not late, and watches that are not silent.

A canary, a ConfigMap of our own, is touched every few seconds and has to come back by a watch. A watch that is open and
says nothing looks like a quiet cluster; the canary tells the two apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.errors import OperatorError
from weir_operator.observer.children import JOB

_log = structlog.get_logger(__name__)

CANARY = "weir-operator-canary"
#: The canary is touched so often within the time that it may be silent for.
_TOUCHES = 4
_TICK_SECONDS = 1.0


class Vitals:
    """What the liveness probe asks."""

    def __init__(self, clock: Callable[[], float], silence_seconds: float, lag_seconds: float) -> None:
        self._clock = clock
        self._silence_seconds, self._lag_seconds = silence_seconds, lag_seconds
        self._ticked_at = clock()
        #: When the canary was touched without having been seen since; None: nothing is awaited.
        self._awaited_since: float | None = None
        self._seen_at = clock()
        self.lag = 0.0
        self.ready = False

    @property
    def silence(self) -> float:
        """Seconds for which a touched canary has not come back."""
        return 0.0 if self._awaited_since is None else self._clock() - self._awaited_since

    def complaint(self) -> str | None:
        """Why this process should be restarted; None: it should not."""
        late = self._clock() - self._ticked_at - _TICK_SECONDS
        if max(late, self.lag) > self._lag_seconds:
            return f"the event loop is {max(late, self.lag):.1f}s late"
        if self.silence > self._silence_seconds:
            return f"the canary was touched {self.silence:.0f}s ago and no watch has told of it"
        return None

    def seen(self, body: Mapping[str, Any]) -> bool:
        """A watch told of an object; whether it was the canary."""
        if body["metadata"].get("name") != CANARY:
            return False
        self._seen_at, self._awaited_since = self._clock(), None
        return True

    def rest(self) -> None:
        """This replica watches nothing any more."""
        self._awaited_since, self.ready = None, False

    async def tick(self) -> None:
        """Measure how late the loop is, for ever."""
        while True:
            before = self._clock()
            await asyncio.sleep(_TICK_SECONDS)
            self._ticked_at = self._clock()
            self.lag = max(0.0, self._ticked_at - before - _TICK_SECONDS)

    async def touch(self, client: Kubernetes, namespace: str) -> None:
        """Touch the canary, for ever. While the API server does not answer, nothing is awaited from it."""
        while True:
            manifest = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": CANARY, "namespace": namespace, "labels": {JOB: ""}},
                "data": {"touched": datetime.now(UTC).isoformat()},
            }
            sent = self._clock()
            try:
                await client.apply(manifest)
            except OperatorError as error:
                _log.debug("the canary could not be touched", error=str(error))
            else:
                if self._awaited_since is None and self._seen_at < sent:
                    self._awaited_since = sent
            await asyncio.sleep(self._silence_seconds / _TOUCHES)

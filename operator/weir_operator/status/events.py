"""Events that people see in ``kubectl describe``: few, each said once, repeats counted.

The same words about the same resource within an hour are one event with a count, written at 2, 4, 8 ... repeats. For one
reason there are at most three events an hour; what comes on top counts on the last of them. So a job that crashes every few
seconds leaves a handful of events, not thousands. ``Budget`` decides, ``EventPoster`` writes; an event that cannot be
written is logged and nothing waits for it.

While the API server is away or slow, a thousand wait. When there is no more room a warning takes the place of what is no
warning, the oldest first, and what comes then is dropped and counted; what was dropped is new when it is said again.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from weir_operator.clients.kinds import EVENT
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.refusals import Absent, Conflict
from weir_operator.errors import OperatorError

_log = structlog.get_logger(__name__)

HOUR = 3600.0
#: Events of one reason about one resource in an hour.
PER_REASON = 3
#: What may wait to be written.
BACKLOG = 1000
_MAX_NOTE = 1000
#: Characters of the resource's name in that of an event, which has at most 253.
_MAX_STEM = 236
#: Resources of which is remembered what was said about them; those of which nothing was said for longest are forgotten first.
_MAX_RESOURCES = 5_000


@dataclass(slots=True)
class _Told:
    """One event that was written."""

    name: str
    at: float
    count: int = 1


@dataclass(frozen=True, slots=True)
class Create:
    """Write a new event under this name."""

    name: str


@dataclass(frozen=True, slots=True)
class Count:
    """Tell that the event of this name has happened so often by now."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Said:
    """An event about a resource."""

    resource: Mapping[str, Any]
    reason: str
    message: str
    warning: bool
    decision: Create | Count


class Budget:
    """What was said about whom within the hour."""

    def __init__(self) -> None:
        #: By UID, reason and message.
        self._told: dict[str, dict[str, dict[str, _Told]]] = {}

    def __len__(self) -> int:
        return len(self._told)

    def unsay(self, uid: str, reason: str, message: str) -> None:
        """It was not written: said again, it is new."""
        self._told.get(uid, {}).get(reason, {}).pop(message, None)

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._told.pop(uid, None)

    def decide(self, uid: str, reason: str, message: str, now: float) -> Create | Count | None:
        """What to write; None: nothing this time."""
        of_reason = self._told[uid] = self._told.pop(uid, {})
        while len(self._told) > _MAX_RESOURCES:
            del self._told[next(iter(self._told))]
        told = {text: event for text, event in of_reason.get(reason, {}).items() if now - event.at < HOUR}
        of_reason[reason] = told
        known = told.get(message)
        if known is None and len(told) < PER_REASON:
            name = hashlib.sha256(f"{uid}/{reason}/{message}/{now}".encode()).hexdigest()[:16]
            told[message] = _Told(name, now)
            return Create(name)
        if known is None:
            known = max(told.values(), key=lambda event: event.at)
        known.count += 1
        return Count(known.name, known.count) if known.count & (known.count - 1) == 0 else None


class Backlog:
    """What waits to be written, in order, as far as there is room."""

    def __init__(self, room: int = BACKLOG) -> None:
        self._room, self._waiting = room, deque[Said]()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, said: Said) -> Said | None:
        """Keep it; what had to be dropped for that, which may be the same."""
        if len(self._waiting) < self._room:
            self._waiting.append(said)
            return None
        place = next((at for at, held in enumerate(self._waiting) if not held.warning), None)
        if place is None or not said.warning:
            return said
        dropped = self._waiting[place]
        del self._waiting[place]
        self._waiting.append(said)
        return dropped

    def take(self) -> Said:
        """The oldest."""
        return self._waiting.popleft()


class EventPoster:
    """Takes events without waiting; ``run`` writes them."""

    def __init__(
        self, instance: str, clock: Callable[[], float], dropped: Callable[[], None] = lambda: None
    ) -> None:
        """``dropped`` is called for each event for which there was no room."""
        self._instance, self._clock, self._dropped = instance, clock, dropped
        self._budget, self._backlog, self._news = Budget(), Backlog(), asyncio.Event()
        self._full = False

    def say(self, resource: Mapping[str, Any], reason: str, message: str, *, warning: bool = False) -> None:
        """Something happened that people should see."""
        decision = self._budget.decide(resource["metadata"]["uid"], reason, message, self._clock())
        if decision is None:
            return
        dropped = self._backlog.put(Said(resource, reason, message, warning, decision))
        if dropped is not None:
            self._drop(dropped)
        self._news.set()

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._budget.forget(uid)

    async def run(self, client: Kubernetes) -> None:
        """Write events until cancelled."""
        while True:
            while self._backlog:
                said = self._backlog.take()
                try:
                    await self._carry_out(client, said, said.decision)
                except OperatorError as error:
                    _log.warning("an event could not be written", reason=said.reason, error=str(error))
            self._full = False
            self._news.clear()
            await self._news.wait()

    def _drop(self, said: Said) -> None:
        if isinstance(said.decision, Create):
            self._budget.unsay(said.resource["metadata"]["uid"], said.reason, said.message)
        self._dropped()
        if not self._full:
            _log.warning(
                "events are dropped: too many wait to be written",
                waiting=len(self._backlog),
                first=said.reason,
            )
        self._full = True

    async def _carry_out(self, client: Kubernetes, said: Said, decision: Create | Count) -> None:
        metadata = said.resource["metadata"]
        namespace, stem = metadata["namespace"], metadata["name"][:_MAX_STEM]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            if isinstance(decision, Create):
                await client.create(EVENT, self._event(said, f"{stem}.{decision.name}", now))
            else:
                series = {"series": {"count": decision.count, "lastObservedTime": now}}
                await client.merge(EVENT, namespace, f"{stem}.{decision.name}", series)
        except (Absent, Conflict):
            return  # it has expired, or was written by a request whose answer was lost

    def _event(self, said: Said, name: str, now: str) -> dict[str, Any]:
        metadata = said.resource["metadata"]
        return {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.name,
            "metadata": {"name": name, "namespace": metadata["namespace"]},
            "eventTime": now,
            "reportingController": "weir.dev/operator",
            "reportingInstance": self._instance,
            "action": "Reconcile",
            "reason": said.reason,
            "note": said.message[:_MAX_NOTE],
            "type": "Warning" if said.warning else "Normal",
            "regarding": {
                "apiVersion": said.resource["apiVersion"],
                "kind": said.resource["kind"],
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
        }

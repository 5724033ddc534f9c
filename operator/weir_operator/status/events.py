"""Events that people see in ``kubectl describe``: few, each said once, repeats counted.

The same words about the same resource within an hour are one event with a count, written at 2, 4, 8 ... repeats. For one
reason there are at most three events an hour; what comes on top counts on the last of them. So a job that crashes every few
seconds leaves a handful of events, not thousands. ``Budget`` decides, ``EventPoster`` writes; an event that cannot be
written is logged and nothing waits for it.
"""

from __future__ import annotations

import asyncio
import hashlib
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
#: What waits to be written; more than that is dropped, and counted in the log.
_BACKLOG = 1000
_MAX_NOTE = 1000
#: Characters of the resource's name in that of an event, which has at most 253.
_MAX_STEM = 236
#: Reasons that are remembered; the oldest are forgotten first.
_MAX_KEYS = 20_000


@dataclass(frozen=True, slots=True)
class Said:
    """An event about a resource."""

    resource: Mapping[str, Any]
    reason: str
    message: str
    warning: bool


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


class Budget:
    """What was said about whom within the hour."""

    def __init__(self) -> None:
        self._told: dict[tuple[str, str], dict[str, _Told]] = {}

    def decide(self, uid: str, reason: str, message: str, now: float) -> Create | Count | None:
        """What to write; None: nothing this time."""
        key = (uid, reason)
        told = {text: event for text, event in self._told.pop(key, {}).items() if now - event.at < HOUR}
        self._told[key] = told
        while len(self._told) > _MAX_KEYS:
            del self._told[next(iter(self._told))]
        known = told.get(message)
        if known is None and len(told) < PER_REASON:
            name = hashlib.sha256(f"{uid}/{reason}/{message}/{now}".encode()).hexdigest()[:16]
            told[message] = _Told(name, now)
            return Create(name)
        if known is None:
            known = max(told.values(), key=lambda event: event.at)
        known.count += 1
        return Count(known.name, known.count) if known.count & (known.count - 1) == 0 else None


class EventPoster:
    """Takes events without waiting; ``run`` writes them."""

    def __init__(self, instance: str, clock: Callable[[], float]) -> None:
        self._instance, self._clock = instance, clock
        self._budget = Budget()
        self._waiting: asyncio.Queue[Said] = asyncio.Queue(_BACKLOG)

    def say(self, resource: Mapping[str, Any], reason: str, message: str, *, warning: bool = False) -> None:
        """Something happened that people should see."""
        try:
            self._waiting.put_nowait(Said(resource, reason, message, warning))
        except asyncio.QueueFull:
            _log.warning("an event was dropped", reason=reason, message=message)

    async def run(self, client: Kubernetes) -> None:
        """Write events until cancelled."""
        while True:
            said = await self._waiting.get()
            metadata = said.resource["metadata"]
            decision = self._budget.decide(metadata["uid"], said.reason, said.message, self._clock())
            try:
                await self._carry_out(client, said, decision)
            except OperatorError as error:
                _log.warning("an event could not be written", reason=said.reason, error=str(error))

    async def _carry_out(self, client: Kubernetes, said: Said, decision: Create | Count | None) -> None:
        metadata = said.resource["metadata"]
        namespace, stem = metadata["namespace"], metadata["name"][:_MAX_STEM]
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            if isinstance(decision, Create):
                await client.create(EVENT, self._event(said, f"{stem}.{decision.name}", now))
            elif isinstance(decision, Count):
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

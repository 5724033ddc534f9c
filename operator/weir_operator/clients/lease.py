"""The election: one Lease, taken by whoever finds it free or unrenewed, and numbered.

``leaseTransitions`` is the term: it grows with every acquisition, so no two leaderships share one. Whether a Lease is
unrenewed is judged by the own clock, from the moment at which this process first saw its present version; no two
machines need to agree about the time. A write goes by resource version, so of two candidates one loses.

``win`` waits for the Lease, ``hold`` renews it until it is lost, ``release`` lets the next one in at once.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from kubernetes.aio.client.api_client import ApiClient

from weir_operator.clients.kinds import LEASE
from weir_operator.clients.kubernetes import exchange
from weir_operator.clients.leadership import Leadership, boot_clock
from weir_operator.clients.refusals import Absent, Conflict, Unanswered, refusal
from weir_operator.errors import OperatorError, TemporaryError


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseTerms:
    """Which Lease, whose name goes in, and how long it lasts."""

    namespace: str
    name: str
    identity: str
    lease_seconds: float
    #: How long a holder acts on one renewal; less than ``lease_seconds``.
    act_seconds: float
    retry_seconds: float


@dataclass(frozen=True, slots=True)
class Sighting:
    """A version of the Lease, and when it was first seen."""

    version: str
    at: float


def is_free(spec: Mapping[str, Any], seen: Sighting, now: float) -> bool:
    """Whether a candidate may take the Lease."""
    if not spec.get("holderIdentity"):
        return True
    return now - seen.at > float(spec.get("leaseDurationSeconds") or 0)


def taken(lease: Mapping[str, Any] | None, terms: LeaseTerms, now: datetime) -> tuple[dict[str, Any], int]:
    """The Lease as it is written by a candidate that takes it, and the term that this begins."""
    spec = dict((lease or {}).get("spec") or {})
    term = int(spec.get("leaseTransitions") or 0) + 1
    moment = _micro(now)
    spec |= {
        "holderIdentity": terms.identity,
        "leaseDurationSeconds": max(1, round(terms.lease_seconds)),
        "acquireTime": moment,
        "renewTime": moment,
        "leaseTransitions": term,
    }
    metadata = {"name": terms.name, "namespace": terms.namespace}
    if lease is not None:
        metadata["resourceVersion"] = lease["metadata"]["resourceVersion"]
    body = {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata, "spec": spec}
    return body, term


class Candidate:
    """One replica in the election."""

    def __init__(self, api: ApiClient, terms: LeaseTerms) -> None:
        self._api, self._terms = api, terms
        self._seen: Sighting | None = None
        self._held: dict[str, Any] | None = None
        #: What hindered the last attempt, for the log.
        self.hindrance: str | None = None

    async def win(self) -> Leadership:
        """Return when this replica leads."""
        while True:
            try:
                leadership = await self._attempt()
            except OperatorError as error:
                leadership, self.hindrance = None, str(error)
            if leadership is not None:
                return leadership
            await asyncio.sleep(self._terms.retry_seconds)

    async def hold(self, leadership: Leadership) -> None:
        """Renew until the term is over; returns then."""
        while leadership.remaining > 0:
            await asyncio.sleep(min(self._terms.retry_seconds, max(0.0, leadership.remaining)))
            try:
                await self._renew(leadership)
            except Conflict:
                await self._look_again(leadership)
            except OperatorError as error:
                self.hindrance = str(error)
        leadership.end("its Lease could not be renewed in time")

    async def release(self, leadership: Leadership) -> None:
        """Give the Lease up, if it is still ours."""
        leadership.end("it was given up")
        if self._held is None:
            return
        spec = {**self._held["spec"], "holderIdentity": "", "leaseDurationSeconds": 1}
        try:
            await self._put({**self._held, "spec": spec}, self._terms.retry_seconds)
        except OperatorError as error:
            self.hindrance = str(error)  # it runs out by itself
        self._held = None

    async def _attempt(self) -> Leadership | None:
        started = boot_clock()
        try:
            lease = await self._get()
        except Absent:
            lease = None
        if lease is not None:
            version = str(lease["metadata"]["resourceVersion"])
            if self._seen is None or self._seen.version != version:
                self._seen = Sighting(version, started)
            if not is_free(lease.get("spec") or {}, self._seen, boot_clock()):
                self.hindrance = f"the Lease is held by {lease['spec']['holderIdentity']}"
                return None
        body, term = taken(lease, self._terms, datetime.now(UTC))
        sent = boot_clock()
        try:
            self._held = await (
                self._post(body) if lease is None else self._put(body, self._terms.act_seconds)
            )
        except Conflict:
            return None
        self.hindrance = None
        return Leadership(term, sent + self._terms.act_seconds)

    async def _renew(self, leadership: Leadership) -> None:
        assert self._held is not None
        sent = boot_clock()
        body = {**self._held, "spec": {**self._held["spec"], "renewTime": _micro(datetime.now(UTC))}}
        self._held = await self._put(body, leadership.guard("renewing the Lease"))
        leadership.prolong(sent + self._terms.act_seconds)
        self.hindrance = None

    async def _look_again(self, leadership: Leadership) -> None:
        """Our own renewal may have been carried out without an answer; anything else means that we lost."""
        try:
            lease = await self._get()
        except Absent:
            leadership.end("its Lease was deleted")
            return
        except TemporaryError as error:
            self.hindrance = str(error)
            return
        spec = lease.get("spec") or {}
        if (spec.get("holderIdentity"), spec.get("leaseTransitions")) == (
            self._terms.identity,
            leadership.term,
        ):
            self._held = lease
        else:
            leadership.end(f"the Lease is held by {spec.get('holderIdentity') or 'nobody'}")

    async def _get(self) -> dict[str, Any]:
        return await self._exchange("GET", LEASE.path(self._terms.namespace, self._terms.name), None)

    async def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        return await self._exchange("POST", LEASE.path(self._terms.namespace), body)

    async def _put(self, body: dict[str, Any], seconds: float) -> dict[str, Any]:
        path = LEASE.path(self._terms.namespace, self._terms.name)
        return await self._exchange("PUT", path, body, seconds)

    async def _exchange(
        self, method: str, path: str, body: dict[str, Any] | None, seconds: float | None = None
    ) -> dict[str, Any]:
        # A request that hangs must leave time for another one.
        seconds = min(seconds or self._terms.act_seconds, self._terms.act_seconds / 2)
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        try:
            status, data, retry_after = await exchange(self._api, method, path, {}, body, headers, seconds)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unanswered(f"{method} {path}: no answer within {seconds:.1f}s ({error!r})") from error
        if 200 <= status < 300:
            try:
                answer: dict[str, Any] = json.loads(data)
            except ValueError as error:
                raise Unanswered(f"{method} {path}: {status} without a Lease ({error})") from error
            return answer
        raise refusal(f"{method} {path}", status, data, retry_after)


def _micro(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""One replica from start to end: stand for election, lead while the term lasts, stand again, until told to end.

Losing the Lease ends all work at once but not the process: an API server that is away for half an hour must not leave
operators in a crash loop when it is back. Told to end, a leader gives its Lease up, so that the next one need not wait.
"""

from __future__ import annotations

import asyncio
import signal
import time
import uuid

import structlog
from kubernetes.aio.client.api_client import ApiClient

from weir_operator.clients.access import connect
from weir_operator.clients.kubernetes import Kubernetes, Limits
from weir_operator.clients.leadership import Leadership
from weir_operator.clients.lease import Candidate, LeaseTerms
from weir_operator.clients.pacing import Pacer
from weir_operator.config import Settings
from weir_operator.errors import OperatorError
from weir_operator.handlers.leading import Leader
from weir_operator.handlers.probes import Probes
from weir_operator.handlers.vitals import Vitals
from weir_operator.metrics import Metrics
from weir_operator.resources.settings import rendering

_log = structlog.get_logger(__name__)


async def serve(settings: Settings, key: bytes) -> None:
    """Until SIGTERM or SIGINT."""
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    metrics = Metrics()
    vitals = Vitals(time.monotonic, settings.silence_seconds, settings.lag_seconds)
    probes = Probes(vitals, metrics)
    await probes.start(settings.probe_address, settings.metrics_address)
    api = await connect()
    replica = _Replica(settings, key, api, vitals, metrics)
    tasks = [asyncio.create_task(coroutine) for coroutine in (replica.stand(), vitals.tick(), ended.wait())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await probes.stop()
        await api.close()
    for result in results:
        if isinstance(result, Exception):
            raise result


class _Replica:
    """Everything that outlives a term."""

    def __init__(
        self, settings: Settings, key: bytes, api: ApiClient, vitals: Vitals, metrics: Metrics
    ) -> None:
        self._settings, self._key, self._api = settings, key, api
        self._vitals, self._metrics = vitals, metrics
        self._pacer = Pacer(settings.qps, settings.burst, time.monotonic)
        self._render = rendering(settings)
        self._candidate = Candidate(
            api,
            LeaseTerms(
                namespace=settings.own_namespace,
                name=settings.lease_name,
                # A container that is restarted in its pod is another candidate: its predecessor may not be gone.
                identity=f"{settings.identity}_{uuid.uuid4().hex[:8]}",
                lease_seconds=settings.lease_seconds,
                act_seconds=settings.renew_deadline_seconds,
                retry_seconds=settings.retry_seconds,
            ),
        )

    async def stand(self) -> None:
        """For ever; raises what ends a term and is nobody else's fault."""
        while True:
            self._vitals.ready = True  # a replica that waits is as ready as one can be
            leadership = await self._candidate.win()
            _log.info("won the Lease", term=leadership.term)
            self._metrics.leading.set(1)
            self._metrics.term.set(leadership.term)
            failure = await self._lead(leadership)
            _log.warning(
                "leads no more", term=leadership.term, error=None if failure is None else repr(failure)
            )
            if failure is not None and not isinstance(failure, OperatorError):
                raise failure
            await asyncio.sleep(self._settings.retry_seconds)

    async def _lead(self, leadership: Leadership) -> Exception | None:
        """One term; what ended it before its time."""
        limits = Limits(request_seconds=self._settings.request_seconds, page=self._settings.page)
        client = Kubernetes(self._api, self._pacer, leadership, limits, self._metrics.requested)
        leader = Leader(self._settings, self._render, self._key, client, self._vitals, self._metrics)
        leading = asyncio.create_task(leader.lead(), name="leading")
        holding = asyncio.create_task(self._candidate.hold(leadership), name="holding the Lease")
        try:
            await asyncio.wait({leading, holding}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._metrics.leading.set(0)
            leading.cancel()
            holding.cancel()
            results = await asyncio.gather(leading, holding, return_exceptions=True)
            await asyncio.shield(self._candidate.release(leadership))
        return next((result for result in results if isinstance(result, Exception)), None)

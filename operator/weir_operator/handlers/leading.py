"""What a replica runs while it leads: first a census, then watches, workers, events and the canary; all until its term ends.

No pass begins before the census is complete, so that nothing looks missing that was only not listed yet. Later ones
find what a watch has missed: objects that went while it was away, and changes that it kept to itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import structlog

from weir_operator.clients.jobmanager import Endpoint, JobManagers
from weir_operator.clients.kinds import CONFIG_MAP, LEASE, STREAM_JOB, STREAM_JOB_SNAPSHOT, Kind
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.refusals import Denied
from weir_operator.config import Settings
from weir_operator.errors import OperatorError
from weir_operator.handlers.turns import Turns
from weir_operator.handlers.vitals import Vitals
from weir_operator.handlers.watching import Watches
from weir_operator.handlers.workers import Workers
from weir_operator.metrics import Metrics
from weir_operator.models import StreamJob
from weir_operator.observer.children import JobKey
from weir_operator.observer.drift import Drift
from weir_operator.observer.job import JobObserver
from weir_operator.observer.world import World
from weir_operator.reconciler.apply import Applier
from weir_operator.reconciler.finalizers import let_all_go
from weir_operator.reconciler.objects import Objects
from weir_operator.reconciler.runs import Runs
from weir_operator.reconciler.snapshot import Snapshots
from weir_operator.reconciler.streamjob import StreamJobs
from weir_operator.resources import names
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.tokens import rest_token
from weir_operator.status.events import EventPoster
from weir_operator.status.recorder import Recorder
from weir_operator.validation import Limits

_log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class Leader:
    """One term."""

    def __init__(
        self,
        settings: Settings,
        render: RenderSettings,
        key: bytes,
        client: Kubernetes,
        vitals: Vitals,
        metrics: Metrics,
        jobmanagers: JobManagers | None = None,
    ) -> None:
        self._settings, self._client = settings, client
        self._vitals, self._metrics = vitals, metrics
        self._world, self._jobmanagers = World(), jobmanagers or JobManagers()
        self._events = EventPoster(settings.identity, time.monotonic, metrics.dropped_events.inc)
        self._census_wanted = asyncio.Event()
        self._passing_on = True

        def token_of(uid: str, run: int) -> str:
            return rest_token(key, uid, run)

        def endpoint_of(job: StreamJob, run: int, host: str) -> Endpoint:
            token = token_of(job.metadata.uid, run)
            return Endpoint(host=host, token=token, resource=job.key, job_id=names.job_id(job.metadata.uid))

        drift = Drift()
        observer = JobObserver(self._world, drift, self._jobmanagers, endpoint_of, _now)
        runs = Runs(client, self._world, drift, render, token_of)
        objects = Objects(client, self._world, drift)
        applier = Applier(client, self._world, runs, objects, observer, self._jobmanagers, render)
        recorder = Recorder(STREAM_JOB, settings.progress_seconds, time.monotonic)
        limits = Limits(buckets=settings.buckets)
        jobs = StreamJobs(
            client,
            self._world,
            drift,
            observer,
            applier,
            recorder,
            self._events,
            _now,
            settings.poll_seconds,
            settings.progress_seconds,
            limits,
        )
        written = Recorder(STREAM_JOB_SNAPSHOT, settings.progress_seconds, time.monotonic)
        snapshots = Snapshots(
            client, self._world, observer, applier, written, self._events, _now, limits, self._wake
        )
        turns = Turns(settings.workers)
        self._workers = {
            STREAM_JOB: Workers(jobs, turns, settings.resync_seconds, self._listener(STREAM_JOB)),
            STREAM_JOB_SNAPSHOT: Workers(
                snapshots, turns, settings.resync_seconds, self._listener(STREAM_JOB_SNAPSHOT)
            ),
        }

    async def lead(self) -> None:
        """Until cancelled, or until something ends that must not."""
        concerned: set[tuple[Kind, JobKey]] = set()
        for namespace in self._settings.namespaces or (None,):
            census = await self._world.census(self._client, namespace)
            concerned |= census.concerned
            if census.failure is None:
                continue
            if not isinstance(census.failure, Denied) or self._world.resources.any_in(namespace):
                raise census.failure
            # It was deleted, and our rights in it with it: no reason to leave the others alone.
            _log.error("a namespace cannot be served", namespace=namespace, error=str(census.failure))
        watches = Watches(self._settings.namespaces, self._settings.page, self._heard)
        try:
            watches.start()
            self._wake(concerned)
            self._vitals.ready = True
            _log.info(
                "leads", term=self._client.leadership.term, resources=self._world.resources.count(STREAM_JOB)
            )
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._count_regularly(), name="census")
                tasks.create_task(self._events.run(self._client), name="events")
                tasks.create_task(self._vitals.touch(self._client, self._canary_namespace()), name="canary")
        finally:
            self._passing_on = False
            watches.stop()
            self._vitals.rest()
            for workers in self._workers.values():
                await workers.close()
            await self._let_go()
            await self._jobmanagers.close()

    async def _let_go(self) -> None:
        """This replica ends. If it does so since the operator's own namespace is deleted, nobody will be there to let jobs go."""
        try:
            if await self._client.namespace_ends(self._settings.own_namespace, LEASE):
                _log.info("lets all jobs go: the operator's namespace is being deleted")
                await let_all_go(self._client, self._world)
        except OperatorError as error:
            _log.warning("jobs could not be let go", error=str(error))

    def _heard(self, kind: Kind, change: str | None, body: dict[str, Any]) -> None:
        """An event of a watch."""
        if not self._passing_on:
            return
        self._metrics.events.labels(kind.name).inc()
        try:
            if kind is CONFIG_MAP and self._vitals.seen(body):
                return
            if change is None:
                self._census_wanted.set()
            self._wake(
                self._world.forget(kind, body) if change == "DELETED" else self._world.note(kind, body)
            )
        except (AttributeError, KeyError, TypeError, ValueError):
            _log.exception("an object could not be read", kind=kind.name)

    def _wake(self, concerned: Iterable[tuple[Kind, JobKey]]) -> None:
        for kind, key in concerned:
            workers = self._workers.get(kind)
            if workers is not None and (self._world.resources.get(kind, key) or key in workers):
                workers.wake(key)

    async def _count_regularly(self) -> None:
        """After a watch has listed anew, and every now and then, whatever the watches say."""
        while True:
            try:
                async with asyncio.timeout(self._settings.resync_seconds):
                    await self._census_wanted.wait()
            except TimeoutError:
                pass
            else:
                await asyncio.sleep(2.0)  # the list that asked for it goes on for a moment
            self._census_wanted.clear()
            for namespace in self._settings.namespaces or (None,):
                census = await self._world.census(self._client, namespace)
                self._wake(census.concerned)
                if census.failure is not None:
                    _log.warning("a census failed", namespace=namespace, error=str(census.failure))
            for kind in (STREAM_JOB, STREAM_JOB_SNAPSHOT):
                self._metrics.resources.labels(kind.name).set(self._world.resources.count(kind))

    def _canary_namespace(self) -> str:
        served, own = self._settings.namespaces, self._settings.own_namespace
        return own if not served or own in served else served[0]

    def _listener(self, kind: Kind) -> Any:
        def passed(outcome: str, seconds: float, reaction: float) -> None:
            self._metrics.passed(kind.name, outcome, seconds, reaction)

        return passed

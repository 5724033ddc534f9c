"""One pass over one StreamJob: observe, validate, plan, write the status, act. The answer is when to look again.

The status is written before anything is done: it holds the intent, so that an operator that dies between any two
requests goes on from there. A writer that was late (Conflict) has done nothing, and the next pass begins with newer facts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from weir_operator.clients.kinds import CONFIG_MAP, STREAM_JOB
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.refusals import Absent, Conflict, NamespaceEnds
from weir_operator.models import StreamJob, StreamJobStatus
from weir_operator.observed import Observed
from weir_operator.observer.children import JobKey
from weir_operator.observer.drift import Drift
from weir_operator.observer.job import JobObserver
from weir_operator.observer.shapes import mapping
from weir_operator.observer.world import World
from weir_operator.reconciler.apply import Applier
from weir_operator.reconciler.finalizers import FINALIZER, remove_finalizer
from weir_operator.reconciler.plan import Plan, plan
from weir_operator.reconciler.reading import Readings, metadata_of, status_of
from weir_operator.status.conditions import INVALID_SPEC, is_told, refused
from weir_operator.status.events import EventPoster
from weir_operator.status.mishaps import with_mishap, without_mishap
from weir_operator.status.recorder import Recorder
from weir_operator.validation import Limits

Body = Mapping[str, Any]

#: Seconds between passes: at least; and over a resource that has to be edited before anything can be done.
_SHORTEST, _UNTIL_EDITED = 0.2, 300.0
#: What one job adds to the time between two looks at each JobManager.
_SECONDS_A_JOB = 0.03


class StreamJobs:
    """Reconciles StreamJobs."""

    def __init__(
        self,
        client: Kubernetes,
        world: World,
        drift: Drift,
        observer: JobObserver,
        applier: Applier,
        recorder: Recorder,
        events: EventPoster,
        clock: Callable[[], datetime],
        poll_seconds: float,
        progress_seconds: float,
        limits: Limits,
    ) -> None:
        self._client, self._world, self._drift = client, world, drift
        self._observer, self._applier, self._poll_seconds = observer, applier, poll_seconds
        self._progress = timedelta(seconds=progress_seconds)
        self._recorder, self._events, self._clock = recorder, events, clock
        self._readings = Readings(limits)
        #: Resources whose last pass failed, so that the condition stays until one does not.
        self._failing: dict[str, tuple[str, str]] = {}
        #: UIDs of those that passes were made over.
        self._uids: dict[JobKey, str] = {}

    def is_unanswered(self, key: JobKey) -> bool:
        """Whether the status is about an earlier generation."""
        body = self._world.resources.get(STREAM_JOB, key)
        if body is None:
            return False
        answered, generation = (
            mapping(body.get("status")).get("observedGeneration"),
            body["metadata"].get("generation"),
        )
        return bool(answered != generation)

    async def answer(self, key: JobKey) -> None:
        """Write what will be done. Whatever is planned is planned again before it is done."""
        body = self._world.resources.get(STREAM_JOB, key)
        if body is not None:
            await self._intend(key, body)

    async def reconcile(self, key: JobKey) -> float | None:
        """Seconds until the next pass; None: the resource is gone."""
        body = self._world.resources.get(STREAM_JOB, key)
        if body is None:
            self._forget(key)
            return None
        intent = await self._intend(key, body)
        if intent is None:
            return _UNTIL_EDITED
        job, body, planned = intent
        try:
            await self._applier.carry_out(job, planned.actions)
        except NamespaceEnds:
            self._observer.namespace_ends(job.metadata.uid)
            return _SHORTEST  # soon our rights in it go, too
        if self._failing.pop(job.metadata.uid, None) is not None:
            await self._record(body, without_mishap(mapping(body.get("status"))))
        return max(_SHORTEST, min(planned.requeue_after.total_seconds(), self._poll(planned.status)))

    async def _intend(self, key: JobKey, body: Body) -> tuple[StreamJob, Body, Plan] | None:
        """The job, the resource with the status that was written, and what comes next; None: nothing can be planned."""
        self._meet(key, body["metadata"]["uid"])
        revisions = self._observer.revisions(key, body["metadata"]["uid"])
        reading = self._readings.read(body, revisions)
        if reading.faults and not is_told(status_of(body), reading.faults):
            self._events.say(body, INVALID_SPEC, "; ".join(reading.faults), warning=True)
        if reading.job is None:
            await self._refuse(body, reading.faults)
            return None
        job = reading.job
        observed = await self._observer.observe(job)
        if await self._namespace_ends(job, observed):
            observed = replace(observed, namespace_terminating=True)
        planned = plan(job, observed, self._clock(), reading.faults, self._progress)
        body = await self._record(body, self._with_mishap(body, planned.status.written()))
        for event in planned.events:
            self._events.say(body, event.reason, event.message, warning=event.warning)
        return job, body, planned

    async def _namespace_ends(self, job: StreamJob, observed: Observed) -> bool:
        """Asked while pods of the live run go. A namespace that ends loses its pods first, and then what gives us rights in it."""
        deployed = job.status.deployed
        run = observed.runs.get(deployed.run) if deployed is not None else None
        if run is None or all(pod.deleting_since is None for pod in run.pods):
            return observed.namespace_terminating
        ends = await self._client.namespace_ends(job.metadata.namespace, CONFIG_MAP)
        if ends:
            self._observer.namespace_ends(job.metadata.uid)
        return ends

    async def _refuse(self, body: Mapping[str, Any], faults: Sequence[str]) -> None:
        """Nothing can be planned: say so; and let go of what is deleted, since nobody knows what its end should be."""
        metadata = metadata_of(body)
        if metadata.deletion_timestamp is None:
            said = refused(status_of(body), faults, generation=metadata.generation, now=self._clock())
            self._failing.pop(metadata.uid, None)
            await self._record(body, said.written())
        elif FINALIZER in metadata.finalizers:
            self._events.say(
                body,
                "DeletionLeftovers",
                "the resource goes although its spec cannot be read, so deletionPolicy is not obeyed: what it left in the bucket stays",
                warning=True,
            )
            await remove_finalizer(self._client, self._world, metadata)

    def _poll(self, status: StreamJobStatus) -> float:
        """How long a JobManager may go unasked: many are asked less often, so that asking never fills the day."""
        if status.deployed is None:
            return float("inf")
        return max(self._poll_seconds, self._world.resources.count(STREAM_JOB) * _SECONDS_A_JOB)

    async def failed(self, key: JobKey, reason: str, message: str) -> None:
        """A pass broke: say so where people look."""
        body = self._world.resources.get(STREAM_JOB, key)
        if body is None:
            return
        self._tell(body, reason, message)
        try:
            await self._record(body, self._with_mishap(body, mapping(body.get("status"))))
        except (Absent, Conflict):
            return  # the next pass sees to it

    async def refresh(self, key: JobKey) -> None:
        """Read the resource live: what was known of it proved to be old."""
        try:
            body = await self._client.get(STREAM_JOB, *key)
        except Absent:
            known = self._world.resources.get(STREAM_JOB, key)
            if known is not None:
                self._world.forget(STREAM_JOB, known)
        else:
            self._world.note(STREAM_JOB, body)

    async def _record(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
        """The resource as it is after its status was written."""
        answer = await self._recorder.write(self._client, body, status)
        if answer is None:
            return body
        self._world.note(STREAM_JOB, answer)
        return answer

    def _tell(self, body: Mapping[str, Any], reason: str, message: str) -> None:
        """Remember what hinders; an event when that is news."""
        uid = body["metadata"]["uid"]
        if self._failing.get(uid) != (reason, message):
            self._events.say(body, reason, message, warning=True)
        self._failing[uid] = reason, message

    def _with_mishap(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
        failing = self._failing.get(body["metadata"]["uid"])
        if failing is None:
            return status
        generation = body["metadata"].get("generation")
        return with_mishap(status, mapping(body.get("status")), *failing, generation, self._clock())

    def _forget(self, key: JobKey) -> None:
        """The resource is gone."""
        self._drift.forget(key)
        self._readings.forget(key)
        if (uid := self._uids.pop(key, None)) is not None:
            self._forget_uid(uid)

    def _meet(self, key: JobKey, uid: str) -> None:
        """The resource is this one; one that had its name before is gone."""
        before, self._uids[key] = self._uids.get(key, uid), uid
        if before != uid:
            self._forget_uid(before)

    def _forget_uid(self, uid: str) -> None:
        self._observer.forget(uid)
        self._recorder.forget(uid)
        self._events.forget(uid)
        self._failing.pop(uid, None)

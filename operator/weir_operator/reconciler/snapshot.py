"""One pass over one StreamJobSnapshot: observe, validate, plan, write the status, act. The answer is when to look again.

It works like that of a StreamJob: the status is the intent and is written first. What is done to a job's JobManager or by a
pod of its own is carried out for that job.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from weir_operator.clients.kinds import STREAM_JOB, STREAM_JOB_SNAPSHOT, Kind
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.refusals import Absent, Conflict, NamespaceEnds
from weir_operator.models import (
    ObjectMeta,
    SnapshotPhase,
    StreamJob,
    StreamJobSnapshot,
    StreamJobSnapshotSpec,
    StreamJobSnapshotStatus,
)
from weir_operator.observed import Observed
from weir_operator.observer.children import JobKey
from weir_operator.observer.job import JobObserver
from weir_operator.observer.shapes import mapping
from weir_operator.observer.world import World
from weir_operator.reconciler.actions import Action, EnsureFinalizer, RemoveFinalizer
from weir_operator.reconciler.apply import Applier
from weir_operator.reconciler.finalizers import set_finalizer
from weir_operator.reconciler.reading import read
from weir_operator.reconciler.snapshots.moment import SnapshotMoment
from weir_operator.reconciler.snapshots.plan import FINALIZER, plan
from weir_operator.status.events import EventPoster
from weir_operator.status.mishaps import with_mishap
from weir_operator.status.recorder import Recorder
from weir_operator.validation import Limits, snapshot_faults

_SHORTEST, _UNTIL_CHANGED = 0.2, 300.0


class Snapshots:
    """Reconciles StreamJobSnapshots."""

    def __init__(
        self,
        client: Kubernetes,
        world: World,
        observer: JobObserver,
        applier: Applier,
        recorder: Recorder,
        events: EventPoster,
        clock: Callable[[], datetime],
        limits: Limits,
        wake: Callable[[Iterable[tuple[Kind, JobKey]]], None],
    ) -> None:
        """``wake``: what became of a snapshot concerns the job that it names, and those that start from it."""
        self._client, self._world, self._observer, self._applier = client, world, observer, applier
        self._recorder, self._events, self._clock = recorder, events, clock
        self._limits, self._wake = limits, wake
        #: UIDs of those that passes were made over.
        self._uids: dict[JobKey, str] = {}

    def is_unanswered(self, key: JobKey) -> bool:
        """Never: a pass over a snapshot is short, and nobody edits one."""
        return False

    async def answer(self, key: JobKey) -> None:
        """See ``is_unanswered``."""

    async def reconcile(self, key: JobKey) -> float | None:
        """Seconds until the next pass; None: the resource is gone."""
        body = self._world.resources.get(STREAM_JOB_SNAPSHOT, key)
        self._meet(key, None if body is None else body["metadata"]["uid"])
        if body is None:
            return None
        moment = await self._observe(key, body)
        planned = plan(moment)
        body = await self._record(body, planned.status.written())
        for event in planned.events:
            self._events.say(body, event.reason, event.message, warning=event.warning)
        try:
            for action in planned.actions:
                await self._act(moment, action)
        except NamespaceEnds:
            if moment.job is not None:
                self._observer.namespace_ends(moment.job.metadata.uid)
            return _SHORTEST
        if planned.requeue_after is None:
            return _UNTIL_CHANGED
        return max(_SHORTEST, planned.requeue_after.total_seconds())

    async def failed(self, key: JobKey, reason: str, message: str) -> None:
        """A pass broke: say so where people look."""
        body = self._world.resources.get(STREAM_JOB_SNAPSHOT, key)
        if body is None:
            return
        self._events.say(body, reason, message, warning=True)
        present = mapping(body.get("status"))
        generation = body["metadata"].get("generation")
        try:
            await self._record(
                body, with_mishap(present, present, reason, message, generation, self._clock())
            )
        except (Absent, Conflict):
            return  # the next pass sees to it

    async def refresh(self, key: JobKey) -> None:
        """Read the resource live: what was known of it proved to be old."""
        try:
            body = await self._client.get(STREAM_JOB_SNAPSHOT, *key)
        except Absent:
            known = self._world.resources.get(STREAM_JOB_SNAPSHOT, key)
            if known is not None:
                self._world.forget(STREAM_JOB_SNAPSHOT, known)
        else:
            self._world.note(STREAM_JOB_SNAPSHOT, body)

    def _meet(self, key: JobKey, uid: str | None) -> None:
        """The resource is this one, or gone (None); one that had its name before is gone, too."""
        before = self._uids.pop(key, None)
        if before is not None and before != uid:
            self._recorder.forget(before)
            self._events.forget(before)
        if uid is not None:
            self._uids[key] = uid

    async def _observe(self, key: JobKey, body: Mapping[str, Any]) -> SnapshotMoment:
        asked = {name: value for name, value in body.items() if name != "status"}
        faults = tuple(f"{fault.path}: {fault.message}" for fault in snapshot_faults(asked, self._limits))
        snapshot = _read(body)
        job = self._job((key[0], snapshot.spec.job)) if snapshot.spec.job else None
        going, path = snapshot.metadata.deletion_timestamp is not None, snapshot.status.path
        users = (
            self._world.users_of(path, besides=(key[0], snapshot.spec.job or "")) if going and path else ()
        )
        return SnapshotMoment(
            snapshot=snapshot,
            faults=faults,
            job=job,
            observed=await self._observed(snapshot, job),
            used_by=users,
            now=self._clock(),
        )

    async def _observed(self, snapshot: StreamJobSnapshot, job: StreamJob | None) -> Observed:
        """Of its job, which is asked only when that matters."""
        if job is None:
            return Observed()
        if _asks(snapshot):
            return await self._observer.observe(job)
        return Observed(namespace_terminating=self._observer.is_namespace_ending(job.metadata.uid))

    def _job(self, key: JobKey) -> StreamJob | None:
        body = self._world.resources.get(STREAM_JOB, key)
        if body is None:
            return None
        return read(body, self._observer.revisions(key, body["metadata"]["uid"]), self._limits).job

    async def _act(self, moment: SnapshotMoment, action: Action) -> None:
        if isinstance(action, EnsureFinalizer | RemoveFinalizer):
            present = isinstance(action, EnsureFinalizer)
            metadata = moment.snapshot.metadata
            await set_finalizer(
                self._client, self._world, STREAM_JOB_SNAPSHOT, metadata, FINALIZER, present=present
            )
        elif moment.job is not None:
            await self._applier.carry_out(moment.job, (action,))

    async def _record(self, body: Mapping[str, Any], status: Mapping[str, Any]) -> Mapping[str, Any]:
        answer = await self._recorder.write(self._client, body, status)
        if answer is None:
            return body
        concerned = self._world.note(STREAM_JOB_SNAPSHOT, answer)
        self._wake((kind, key) for kind, key in concerned if kind is STREAM_JOB)
        return answer


def _asks(snapshot: StreamJobSnapshot) -> bool:
    """Whether its job matters: it is being taken, or its files are to go."""
    under_way = snapshot.status.phase not in {SnapshotPhase.COMPLETED, SnapshotPhase.FAILED}
    return under_way or snapshot.metadata.deletion_timestamp is not None


def _read(body: Mapping[str, Any]) -> StreamJobSnapshot:
    """A spec that cannot be read counts as empty: its faults are told, and nothing is done for it."""
    try:
        spec = StreamJobSnapshotSpec.model_validate(body["spec"])
    except ValidationError:
        spec = StreamJobSnapshotSpec.model_construct()
    try:
        status = StreamJobSnapshotStatus.model_validate(body.get("status") or {})
    except ValidationError:
        status = StreamJobSnapshotStatus()
    return StreamJobSnapshot(metadata=ObjectMeta.model_validate(body["metadata"]), spec=spec, status=status)

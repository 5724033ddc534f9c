"""Carries out what was planned, action by action, in order. Each may be repeated: names, trigger ids and UIDs see to that.

The first that fails ends the pass; the next one plans again from what is then. A JobManager that refuses a request for good
is remembered as the request's failure, so that the plan learns of it.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from weir_operator.clients import kinds
from weir_operator.clients.jobmanager import Endpoint, JobManagerRefused, JobManagers
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.refusals import Absent, Conflict
from weir_operator.models import ObjectMeta, StreamJob
from weir_operator.observed import RevisionFacts
from weir_operator.observer.job import JobObserver
from weir_operator.observer.world import World
from weir_operator.reconciler import actions
from weir_operator.reconciler.finalizers import add_finalizer, release_snapshot, remove_finalizer
from weir_operator.reconciler.objects import Objects, Unfinished
from weir_operator.reconciler.runs import Runs, owner_of
from weir_operator.reconciler.saved_specs import giving_up_state, saved_spec
from weir_operator.resources import errands, labels, names, revisions, run, services, snapshots
from weir_operator.resources.documents import directive
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject

#: A request that gets such an answer will get it again; 409 is about this moment.
_FOR_GOOD = {400, 404, 422}


class Applier:
    """Acts for one StreamJob after the other."""

    def __init__(
        self,
        client: Kubernetes,
        world: World,
        runs: Runs,
        objects: Objects,
        observer: JobObserver,
        jobmanagers: JobManagers,
        settings: RenderSettings,
    ) -> None:
        self._client, self._world, self._runs, self._objects = client, world, runs, objects
        self._observer, self._jobmanagers, self._settings = observer, jobmanagers, settings
        self._acts: dict[type, Callable[[StreamJob, Any], Awaitable[None]]] = {
            actions.EnsureFinalizer: self._add_finalizer,
            actions.RemoveFinalizer: self._remove_finalizer,
            actions.SaveRevision: self._save_revision,
            actions.DeleteRevision: self._delete_revision,
            actions.EnsureRun: runs.ensure,
            actions.MarkSpare: self._mark_spare,
            actions.EnsureShared: self._ensure_shared,
            actions.PointService: self._point_service,
            actions.DeleteRun: runs.delete,
            actions.IssueCertificates: runs.issue,
            actions.RetireCertificates: runs.retire,
            actions.StopWithSavepoint: self._stop,
            actions.TriggerSavepoint: self._savepoint,
            actions.TriggerCheckpoint: self._checkpoint,
            actions.CancelJob: self._cancel,
            actions.Activate: self._activate,
            actions.RescaleJob: self._rescale,
            actions.RunSnapshotsPod: self._snapshots_pod,
            actions.RunPreflight: self._preflight,
            actions.DeleteErrand: self._delete_errand,
            actions.DeletePod: self._delete_pod,
            actions.EnsureSnapshotResource: self._ensure_snapshot,
            actions.ReleaseSnapshot: self._release_snapshot,
            actions.DeleteObject: self._delete_object,
        }

    async def carry_out(self, job: StreamJob, planned: Sequence[actions.Action]) -> None:
        """All of them, or as far as it goes."""
        for action in planned:
            await self._acts[type(action)](job, action)

    async def _add_finalizer(self, job: StreamJob, action: actions.EnsureFinalizer) -> None:
        await add_finalizer(self._client, self._world, job.metadata)

    async def _remove_finalizer(self, job: StreamJob, action: actions.RemoveFinalizer) -> None:
        await remove_finalizer(self._client, self._world, job.metadata)

    async def _save_revision(self, job: StreamJob, action: actions.SaveRevision) -> None:
        manifest = revisions.controller_revision(
            Subject.of(job), action.revision, action.spec_hash, action.spec
        )
        await self._objects.create_once(owner_of(job), manifest)

    async def _delete_revision(self, job: StreamJob, action: actions.DeleteRevision) -> None:
        await self._delete(job, kinds.CONTROLLER_REVISION, names.revision(job.metadata.name, action.revision))

    async def _ensure_shared(self, job: StreamJob, action: actions.EnsureShared) -> None:
        subject = Subject.of(job, action.spec)
        await self._objects.ensure_all(owner_of(job), action, lambda: run.shared(subject, self._settings))

    async def _point_service(self, job: StreamJob, action: actions.PointService) -> None:
        await self._objects.ensure_all(
            owner_of(job), action, lambda: [services.rest(Subject.of(job), action.run)]
        )

    async def _stop(self, job: StreamJob, action: actions.StopWithSavepoint) -> None:
        endpoint = self._endpoint(job, action.run)
        await self._ask(
            job,
            action.trigger,
            self._jobmanagers.stop(endpoint, action.trigger, action.target, drain=action.drain),
        )

    async def _savepoint(self, job: StreamJob, action: actions.TriggerSavepoint) -> None:
        endpoint = self._endpoint(job, action.run)
        await self._ask(
            job, action.trigger, self._jobmanagers.savepoint(endpoint, action.trigger, action.target)
        )

    async def _checkpoint(self, job: StreamJob, action: actions.TriggerCheckpoint) -> None:
        endpoint = self._endpoint(job, action.run)
        await self._ask(job, action.trigger, self._jobmanagers.checkpoint(endpoint, action.trigger))

    async def _cancel(self, job: StreamJob, action: actions.CancelJob) -> None:
        await self._jobmanagers.cancel(self._endpoint(job, action.run))

    async def _activate(self, job: StreamJob, action: actions.Activate) -> None:
        start = json.loads(directive(action.start))
        await self._jobmanagers.activate(self._endpoint(job, action.run), start)

    async def _rescale(self, job: StreamJob, action: actions.RescaleJob) -> None:
        await self._jobmanagers.rescale(self._endpoint(job, action.run), action.parallelism)

    async def _snapshots_pod(self, job: StreamJob, action: actions.RunSnapshotsPod) -> None:
        subject = self._subject(job, action.revision)
        manifest = errands.snapshots_pod(
            subject, self._settings, action.purpose, action.kind.value, action.args
        )
        await self._objects.create_once(owner_of(job), manifest)

    async def _preflight(self, job: StreamJob, action: actions.RunPreflight) -> None:
        of = self._subject(job, action.revision)
        subject = replace(of, spec=giving_up_state(of.spec, action.allow_non_restored_state))
        manifest = errands.preflight_pod(
            subject, self._settings, action.purpose, action.snapshot, exact=action.exact
        )
        await self._objects.create_once(owner_of(job), manifest)

    async def _delete_errand(self, job: StreamJob, action: actions.DeleteErrand) -> None:
        await self._delete(job, kinds.POD, names.errand(job.metadata.name, action.purpose))

    async def _delete_pod(self, job: StreamJob, action: actions.DeletePod) -> None:
        await self._client.delete(kinds.POD, job.metadata.namespace, action.name, uid=action.uid)

    async def _mark_spare(self, job: StreamJob, action: actions.MarkSpare) -> None:
        cost = labels.SPARE if action.spare else None
        metadata = {"uid": action.uid, "annotations": {labels.DELETION_COST: cost}}
        with contextlib.suppress(Absent, Conflict):  # it is gone already
            await self._client.merge(kinds.POD, job.metadata.namespace, action.name, {"metadata": metadata})

    async def _ensure_snapshot(self, job: StreamJob, action: actions.EnsureSnapshotResource) -> None:
        manifest = snapshots.of_operator(Subject.of(job), action.name, action.trigger, action.taken)
        if (
            self._world.resources.get(kinds.STREAM_JOB_SNAPSHOT, (job.metadata.namespace, action.name))
            is None
        ):
            try:
                # The watch tells of it, and that is what wakes who sees to it.
                await self._client.create(kinds.STREAM_JOB_SNAPSHOT, manifest)
            except Conflict:
                return  # it exists: its name says what it is for

    async def _release_snapshot(self, job: StreamJob, action: actions.ReleaseSnapshot) -> None:
        of = ObjectMeta(namespace=job.metadata.namespace, name=action.name, uid=action.uid)
        await release_snapshot(self._client, self._world, of)

    async def _delete_object(self, job: StreamJob, action: actions.DeleteObject) -> None:
        await self._client.delete(
            kinds.KINDS[action.kind], job.metadata.namespace, action.name, uid=action.uid
        )

    async def _delete(self, job: StreamJob, kind: kinds.Kind, name: str) -> None:
        owner = owner_of(job)
        child = self._world.children.get(owner.key, kind, name)
        if child is not None and child.owner == owner.uid:
            await self._objects.delete(owner, child)

    async def _ask(self, job: StreamJob, trigger: str, request: Awaitable[None]) -> None:
        try:
            await request
        except JobManagerRefused as error:
            if error.status not in _FOR_GOOD:
                raise
            self._observer.refused(job.metadata.uid, trigger, str(error))

    def _endpoint(self, job: StreamJob, number: int) -> Endpoint:
        endpoint = self._observer.endpoint(job, number)
        if endpoint is None:
            raise Unfinished(f"the JobManager of run {number} has no pod that could be asked")
        return endpoint

    def _subject(self, job: StreamJob, revision: int | None) -> Subject:
        owner = owner_of(job)
        name = names.revision(owner.name, revision or 0)
        child = (
            None if revision is None else self._world.children.get(owner.key, kinds.CONTROLLER_REVISION, name)
        )
        if child is None or not isinstance(child.facts, RevisionFacts) or child.owner != owner.uid:
            return Subject.of(job)
        spec = saved_spec(child.facts)
        if spec is None:
            raise Unfinished(
                f"revision {revision} was saved by another version of the operator and cannot be read"
            )
        return Subject.of(job, spec)

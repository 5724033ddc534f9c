"""The objects of one run: made, scaled, taken away; and the live look that comes before a new run is begun.

Two runs of a job must not work at once. The engine's log fences a run that wakes up late; this makes sure that it is not
needed: a JobManager is only made when no Deployment and no pod of another run is left, read live at that moment.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta

from weir_operator.clients import kinds
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.refusals import Conflict
from weir_operator.models import StreamJob
from weir_operator.observed import Component, PodFacts
from weir_operator.observer.children import JOB, Child, child_of
from weir_operator.observer.drift import Drift
from weir_operator.observer.world import World
from weir_operator.reconciler.actions import (
    DeleteRun,
    EnsureRun,
    IssueCertificates,
    RetireCertificates,
)
from weir_operator.reconciler.objects import Objects, Owner, Unfinished
from weir_operator.reconciler.situations.given_up import waits_for_lost
from weir_operator.resources import credentials, names, run
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject

#: The token of a run's JobManager.
TokenOf = Callable[[str, int], str]

#: In this order a run is taken away: what computes first, then what it reads.
_DEPLOYMENTS_FIRST = (kinds.DEPLOYMENT.name, kinds.SERVICE.name, kinds.CONFIG_MAP.name)

#: A pod that waits for its volumes for longer probably waits for one that is not there.
_MOUNTS_WITHIN = timedelta(seconds=10)
#: What containers wait for meanwhile.
_BEFORE_ALL_IS_MOUNTED = ("ContainerCreating", "PodInitializing")


class Runs:
    """Writes the objects of runs."""

    def __init__(
        self, client: Kubernetes, world: World, drift: Drift, settings: RenderSettings, token_of: TokenOf
    ) -> None:
        self._client, self._world, self._drift = client, world, drift
        self._objects = Objects(client, world, drift)
        self._settings, self._token_of = settings, token_of

    async def ensure(self, job: StreamJob, action: EnsureRun) -> None:
        """All objects of the run, as they should be."""
        owner, subject = owner_of(job), Subject.of(job, action.spec)
        jobmanager = names.jobmanager(owner.name, action.run)
        known = self._world.children.get(owner.key, kinds.DEPLOYMENT, jobmanager)
        if (known is None or known.owner != owner.uid) and action.alone:
            await self._alone(owner, action)
        await self._secrets(owner, subject, action.run)
        await self._objects.ensure_all(
            owner,
            action,
            lambda: run.objects(
                subject,
                self._settings,
                revision=action.revision,
                start=action.start,
                standby=action.standby,
                task_managers=action.task_managers,
                parallelism=action.parallelism,
            ),
        )

    async def delete(self, job: StreamJob, action: DeleteRun) -> None:
        """All objects of the run that are known."""
        owner = owner_of(job)
        mine = [
            child
            for child in self._world.children.of(owner.key)
            if child.run == action.run and child.owner == owner.uid and child.kind in _DEPLOYMENTS_FIRST
        ]
        for child in sorted(mine, key=lambda child: (_DEPLOYMENTS_FIRST.index(child.kind), child.name)):
            if child.kind == kinds.CONFIG_MAP.name:
                await self._delete_secrets(owner, action.run)
            await self._objects.delete(owner, child, foreground=child.kind == kinds.DEPLOYMENT.name)

    async def _delete_secrets(self, owner: Owner, number: int) -> None:
        """They are not watched: the ConfigMap, which goes last, is what still tells of the run until they are gone."""
        secrets = [names.run(owner.name, number)]
        if self._settings.tls:
            secrets += [names.certificates(owner.name, number, slot) for slot in ("a", "b")]
        for name in secrets:
            self._drift.forget(owner.key, kinds.SECRET.name, name)
            await self._client.delete(kinds.SECRET, owner.namespace, name)

    async def issue(self, job: StreamJob, action: IssueCertificates) -> None:
        """A slot of certificates; one that exists is good as it is: nothing but a rotation makes it."""
        subject = Subject.of(job)
        made = credentials.certificates(
            subject, action.run, action.slot, action.not_before, self._settings.tls_lifetime
        )
        with contextlib.suppress(Conflict):
            await self._client.create(kinds.SECRET, made)

    async def retire(self, job: StreamJob, action: RetireCertificates) -> None:
        """The Secret of a slot that nobody presents."""
        owner = owner_of(job)
        name = names.certificates(owner.name, action.run, action.slot)
        await self._client.delete(kinds.SECRET, owner.namespace, name)

    async def _alone(self, owner: Owner, action: EnsureRun) -> None:
        """Raises Unfinished while a Deployment or a pod of another run is left, read live."""
        labels, others = f"{JOB}={owner.name}", list[Child]()
        for kind in (kinds.DEPLOYMENT, kinds.POD):
            for body in await self._client.list(kind, owner.namespace, labels):
                child = child_of(kind, body)
                if child is None or child.run in {None, action.run} or child.owner not in {None, owner.uid}:
                    continue
                others.append(child)
        for child in others:
            if _works(child) and not _is_given_up(child, others, action.given_up):
                raise Unfinished(
                    f"run {action.run} waits for {child.kind} {child.name} of run {child.run} to be gone"
                )

    async def _secrets(self, owner: Owner, subject: Subject, number: int) -> None:
        name = names.run(owner.name, number)
        made_before = self._drift.applied_digest(owner.key, kinds.SECRET.name, name) is not None
        if made_before and not self._is_missed(owner, number):
            return
        # What comes after the Secrets: where any of it is, they were made, and a rotation may have gone on from the first slot.
        later = (
            self._world.children.get(owner.key, kinds.CONFIG_MAP, name),
            self._world.children.get(owner.key, kinds.DEPLOYMENT, names.jobmanager(owner.name, number)),
        )
        unused = not made_before and all(child is None or child.owner != owner.uid for child in later)
        token = self._token_of(owner.uid, number)
        made = run.secrets(
            subject, self._settings, number, token, datetime.now(UTC), with_certificates=unused
        )
        for secret in made:
            await self._objects.create_secret(owner, secret, unused=unused)

    def _is_missed(self, owner: Owner, number: int) -> bool:
        """Whether a pod of the run has waited for its volumes for long: a Secret that somebody deleted is not seen to be gone."""
        late = datetime.now(UTC) - _MOUNTS_WITHIN
        pods = (child.facts for child in self._world.children.of(owner.key) if child.run == number)
        return any(
            isinstance(pod, PodFacts) and _waits_for_volumes(pod) and pod.created < late for pod in pods
        )


def owner_of(job: StreamJob) -> Owner:
    """The StreamJob as the owner of objects."""
    return Owner(job.metadata.namespace, job.metadata.name, job.metadata.uid)


def _waits_for_volumes(pod: PodFacts) -> bool:
    waits = {container.waiting_reason for container in pod.containers}
    return pod.node is not None and pod.phase == "Pending" and waits <= {None, *_BEFORE_ALL_IS_MOUNTED}


def _is_given_up(child: Child, others: Sequence[Child], lost: Collection[str]) -> bool:
    """Whether it is a lost pod, or a Deployment that is being deleted and stays for the sake of such pods alone."""
    if isinstance(child.facts, PodFacts):
        return child.uid in lost
    is_jobmanager = child.name == names.jobmanager(child.job, child.run or 0)
    component = Component.JOBMANAGER if is_jobmanager else Component.TASKMANAGER
    pods = [
        pod.uid
        for pod in others
        if pod.run == child.run and isinstance(pod.facts, PodFacts) and pod.facts.component is component
    ]
    return child.deleting and waits_for_lost(pods, lost)


def _works(child: Child) -> bool:
    """Whether a process of it may run."""
    if not isinstance(child.facts, PodFacts):
        return True
    return not child.facts.ended and child.facts.component in {Component.JOBMANAGER, Component.TASKMANAGER}

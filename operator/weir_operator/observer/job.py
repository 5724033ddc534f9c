"""Everything about one StreamJob at one moment: what the cache holds, and what its JobManagers say when asked.

Children of an earlier resource of the same name are left out: they are told by the UID that they carry.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from weir_operator.clients import kinds
from weir_operator.clients.jobmanager import Endpoint, JobManagerRefused, JobManagers, JobManagerUnreachable
from weir_operator.models import StreamJob
from weir_operator.observed import (
    Component,
    DeploymentFacts,
    ErrandFacts,
    JobManagerReport,
    Observed,
    PodFacts,
    RequestFacts,
    RequestState,
    RevisionFacts,
    RunFacts,
    StartDirective,
    Unreachable,
)
from weir_operator.observer.children import Child, JobKey
from weir_operator.observer.drift import Drift
from weir_operator.observer.errands import errand_facts
from weir_operator.observer.reports import job_manager_report
from weir_operator.observer.snapshots import path_of, snapshot_resources
from weir_operator.observer.world import World

#: Where the JobManager of a run is called, once its pod's address is known.
EndpointOf = Callable[[StreamJob, int, str], Endpoint]

#: Refused requests that are remembered.
_REFUSALS = 2000


@dataclass(frozen=True, slots=True)
class _Asked:
    uid: str
    run: int


class JobObserver:
    """Observes StreamJobs."""

    def __init__(
        self,
        world: World,
        drift: Drift,
        jobmanagers: JobManagers,
        endpoint_of: EndpointOf,
        clock: Callable[[], datetime],
    ) -> None:
        self._world, self._drift, self._jobmanagers = world, drift, jobmanagers
        self._endpoint_of, self._clock = endpoint_of, clock
        self._silent_since: dict[_Asked, datetime] = {}
        self._refused: dict[tuple[str, str], str] = {}
        self._without_namespace: set[str] = set()

    async def observe(self, job: StreamJob) -> Observed:
        """All facts about it."""
        key = job.metadata.namespace, job.metadata.name
        uid = job.metadata.uid
        children = [child for child in self._world.children.of(key) if child.owner in {None, uid}]
        runs = {run: self._run(key, run, of_run) for run, of_run in _by_run(children).items()}
        reports = await asyncio.gather(*(self._report(job, facts) for facts in runs.values()))
        rest = self._world.children.get(key, kinds.SERVICE, f"{job.metadata.name}-rest")
        return Observed(
            runs={
                run: replace(facts, report=report)
                for (run, facts), report in zip(runs.items(), reports, strict=True)
            },
            revisions={
                child.facts.revision: child.facts
                for child in children
                if isinstance(child.facts, RevisionFacts)
            },
            errands={errand.purpose: errand for errand in _errands(children)},
            snapshots=snapshot_resources(self._world.resources, key, uid),
            restore_snapshot=path_of(self._world.resources, key[0], job.spec.restore.snapshot),
            snapshots_in_use=self._world.restore_sources(besides=key),
            rest_service_run=rest.facts if rest is not None and isinstance(rest.facts, int) else None,
            drifted=self._drift.drifted(key, children),
            namespace_terminating=uid in self._without_namespace,
        )

    def revisions(self, key: JobKey, uid: str) -> dict[int, RevisionFacts]:
        """The specs that were saved for this resource."""
        return _revisions(child for child in self._world.children.of(key) if child.owner in {None, uid})

    def endpoint(self, job: StreamJob, run: int) -> Endpoint | None:
        """Where the JobManager of a run is called; None: it has no pod with an address."""
        uid = job.metadata.uid
        children = self._world.children.of((job.metadata.namespace, job.metadata.name))
        pods = [
            child.facts
            for child in children
            if child.owner in {None, uid} and child.run == run and isinstance(child.facts, PodFacts)
        ]
        pod = _answering(pods)
        return None if pod is None or pod.ip is None else self._endpoint_of(job, run, pod.ip)

    def refused(self, uid: str, trigger: str, message: str) -> None:
        """A JobManager will not carry out what was asked for under this id: reports show it as failed."""
        self._refused[uid, trigger] = message
        while len(self._refused) > _REFUSALS:
            del self._refused[next(iter(self._refused))]

    def namespace_ends(self, uid: str) -> None:
        """The API server said that nothing can be made any more where this resource is."""
        self._without_namespace.add(uid)

    def is_namespace_ending(self, uid: str) -> bool:
        """Whether the API server said so."""
        return uid in self._without_namespace

    def forget(self, uid: str) -> None:
        """The resource is gone."""
        self._without_namespace.discard(uid)
        self._silent_since = {asked: since for asked, since in self._silent_since.items() if asked.uid != uid}
        self._refused = {asked: message for asked, message in self._refused.items() if asked[0] != uid}

    def _run(self, key: JobKey, run: int, children: Iterable[Child]) -> RunFacts:
        deployments: dict[str, DeploymentFacts] = {}
        pods: list[PodFacts] = []
        start: StartDirective | None = None
        service = False
        for child in children:
            if isinstance(child.facts, DeploymentFacts):
                deployments[child.name] = child.facts
            elif isinstance(child.facts, PodFacts):
                pods.append(child.facts)
            elif isinstance(child.facts, StartDirective):
                start = child.facts
            elif child.kind == kinds.SERVICE.name:
                service = True
        stem = f"{key[1]}-{run}"
        return RunFacts(
            run=run,
            jobmanager=deployments.get(f"{stem}-jm"),
            taskmanager=deployments.get(f"{stem}-tm"),
            service=service,
            secret_named=self._drift.applied_digest(key, kinds.SECRET.name, stem) is not None,
            start=start,
            pods=tuple(sorted(pods, key=lambda pod: (pod.created, pod.name))),
        )

    async def _report(self, job: StreamJob, facts: RunFacts) -> JobManagerReport | Unreachable | None:
        asked = _Asked(job.metadata.uid, facts.run)
        pod = _answering(facts.pods)
        if pod is None or pod.ip is None:
            self._silent_since.pop(asked, None)
            return None
        try:
            answer = await self._jobmanagers.report(self._endpoint_of(job, facts.run, pod.ip))
            report = job_manager_report(answer)
        except (JobManagerUnreachable, JobManagerRefused) as error:
            return self._silent(asked, str(error))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            return self._silent(asked, f"its answer is no report: {error!r}")
        if report.run != facts.run:
            return self._silent(asked, f"pod {pod.name} answers for run {report.run}, not {facts.run}")
        self._silent_since.pop(asked, None)
        return self._with_refusals(asked.uid, report)

    def _with_refusals(self, uid: str, report: JobManagerReport) -> JobManagerReport:
        missing = {
            trigger: RequestFacts(trigger=trigger, state=RequestState.FAILED, failure=message)
            for (of, trigger), message in self._refused.items()
            if of == uid and trigger not in report.requests
        }
        return replace(report, requests={**report.requests, **missing}) if missing else report

    def _silent(self, asked: _Asked, reason: str) -> Unreachable:
        return Unreachable(since=self._silent_since.setdefault(asked, self._clock()), reason=reason)


def _revisions(children: Iterable[Child]) -> dict[int, RevisionFacts]:
    found = (child.facts for child in children)
    return {facts.revision: facts for facts in found if isinstance(facts, RevisionFacts)}


def _by_run(children: Iterable[Child]) -> dict[int, list[Child]]:
    runs: defaultdict[int, list[Child]] = defaultdict(list)
    for child in children:
        if child.run is not None:
            runs[child.run].append(child)
    return dict(sorted(runs.items()))


def _answering(pods: Iterable[PodFacts]) -> PodFacts | None:
    """The pod that a JobManager may answer in: the newest that has an address; one that is going may still answer."""
    candidates = [
        pod for pod in pods if pod.component is Component.JOBMANAGER and pod.ip is not None and not pod.ended
    ]
    return max(candidates, key=lambda pod: (pod.deleting_since is None, pod.created, pod.name), default=None)


def _errands(children: Iterable[Child]) -> Iterable[ErrandFacts]:
    for child in children:
        if child.purpose is not None and isinstance(child.facts, PodFacts) and not child.deleting:
            yield errand_facts(child.purpose, child.facts)

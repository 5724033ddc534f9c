"""What exists of all jobs, as small facts: fed by watch events, corrected by lists, read without waiting.

No body is kept. An object that cannot be read as what it says it is counts as there and unknown, and disturbs nobody. A
watch that goes back in time changes nothing: an older version of the same object is dropped. Only a list may do that,
since after a restore of the cluster's own store the past is the truth.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from weir_operator.clients import kinds
from weir_operator.clients.kinds import Kind
from weir_operator.observed import DeploymentFacts, PodFacts, RevisionFacts, StartDirective
from weir_operator.observer import pods, workloads
from weir_operator.observer.edits import edited

JOB = "weir.dev/job"
UID = "weir.dev/uid"
RUN = "weir.dev/run"
PURPOSE = "weir.dev/purpose"
DIGEST = "weir.dev/digest"

#: Kinds whose objects belong to jobs, except Secrets, which are written and never read.
WATCHED = (
    kinds.POD,
    kinds.DEPLOYMENT,
    kinds.SERVICE,
    kinds.CONFIG_MAP,
    kinds.CONTROLLER_REVISION,
    kinds.DISRUPTION_BUDGET,
    kinds.NETWORK_POLICY,
)

#: Namespace and name of a StreamJob.
JobKey = tuple[str, str]
Facts = PodFacts | DeploymentFacts | StartDirective | RevisionFacts | int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """One object that carries a job's label."""

    kind: str
    namespace: str
    name: str
    uid: str
    version: str
    generation: int | None
    job: str
    #: UID of the StreamJob that it belongs to; None: it does not say.
    owner: str | None
    run: int | None
    #: What an errand's pod was started for.
    purpose: str | None
    #: Of the manifest that it was applied from.
    digest: str | None
    edited: bool
    deleting: bool
    #: None: nothing is known, or nothing of this kind is of interest.
    facts: Facts

    @property
    def key(self) -> JobKey:
        """Whose it is."""
        return self.namespace, self.job


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Facts]] = {
    kinds.POD.name: pods.pod_facts,
    kinds.DEPLOYMENT.name: workloads.deployment_facts,
    kinds.SERVICE.name: workloads.selected_run,
    kinds.CONFIG_MAP.name: workloads.start_directive,
    kinds.CONTROLLER_REVISION.name: workloads.revision_facts,
}


def child_of(kind: Kind, body: Mapping[str, Any]) -> Child | None:
    """The facts of an object; None: it belongs to no job."""
    metadata = body.get("metadata") or {}
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    if not (labels.get(JOB) and metadata.get("name") and metadata.get("uid")):
        return None
    run = str(labels.get(RUN) or "")
    return Child(
        kind=kind.name,
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        uid=metadata["uid"],
        version=str(metadata.get("resourceVersion") or ""),
        generation=metadata.get("generation"),
        job=labels[JOB],
        owner=labels.get(UID) or _owner(metadata.get("ownerReferences")),
        run=int(run) if run.isdecimal() else None,
        purpose=annotations.get(PURPOSE),
        digest=annotations.get(DIGEST),
        edited=edited(metadata.get("managedFields")),
        deleting=metadata.get("deletionTimestamp") is not None,
        facts=_facts(kind, body),
    )


def _owner(references: Iterable[Mapping[str, Any]] | None) -> str | None:
    return next((r.get("uid") for r in references or () if r.get("kind") == kinds.STREAM_JOB.name), None)


def _facts(kind: Kind, body: Mapping[str, Any]) -> Facts:
    reader = _READERS.get(kind.name)
    try:
        return None if reader is None else reader(body)
    except (AttributeError, KeyError, TypeError, ValueError):
        return None  # somebody else's object under our label, or one that was edited into nonsense


class Children:
    """The objects of all jobs."""

    def __init__(self) -> None:
        self._by_job: dict[JobKey, dict[tuple[str, str], Child]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._by_job.values()))

    def of(self, key: JobKey) -> tuple[Child, ...]:
        """All objects that carry this job's label, whichever resource of that name they belonged to."""
        return tuple(self._by_job.get(key, {}).values())

    def get(self, key: JobKey, kind: Kind, name: str) -> Child | None:
        """One object."""
        return self._by_job.get(key, {}).get((kind.name, name))

    def note(self, kind: Kind, body: Mapping[str, Any], *, listed: bool = False) -> JobKey | None:
        """An object exists like this; whose it is, if that is news."""
        child = child_of(kind, body)
        if child is None:
            return None
        known = self._by_job.get(child.key, {}).get((child.kind, child.name))
        if known is not None and (
            known == child or (not listed and known.uid == child.uid and _older(child.version, known.version))
        ):
            return None
        self._by_job.setdefault(child.key, {})[child.kind, child.name] = child
        return child.key

    def forget(self, kind: Kind, body: Mapping[str, Any]) -> JobKey | None:
        """An object is gone; whose it was. Late news about an earlier object of that name changes nothing."""
        child = child_of(kind, body)
        known = None if child is None else self.get(child.key, kind, child.name)
        if child is None or known is None or known.uid != child.uid:
            return None
        self._drop(known)
        return child.key

    def replace(
        self, kind: Kind, namespace: str | None, version: str, found: Iterable[Child], *, reset: bool
    ) -> set[JobKey]:
        """A whole list as of ``version``: the truth, but for what the watch has told since; whose objects changed.

        ``reset``: versions began anew, so that nothing known can be newer.
        """
        listed = {(child.namespace, child.name): child for child in found}
        changed: set[JobKey] = set()
        for child in list(self._all(kind, namespace)):
            newer = not reset and _older(version, child.version)
            if (child.namespace, child.name) not in listed and not newer:
                self._drop(child)
                changed.add(child.key)
        for child in listed.values():
            known = self.get(child.key, kind, child.name)
            if known != child and not (known is not None and not reset and _older(version, known.version)):
                self._by_job.setdefault(child.key, {})[child.kind, child.name] = child
                changed.add(child.key)
        return changed

    def _all(self, kind: Kind, namespace: str | None) -> Iterator[Child]:
        for children in self._by_job.values():
            for child in children.values():
                if child.kind == kind.name and namespace in {None, child.namespace}:
                    yield child

    def _drop(self, child: Child) -> None:
        children = self._by_job.get(child.key, {})
        children.pop((child.kind, child.name), None)
        if not children:
            self._by_job.pop(child.key, None)


def _older(version: str, than: str) -> bool:
    """Versions grow; those that are no numbers are never told apart."""
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)

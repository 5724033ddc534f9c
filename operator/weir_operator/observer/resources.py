"""The StreamJobs and StreamJobSnapshots that exist, as the API server last told of them.

Bodies are kept without ``managedFields``, which can be larger than all the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from weir_operator.clients import kinds
from weir_operator.clients.kinds import Kind
from weir_operator.observer.children import JobKey
from weir_operator.observer.shapes import mapping, text

Body = Mapping[str, Any]


class Resources:
    """Bodies by kind, namespace and name."""

    def __init__(self) -> None:
        self._bodies: dict[str, dict[JobKey, Body]] = {
            kinds.STREAM_JOB.name: {},
            kinds.STREAM_JOB_SNAPSHOT.name: {},
        }
        #: Those of each job, since each pass over a job asks for its own.
        self._snapshots: dict[JobKey, dict[JobKey, Body]] = {}
        #: StreamJobs that name a snapshot to start from; few, and each pass over any job asks for them.
        self._restoring: dict[JobKey, Body] = {}

    def get(self, kind: Kind, key: JobKey) -> Body | None:
        """One resource."""
        return self._bodies[kind.name].get(key)

    def all(self, kind: Kind) -> Iterator[tuple[JobKey, Body]]:
        """All resources of a kind; the store may change meanwhile."""
        return iter(list(self._bodies[kind.name].items()))

    def snapshots_of(self, job: JobKey) -> tuple[Body, ...]:
        """The StreamJobSnapshots that name a job."""
        return tuple(self._snapshots.get(job, {}).values())

    def restoring(self) -> Mapping[JobKey, Body]:
        """The StreamJobs that name what they start from, in ``spec.restore``."""
        return self._restoring

    def count(self, kind: Kind) -> int:
        """How many there are."""
        return len(self._bodies[kind.name])

    def any_in(self, namespace: str | None) -> bool:
        """Whether anything is known of a namespace; None: of any."""
        return any(namespace in {None, key[0]} for bodies in self._bodies.values() for key in bodies)

    def note(self, kind: Kind, body: Body) -> JobKey | None:
        """A resource looks like this now; its key, if that is news."""
        key, known = key_of(body), self.get(kind, key_of(body))
        if known is not None and _is_old_news(known, body):
            return None
        self._put(kind, key, body)
        return key

    def forget(self, kind: Kind, body: Body) -> JobKey | None:
        """A resource is gone; late news of an earlier one of that name changes nothing."""
        key = key_of(body)
        known = self.get(kind, key)
        if known is None or known["metadata"].get("uid") != body["metadata"].get("uid"):
            return None
        self._drop(kind, key)
        return key

    def replace(
        self, kind: Kind, namespace: str | None, version: str, found: Iterable[Body], *, reset: bool
    ) -> set[JobKey]:
        """A whole list as of ``version``; the keys of what changed."""
        listed = {key_of(body): body for body in found}
        changed: set[JobKey] = set()
        for key, body in self.all(kind):
            inside = namespace in {None, key[0]}
            if inside and key not in listed and (reset or not _before(version, _version(body))):
                self._drop(kind, key)
                changed.add(key)
        for key, body in listed.items():
            known = self.get(kind, key)
            if known is None or reset or _before(_version(known), _version(body)):
                self._put(kind, key, body)
                changed.add(key)
        return changed

    def _put(self, kind: Kind, key: JobKey, body: Body) -> None:
        if key in self._bodies[kind.name]:
            self._drop(kind, key)
        slim = self._bodies[kind.name][key] = _slim(body)
        job = _job_of(kind, slim)
        if job is not None:
            self._snapshots.setdefault(job, {})[key] = slim
        if kind is kinds.STREAM_JOB and _names_a_snapshot(slim):
            self._restoring[key] = slim

    def _drop(self, kind: Kind, key: JobKey) -> None:
        job = _job_of(kind, self._bodies[kind.name].pop(key))
        if kind is kinds.STREAM_JOB:
            self._restoring.pop(key, None)
        if job is not None:
            self._snapshots[job].pop(key)
            if not self._snapshots[job]:
                del self._snapshots[job]


def _job_of(kind: Kind, body: Body) -> JobKey | None:
    """The job that a snapshot names."""
    job = text(mapping(body.get("spec")).get("job")) if kind is kinds.STREAM_JOB_SNAPSHOT else None
    return None if job is None else (key_of(body)[0], job)


def _names_a_snapshot(job: Body) -> bool:
    restore = mapping(mapping(job.get("spec")).get("restore"))
    return bool(restore.get("from") or restore.get("snapshot"))


def key_of(body: Body) -> JobKey:
    """Namespace and name."""
    metadata = body["metadata"]
    return metadata.get("namespace") or "", metadata["name"]


def _slim(body: Body) -> Body:
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    return {**body, "metadata": metadata}


def _version(body: Body) -> str:
    return str(body["metadata"].get("resourceVersion") or "")


def _is_old_news(known: Body, body: Body) -> bool:
    same = known["metadata"].get("uid") == body["metadata"].get("uid")
    return same and (_version(body) == _version(known) or _before(_version(body), _version(known)))


def _before(version: str, than: str) -> bool:
    return version.isdecimal() and than.isdecimal() and int(version) < int(than)

"""Everything that is known of the cluster, in one place: resources, their children, and when it was last told of.

News come in by ``note`` and ``forget`` (from watches) and by ``census`` (from lists). Both say which StreamJobs are
concerned, so that those can be looked at again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weir_operator.clients import kinds
from weir_operator.clients.kinds import Kind
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.errors import OperatorError
from weir_operator.models.texts import folder
from weir_operator.observer.children import JOB, WATCHED, Child, Children, JobKey, child_of
from weir_operator.observer.resources import Resources
from weir_operator.observer.shapes import mapping, text
from weir_operator.observer.snapshots import restore_sources, restored_by

RESOURCES = (kinds.STREAM_JOB, kinds.STREAM_JOB_SNAPSHOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """What lists of everything told."""

    #: Which resources that concerns. What was told is known from then on and no news to anybody: they are to be looked at
    #: whatever became of the other lists.
    concerned: frozenset[tuple[Kind, JobKey]] = frozenset()
    failure: OperatorError | None = None  #: of the first list that failed


class World:
    """What exists, as far as it is known."""

    def __init__(self) -> None:
        self.resources = Resources()
        self.children = Children()
        #: The version of the last list of a kind in a namespace.
        self._listed: dict[tuple[str, str | None], str] = {}

    def note(self, kind: Kind, body: Mapping[str, Any]) -> set[tuple[Kind, JobKey]]:
        """Something exists and looks like this; which resources that concerns."""
        if kind in RESOURCES:
            key = self.resources.note(kind, body)
            return set() if key is None else self._concerned(kind, key)
        key = self.children.note(kind, body)
        return set() if key is None else {(kinds.STREAM_JOB, key)}

    def forget(self, kind: Kind, body: Mapping[str, Any]) -> set[tuple[Kind, JobKey]]:
        """Something is gone; which resources that concerns."""
        if kind in RESOURCES:
            before = self._concerned(
                kind, (body["metadata"].get("namespace") or "", body["metadata"]["name"])
            )
            return before if self.resources.forget(kind, body) is not None else set()
        key = self.children.forget(kind, body)
        return set() if key is None else {(kinds.STREAM_JOB, key)}

    async def census(self, client: Kubernetes, namespace: str | None) -> Census:
        """List everything and correct what is known."""
        # The API server answers one list while another one is read. One that fails ends none of the others.
        answers = await asyncio.gather(
            *(self._list(client, kind, namespace) for kind in RESOURCES),
            *(self._count(client, kind, namespace) for kind in WATCHED),
            return_exceptions=True,
        )
        concerned: set[tuple[Kind, JobKey]] = set()
        failure: OperatorError | None = None
        for kind, answer in zip((*RESOURCES, *WATCHED), answers, strict=True):
            if isinstance(answer, OperatorError):
                failure = failure or answer
            elif isinstance(answer, BaseException):
                raise answer
            else:
                for key in answer:
                    concerned |= (
                        self._concerned(kind, key) if kind in RESOURCES else {(kinds.STREAM_JOB, key)}
                    )
        return Census(concerned=frozenset(concerned), failure=failure)

    async def _list(self, client: Kubernetes, kind: Kind, namespace: str | None) -> set[JobKey]:
        """The resources of one kind; which changed."""
        bodies: list[Mapping[str, Any]] = []
        version = ""
        async for page in client.pages(kind, namespace):
            version = version or str(page["metadata"]["resourceVersion"])
            bodies += page.get("items") or ()
        reset = self._went_back(kind, namespace, version)
        return self.resources.replace(kind, namespace, version, bodies, reset=reset)

    async def _count(self, client: Kubernetes, kind: Kind, namespace: str | None) -> set[JobKey]:
        """The children of one kind; whose changed."""
        found: list[Child] = []
        version = ""
        async for page in client.pages(kind, namespace, JOB):
            version = version or str(page["metadata"]["resourceVersion"])
            found += filter(None, (child_of(kind, body) for body in page.get("items") or ()))
        reset = self._went_back(kind, namespace, version)
        return self.children.replace(kind, namespace, version, found, reset=reset)

    def restore_sources(self, *, besides: JobKey) -> frozenset[str]:
        """Paths that other StreamJobs start from."""
        return frozenset(path for key, path in restore_sources(self.resources) if key != besides)

    def users_of(self, path: str, *, besides: JobKey) -> tuple[str, ...]:
        """Names of the other StreamJobs that start from a path."""
        sources = restore_sources(self.resources)
        users = {key for key, source in sources if source == folder(path) and key != besides}
        return tuple(
            sorted(name if namespace == besides[0] else f"{namespace}/{name}" for namespace, name in users)
        )

    def _concerned(self, kind: Kind, key: JobKey) -> set[tuple[Kind, JobKey]]:
        """A snapshot concerns the job that it names and those that start from it, too."""
        found = {(kind, key)}
        if kind is not kinds.STREAM_JOB_SNAPSHOT:
            return found
        job = text(mapping(mapping(self.resources.get(kind, key)).get("spec")).get("job"))
        found |= {(kinds.STREAM_JOB, of) for of in restored_by(self.resources, key)}
        return found | ({(kinds.STREAM_JOB, (key[0], job))} if job else set())

    def _went_back(self, kind: Kind, namespace: str | None, version: str) -> bool:
        """Whether versions began anew since the last list: the cluster's store was restored from a backup."""
        last = self._listed.get((kind.name, namespace), "")
        self._listed[kind.name, namespace] = version
        return version.isdecimal() and last.isdecimal() and int(version) < int(last)

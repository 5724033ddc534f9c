"""Objects of a job, brought to what they should be, created once, or deleted: each step may be repeated, or done twice.

What the cache says is as wanted is left alone. What is new is looked for live first, so that nothing of somebody else's, or
of an earlier resource of the same name, is taken over. The API server's answers go into the cache at once, so the next
pass sees its own writes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from weir_operator.clients import kinds
from weir_operator.clients.kinds import Kind, kind_of
from weir_operator.clients.kubernetes import Kubernetes
from weir_operator.clients.refusals import Conflict
from weir_operator.errors import TemporaryError
from weir_operator.observer.children import DIGEST, Child, JobKey
from weir_operator.observer.drift import Drift
from weir_operator.observer.world import World
from weir_operator.resources.manifest import Manifest


class NameTaken(TemporaryError):
    """Something of that name exists and is not ours: people are told at once."""

    def __init__(self, message: str) -> None:
        super().__init__(message, delay=2.0)


class Unfinished(TemporaryError):
    """A precondition does not hold yet."""

    def __init__(self, message: str) -> None:
        super().__init__(message, delay=2.0)


@dataclass(frozen=True, slots=True)
class Owner:
    """The StreamJob whose objects these are."""

    namespace: str
    name: str
    uid: str

    @property
    def key(self) -> JobKey:
        """Namespace and name."""
        return self.namespace, self.name


class Objects:
    """Writes objects of jobs."""

    def __init__(self, client: Kubernetes, world: World, drift: Drift) -> None:
        self._client, self._world, self._drift = client, world, drift

    async def ensure_all(self, owner: Owner, asked: object, render: Callable[[], Iterable[Manifest]]) -> None:
        """Apply all manifests that ``asked`` is rendered as, unless the objects are as they say."""
        known = self._drift.rendered(owner.key, owner.uid, asked)
        if known is not None and all(
            self._is_good(owner, kinds.KINDS[kind], name, digest) for kind, name, digest in known
        ):
            return
        made = [(manifest, digest_of(manifest)) for manifest in render()]
        for manifest, digest in made:
            await self._ensure(owner, manifest, digest)
        rendered = tuple((kind_of(m).name, m["metadata"]["name"], digest) for m, digest in made)
        self._drift.remember_rendered(owner.key, owner.uid, asked, rendered)

    async def ensure(self, owner: Owner, manifest: Manifest) -> None:
        """Apply a manifest, unless the object is as it says."""
        await self._ensure(owner, manifest, digest_of(manifest))

    def _is_good(self, owner: Owner, kind: Kind, name: str, digest: str) -> bool:
        child = self._world.children.get(owner.key, kind, name)
        return child is not None and child.owner == owner.uid and self._drift.is_good(child, digest)

    async def _ensure(self, owner: Owner, manifest: Manifest, digest: str) -> None:
        kind, name = kind_of(manifest), manifest["metadata"]["name"]
        if self._is_good(owner, kind, name, digest):
            return
        child = self._world.children.get(owner.key, kind, name)
        uid = await self._ours(owner, kind, name, child)
        answer = await self._client.apply(_with_digest(manifest, digest), uid=uid)
        self._remember(owner, answer)

    async def create_once(self, owner: Owner, manifest: Manifest) -> None:
        """Create an object that never changes; one that exists already is good as it is."""
        kind, name = kind_of(manifest), manifest["metadata"]["name"]
        child = self._world.children.get(owner.key, kind, name)
        if child is not None and child.owner == owner.uid:
            return
        try:
            answer = await self._client.create(kind, _with_digest(manifest, digest_of(manifest)))
        except Conflict:
            await self._ours(owner, kind, name, child)
            return
        self._remember(owner, answer)

    async def create_secret(self, owner: Owner, manifest: Manifest, *, unused: bool) -> None:
        """Create a Secret that is never read. One that exists is ours, unless nothing of the run exists yet (``unused``).

        Then it may be an earlier resource's, left for the garbage collector: it is replaced while nothing mounts it.
        """
        name, written = manifest["metadata"]["name"], _with_digest(manifest, digest_of(manifest))
        try:
            answer = await self._client.create(kinds.SECRET, written)
        except Conflict:
            if unused:
                await self._client.delete(kinds.SECRET, owner.namespace, name)
                answer = await self._client.create(kinds.SECRET, written)
            else:
                answer = written
        self._drift.remember(owner.key, answer)

    async def delete(self, owner: Owner, child: Child, *, foreground: bool = False) -> None:
        """Delete an object that is known, unless it is on its way already."""
        if child.deleting:
            return
        kind = kinds.KINDS[child.kind]
        self._drift.forget(owner.key, child.kind, child.name)
        await self._client.delete(kind, child.namespace, child.name, uid=child.uid, foreground=foreground)

    async def _ours(self, owner: Owner, kind: Kind, name: str, child: Child | None) -> str | None:
        """The UID of the object if it exists and is ours; None: there is none."""
        if child is not None and child.owner == owner.uid and not child.deleting:
            return child.uid
        live = await self._client.find(kind, owner.namespace, name)
        if live is None:
            return None
        metadata: Mapping[str, Any] = live["metadata"]
        owners = {reference.get("uid") for reference in metadata.get("ownerReferences") or ()}
        if owner.uid not in owners:
            whose = (
                f"belongs to an earlier resource ({', '.join(map(str, owners))})"
                if owners
                else "is not the operator's"
            )
            raise NameTaken(
                f"{kind.name} {name} exists and {whose}; it is waited for until it is gone: delete or rename it"
            )
        if metadata.get("deletionTimestamp"):
            raise Unfinished(f"{kind.name} {name} is being deleted; it is made again when it is gone")
        return str(metadata["uid"])

    def _remember(self, owner: Owner, answer: Mapping[str, Any]) -> None:
        self._world.note(kind_of(answer), answer)
        self._drift.remember(owner.key, answer)


def digest_of(manifest: Mapping[str, Any]) -> str:
    """Sixteen hex digits that change when the manifest does."""
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _with_digest(manifest: Mapping[str, Any], digest: str) -> Manifest:
    metadata = manifest["metadata"]
    annotations = {**(metadata.get("annotations") or {}), DIGEST: digest}
    return {**manifest, "metadata": {**metadata, "annotations": annotations}}

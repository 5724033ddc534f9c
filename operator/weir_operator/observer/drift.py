"""Which objects are as they were applied. What this process applied it remembers; for the rest an object speaks itself.

An object is good when it carries the digest of the manifest that is wanted and nobody else had a hand in it, or when
it has not changed since we applied it in spite of that hand. Generations tell of changes of the spec; kinds without one go
by version.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from weir_operator.clients.kinds import CONFIG_MAP, SERVICE, kind_of
from weir_operator.observer.children import DIGEST, Child, JobKey

_WITHOUT_GENERATION = {SERVICE.name, CONFIG_MAP.name}


#: Kind, name and digest of manifests.
Rendered = tuple[tuple[str, str, str], ...]


class Drift:
    """What was applied, and how it looked right after."""

    def __init__(self) -> None:
        #: What was asked for last, of each type, and what it was rendered as.
        self._rendered: dict[JobKey, dict[type, tuple[str, object, Rendered]]] = {}
        self._applied: dict[JobKey, dict[tuple[str, str], tuple[str, str, str]]] = {}

    def remember(self, key: JobKey, answer: Mapping[str, Any]) -> None:
        """The API server's answer to an apply."""
        metadata = answer["metadata"]
        digest = (metadata.get("annotations") or {}).get(DIGEST) or ""
        mark = _mark(
            kind_of(answer).name, metadata.get("generation"), str(metadata.get("resourceVersion") or "")
        )
        self._applied.setdefault(key, {})[kind_of(answer).name, metadata["name"]] = (
            metadata.get("uid") or "",
            mark,
            digest,
        )

    def forget(self, key: JobKey, kind: str | None = None, name: str | None = None) -> None:
        """An object was deleted on purpose, or the whole job is gone."""
        if kind is None or name is None:
            self._applied.pop(key, None)
            self._rendered.pop(key, None)
        else:
            self._applied.get(key, {}).pop((kind, name), None)

    def is_good(self, child: Child | None, digest: str) -> bool:
        """Whether there is no need to apply this manifest again."""
        if child is None or child.deleting or child.digest != digest:
            return False
        return not child.edited or self._untouched(child)

    def applied_digest(self, key: JobKey, kind: str, name: str) -> str | None:
        """Of an object that is never read: the manifest that this process applied last."""
        found = self._applied.get(key, {}).get((kind, name))
        return None if found is None else found[2]

    def rendered(self, key: JobKey, uid: str, asked: object) -> Rendered | None:
        """What this was rendered as before, if nothing else of its type was asked for since."""
        known = self._rendered.get(key, {}).get(type(asked))
        return known[2] if known is not None and known[:2] == (uid, asked) else None

    def remember_rendered(self, key: JobKey, uid: str, asked: object, rendered: Rendered) -> None:
        """What this was rendered as, so that it need not be rendered again to see whether all of it is there."""
        self._rendered.setdefault(key, {})[type(asked)] = uid, asked, rendered

    def drifted(self, key: JobKey, children: Iterable[Child]) -> tuple[str, ...]:
        """What somebody edited or deleted, as ``Kind/name``."""
        present = {(child.kind, child.name): child for child in children if child.kind != "Pod"}
        edited = {name for name, child in present.items() if child.edited and not self._untouched(child)}
        deleted = {
            name
            for name in self._applied.get(key, {})
            if name not in present and name[0] not in {"Secret", "Pod"}
        }
        return tuple(sorted(f"{kind}/{name}" for kind, name in edited | deleted))

    def _untouched(self, child: Child) -> bool:
        uid, mark, _ = self._applied.get(child.key, {}).get((child.kind, child.name), ("", "", ""))
        return uid == child.uid and mark == _mark(child.kind, child.generation, child.version)


def _mark(kind: str, generation: int | None, version: str) -> str:
    return version if generation is None or kind in _WITHOUT_GENERATION else f"generation {generation}"

"""What a changed StreamJob asks of the operator, as it decides it itself: a contract test holds the two together.

The class of a field is that of the longest prefix of its path in ``CLASSES``; a field that is not listed asks for another
run. A change is as heavy as its heaviest field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from weir.config.values import kubernetes_duration, kubernetes_size
from weir.errors import ConfigError


class Weight(IntEnum):
    """How much a difference costs, lightest first."""

    NOTHING = 0
    IGNORE = 1
    IN_PLACE = 2
    SCALE = 3
    UPGRADE = 4


#: Prefix of a path in the spec -> what a change there asks for.
CLASSES: Mapping[str, Weight] = {
    "paused": Weight.IGNORE,
    "deletionPolicy": Weight.IGNORE,
    "snapshots": Weight.IGNORE,
    "upgrade": Weight.IGNORE,
    "restore": Weight.IGNORE,
    "job.state": Weight.IGNORE,
    "job.allowNonRestoredState": Weight.IGNORE,
    "job.parallelism": Weight.SCALE,
    "storage.savepoints": Weight.IN_PLACE,
}
SAID: Mapping[Weight, str] = {
    Weight.NOTHING: "nothing changes",
    Weight.IGNORE: "no pod and no object changes; the operator goes by it from then on",
    Weight.IN_PLACE: "objects around the pods change; no pod is replaced",
    Weight.SCALE: "the running job takes another parallelism; no pod is replaced",
    Weight.UPGRADE: "the job stops and another run starts",
}
#: Fields that are an order when they change.
_ORDERS: Mapping[str, str] = {
    "job.state": "the job is suspended with a savepoint, or resumed from it",
    "upgrade.restartNonce": "the job restarts through the upgrade path",
    "upgrade.savepointNonce": "a savepoint is taken",
    "upgrade.rollbackTo": "the job goes back to that revision",
    "restore.nonce": "the job restarts from restore.from or restore.snapshot",
}


@dataclass(frozen=True)
class Field:
    """A field that differs."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Change:
    """What differs, and what that asks for."""

    weight: Weight
    fields: tuple[Field, ...] = ()

    @property
    def orders(self) -> tuple[str, ...]:
        """What is asked for beside, or instead."""
        return tuple(_ORDERS[field.path] for field in self.fields if field.path in _ORDERS)


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    """Compare two specs by what they mean: ``60s`` is ``1m``, but not set is not the same as set to the default."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    fields = tuple(
        Field(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if _meaning(path, old.get(path)) != _meaning(path, new.get(path))
    )
    return Change(max((weight_of(field.path) for field in fields), default=Weight.NOTHING), fields)


def weight_of(path: str) -> Weight:
    """What a change of one field asks for."""
    parts = path.split(".")
    for n in range(len(parts), 0, -1):
        if (weight := CLASSES.get(".".join(parts[:n]))) is not None:
            return weight
    return Weight.UPGRADE


def start_of(spec: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    """What the next run would start from, as things are."""
    mode = (spec.get("upgrade") or {}).get("mode") or "Savepoint"
    last = (status.get("lastCheckpoint") or {}).get("path") or (status.get("lastSavepoint") or {}).get("path")
    if not status.get("claimed"):
        restore = spec.get("restore") or {}
        named = restore.get("from") or restore.get("snapshot")
        policy = restore.get("policy") or "Resume"
        return named or f"what an earlier job of this name left, by restore.policy {policy}; else empty"
    if mode == "Stateless":
        return "nothing: upgrade.mode Stateless gives the state up"
    if status.get("phase") == "Running" and mode == "Savepoint":
        return "the savepoint that the job stops with"
    return f"{last}, or a newer one that is complete by then" if last else "the newest complete checkpoint"


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else name)
    elif value is not None:
        yield path, value


def _meaning(path: str, value: Any) -> Any:
    """A duration or a size by its amount; settings, and what Kubernetes itself reads, as the text that it is."""
    if path.startswith(("config.", "jobManager.")) or ".resources." in path or ".pod." in path:
        return value
    if isinstance(value, str) and value[:1].isdigit():
        for read in (kubernetes_duration, kubernetes_size):
            try:
                return read(value)
            except (ConfigError, ValueError):
                continue
    return value

"""What a change of the spec asks for: nothing, an edit in place, another parallelism, or another run.

The class of a field is that of the longest prefix of its path in ``CLASSES``; a field that nobody listed restarts the
job, which is slow and never wrong. A change is as heavy as its heaviest field.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pydantic import BaseModel

from weir_operator.models import Duration, Size, StreamJobSpec


class Weight(IntEnum):
    """How much a difference costs, lightest first."""

    NOTHING = 0
    IGNORE = 1  #: only the operator reads it, when it needs it
    IN_PLACE = 2  #: objects around the pods are applied again; no pod is replaced
    SCALE = 3  #: the running job takes another parallelism
    UPGRADE = 4  #: the job stops and another run starts


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed, and what that asks for."""

    weight: Weight
    paths: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The changed fields, for people."""
        return ", ".join(self.paths) or "nothing"


def classify(before: StreamJobSpec, after: StreamJobSpec) -> Difference:
    """Compare two specs by what they mean: ``60s`` is ``1m``, but not set is not the same as set to the default."""
    old, new = dict(_leaves(before, "")), dict(_leaves(after, ""))
    paths = tuple(sorted(path for path in old.keys() | new.keys() if old.get(path) != new.get(path)))
    return Difference(weight=max(map(weight_of, paths), default=Weight.NOTHING), paths=paths)


def weight_of(path: str) -> Weight:
    """What a change of one field asks for."""
    parts = path.split(".")
    for n in range(len(parts), 0, -1):
        if (weight := CLASSES.get(".".join(parts[:n]))) is not None:
            return weight
    return Weight.UPGRADE


def spec_hash(spec: StreamJobSpec) -> str:
    """Names what runs: the same for specs that differ in nothing that a pod or an object around it sees (16 hex digits).

    Parallelism is not part of it: it has hands of its own (``kubectl scale``, an autoscaler).
    """
    relevant = {
        path: str(value)
        for path, value in _leaves(spec, "")
        if weight_of(path) in {Weight.IN_PLACE, Weight.UPGRADE}
    }
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()[:16]


def _leaves(model: BaseModel, prefix: str) -> Iterator[tuple[str, Any]]:
    """Path and meaning of each field that was set."""
    for name in model.model_fields_set:
        path = f"{prefix}{type(model).model_fields[name].alias or name}"
        match getattr(model, name):
            case None:
                continue
            case BaseModel() as part:
                yield from _leaves(part, f"{path}.")
            case Duration(seconds=seconds):
                yield path, seconds
            case Size(bytes=size):
                yield path, size
            case dict() as entries:
                yield from ((f"{path}.{key}", _plain(value)) for key, value in entries.items())
            case value:
                yield path, _plain(value)


def _plain(value: object) -> object:
    """A value that compares by what it says: models within lists as sorted JSON."""
    if isinstance(value, BaseModel):
        return sorted((path, str(leaf)) for path, leaf in _leaves(value, ""))
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value

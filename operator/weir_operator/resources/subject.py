"""Whose objects are rendered: one StreamJob with the spec of the revision that is to run (not always the newest)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from weir_operator.models import StreamJob, StreamJobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Identity and spec."""

    name: str
    namespace: str
    uid: str
    spec: StreamJobSpec

    @classmethod
    def of(cls, job: StreamJob, spec: StreamJobSpec | None = None) -> Self:
        """The resource, with the spec of another revision if one is given."""
        meta = job.metadata
        return cls(name=meta.name, namespace=meta.namespace, uid=meta.uid, spec=spec or job.spec)

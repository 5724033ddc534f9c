"""Everything that is wrong with a resource, at once: each fault with its path, its value and what to do.

The API server says most of it before anything is stored, by the CRD's schema and rules. It stops at the schema when that
has faults, it cannot say what CEL cannot, and what was stored before a rule existed stays; so the reconciler asks here too. Needs no
webhook, and nothing but the document: the same answer for the same document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import ChangeRule
from weir_operator.models.crd import NAME_RULES
from weir_operator.models.rule_text import fields_of, message_text
from weir_operator.models.stream_job import StreamJob
from weir_operator.models.stream_job_snapshot import StreamJobSnapshot, StreamJobSnapshotSpec
from weir_operator.models.stream_job_spec import StreamJobSpec
from weir_operator.validation.buckets import Limits, foreign
from weir_operator.validation.reading import Reading, Violation, read

__all__ = ["Limits", "Violation", "snapshot_faults", "stream_job_faults"]


def stream_job_faults(
    body: Mapping[str, Any], limits: Limits | None = None, previous: StreamJobSpec | None = None
) -> list[Violation]:
    """Faults of a StreamJob, in the order of its fields; ``previous`` is the spec that runs, if one does."""
    reading = read(StreamJob, body)
    found = list(reading.faults)
    job = reading.document
    if job is not None:
        spec = job.spec
        found += [Violation("metadata.name", rule.message) for rule in NAME_RULES if not rule.holds(job)]
        found += _broken(spec, "spec", reading)
        found += _broken_changes(spec.change_rules, previous, spec)
        places = {
            "spec.job.code.uri": spec.job.code.uri,
            "spec.storage.checkpoints": spec.storage.checkpoints,
            "spec.storage.savepoints": spec.storage.savepoints,
            "spec.restore.from": spec.restore.from_,
        }
        found += foreign(places, job.metadata.namespace, limits)
    return sorted(found, key=lambda fault: fault.path)


def snapshot_faults(
    body: Mapping[str, Any], limits: Limits | None = None, previous: StreamJobSnapshotSpec | None = None
) -> list[Violation]:
    """Faults of a StreamJobSnapshot; ``previous`` is the spec that was acted on, if one was."""
    reading = read(StreamJobSnapshot, body)
    found = list(reading.faults)
    snapshot = reading.document
    if snapshot is not None:
        spec = snapshot.spec
        found += _broken(spec, "spec", reading)
        found += _broken_changes(spec.change_rules, previous, spec)
        places = {"spec.path": spec.path, "spec.external": spec.external}
        found += foreign(places, snapshot.metadata.namespace, limits)
    return sorted(found, key=lambda fault: fault.path)


def _broken(part: SpecModel, path: str, reading: Reading[Any]) -> Iterator[Violation]:
    """Rules that ``part`` and everything in it breaks; a rule about a field that was unreadable is left alone."""
    for rule in part.rules:
        unknown = any(reading.left_out(f"{path}.{name}") for name in fields_of(rule))
        if not unknown and not rule.holds(part):
            yield Violation(f"{path}.{rule.at}" if rule.at else path, message_text(part, rule.message))
    for name, info in type(part).model_fields.items():
        if name in part.model_fields_set:
            yield from _broken_below(getattr(part, name), f"{path}.{info.alias or name}", reading)


def _broken_below(value: Any, path: str, reading: Reading[Any]) -> Iterator[Violation]:
    if isinstance(value, SpecModel):
        yield from _broken(value, path, reading)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _broken_below(item, reading.item(path, index), reading)


def _broken_changes(
    rules: tuple[ChangeRule, ...], previous: BaseModel | None, current: BaseModel
) -> Iterator[Violation]:
    for rule in rules if previous is not None else ():
        if not rule.holds(previous, current):
            yield Violation(f"spec.{rule.at}", rule.message)

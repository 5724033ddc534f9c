"""From a resource as it is stored to the job that is planned for: what cannot be obeyed changes nothing.

A spec with faults is not obeyed in part: the last good revision stays what is wanted, and all faults are told at once. A
status that cannot be read is as good as none: it is only the operator's memory, and the bucket knows better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from weir_operator.models import (
    DeletionPolicy,
    JobState,
    ObjectMeta,
    StreamJob,
    StreamJobSpec,
    StreamJobStatus,
)
from weir_operator.observed import RevisionFacts
from weir_operator.observer.children import JobKey
from weir_operator.observer.resources import key_of
from weir_operator.reconciler.saved_specs import saved_spec
from weir_operator.validation import Limits, Violation, stream_job_faults


@dataclass(frozen=True, slots=True)
class Reading:
    """``job`` is None when there is nothing that could be planned for."""

    job: StreamJob | None
    #: What is wrong with the spec, one line each.
    faults: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Good:
    """A document that was found good, as far as that went: beside ``running``, the spec that ran then."""

    uid: str
    document: Mapping[str, Any]
    running: StreamJobSpec | None
    spec: StreamJobSpec


class Readings:
    """Reads resources, and remembers those that were good: a pass over one that was not edited need not judge it again."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits
        self._good: dict[JobKey, Good] = {}

    def read(self, body: Mapping[str, Any], revisions: Mapping[int, RevisionFacts]) -> Reading:
        """The job with the spec that is to be obeyed."""
        key = key_of(body)
        reading, good = _read(body, revisions, self._limits, self._good.get(key))
        if good is not None:
            self._good[key] = good
        return reading

    def forget(self, key: JobKey) -> None:
        """The resource is gone."""
        self._good.pop(key, None)


def read(
    body: Mapping[str, Any], revisions: Mapping[int, RevisionFacts], limits: Limits | None = None
) -> Reading:
    """The job with the spec that is to be obeyed."""
    return _read(body, revisions, limits, None)[0]


def _read(
    body: Mapping[str, Any], revisions: Mapping[int, RevisionFacts], limits: Limits | None, good: Good | None
) -> tuple[Reading, Good | None]:
    """The reading; and what was good, to be given back with the next version of the resource."""
    metadata, status = metadata_of(body), status_of(body)
    running = saved_spec(revisions.get(status.deployed.revision)) if status.deployed is not None else None
    asked = {name: value for name, value in body.items() if name != "status"}
    document = {name: value for name, value in asked.items() if name != "metadata"}
    known = good is not None and good.uid == metadata.uid and good.running is running
    if good is not None and known and good.document == document:
        return Reading(StreamJob(metadata=metadata, spec=good.spec, status=status)), good
    faults = stream_job_faults(asked, limits, previous=running)
    if not faults:
        spec = StreamJobSpec.model_validate(body["spec"])
        good = Good(metadata.uid, document, running, spec)
        return Reading(StreamJob(metadata=metadata, spec=spec, status=status)), good
    return _with_faults(metadata, status, revisions, asked, faults), None


def _with_faults(
    metadata: ObjectMeta,
    status: StreamJobStatus,
    revisions: Mapping[int, RevisionFacts],
    asked: Mapping[str, Any],
    faults: Sequence[Violation],
) -> Reading:
    """What is obeyed instead of a spec that cannot be."""
    said = tuple(f"{fault.path}: {fault.message}" for fault in faults)
    candidates = _last_good(status, revisions, deleting=metadata.deletion_timestamp is not None)
    found = next(
        (spec for number in candidates if (spec := saved_spec(revisions.get(number))) is not None), None
    )
    if found is None:
        return Reading(None, said)
    spec = _as_obeyed(found, status, asked.get("spec"))
    return Reading(StreamJob(metadata=metadata, spec=spec, status=status), said)


def metadata_of(body: Mapping[str, Any]) -> ObjectMeta:
    """What the operator reads of ``metadata``."""
    return ObjectMeta.model_validate(body["metadata"])


def status_of(body: Mapping[str, Any]) -> StreamJobStatus:
    """The status; an empty one for what no operator wrote like this."""
    try:
        return StreamJobStatus.model_validate(body.get("status") or {})
    except ValidationError:
        return StreamJobStatus()


def _last_good(
    status: StreamJobStatus, revisions: Mapping[int, RevisionFacts], *, deleting: bool
) -> Iterator[int]:
    """Revisions that may be what was wanted before, likeliest first.

    Where a run is there, only its own: planning by another one would replace it. For an end any will do.
    """
    if status.upgrade is not None and status.upgrade.revision is not None:
        yield status.upgrade.revision
    if status.deployed is not None:
        yield status.deployed.revision
        if not deleting:
            return
    if status.end is not None and status.end.revision is not None:
        yield status.end.revision
    if status.revision is not None:
        yield status.revision
    yield from sorted(revisions, reverse=True)


def _as_obeyed(saved: StreamJobSpec, status: StreamJobStatus, asked: Any) -> StreamJobSpec:
    """A saved spec with what the status knows better: a revision holds parallelism and nonces of the day it was saved.

    Retention is not obeyed by an old number, so nothing is deleted by one. Pausing, what becomes of the state when the resource
    goes, and which savepoints are taken and kept are taken from the spec as it stands if they can be read.
    """
    document = saved.written()
    asked = asked if isinstance(asked, Mapping) else {}
    job, upgrade = document["job"], document.setdefault("upgrade", {})
    restore, nonces = document.setdefault("restore", {}), status.nonces
    if parallelism := _parallelism(status):
        job["parallelism"] = parallelism
    if status.job_id is not None:
        job["state"] = _state(status)
    if nonces is not None:
        upgrade |= {
            "restartNonce": nonces.restart or 0,
            "savepointNonce": nonces.savepoint or 0,
            "rollbackTo": nonces.rollback_to or 0,
        }
        restore["nonce"] = nonces.restore or 0
    document.get("snapshots", {}).pop("keep", None)
    if isinstance(asked.get("paused"), bool):
        document["paused"] = asked["paused"]
    if asked.get("deletionPolicy") in tuple(DeletionPolicy):
        document["deletionPolicy"] = asked["deletionPolicy"]
    try:
        return StreamJobSpec.model_validate(document | {"snapshots": asked.get("snapshots") or {}})
    except ValidationError:
        return StreamJobSpec.model_validate(document)


def _parallelism(status: StreamJobStatus) -> int | None:
    if status.rescale is not None:
        return status.rescale.parallelism
    return status.deployed.parallelism if status.deployed is not None else status.parallelism


def _state(status: StreamJobStatus) -> JobState:
    """As it was wanted last."""
    if status.upgrade is not None:
        return JobState.RUNNING if status.upgrade.revision is not None else JobState.SUSPENDED
    return JobState.RUNNING if status.deployed is not None or status.end is not None else JobState.SUSPENDED

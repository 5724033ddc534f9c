"""From a resource as it is stored to the job that is planned for: what cannot be obeyed changes nothing.

A spec with faults is not obeyed in part: the last good revision stays what is wanted, and all faults are told at once. A
status that cannot be read is as good as none: it is only the operator's memory, and the bucket knows better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from weir_operator.validation import Limits, stream_job_faults


@dataclass(frozen=True, slots=True)
class Reading:
    """``job`` is None when there is nothing that could be planned for."""

    job: StreamJob | None
    #: What is wrong with the spec, one line each.
    faults: tuple[str, ...] = ()


def read(
    body: Mapping[str, Any], revisions: Mapping[int, RevisionFacts], limits: Limits | None = None
) -> Reading:
    """The job with the spec that is to be obeyed."""
    metadata, status = metadata_of(body), status_of(body)
    running = _spec_of(revisions, status.deployed.revision) if status.deployed is not None else None
    asked = {name: value for name, value in body.items() if name != "status"}
    faults = stream_job_faults(asked, limits, previous=running)
    if not faults:
        return Reading(
            StreamJob(metadata=metadata, spec=StreamJobSpec.model_validate(body["spec"]), status=status)
        )
    said = tuple(f"{fault.path}: {fault.message}" for fault in faults)
    candidates = _last_good(status, revisions, deleting=metadata.deletion_timestamp is not None)
    found = next((spec for number in candidates if (spec := _spec_of(revisions, number)) is not None), None)
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


def _spec_of(revisions: Mapping[int, RevisionFacts], number: int) -> StreamJobSpec | None:
    """None: it is not kept, or another version of the operator wrote what this one does not know."""
    facts = revisions.get(number)
    try:
        return None if facts is None else StreamJobSpec.model_validate(dict(facts.spec))
    except ValidationError:
        return None


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

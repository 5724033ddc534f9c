"""StreamJobSnapshots as facts about the job that they name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from weir_operator.clients import kinds
from weir_operator.models.texts import folder
from weir_operator.observed import SnapshotResource
from weir_operator.observer.children import UID, JobKey
from weir_operator.observer.moments import moment
from weir_operator.observer.resources import Resources
from weir_operator.observer.shapes import mapping, text

_MANAGED_BY = "app.kubernetes.io/managed-by"
_OPERATOR = "weir-operator"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def snapshot_resources(resources: Resources, job: JobKey, uid: str) -> tuple[SnapshotResource, ...]:
    """Those that name the job, oldest first."""
    found = [_facts(body, uid) for body in resources.snapshots_of(job)]
    return tuple(sorted(found, key=lambda snapshot: (snapshot.created, snapshot.name)))


def _facts(body: Mapping[str, Any], uid: str) -> SnapshotResource:
    metadata, status = body["metadata"], mapping(body.get("status"))
    labels = mapping(metadata.get("labels"))
    return SnapshotResource(
        name=metadata["name"],
        uid=metadata["uid"],
        created=moment(metadata.get("creationTimestamp")) or _EPOCH,
        phase=text(status.get("phase")),
        path=_folder(status.get("path")),
        trigger=text(status.get("trigger")),
        owned=labels.get(_MANAGED_BY) == _OPERATOR and labels.get(UID) == uid,
        deleting=metadata.get("deletionTimestamp") is not None,
        completed_at=moment(status.get("completedAt")),
        job_id=text(status.get("jobId")),
        bytes=_number(status.get("bytes")),
        revision=_number(status.get("jobRevision")),
    )


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _folder(value: Any) -> str | None:
    path = text(value)
    return None if path is None else folder(path)


def path_of(resources: Resources, namespace: str, name: str | None) -> str | None:
    """Where a StreamJobSnapshot lies; None: there is none of that name, or it is not complete."""
    body = resources.get(kinds.STREAM_JOB_SNAPSHOT, (namespace, name)) if name else None
    return _folder(mapping(mapping(body).get("status")).get("path"))


def restore_sources(resources: Resources) -> Iterator[tuple[JobKey, str]]:
    """Which StreamJob starts from which path."""
    for key, body in resources.restoring().items():
        restore = mapping(mapping(body.get("spec")).get("restore"))
        path = _folder(restore.get("from")) or path_of(resources, key[0], text(restore.get("snapshot")))
        if path is not None:
            yield key, path


def restored_by(resources: Resources, snapshot: JobKey) -> Iterator[JobKey]:
    """StreamJobs whose ``restore.snapshot`` names it."""
    for key, body in resources.restoring().items():
        restore = mapping(mapping(body.get("spec")).get("restore"))
        if key[0] == snapshot[0] and restore.get("snapshot") == snapshot[1]:
            yield key

"""StreamJobs as tests write them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from weir_operator.models import StreamJob, StreamJobStatus

UID = "11111111-2222-3333-4444-555555555555"
NOW = datetime(2025, 1, 1, 12, 0, tzinfo=UTC)

SPEC: dict[str, Any] = {
    "image": "example/flights:1",
    "job": {"entrypoint": "flights.job:build", "parallelism": 2},
    "checkpoints": {"interval": "10s"},
    "storage": {"checkpoints": "s3://weir/checkpoints", "savepoints": "s3://weir/savepoints"},
}


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """A JSON merge patch, applied."""
    result = dict(base)
    for key, value in change.items():
        if isinstance(value, dict):
            present = result.get(key)
            result[key] = merged(present if isinstance(present, dict) else {}, value)
        elif value is None:
            result.pop(key, None)
        else:
            result[key] = value
    return result


def stream_job(
    status: StreamJobStatus | None = None,
    *,
    generation: int = 1,
    finalizers: tuple[str, ...] = ("weir.dev/job",),
    deleted: datetime | None = None,
    **change: Any,
) -> StreamJob:
    """The job of the tests with a change of its spec."""
    metadata: dict[str, Any] = {
        "name": "flights",
        "namespace": "ns",
        "uid": UID,
        "generation": generation,
        "finalizers": finalizers,
    }
    if deleted is not None:
        metadata["deletionTimestamp"] = deleted.isoformat()
    job = StreamJob.of({"metadata": metadata, "spec": merged(SPEC, change)})
    return job if status is None else job.model_copy(update={"status": status})

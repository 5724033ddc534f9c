"""The report for the operator. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from msgspec import structs

from weir.checkpoint.history import CheckpointStats, Kept
from weir.config.options import MAX_PARALLELISM, TASK_SLOTS
from weir.errors import FailureKind
from weir.ids import CheckpointId, TaskManagerId, WorkerId
from weir.jobmanager.checkpoints.facts import CheckpointFacts
from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.operations import Operation
from weir.jobmanager.planning import PlannedJob
from weir.jobmanager.rest.models import report as models
from weir.jobmanager.rest.views.slow_edge import slow_edge, told
from weir.rpc.requests import CertificateSlot, CheckpointSummary, FailureRecord, JobStatus, TaskManagerStatus

_CLASSES: Final = {
    FailureKind.USER: models.FailureClass.USER,
    FailureKind.STORAGE: models.FailureClass.STORAGE,
    FailureKind.CHECKPOINT: models.FailureClass.STORAGE,
    FailureKind.WORKER_LOST: models.FailureClass.INFRASTRUCTURE,
    FailureKind.DISK: models.FailureClass.INFRASTRUCTURE,
    FailureKind.CORRUPTION: models.FailureClass.INFRASTRUCTURE,
    FailureKind.ENGINE: models.FailureClass.INFRASTRUCTURE,
}
#: Newest requests and failures that are told, and characters of their texts: the answer stays small.
_REQUESTS: Final = 20
_FAILURES: Final = 10
_TEXT: Final = 4000


def report(job: JobFacts, cluster: ClusterFacts) -> models.Report:
    """Everything about ``job`` at this moment."""
    status, control = job.status, job.control
    position = control.position
    present = [manager for manager in cluster.task_managers if not manager.lost]
    required = None if job.planned is None else status.slots_required
    made = models.Report(
        run=int(cluster.run) if cluster.run.isascii() and cluster.run.isdigit() else None,
        instance=cluster.instance,
        job_id=status.job_id,
        name=status.name,
        namespace=job.spec.namespace,
        state=status.state.value,
        epoch=status.epoch if position is None else position.epoch,
        tail=None if position is None else position.tail,
        ending=control.ending,
        parallelism=None if job.planned is None else status.parallelism,
        max_parallelism=_setting(job.planned, MAX_PARALLELISM.key, job.spec.max_parallelism),
        slots_required=required,
        slots_available=status.slots_available,
        task_managers_required=None if required is None else math.ceil(required / _slots_each(job, present)),
        task_managers=tuple(sorted(map(_host, present))),
        idle_task_managers=_idle(status, present),
        running_since_ms=control.running_since_ms,
        failures=tuple(_failure(record, cluster) for record in status.failures[-_FAILURES:]),
        restarts=status.restarts,
        start_refused=None
        if control.refused is None
        else models.Refused(expected=control.refused.expected, found=control.refused.found),
        restore_blocked=None
        if control.blocked is None
        else models.Blocked(reason=str(control.blocked)[:_TEXT], choices=control.blocked.choices),
        skipped=tuple(
            models.SkippedSnapshot(path=passed.uri, reason=passed.reason[:_TEXT])
            for passed in control.skipped[-_FAILURES:]
        ),
        standby=models.Standby(ready=_ready(job)) if control.stands_by else None,
        slow_edge=told(slow_edge(status.vertices)),
        waiting_for_storage=control.waiting[:_TEXT],
        requests=tuple(_request(asked, job.checkpoints) for asked in control.requests[-_REQUESTS:]),
        certificates=tuple(_certificates(slot, present) for slot in cluster.certificates),
        notes=status.notes,
    )
    return structs.replace(made, **_snapshots(job))


def _certificates(slot: CertificateSlot, present: list[TaskManagerStatus]) -> models.Certificates:
    return models.Certificates(
        slot=slot.name,
        not_before_ms=slot.not_before_ms,
        not_after_ms=slot.not_after_ms,
        everywhere=all(slot.authority in manager.authorities for manager in present),
    )


def _idle(job: JobStatus, present: list[TaskManagerStatus]) -> tuple[str, ...]:
    """By host; where several share one, and work is in any of them, it is not idle."""
    placed = {task.worker for vertex in job.vertices for task in vertex.tasks}
    busy = {_host(manager) for manager in present if any(info.worker in placed for info in manager.workers)}
    return tuple(sorted({_host(manager) for manager in present} - busy))


def _host(manager: TaskManagerStatus) -> str:
    return manager.host or manager.id


def _ready(job: JobFacts) -> bool:
    return job.planned is not None and job.status.slots_available >= job.status.slots_required


def _setting(planned: PlannedJob | None, key: str, default: int) -> int:
    return default if planned is None else int(planned.settings.get(key, default))


def _slots_each(job: JobFacts, present: list[TaskManagerStatus]) -> int:
    """What the resource says, for it says how TaskManagers are made; else what those that came have."""
    said = job.spec.overrides.get(TASK_SLOTS.key)
    if said is not None:
        return int(said)
    return max((manager.slots for manager in present), default=TASK_SLOTS.default)


def _snapshots(job: JobFacts) -> dict[str, Any]:
    """The fields about snapshots."""
    facts, position = job.checkpoints, job.control.position
    kept = job.control.kept if facts is None else facts.kept
    retained = tuple(_kept(number, found) for number, found in kept.items() if found.path)
    saved = None if position is None or position.savepoint is None else _kept(None, position.savepoint)
    found = {"retained": retained, "last_checkpoint": retained[-1] if retained else None}
    if facts is None:
        return {**found, "last_savepoint": saved}
    return {
        **found,
        "restored": None if facts.restored is None else _restored(facts.restored.summary, kept),
        "last_savepoint": _taken(facts.latest_savepoint) or saved,
        "failed_checkpoints": facts.failed_in_row,
    }


def _kept(number: CheckpointId | None, kept: Kept) -> models.Snapshot:
    return models.Snapshot(id=number, path=kept.path, completed_at_ms=kept.completed_ms, bytes=kept.size)


def _restored(summary: CheckpointSummary, kept: Mapping[CheckpointId, Kept]) -> models.Snapshot | None:
    """When it was completed is in the log; what lies elsewhere tells only when it was triggered."""
    if summary.path is None:
        return None
    known = None if summary.external else kept.get(summary.id)
    completed_ms = summary.completed_at_ms if known is None else known.completed_ms
    return models.Snapshot(
        id=summary.id, path=summary.path, completed_at_ms=completed_ms, bytes=summary.bytes
    )


def _taken(stats: CheckpointStats | None) -> models.Snapshot | None:
    if stats is None or not stats.path:
        return None
    return models.Snapshot(
        id=stats.checkpoint_id, path=stats.path, completed_at_ms=stats.ended_ms, bytes=stats.size
    )


def _failure(record: FailureRecord, cluster: ClusterFacts) -> models.ReportedFailure:
    failure = record.failure
    return models.ReportedFailure(
        failure_class=_CLASSES[failure.kind],
        fingerprint=failure.fingerprint,
        message=failure.message[-_TEXT:],
        at_ms=record.at_ms,
        operator=failure.operator,
        traceback=failure.traceback[-_TEXT:],
        task_manager=None if failure.worker is None else _host_of(failure.worker, cluster),
    )


def _host_of(worker: WorkerId, cluster: ClusterFacts) -> str:
    """Of a worker that may be gone, and its TaskManager with it."""
    name = TaskManagerId(worker.rpartition("-")[0])
    known = {manager.id: manager.host for manager in cluster.task_managers}
    return known.get(name) or name.rpartition("-")[0] or name


def _request(asked: Operation, facts: CheckpointFacts | None) -> models.ReportedRequest:
    state = models.RequestState.IN_PROGRESS
    if asked.done:
        state = models.RequestState.COMPLETED if asked.failure is None else models.RequestState.FAILED
    return models.ReportedRequest(
        trigger=asked.trigger,
        kind=asked.kind.value,
        state=state,
        snapshot=_snapshot_of(asked, facts) if asked.path else None,
        failure=None if asked.failure is None else asked.failure[:_TEXT],
        started_at_ms=asked.began_ms,
    )


def _snapshot_of(asked: Operation, facts: CheckpointFacts | None) -> models.Snapshot:
    sizes: dict[CheckpointId, int] = {}
    if facts is not None:
        sizes = {stats.checkpoint_id: stats.size for stats in facts.recent}
    size = None if asked.checkpoint is None else sizes.get(asked.checkpoint)
    return models.Snapshot(
        id=asked.checkpoint, path=asked.path or "", completed_at_ms=asked.ended_ms, bytes=size
    )

"""The cluster and its TaskManagers as REST shows them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from weir.config import OPTIONS, Layer, explain
from weir.jobmanager.facts import ClusterFacts
from weir.jobmanager.rest.models import cluster as models
from weir.rpc.requests import JobState, TaskManagerStatus

#: The release of Flink whose REST this is; clients choose field names by it.
FLINK_API: Final = "2.0"
_REFRESH_MS: Final = 3000
_RUNNING: Final = frozenset(JobState) - {JobState.FINISHED, JobState.CANCELED, JobState.FAILED}


def overview(cluster: ClusterFacts) -> models.Overview:
    """Counts of everything."""
    states = [job.status.state for job in cluster.jobs]
    present = [status for status in cluster.task_managers if not status.lost]
    return models.Overview(
        taskmanagers=len(present),
        slots_total=sum(status.slots for status in present),
        slots_available=sum(status.free for status in present),
        jobs_running=sum(state in _RUNNING for state in states),
        jobs_finished=states.count(JobState.FINISHED),
        jobs_cancelled=states.count(JobState.CANCELED),
        jobs_failed=states.count(JobState.FAILED),
        flink_version=FLINK_API,
        flink_commit="weir",
        weir_version=cluster.version,
    )


def dashboard(cluster: ClusterFacts) -> models.DashboardConfiguration:
    """What a dashboard asks first."""
    return models.DashboardConfiguration(
        refresh_interval=_REFRESH_MS,
        timezone_name="Coordinated Universal Time",
        timezone_offset=0,
        flink_version=FLINK_API,
        flink_revision=f"weir {cluster.version}",
        features=models.Features(),
        weir_version=cluster.version,
    )


def task_manager(status: TaskManagerStatus, cluster: ClusterFacts) -> models.TaskManagerDetails:
    """One TaskManager, with the slots that jobs have."""
    own = {info.worker for info in status.workers}
    held = sorted(
        (worker, job.status.job_id)
        for job in cluster.jobs
        if not job.status.state.is_settled
        for worker in {task.worker for vertex in job.status.vertices for task in vertex.tasks}
        if worker in own
    )
    slots = tuple(models.AllocatedSlot(job_id=job_id) for _, job_id in held)
    return models.TaskManagerDetails(**_task_manager(status, cluster), allocated_slots=slots)


def _task_manager(status: TaskManagerStatus, cluster: ClusterFacts) -> dict[str, Any]:
    first = status.workers[0].data_address if status.workers else ""
    port = first.rpartition(":")[2]
    return {
        "id": status.id,
        "path": first or status.id,
        "data_port": int(port) if port.isdigit() else -1,
        "time_since_last_heartbeat": cluster.now_ms - status.silent_ms,
        "slots_number": status.slots,
        "free_slots": status.free,
        "pid": status.pid,
        "lost": status.lost,
        "workers": tuple(
            models.Worker(id=info.worker, slot=info.slot, pid=info.pid, data_address=info.data_address)
            for info in status.workers
        ),
    }


def task_managers(cluster: ClusterFacts) -> models.TaskManagers:
    """All that are registered."""
    present = (status for status in cluster.task_managers if not status.lost)
    return models.TaskManagers(
        taskmanagers=tuple(models.TaskManager(**_task_manager(status, cluster)) for status in present)
    )


def configuration(layers: Iterable[Layer]) -> tuple[models.ConfigurationEntry, ...]:
    """Every setting as it holds for this process."""
    layers = tuple(layers)
    found = (explain(key, layers) for key in OPTIONS)
    return tuple(
        models.ConfigurationEntry(key=key, value=entry.value, origin=entry.origin.value, place=entry.place)
        for key, entry in zip(OPTIONS, found, strict=True)
    )

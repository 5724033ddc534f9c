"""Flink's metrics by their names, of a job, a subtask and the cluster; and how they are asked for. Pure.

The one place where these names are spelled. A metric that cannot be known now is not in the answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.rescales.rescale_history import RescaleState
from weir.jobmanager.rest.models.cluster import AggregatedMetric, Metric
from weir.jobmanager.rest.views.vertices import LOW, NO_WATERMARK, watermark_of
from weir.rpc.requests import JobState, TaskManagerStatus, TaskState, TaskStatus, VertexStatus

Value = int | float | str
_NONE: Final = -1


def of_cluster(cluster: ClusterFacts) -> dict[str, Value]:
    """Of the JobManager."""
    present = [status for status in cluster.task_managers if not status.lost]
    return {
        "numRegisteredTaskManagers": len(present),
        "taskSlotsTotal": sum(status.slots for status in present),
        "taskSlotsAvailable": sum(status.free for status in present),
        "numRunningJobs": sum(job.status.state is JobState.RUNNING for job in cluster.jobs),
    }


def of_task_manager(status: TaskManagerStatus) -> dict[str, Value]:
    """Of one TaskManager, as far as the JobManager knows it."""
    return {
        "taskSlotsTotal": status.slots,
        "taskSlotsAvailable": status.free,
        "numWorkers": len(status.workers),
        "lastHeartbeatMs": status.silent_ms,
    }


#: Flink's names of the time in a state: now, and all times together with ``Total`` behind.
_STATE_TIMES: Final = {
    JobState.CREATED: "creatingTime",
    JobState.RUNNING: "runningTime",
    JobState.RESTARTING: "restartingTime",
    JobState.FAILING: "failingTime",
    JobState.CANCELLING: "cancellingTime",
}


def of_job(job: JobFacts, now_ms: int) -> dict[str, Value]:
    """Of a job: its life, and its checkpoints."""
    status = job.status
    found: dict[str, Value] = {
        "numRestarts": status.restarts,
        "fullRestarts": status.restarts,
        "numRescales": job.rescales.counts.get(RescaleState.COMPLETED, 0),
    }
    for state, name in _STATE_TIMES.items():
        current = max(0, now_ms - job.entered[state]) if status.state is state else 0
        found |= {name: current, f"{name}Total": job.spent.get(state, 0) + current}
    found["uptime"] = found["runningTime"]
    checkpoints = job.checkpoints
    if checkpoints is None:
        return found
    last = checkpoints.latest_completed
    restored = checkpoints.restored
    return found | {
        "totalNumberOfCheckpoints": checkpoints.counts.triggered,
        "numberOfCompletedCheckpoints": checkpoints.counts.completed,
        "numberOfFailedCheckpoints": checkpoints.counts.failed,
        "numberOfInProgressCheckpoints": len(checkpoints.in_progress),
        "lastCompletedCheckpointId": _NONE if last is None else last.checkpoint_id,
        "lastCheckpointDuration": _NONE if last is None else last.ended_ms - last.triggered_ms,
        "lastCheckpointSize": _NONE if last is None else last.size,
        "lastCheckpointFullSize": _NONE if last is None else last.size,
        "lastCheckpointCompletedTimestamp": _NONE if last is None else last.ended_ms,
        "lastCheckpointExternalPath": "n/a" if last is None else last.path or "n/a",
        "lastCheckpointRestoreTimestamp": _NONE if restored is None else restored.at_ms,
    }


def of_subtask(task: TaskStatus, job: JobFacts, vertex: VertexStatus) -> dict[str, Value]:
    """Of one subtask in the current attempt."""
    found: dict[str, Value] = {
        "numRecordsIn": task.records_in,
        "numRecordsOut": task.records_out,
        "numBytesIn": task.bytes_in,
        "numBytesOut": task.bytes_out,
        "accumulateBusyTimeMs": task.busy_ms,
        "accumulateIdleTimeMs": task.idle_ms,
        "accumulateBackPressuredTimeMs": task.backpressured_ms,
        "currentInputWatermark": watermark_of(task),
        "queuedInputBytes": task.queued_bytes,
    }
    found |= _gauges(task)
    rates = task.rates
    if rates is not None:
        found |= {
            "numRecordsInPerSecond": rates.records_in,
            "numRecordsOutPerSecond": rates.records_out,
            "numBytesInPerSecond": rates.bytes_in,
            "numBytesOutPerSecond": rates.bytes_out,
            "busyTimeMsPerSecond": rates.busy_ms,
            "idleTimeMsPerSecond": rates.idle_ms,
            "backPressuredTimeMsPerSecond": rates.backpressured_ms,
            "isBackPressured": str(rates.backpressured_ms / 1000 > LOW).lower(),
        }
    return found | _last_checkpoint(task, job, vertex)


def _gauges(task: TaskStatus) -> dict[str, Value]:
    gauges = task.gauges
    sent = gauges.output_watermark
    found: dict[str, Value] = {
        "inPoolUsage": gauges.input_used,
        "outPoolUsage": gauges.output_used,
        "currentOutputWatermark": NO_WATERMARK if sent is None else sent,
        "mailboxQueueSize": gauges.mailbox_size,
        "mailboxLatencyMs": gauges.mailbox_latency_ms,
        "numFiredTimers": gauges.timers_fired,
        "numLateRecordsDropped": gauges.late_dropped,
        "numDeadLetters": gauges.dead_letters,
        "debloatedBufferSize": gauges.window_bytes,
    }
    began, ran = task.entered.get(TaskState.INITIALIZING), task.entered.get(TaskState.RUNNING)
    if began is not None and ran is not None:
        found["initializationTime"] = max(0, ran - began)
    if gauges.emit_lag_ms is not None:
        found["currentEmitEventTimeLag"] = gauges.emit_lag_ms
    if gauges.pending_records is not None:
        found["pendingRecords"] = gauges.pending_records
    if gauges.pending_bytes is not None:
        found["pendingBytes"] = gauges.pending_bytes
    return found


def _last_checkpoint(task: TaskStatus, job: JobFacts, vertex: VertexStatus) -> dict[str, Value]:
    last = None if job.checkpoints is None else job.checkpoints.latest_completed
    if last is None:
        return {}
    found = next((a for s, a in last.acks.items() if s == (vertex.id, task.index)), None)
    if found is None:
        return {}
    nanoseconds = 1_000_000
    return {
        "checkpointAlignmentTime": found.alignment_ms * nanoseconds,
        "checkpointStartDelayNanos": found.start_delay_ms * nanoseconds,
    }


def of_vertex(vertex: VertexStatus, job: JobFacts) -> dict[str, Value]:
    """Of each subtask, with its index in front of each name."""
    return {
        f"{task.index}.{name}": value
        for task in vertex.tasks
        for name, value in of_subtask(task, job, vertex).items()
    }


def asked(metrics: Mapping[str, Value], get: str | None) -> tuple[Metric, ...]:
    """All names, or the values of those named in ``get`` (comma-separated) that exist."""
    if not get:
        return tuple(Metric(id=name) for name in metrics)
    return tuple(Metric(id=name, value=str(metrics[name])) for name in get.split(",") if name in metrics)


def aggregated(
    metrics: Iterable[Mapping[str, Value]], get: str | None, modes: str | None
) -> tuple[AggregatedMetric, ...]:
    """Over several subtasks: names alone, or ``min``, ``max``, ``avg``, ``sum`` as ``modes`` says (default all)."""
    gathered: dict[str, list[float]] = {}
    for each in metrics:
        for name, value in each.items():
            if not isinstance(value, str):
                gathered.setdefault(name, []).append(float(value))
    if not get:
        return tuple(AggregatedMetric(id=name) for name in gathered)
    wanted = set((modes or "min,max,avg,sum").lower().split(","))
    return tuple(_aggregate(name, gathered[name], wanted) for name in get.split(",") if name in gathered)


def _aggregate(name: str, values: list[float], wanted: set[str]) -> AggregatedMetric:
    total = sum(values)
    return AggregatedMetric(
        id=name,
        min=min(values) if "min" in wanted else None,
        max=max(values) if "max" in wanted else None,
        avg=total / len(values) if "avg" in wanted else None,
        sum=total if "sum" in wanted else None,
    )

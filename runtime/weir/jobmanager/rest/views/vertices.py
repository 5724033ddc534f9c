"""One vertex and its subtasks as REST shows them: details, times, back pressure, watermarks. Pure."""

from __future__ import annotations

from typing import Final

from weir.ids import WorkerId
from weir.jobmanager.facts import ClusterFacts
from weir.jobmanager.rest.models import vertices as models
from weir.jobmanager.rest.models.cluster import Metric
from weir.jobmanager.rest.views.jobs import aggregate_state, count_states, io_metrics
from weir.jobmanager.rest.views.times import joint_span, state_durations, task_span
from weir.rpc.requests import TaskStatus, VertexStatus

#: Shares of back-pressured time from which Flink calls it low, and high.
LOW: Final = 0.1
HIGH: Final = 0.5
#: What Flink shows where no watermark came yet.
NO_WATERMARK: Final = -(2**63)
_LEVELS: Final = ("ok", "low", "high")


class Placement:
    """Where each worker is: the TaskManager that it belongs to, and its address."""

    def __init__(self, cluster: ClusterFacts) -> None:
        self._homes = {
            info.worker: (status.id, info.data_address)
            for status in cluster.task_managers
            for info in status.workers
        }

    def task_manager(self, worker: WorkerId | None) -> str | None:
        """``None``: the worker is gone."""
        return self._homes[worker][0] if worker in self._homes else None

    def address(self, worker: WorkerId | None) -> str | None:
        """``None``: the worker is gone."""
        return self._homes[worker][1] if worker in self._homes else None


def details(vertex: VertexStatus, cluster: ClusterFacts) -> models.VertexDetails:
    """The vertex with each of its subtasks."""
    placement = Placement(cluster)
    return models.VertexDetails(
        id=vertex.id,
        name=vertex.name,
        parallelism=vertex.parallelism,
        max_parallelism=vertex.max_parallelism,
        now=cluster.now_ms,
        subtasks=tuple(subtask(task, placement, cluster.now_ms) for task in vertex.tasks),
        aggregated=_aggregated(vertex.tasks, cluster.now_ms),
    )


def subtask(task: TaskStatus, placement: Placement, now_ms: int) -> models.SubtaskDetails:
    """One subtask in the current attempt; attempts count from 0, as in Flink."""
    span = task_span(task, now_ms)
    address = placement.address(task.worker)
    return models.SubtaskDetails(
        subtask=task.index,
        status=task.state.value,
        attempt=max(0, task.attempt - 1),
        host=address,
        endpoint=address,
        start_time=span.start,
        end_time=span.end,
        duration=span.duration,
        metrics=io_metrics((task,)),
        task_manager=placement.task_manager(task.worker),
        status_duration=state_durations(task.entered, task.state, now_ms),
        worker=task.worker,
        watermark=task.watermark,
    )


def times(vertex: VertexStatus, cluster: ClusterFacts) -> models.SubtaskTimes:
    """When each subtask entered its states."""
    placement = Placement(cluster)
    return models.SubtaskTimes(
        id=vertex.id,
        name=vertex.name,
        now=cluster.now_ms,
        subtasks=tuple(
            models.SubtaskTime(
                subtask=task.index,
                host=placement.address(task.worker),
                endpoint=placement.address(task.worker),
                duration=task_span(task, cluster.now_ms).duration,
                timestamps={state.value: at for state, at in task.entered.items()},
            )
            for task in vertex.tasks
        ),
    )


def task_managers(vertex: VertexStatus, cluster: ClusterFacts) -> models.VertexTaskManagers:
    """The vertex's subtasks by TaskManager."""
    placement = Placement(cluster)
    by_home: dict[str, list[TaskStatus]] = {}
    for task in vertex.tasks:
        by_home.setdefault(placement.task_manager(task.worker) or "(unassigned)", []).append(task)
    return models.VertexTaskManagers(
        id=vertex.id,
        name=vertex.name,
        now=cluster.now_ms,
        taskmanagers=tuple(
            _in_task_manager(home, tuple(tasks), placement, cluster.now_ms) for home, tasks in by_home.items()
        ),
    )


def _in_task_manager(
    home: str, tasks: tuple[TaskStatus, ...], placement: Placement, now_ms: int
) -> models.VertexTaskManager:
    span = joint_span([task_span(task, now_ms) for task in tasks], now_ms)
    address = placement.address(tasks[0].worker) or home
    return models.VertexTaskManager(
        host=address,
        endpoint=address,
        status=aggregate_state(tasks),
        start_time=span.start,
        end_time=span.end,
        duration=span.duration,
        metrics=io_metrics(tasks),
        status_counts=count_states(task.state.value for task in tasks),
        taskmanager_id=home,
        aggregated=_aggregated(tasks, now_ms),
    )


def _aggregated(tasks: tuple[TaskStatus, ...], now_ms: int) -> models.Aggregated:
    figures = {
        "read-bytes": [task.bytes_in for task in tasks],
        "write-bytes": [task.bytes_out for task in tasks],
        "read-records": [task.records_in for task in tasks],
        "write-records": [task.records_out for task in tasks],
        "accumulated-backpressured-time": [task.backpressured_ms for task in tasks],
        "accumulated-idle-time": [task.idle_ms for task in tasks],
        "accumulated-busy-time": [task.busy_ms for task in tasks],
    }
    durations: dict[str, list[int]] = {}
    for task in tasks:
        for state, milliseconds in state_durations(task.entered, task.state, now_ms).items():
            durations.setdefault(state, []).append(milliseconds)
    return models.Aggregated(
        metrics={name: _spread(values) for name, values in figures.items()},
        status_duration={state: _spread(values) for state, values in durations.items()},
    )


def _spread(values: list[int]) -> dict[str, int]:
    total = sum(values)
    return {"min": min(values), "max": max(values), "avg": total // len(values), "sum": total}


def back_pressure(vertex: VertexStatus, now_ms: int) -> models.BackPressure:
    """How much of its time each subtask could not go on because of those after it."""
    rated = [(task, task.rates) for task in vertex.tasks if task.rates is not None]
    if not rated:
        return models.BackPressure(
            status="deprecated", level=None, old_level=None, end_timestamp=None, subtasks=()
        )
    subtasks = tuple(
        models.SubtaskBackPressure(
            subtask=task.index,
            attempt_number=max(0, task.attempt - 1),
            level=level(rates.backpressured_ms / 1000),
            old_level=level(rates.backpressured_ms / 1000),
            ratio=rates.backpressured_ms / 1000,
            idle_ratio=rates.idle_ms / 1000,
            busy_ratio=rates.busy_ms / 1000,
        )
        for task, rates in rated
    )
    worst = max(subtasks, key=lambda each: each.ratio).level
    return models.BackPressure(
        status="ok", level=worst, old_level=worst, end_timestamp=now_ms, subtasks=subtasks
    )


def level(ratio: float) -> str:
    """Flink's words."""
    return _LEVELS[(ratio > LOW) + (ratio > HIGH)]


def watermarks(vertex: VertexStatus) -> tuple[Metric, ...]:
    """The input watermark of each subtask, event-time milliseconds."""
    return tuple(
        Metric(id=f"{task.index}.currentInputWatermark", value=str(watermark_of(task)))
        for task in vertex.tasks
    )


def watermark_of(task: TaskStatus) -> int:
    """Flink's number for none, where there is none."""
    return NO_WATERMARK if task.watermark is None else task.watermark

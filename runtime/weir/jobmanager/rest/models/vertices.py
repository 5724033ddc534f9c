"""Answers about one vertex and its subtasks. Times are wall milliseconds, -1 while there is none."""

from __future__ import annotations

import msgspec

from weir.jobmanager.rest.models.jobs import IoMetrics


class SubtaskDetails(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/vertices/:vid/subtasks/:index``, and one of the vertex's subtasks."""

    subtask: int
    status: str
    attempt: int
    host: str | None
    endpoint: str | None
    start_time: int = msgspec.field(name="start-time")
    end_time: int = msgspec.field(name="end-time")
    duration: int
    metrics: IoMetrics
    task_manager: str | None = msgspec.field(name="taskmanager-id")
    status_duration: dict[str, int] = msgspec.field(name="status-duration")
    other_attempts: tuple[SubtaskDetails, ...] | None = msgspec.field(
        name="other-concurrent-attempts", default=None
    )
    worker: str | None
    watermark: int | None


class Aggregated(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Figures over all subtasks: by figure, then ``min``, ``max``, ``avg``, ``sum``."""

    metrics: dict[str, dict[str, int]]
    status_duration: dict[str, dict[str, int]]


class VertexDetails(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``/jobs/:id/vertices/:vid``."""

    id: str
    name: str
    parallelism: int
    max_parallelism: int
    now: int
    subtasks: tuple[SubtaskDetails, ...]
    aggregated: Aggregated


class SubtaskTime(msgspec.Struct, frozen=True, kw_only=True):
    """When a subtask entered its states."""

    subtask: int
    host: str | None
    endpoint: str | None
    duration: int
    timestamps: dict[str, int]


class SubtaskTimes(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/vertices/:vid/subtasktimes``."""

    id: str
    name: str
    now: int
    subtasks: tuple[SubtaskTime, ...]


class VertexTaskManager(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """The subtasks of a vertex in one TaskManager."""

    host: str
    endpoint: str
    status: str
    start_time: int
    end_time: int
    duration: int
    metrics: IoMetrics
    status_counts: dict[str, int]
    taskmanager_id: str
    aggregated: Aggregated


class VertexTaskManagers(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/vertices/:vid/taskmanagers``."""

    id: str
    name: str
    now: int
    taskmanagers: tuple[VertexTaskManager, ...]


class SubtaskBackPressure(msgspec.Struct, frozen=True, kw_only=True):
    """Shares of the last seconds, from 0 to 1."""

    subtask: int
    attempt_number: int = msgspec.field(name="attempt-number")
    level: str = msgspec.field(name="backpressureLevel")
    old_level: str = msgspec.field(name="backpressure-level")
    ratio: float
    idle_ratio: float = msgspec.field(name="idleRatio")
    busy_ratio: float = msgspec.field(name="busyRatio")


class BackPressure(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobs/:id/vertices/:vid/backpressure``; ``deprecated`` is Flink's word for: no figures now."""

    status: str
    level: str | None = msgspec.field(name="backpressureLevel")
    old_level: str | None = msgspec.field(name="backpressure-level")
    end_timestamp: int | None = msgspec.field(name="end-timestamp")
    subtasks: tuple[SubtaskBackPressure, ...]


class FlameNode(msgspec.Struct, frozen=True, kw_only=True):
    """One call, how often it was seen, and what it called."""

    name: str
    value: int
    children: tuple[FlameNode, ...]


class FlameGraph(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``/jobs/:id/vertices/:vid/flamegraph``; no data while samples are being taken."""

    end_timestamp: int
    data: FlameNode | None

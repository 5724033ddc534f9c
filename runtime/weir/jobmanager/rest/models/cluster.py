"""Answers about the cluster: overview, dashboard configuration, TaskManagers, settings, single metrics."""

from __future__ import annotations

import msgspec


class Overview(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """``/overview``."""

    taskmanagers: int
    slots_total: int
    slots_available: int
    jobs_running: int
    jobs_finished: int
    jobs_cancelled: int
    jobs_failed: int
    flink_version: str
    flink_commit: str
    weir_version: str


class Features(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """What a dashboard may offer."""

    web_submit: bool = False
    web_cancel: bool = True
    web_rescale: bool = False
    web_history: bool = False


class DashboardConfiguration(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """``/config``."""

    refresh_interval: int  #: milliseconds
    timezone_name: str
    timezone_offset: int  #: milliseconds
    flink_version: str
    flink_revision: str
    features: Features
    weir_version: str


class Hardware(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """-1: not known to the JobManager."""

    cpu_cores: int = -1
    physical_memory: int = -1
    free_memory: int = -1
    managed_memory: int = -1


class ResourceProfile(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """-1: a slot is a worker process, and what it may use is not known to the JobManager."""

    cpu_cores: float = -1.0
    task_heap_memory: int = -1
    task_off_heap_memory: int = -1
    managed_memory: int = -1
    network_memory: int = -1
    extended_resources: dict[str, float] = {}


class MemoryConfiguration(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """-1: memory is not divided so here."""

    framework_heap: int = -1
    task_heap: int = -1
    framework_off_heap: int = -1
    task_off_heap: int = -1
    network_memory: int = -1
    managed_memory: int = -1
    jvm_metaspace: int = -1
    jvm_overhead: int = -1
    total_flink_memory: int = -1
    total_process_memory: int = -1


class ProcessMetrics(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Figures of a JVM, which there is none here: -1."""

    heap_used: int = -1
    heap_committed: int = -1
    heap_max: int = -1
    non_heap_used: int = -1
    non_heap_committed: int = -1
    non_heap_max: int = -1
    direct_count: int = -1
    direct_used: int = -1
    direct_max: int = -1
    mapped_count: int = -1
    mapped_used: int = -1
    mapped_max: int = -1
    memory_segments_available: int = -1
    memory_segments_total: int = -1
    netty_shuffle_memory_segments_available: int = -1
    netty_shuffle_memory_segments_used: int = -1
    netty_shuffle_memory_segments_total: int = -1
    netty_shuffle_memory_available: int = -1
    netty_shuffle_memory_used: int = -1
    netty_shuffle_memory_total: int = -1
    garbage_collectors: tuple[str, ...] = ()


class AllocatedSlot(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A slot that a job has."""

    job_id: str
    resource: ResourceProfile = ResourceProfile()


class Worker(msgspec.Struct, frozen=True, kw_only=True):
    """One worker process of a TaskManager; Weir's own."""

    id: str
    slot: int
    pid: int
    data_address: str = msgspec.field(name="dataAddress")


class TaskManager(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One of ``/taskmanagers``."""

    id: str
    path: str
    data_port: int
    jmx_port: int = -1
    time_since_last_heartbeat: int  #: wall time of the last one, milliseconds, as in Flink
    slots_number: int
    free_slots: int
    total_resource: ResourceProfile = ResourceProfile()
    free_resource: ResourceProfile = ResourceProfile()
    hardware: Hardware = Hardware()
    memory_configuration: MemoryConfiguration = MemoryConfiguration()
    blocked: bool = False
    pid: int
    lost: bool
    workers: tuple[Worker, ...] = ()


class TaskManagerDetails(TaskManager, frozen=True, kw_only=True, rename="camel"):
    """``/taskmanagers/:id``."""

    allocated_slots: tuple[AllocatedSlot, ...]
    metrics: ProcessMetrics = ProcessMetrics()


class TaskManagers(msgspec.Struct, frozen=True, kw_only=True):
    """``/taskmanagers``."""

    taskmanagers: tuple[TaskManager, ...]


class LogFile(msgspec.Struct, frozen=True, kw_only=True):
    """The log of a process, as if it were a file."""

    name: str
    size: int  #: bytes
    mtime: int  #: wall milliseconds


class Logs(msgspec.Struct, frozen=True, kw_only=True):
    """``/jobmanager/logs``, ``/taskmanagers/:id/logs``: one, or none while nothing was logged."""

    logs: tuple[LogFile, ...] = ()


class Jars(msgspec.Struct, frozen=True, kw_only=True):
    """``/jars``: there are none, and none can be uploaded."""

    address: str
    files: tuple[str, ...] = ()


class ThreadInfo(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thread and its stack, innermost call last."""

    thread_name: str
    stringified_thread_info: str


class ThreadDump(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``/jobmanager/thread-dump``."""

    thread_infos: tuple[ThreadInfo, ...]


class ConfigurationEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One setting: what holds, and who said so."""

    key: str
    value: str
    origin: str
    place: str = ""


class Metric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One metric; without a value where only names were asked for."""

    id: str
    value: str | None = None


class AggregatedMetric(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One metric over several subtasks."""

    id: str
    min: float | None = None
    max: float | None = None
    avg: float | None = None
    sum: float | None = None

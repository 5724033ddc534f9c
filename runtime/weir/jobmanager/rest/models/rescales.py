"""Answers about rescales. Times in wall milliseconds; ids of slot groups are their names."""

from __future__ import annotations

import msgspec

from weir.jobmanager.rest.models.checkpoints import StatsSummary
from weir.jobmanager.rest.models.cluster import ResourceProfile


class RescalesCounts(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Since this JobManager took over the job."""

    ignored: int
    in_progress: int
    completed: int
    failed: int


class VertexRescale(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One vertex in one rescale."""

    job_vertex_id: str
    job_vertex_name: str
    slot_sharing_group_id: str
    slot_sharing_group_name: str
    desired_parallelism: int
    sufficient_parallelism: int
    pre_rescale_parallelism: int
    post_rescale_parallelism: int | None


class SlotGroupRescale(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The slots of one sharing group in one rescale."""

    slot_sharing_group_id: str
    slot_sharing_group_name: str
    request_resource_profile: ResourceProfile = ResourceProfile()
    desired_slots: int
    minimal_required_slots: int
    pre_rescale_slots: int
    post_rescale_slots: int | None
    acquired_resource_profile: ResourceProfile = ResourceProfile()


class SchedulerState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a rescale went through; here it is one stretch from its request to its end."""

    state: str
    enter_timestamp_in_millis: int
    leave_timestamp_in_millis: int | None
    duration_in_millis: int
    stringified_exception: str | None = None


class Rescale(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One rescale; ``post`` figures and the end are ``None`` while it is in progress, and where it failed."""

    rescale_uuid: str
    resource_requirements_uuid: str
    rescale_attempt_id: int
    vertices: dict[str, VertexRescale]
    slots: dict[str, SlotGroupRescale]
    scheduler_states: tuple[SchedulerState, ...]
    start_timestamp_in_millis: int
    end_timestamp_in_millis: int | None
    terminal_state: str | None
    trigger_cause: str = "UPDATE_REQUIREMENT"
    terminated_reason: str | None


class LatestRescales(msgspec.Struct, frozen=True, kw_only=True):
    """The newest of each kind."""

    completed: Rescale | None
    failed: Rescale | None
    ignored: Rescale | None


class RescalesOverview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``/jobs/:id/rescales/overview``."""

    rescales_counts: RescalesCounts
    latest: LatestRescales


class RescalesSummary(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """``/jobs/:id/rescales/summary``; over those that are remembered."""

    rescales_counts: RescalesCounts
    rescales_duration_stats_in_millis: StatsSummary
    completed_rescales_duration_stats_in_millis: StatsSummary
    ignored_rescales_duration_stats_in_millis: StatsSummary
    failed_rescales_duration_stats_in_millis: StatsSummary

"""A job's rescales as REST shows them: counts, the history, one of them, how long they took. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from weir.graph.physical import PhysicalVertex, VertexKind
from weir.jobmanager.facts import JobFacts
from weir.jobmanager.rescales.rescale_history import RescaleEntry, RescaleFacts, RescaleState
from weir.jobmanager.rest.models import rescales as models
from weir.jobmanager.rest.models.checkpoints import StatsSummary
from weir.jobmanager.rest.views.figures import summary as summary_of

#: Flink's words for why a rescale is over.
_REASONS: Final = {
    RescaleState.COMPLETED: "SUCCEEDED",
    RescaleState.FAILED: "EXCEPTION_OCCURRED",
    RescaleState.IGNORED: "NO_RESOURCES_OR_PARALLELISMS_CHANGE",
}


def overview(job: JobFacts, now_ms: int) -> models.RescalesOverview:
    """Counts, and the newest of each kind."""

    def latest(state: RescaleState) -> models.Rescale | None:
        entry = job.rescales.latest.get(state)
        return None if entry is None else rescale(entry, job, now_ms)

    return models.RescalesOverview(
        rescales_counts=_counts(job.rescales),
        latest=models.LatestRescales(
            completed=latest(RescaleState.COMPLETED),
            failed=latest(RescaleState.FAILED),
            ignored=latest(RescaleState.IGNORED),
        ),
    )


def history(job: JobFacts, now_ms: int) -> tuple[models.Rescale, ...]:
    """All that are remembered, newest first."""
    return tuple(rescale(entry, job, now_ms) for entry in reversed(job.rescales.entries))


def summary(job: JobFacts) -> models.RescalesSummary:
    """How long they took."""
    ended = [entry for entry in job.rescales.entries if entry.ended_ms is not None]
    return models.RescalesSummary(
        rescales_counts=_counts(job.rescales),
        rescales_duration_stats_in_millis=_durations(ended, RescaleState),
        completed_rescales_duration_stats_in_millis=_durations(ended, [RescaleState.COMPLETED]),
        ignored_rescales_duration_stats_in_millis=_durations(ended, [RescaleState.IGNORED]),
        failed_rescales_duration_stats_in_millis=_durations(ended, [RescaleState.FAILED]),
    )


def rescale(entry: RescaleEntry, job: JobFacts, now_ms: int) -> models.Rescale:
    """One of them."""
    over = entry.ended_ms is not None
    vertices = () if job.planned is None else job.planned.plan.vertices
    shown = {str(vertex.id): _vertex(vertex, entry) for vertex in vertices if vertex.id in entry.vertices}
    groups = sorted({each.slot_sharing_group_id for each in shown.values()})
    ended_ms = now_ms if entry.ended_ms is None else entry.ended_ms
    return models.Rescale(
        rescale_uuid=entry.trigger,
        resource_requirements_uuid=entry.trigger,
        rescale_attempt_id=entry.number,
        vertices=shown,
        slots={group: _group(group, shown.values()) for group in groups},
        scheduler_states=(
            models.SchedulerState(
                state="Executing",
                enter_timestamp_in_millis=entry.began_ms,
                leave_timestamp_in_millis=entry.ended_ms,
                duration_in_millis=ended_ms - entry.began_ms,
                stringified_exception=entry.failure,
            ),
        ),
        start_timestamp_in_millis=entry.began_ms,
        end_timestamp_in_millis=entry.ended_ms,
        terminal_state=entry.state.value if over else None,
        terminated_reason=_REASONS.get(entry.state),
    )


def _vertex(vertex: PhysicalVertex, entry: RescaleEntry) -> models.VertexRescale:
    before = entry.vertices[str(vertex.id)]
    # Enumerators stay one.
    wanted = before if vertex.kind is VertexKind.ENUMERATOR else entry.wanted
    changed = entry.state in (RescaleState.COMPLETED, RescaleState.IGNORED)
    return models.VertexRescale(
        job_vertex_id=vertex.id,
        job_vertex_name=vertex.name,
        slot_sharing_group_id=vertex.slot_group,
        slot_sharing_group_name=vertex.slot_group,
        desired_parallelism=wanted,
        sufficient_parallelism=wanted,
        pre_rescale_parallelism=before,
        post_rescale_parallelism=wanted if changed else None,
    )


def _group(name: str, vertices: Iterable[models.VertexRescale]) -> models.SlotGroupRescale:
    members = [vertex for vertex in vertices if vertex.slot_sharing_group_id == name]
    after = [vertex.post_rescale_parallelism for vertex in members]
    wanted = max(vertex.desired_parallelism for vertex in members)
    return models.SlotGroupRescale(
        slot_sharing_group_id=name,
        slot_sharing_group_name=name,
        desired_slots=wanted,
        minimal_required_slots=wanted,
        pre_rescale_slots=max(vertex.pre_rescale_parallelism for vertex in members),
        post_rescale_slots=max((count for count in after if count is not None), default=None),
    )


def _counts(facts: RescaleFacts) -> models.RescalesCounts:
    return models.RescalesCounts(
        ignored=facts.counts.get(RescaleState.IGNORED, 0),
        in_progress=facts.counts.get(RescaleState.IN_PROGRESS, 0),
        completed=facts.counts.get(RescaleState.COMPLETED, 0),
        failed=facts.counts.get(RescaleState.FAILED, 0),
    )


def _durations(ended: Iterable[RescaleEntry], states: Iterable[RescaleState]) -> StatsSummary:
    wanted = set(states)
    return summary_of(
        entry.ended_ms - entry.began_ms
        for entry in ended
        if entry.ended_ms is not None and entry.state in wanted
    )

"""What people are told about a job's checkpoints, as values: made by ``checkpointing``, shown by status and REST."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from weir.checkpoint.coordinator import CheckpointCoordinator
from weir.checkpoint.history import CheckpointStats, Counts, Figures, Kept
from weir.checkpoint.metadata import SnapshotKind
from weir.ids import CheckpointId
from weir.jobmanager.history.restoring import Restore
from weir.rpc.requests import CheckpointsStatus, CheckpointSummary


@dataclass(frozen=True)
class RestoreFacts:
    """The snapshot that the newest attempt started from."""

    summary: CheckpointSummary
    savepoint: bool
    at_ms: int  #: wall time at which the attempt ran


@dataclass(frozen=True)
class CheckpointFacts:
    """Everything about the checkpoints of one job since this JobManager took over."""

    counts: Counts
    in_progress: tuple[CheckpointStats, ...]  #: oldest first
    recent: tuple[CheckpointStats, ...]  #: those that ended, oldest first
    figures: tuple[Figures, ...]  #: of completed ones
    latest_completed: CheckpointStats | None
    latest_savepoint: CheckpointStats | None
    latest_failed: CheckpointStats | None
    #: Checkpoints that exist; the others of ``recent`` are subsumed.
    retained: frozenset[CheckpointId]
    restored: RestoreFacts | None
    restores: int
    #: What is known of the retained ones, oldest first.
    kept: Mapping[CheckpointId, Kept] = field(default_factory=dict)
    #: Periodic checkpoints that failed in a row.
    failed_in_row: int = 0


def checkpoint_facts(
    coordinator: CheckpointCoordinator, now: float, restored: RestoreFacts | None, restores: int
) -> CheckpointFacts:
    """``now``: monotonic seconds."""
    history = coordinator.history
    return CheckpointFacts(
        counts=replace(history.counts),
        in_progress=tuple(coordinator.in_progress(now)),
        recent=tuple(history.recent),
        figures=tuple(history.figures),
        latest_completed=history.latest_completed,
        latest_savepoint=history.latest_savepoint,
        latest_failed=history.latest_failed,
        retained=frozenset(coordinator.completed),
        restored=restored,
        restores=restores,
        kept=dict(history.kept),
        failed_in_row=coordinator.failures,
    )


def restore_facts(restore: Restore | None, at_ms: int) -> RestoreFacts | None:
    """What is told about the snapshot that an attempt started from."""
    if restore is None:
        return None
    metadata = restore.metadata
    summary = CheckpointSummary(
        id=metadata.checkpoint_id,
        path=restore.uri,
        duration_ms=0,
        bytes=metadata.size,
        completed_at_ms=metadata.triggered_ms,
        external=not restore.own,
    )
    return RestoreFacts(summary, metadata.kind is SnapshotKind.SAVEPOINT, at_ms)


def checkpoints_status(facts: CheckpointFacts, *, enabled: bool) -> CheckpointsStatus:
    """Counts, the newest completed one, and where the job was restored from."""
    last = facts.latest_completed
    return CheckpointsStatus(
        enabled=enabled,
        completed=facts.counts.completed,
        failed=facts.counts.failed,
        in_progress=len(facts.in_progress),
        last=None if last is None else _summary(last),
        restored=None if facts.restored is None else facts.restored.summary,
        last_failure=facts.latest_failed.message if facts.latest_failed else None,
    )


def stats_by_id(facts: CheckpointFacts) -> Iterable[CheckpointStats]:
    """All that are remembered, newest first."""
    found = {stats.checkpoint_id: stats for stats in (*facts.recent, *facts.in_progress)}
    for latest in (facts.latest_completed, facts.latest_savepoint, facts.latest_failed):
        if latest is not None:
            found.setdefault(latest.checkpoint_id, latest)
    return [found[number] for number in sorted(found, reverse=True)]


def _summary(stats: CheckpointStats) -> CheckpointSummary:
    return CheckpointSummary(
        id=stats.checkpoint_id,
        path=stats.path or None,
        duration_ms=round(stats.duration_s * 1000),
        bytes=stats.size,
        completed_at_ms=stats.ended_ms,
    )

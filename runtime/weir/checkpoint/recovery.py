"""What a job restores, derived from its fence log alone. Decides; does no I/O.

The tail names the restore point: the last checkpoint, the stop's savepoint, or the base of a start that completed
none. When that point is damaged, an older one may stand in only as long as nothing was committed after it.
``fence`` gives the log, ``store`` loads what is chosen here.
"""

from __future__ import annotations

import enum
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from weir.checkpoint import paths
from weir.checkpoint.fence_records import (
    Cancelled,
    Checkpoint,
    Failed,
    Finished,
    LogView,
    RestorePoint,
    Start,
    Stopped,
    point_of,
)
from weir.checkpoint.metadata import SnapshotKind
from weir.errors import RestoreBlocked
from weir.ids import CheckpointId


class Why(enum.StrEnum):
    """Why a restore point is the one."""

    LAST_CHECKPOINT = "it is the last completed snapshot"
    STOP = "the job was stopped with it"
    BASE = "the last start restored it and completed no checkpoint since"
    FALLBACK = "newer ones are damaged, and nothing was committed after it"


@dataclass(frozen=True)
class Restore:
    """Restore this."""

    point: RestorePoint
    why: Why


@dataclass(frozen=True)
class NoState:
    """There is nothing to restore; ``why`` says so to people."""

    why: str
    #: There was some, and the job's end took it along.
    deleted: bool = False


@dataclass(frozen=True)
class Candidate:
    """A restore point that the log knows, and whether something was committed after it."""

    point: RestorePoint
    why: Why
    commits_after: tuple[RestorePoint, ...]


def decide(view: LogView, damaged: AbstractSet[str] = frozenset(), root: str = "") -> Restore | NoState:
    """What to restore when a job with this log starts.

    ``damaged`` holds the paths of restore points that turned out to be unusable; ``root`` is the URI of the job's folder, for
    messages. Raises ``RestoreBlocked`` when only points are left behind which something was committed; message and choices
    list them, with what each costs.
    """
    if not view.entries:
        return NoState("the job has never been started")
    known = candidates(view)
    if not known:
        if any(_deleted(entry.record) for entry in view.entries):
            return NoState("the job ended, and its checkpoints were deleted with it", deleted=True)
        return NoState("the job has no completed snapshot")
    first, *older = known
    if first.point.path not in damaged:
        return Restore(first.point, first.why)
    for candidate in older:
        if candidate.commits_after:
            break
        if candidate.point.path not in damaged:
            return Restore(candidate.point, Why.FALLBACK)
    raise _blocked(first, older, damaged, root)


def candidates(view: LogView) -> list[Candidate]:
    """The restore points of the job's present line, the regular one first, each path once.

    A start that restored something else than the newest snapshot began a new line from there: what lies between is
    not on it. Before a start without a base, or an end with deletion, there is nothing.
    """
    found: dict[str, Candidate] = {}
    commits: list[RestorePoint] = []
    resume_at: str | None = None
    for entry in view.newest_first():
        record = entry.record
        if _deleted(record):
            break
        if isinstance(record, Start) and record.clears:
            continue  # nothing ran in that epoch
        point = point_of(record)
        if resume_at is not None and not (isinstance(record, Checkpoint) and record.point.path == resume_at):
            continue
        if point is None:
            if isinstance(record, Start):
                break
            continue
        resume_at = point.path if isinstance(record, Start) else None
        # What is committed with a snapshot is committed again, harmlessly, when that snapshot is restored.
        after = tuple(other for other in commits if other.path != point.path)
        found.setdefault(point.path, Candidate(point, _why(record), after))
        if isinstance(record, Checkpoint) and record.has_commits:
            commits.append(point)
    return list(found.values())


def completed_oldest_first(view: LogView) -> list[CheckpointId]:
    """Every checkpoint (no savepoint) that the log knows in the job's own folder, in the order of dropping.

    What a rollback left behind comes first, then the job's present line. Some may have been deleted before.
    """
    line = [candidate.point for candidate in reversed(candidates(view))]
    recorded = [entry.record.point for entry in view.entries if isinstance(entry.record, Checkpoint)]
    numbers = [
        point.checkpoint_id
        for point in [*(point for point in recorded if point not in line), *line]
        if point.kind is SnapshotKind.CHECKPOINT
        and point.path == paths.checkpoint_folder(point.checkpoint_id)
    ]
    return list(dict.fromkeys(numbers))


def claimed(view: LogView) -> tuple[RestorePoint, ...]:
    """Snapshots outside the job's folder that the job made its own, oldest first. Some may have been deleted since."""
    starts = [entry.record for entry in view.entries if isinstance(entry.record, Start)]
    points = [start.base for start in starts if start.claims and start.base is not None]
    return tuple(dict.fromkeys(points))


def _deleted(record: object) -> bool:
    return isinstance(record, Cancelled | Finished | Failed) and record.deleted


def _why(record: object) -> Why:
    if isinstance(record, Stopped):
        return Why.STOP
    return Why.BASE if isinstance(record, Start) else Why.LAST_CHECKPOINT


def skipped(view: LogView, damaged: AbstractSet[str], chosen: RestorePoint) -> tuple[str, ...]:
    """Paths of the damaged points that ``chosen`` stands in for, the newest first."""
    line = [candidate.point.path for candidate in candidates(view)]
    return tuple(path for path in line[: line.index(chosen.path)] if path in damaged)


def _blocked(
    first: Candidate, older: list[Candidate], damaged: AbstractSet[str], root: str
) -> RestoreBlocked:
    broken = _location(first.point, root)
    ways = [f"{_location(candidate.point, root)} ({_cost(candidate, damaged)})" for candidate in older]
    stands = next((c.commits_after[0].checkpoint_id for c in older if c.commits_after), None)
    said = f"{broken} is damaged, and no other restore point is safe"
    if stands is not None:
        said += f": output is committed up to snapshot {stands}"
    advice = (
        f"bring {broken} back and start the job again, or start from {'one of these or from ' if ways else ''}a savepoint: "
        "`weir run --from PATH`, or in a cluster restore.from and a new restore.nonce"
    )
    lines = [said, *(f"  {way}" for way in ways or ["the log knows no other"]), advice]
    return RestoreBlocked("\n".join(lines), (f"{broken}, brought back (nothing is lost or doubled)", *ways))


def _location(point: RestorePoint, root: str) -> str:
    return point.path if "://" in point.path or not root else f"{root}/{point.path}"


def _cost(candidate: Candidate, damaged: AbstractSet[str]) -> str:
    if candidate.point.path in damaged:
        return "damaged or deleted as well"
    if candidate.commits_after:
        numbers = ", ".join(str(point.checkpoint_id) for point in reversed(candidate.commits_after))
        return f"output committed with snapshot {numbers} would be written a second time"
    return "safe"

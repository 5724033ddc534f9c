"""Snapshots from outside its folder that a job was started from and made its own (CLAIM): its oldest checkpoints, deleted like them.

A checkpoint lies in another job's folder, where only that job's newest epoch deletes. So its log is closed first, and whoever
still runs that job is stopped by it; a savepoint is nobody else's.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from weir.checkpoint import paths, store
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import RestorePoint
from weir.checkpoint.history import Kept
from weir.checkpoint.metadata import SnapshotKind
from weir.clock import Clock
from weir.errors import Fenced, ObjectNotFound, SnapshotError
from weir.ids import CheckpointId, JobId
from weir.storage import Storage, open_storage

log = structlog.get_logger()


@dataclass(frozen=True)
class ClaimedSources:
    """Of one job, by their numbers, oldest first."""

    points: Mapping[CheckpointId, RestorePoint] = field(default_factory=dict)
    #: Those whose ``_metadata`` is gone, while files of theirs may be left: a process died while it deleted one.
    gone: tuple[RestorePoint, ...] = ()

    @classmethod
    def existing(cls, claimed: Iterable[RestorePoint], taken: Container[CheckpointId]) -> ClaimedSources:
        """Those that are still there. One whose number is ``taken`` by a checkpoint of the job's own is left alone."""
        found: dict[CheckpointId, RestorePoint] = {}
        gone: list[RestorePoint] = []
        for point in claimed:
            if point.checkpoint_id in taken:
                log.warning("is not claimed: a checkpoint of the job has its number", snapshot=point.path)
                continue
            try:
                store.load(point.path, expected=point)
            except SnapshotError:
                if not _is_recorded(point):
                    gone.append(point)
                continue
            found[point.checkpoint_id] = point
        return cls(found, tuple(gone))

    @property
    def left_over(self) -> bool:
        """Whether files are left of those that are gone."""
        return any(map(_has_files, self.gone))

    def kept(self, number: CheckpointId) -> Kept:
        """One of them, for people."""
        metadata = store.load(self.points[number].path).metadata
        return Kept(self.points[number].path, metadata.triggered_ms, metadata.size)

    def delete(self, number: CheckpointId, job: JobId, writer: str, clock: Clock) -> None:
        """Delete one on behalf of ``job``. It stays where a third job has it, and that is logged."""
        _delete(self.points[number], job, writer, clock)

    def delete_rest(self, job: JobId, writer: str, clock: Clock) -> None:
        """End the deletions that were begun."""
        for point in filter(_has_files, self.gone):
            _delete(point, job, writer, clock)


def _is_recorded(point: RestorePoint) -> bool:
    try:
        open_storage(point.path).size(paths.METADATA)
    except ObjectNotFound:
        return False
    return True


def _has_files(point: RestorePoint) -> bool:
    """Whether anything is there that may be its own: files in its folder, or shared ones around it."""
    if any(paths.is_state(info.name) for info in open_storage(point.path).list()):
        return True
    shares = point.kind is SnapshotKind.CHECKPOINT
    return shares and any(True for _ in _around(point).list(paths.SHARED))


def _around(point: RestorePoint) -> Storage:
    return open_storage(point.path.rpartition("/")[0])


def _delete(point: RestorePoint, job: JobId, writer: str, clock: Clock) -> None:
    around = _around(point)
    unneeded: list[str] = []
    if point.kind is SnapshotKind.CHECKPOINT:
        try:
            FenceLog(around, writer, clock).supersede(job)
        except (Fenced, SnapshotError) as error:
            log.warning("a claimed checkpoint is left behind", snapshot=point.path, reason=str(error))
            return
        unneeded = store.needed_by_none(around, but=point.checkpoint_id)
    store.delete_snapshot(open_storage(point.path))
    for name in unneeded:
        around.delete(name)

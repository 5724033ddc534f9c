"""Snapshots from outside its folder that a job was started from and made its own (CLAIM): its oldest checkpoints, deleted like them.

A checkpoint lies in another job's folder, where only that job's newest epoch deletes. So its log is closed first, and whoever
still runs that job is stopped by it; a savepoint is nobody else's.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field

import structlog

from weir.checkpoint import store
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import RestorePoint
from weir.checkpoint.history import Kept
from weir.checkpoint.metadata import SnapshotKind
from weir.clock import Clock
from weir.errors import Fenced, SnapshotError
from weir.ids import CheckpointId, JobId
from weir.storage import open_storage

log = structlog.get_logger()


@dataclass(frozen=True)
class ClaimedSources:
    """Of one job, by their numbers, oldest first."""

    points: Mapping[CheckpointId, RestorePoint] = field(default_factory=dict)

    @classmethod
    def existing(cls, claimed: Iterable[RestorePoint], taken: Container[CheckpointId]) -> ClaimedSources:
        """Those that are still there. One whose number is ``taken`` by a checkpoint of the job's own is left alone."""
        found = {}
        for point in claimed:
            if point.checkpoint_id in taken:
                log.warning("is not claimed: a checkpoint of the job has its number", snapshot=point.path)
                continue
            try:
                store.load(point.path, expected=point)
            except SnapshotError:
                continue  # deleted before
            found[point.checkpoint_id] = point
        return cls(found)

    def kept(self, number: CheckpointId) -> Kept:
        """One of them, for people."""
        metadata = store.load(self.points[number].path).metadata
        return Kept(self.points[number].path, metadata.triggered_ms, metadata.size)

    def delete(self, number: CheckpointId, job: JobId, writer: str, clock: Clock) -> None:
        """Delete one on behalf of ``job``. It stays where a third job has it, and that is logged."""
        uri = self.points[number].path
        try:
            snapshot = store.load(uri)
        except SnapshotError:
            return
        unneeded: list[str] = []
        around = open_storage(uri.rpartition("/")[0])
        if snapshot.metadata.kind is SnapshotKind.CHECKPOINT:
            try:
                FenceLog(around, writer, clock).supersede(job)
            except (Fenced, SnapshotError) as error:
                log.warning("a claimed checkpoint is left behind", snapshot=uri, reason=str(error))
                return
            unneeded = store.shared_with_none(around, snapshot)
        store.delete_snapshot(snapshot.folder)
        for name in unneeded:
            around.delete(name)

"""A job's snapshots on storage: state objects, loading, deleting.

Tasks write and read state objects; the JobManager loads what a job restores and deletes what ``retention`` and the
coordinator say. Everything that is read is compared with the size and sha256 that were recorded. How a snapshot is
completed: ``publishing``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from weir import crashpoints
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint import paths, retention
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import RestorePoint
from weir.checkpoint.metadata import SnapshotMetadata
from weir.errors import ObjectExists, ObjectNotFound, SnapshotCorrupt, SnapshotError
from weir.ids import CheckpointId, Epoch, JobId
from weir.state.snapshot import StateHandle, inline_handle, object_handle
from weir.storage import PrefixedStorage, S3Options, Storage, open_storage

#: State up to this size lies in ``_metadata`` itself.
INLINE_BYTES = 20 * 1024
#: Bytes of a ``_metadata`` that are looked at in one piece before it is trusted with more memory.
_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True)
class LoadedSnapshot:
    """A snapshot whose metadata was read; its state is read by :meth:`read_state`."""

    uri: str  #: of the folder that holds ``_metadata``
    metadata: SnapshotMetadata
    metadata_sha256: str
    folder: Storage  #: that folder

    def read_state(self, handle: StateHandle) -> bytes:
        """The bytes behind one of the snapshot's handles. Raises ``SnapshotCorrupt`` naming the file."""
        return read_state(self.folder, self.within_folder(handle))

    def within_folder(self, handle: StateHandle) -> StateHandle:
        """The handle relative to ``folder``: checkpoints name their files from the job's folder."""
        own = paths.checkpoint_folder(self.metadata.checkpoint_id) + "/"
        if handle.path is None or not handle.path.startswith(own):
            return handle
        return StateHandle(path=handle.path[len(own) :], size=handle.size, sha256=handle.sha256)


def job_folder(checkpoints: Storage, job: JobId) -> Storage:
    """The job's folder below the checkpoint root."""
    return PrefixedStorage(checkpoints, job)


def savepoint_folder(
    target: str, job: JobId, checkpoint: CheckpointId, s3: S3Options | None = None
) -> Storage:
    """The folder of a savepoint below the URI ``target``; state paths in a savepoint are relative to it."""
    return open_storage(paths.savepoint_uri(target, job, checkpoint), s3)


def write_state(folder: Storage, path: str, data: bytes, inline_bytes: int = INLINE_BYTES) -> StateHandle:
    """Store one piece of state and return its handle; up to ``inline_bytes`` bytes it is carried in the handle.

    ``folder`` is the job's folder with ``path`` = ``chk-<n>/<state name>``, or a savepoint's with ``<state name>``.
    """
    if len(data) <= inline_bytes:
        return inline_handle(data)
    crashpoints.hit("worker.snapshot.before-upload")
    folder.write(path, data)
    crashpoints.hit("worker.snapshot.after-upload")
    return object_handle(path, data)


def read_state(folder: Storage, handle: StateHandle) -> bytes:
    """The bytes behind ``handle``. Raises ``SnapshotCorrupt`` naming the file when it is missing, cut or damaged."""
    if handle.data is not None:
        return handle.checked(handle.data, f"inline state in {folder.uri}")
    assert handle.path is not None
    where = f"{folder.uri}/{handle.path}"
    try:
        data = folder.read(handle.path)
    except ObjectNotFound as error:
        raise SnapshotCorrupt(f"state file {where} is missing; its snapshot cannot be restored") from error
    return handle.checked(data, f"state file {where}")


def load(path: str, s3: S3Options | None = None, expected: RestorePoint | None = None) -> LoadedSnapshot:
    """Read a snapshot by the URI of its folder or of its ``_metadata``.

    With ``expected`` the metadata must be the one that the fence recorded. Raises ``SnapshotCorrupt`` naming the file.
    """
    folder_uri = path.rstrip("/").removesuffix("/" + paths.METADATA)
    return load_folder(open_storage(folder_uri, s3), expected)


def load_point(job: Storage, point: RestorePoint, s3: S3Options | None = None) -> LoadedSnapshot:
    """Read a restore point of the job's log, wherever it is."""
    if "://" in point.path:
        return load(point.path, s3, point)
    return load_folder(PrefixedStorage(job, point.path), point)


def load_folder(folder: Storage, expected: RestorePoint | None = None) -> LoadedSnapshot:
    """Read the snapshot whose ``_metadata`` lies in ``folder``."""
    where = f"{folder.uri}/{paths.METADATA}"
    try:
        _refuse_flood(folder, where)
        data = folder.read(paths.METADATA)
    except ObjectNotFound as error:
        raise SnapshotCorrupt(
            f"{where} is missing: no completed snapshot is there; name the folder of one (chk-N or savepoint-...)"
        ) from error
    found = metadata_format.digest(data)
    if expected is not None and found != expected.metadata_sha256:
        raise SnapshotCorrupt(
            f"{where} has sha256 {found}, the fence log recorded {expected.metadata_sha256}: "
            "it is damaged or was replaced"
        )
    return LoadedSnapshot(folder.uri, metadata_format.decode(data, where), found, folder)


def _refuse_flood(folder: Storage, where: str) -> None:
    """Raises ``SnapshotCorrupt`` for a ``_metadata`` that would take all memory, and holds only a piece of it meanwhile."""
    size = folder.size(paths.METADATA)
    fault, objects, start = metadata_format.fault_of_size(size), 0, 0
    while fault is None and size > _PIECE and start < size:
        objects += folder.read_range(paths.METADATA, start, _PIECE).count(b"{")
        fault, start = metadata_format.fault_of_objects(objects), start + _PIECE
    if fault is not None:
        raise SnapshotCorrupt(f"{where} {fault}")


def restore_point(snapshot: LoadedSnapshot, path: str | None = None) -> RestorePoint:
    """The restore point by which a Start names a snapshot that a user chose; ``path`` defaults to its URI."""
    return RestorePoint(
        checkpoint_id=snapshot.metadata.checkpoint_id,
        path=path or snapshot.uri,
        metadata_sha256=snapshot.metadata_sha256,
        kind=snapshot.metadata.kind,
    )


def check_files(snapshot: LoadedSnapshot) -> None:
    """Look that every state file exists in its size, without reading it. Raises ``SnapshotCorrupt``."""
    for operator in snapshot.metadata.operators:
        for subtask in operator.subtasks:
            for handle in subtask.handles:
                _check_file(snapshot, snapshot.within_folder(handle))


def discard(folder: Storage, snapshot_folder: str, epoch: Epoch) -> int:
    """Delete what ``epoch`` wrote for a snapshot that did not complete; returns the number of objects.

    ``snapshot_folder`` is ``chk-<n>`` within ``folder``, or "" for a savepoint's own folder. Only state objects whose
    names carry the epoch go, and ``_metadata`` only if this epoch wrote it.
    """
    prefix = f"{snapshot_folder}/" if snapshot_folder else ""
    deleted = 0
    for info in list(folder.list(prefix)):
        rest = info.name[len(prefix) :]
        state = paths.parse_state_name(rest)
        own_metadata = rest == paths.METADATA and _written_by(folder, info.name, epoch)
        if own_metadata or (state is not None and state.epoch == epoch):
            folder.delete(info.name)
            deleted += 1
    return deleted


def delete_checkpoints(fence: FenceLog, job: Storage, checkpoints: Iterable[CheckpointId]) -> None:
    """Delete completed checkpoints: ``_metadata`` first, so that what is left half-deleted is not taken for whole.

    Asks the fence before each one. Raises ``Fenced`` when another process owns the job; nothing more is deleted then.
    """
    for checkpoint in checkpoints:
        fence.check_owned()
        crashpoints.hit("jobmanager.retention.before-delete")
        folder = paths.checkpoint_folder(checkpoint) + "/"
        job.delete(folder + paths.METADATA)
        crashpoints.hit("jobmanager.retention.after-metadata")
        for info in list(job.list(folder)):
            if paths.parse_state_name(info.name[len(folder) :]) is not None:
                job.delete(info.name)
        crashpoints.hit("jobmanager.retention.after-delete")


def sweep(
    fence: FenceLog, job: Storage, keep: Iterable[CheckpointId], below: CheckpointId
) -> retention.Classified:
    """Delete what dead processes left of snapshots that never completed. Raises ``Fenced``.

    ``keep``: completed and retained checkpoints and bases; ``below``: the first number that this process may use.
    Everything is classified before anything is deleted.
    """
    names = [info.name for info in job.list()]
    classified = retention.classify(names, set(keep), below, fence.epoch)
    fence.check_owned()
    for name in classified.delete:
        job.delete(name)
    return classified


def existing_checkpoints(job: Storage) -> list[CheckpointId]:
    """Numbers of all checkpoint folders that hold any object, ascending."""
    found = {split[0] for info in job.list("chk-") if (split := paths.split_checkpoint(info.name))}
    return sorted(found)


def mark_name(checkpoints: Storage, namespace: str, name: str, job: JobId) -> None:
    """Make the job findable by its name; repeating it is harmless."""
    try:
        checkpoints.create_if_absent(paths.by_name(namespace, name, job), b"")
    except ObjectExists:
        return


def jobs_of_name(checkpoints: Storage, namespace: str, name: str) -> list[JobId]:
    """All jobs that ever had this name, the one that was marked last at the end."""
    prefix = paths.by_name_prefix(namespace, name)
    found = sorted(checkpoints.list(prefix), key=lambda info: (info.modified_ms, info.name))
    return [JobId(info.name[len(prefix) :]) for info in found]


def _written_by(folder: Storage, name: str, epoch: Epoch) -> bool:
    try:
        return metadata_format.decode(folder.read(name), name).epoch == epoch
    except (ObjectNotFound, SnapshotError):
        return False


def _check_file(snapshot: LoadedSnapshot, handle: StateHandle) -> None:
    if handle.path is None:
        return
    where = f"state file {snapshot.uri}/{handle.path}"
    try:
        size = snapshot.folder.size(handle.path)
    except ObjectNotFound as error:
        raise SnapshotCorrupt(f"{where} is missing; its snapshot cannot be restored") from error
    if size != handle.size:
        raise SnapshotCorrupt(f"{where} has {size} bytes, its snapshot recorded {handle.size}")

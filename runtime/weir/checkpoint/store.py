"""A job's snapshots on storage: state objects, loading, deleting.

Tasks write and read state objects; the JobManager loads what a job restores and deletes what ``retention`` and the
coordinator say. Everything that is read is compared with the size and sha256 that were recorded. How a snapshot is
completed: ``publishing``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec

from weir import crashpoints
from weir.checkpoint import metadata as metadata_format
from weir.checkpoint import paths, retention, uploads
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import RestorePoint
from weir.checkpoint.metadata import SnapshotKind, SnapshotMetadata
from weir.errors import ObjectExists, ObjectNotFound, SnapshotCorrupt, SnapshotError
from weir.ids import CheckpointId, Epoch, JobId
from weir.state.snapshot import StateHandle, inline_handle, object_handle
from weir.storage import PrefixedStorage, S3Options, Storage, open_storage

_T = TypeVar("_T")

#: How often a file is read whose bytes are not those that were recorded.
READS: Final = 3
#: State up to this size lies in ``_metadata`` itself.
INLINE_BYTES = 20 * 1024
#: Behind every checkpoint.
_LAST = CheckpointId(2**63)
#: Bytes of a ``_metadata`` that are looked at in one piece before it is trusted with more memory.
_PIECE = 8 * 1024 * 1024


@dataclass(frozen=True)
class LoadedSnapshot:
    """A snapshot whose metadata was read; its state is read by :meth:`read_state`."""

    uri: str  #: of the folder that holds ``_metadata``
    metadata: SnapshotMetadata
    metadata_sha256: str
    folder: Storage  #: that folder
    around: Storage | None = None  #: what that folder lies in, if it is known: shared files are there

    def read_state(self, handle: StateHandle) -> bytes:
        """The bytes behind one of the snapshot's handles. Raises ``SnapshotCorrupt`` naming the file."""
        return read_state(*self.located(handle))

    def located(self, handle: StateHandle) -> tuple[Storage, StateHandle]:
        """Where a file is, and its handle from there: checkpoints name their files from the job's folder."""
        own = paths.checkpoint_folder(self.metadata.checkpoint_id) + "/"
        if handle.path is None:
            return self.folder, handle
        if handle.path.startswith(paths.SHARED) and self.metadata.kind is SnapshotKind.CHECKPOINT:
            return self.around or open_storage(self.uri.rpartition("/")[0]), handle
        within = handle.path.removeprefix(own)
        return self.folder, StateHandle(path=within, size=handle.size, sha256=handle.sha256)


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
    where = f"state file {folder.uri}/{handle.path}"
    path = handle.path
    try:
        return read_again(lambda: handle.checked(folder.read(path), where))
    except ObjectNotFound as error:
        raise SnapshotCorrupt(f"{where} is missing; its snapshot cannot be restored") from error


def load(path: str, s3: S3Options | None = None, expected: RestorePoint | None = None) -> LoadedSnapshot:
    """Read a snapshot by the URI of its folder or of its ``_metadata``.

    With ``expected`` the metadata must be the one that the fence recorded. Raises ``SnapshotCorrupt`` naming the file.
    """
    folder_uri = path.rstrip("/").removesuffix("/" + paths.METADATA)
    around = None if s3 is None else open_storage(folder_uri.rpartition("/")[0], s3)
    return load_folder(open_storage(folder_uri, s3), expected, around)


def load_point(job: Storage, point: RestorePoint, s3: S3Options | None = None) -> LoadedSnapshot:
    """Read a restore point of the job's log, wherever it is."""
    if "://" in point.path:
        return load(point.path, s3, point)
    return load_folder(PrefixedStorage(job, point.path), point, job)


def load_folder(
    folder: Storage, expected: RestorePoint | None = None, around: Storage | None = None
) -> LoadedSnapshot:
    """Read the snapshot whose ``_metadata`` lies in ``folder``, which lies in ``around``."""
    where = f"{folder.uri}/{paths.METADATA}"
    try:
        _refuse_flood(folder, where)
        metadata, found = read_again(lambda: _read_metadata(folder, where, expected))
    except ObjectNotFound as error:
        raise SnapshotCorrupt(
            f"{where} is missing: no completed snapshot is there; name the folder of one (chk-N or savepoint-...)"
        ) from error
    return LoadedSnapshot(folder.uri, metadata, found, folder, around)


def _read_metadata(
    folder: Storage, where: str, expected: RestorePoint | None
) -> tuple[SnapshotMetadata, str]:
    data = folder.read(paths.METADATA)
    found = metadata_format.digest(data)
    if expected is not None and found != expected.metadata_sha256:
        raise SnapshotCorrupt(
            f"{where} has sha256 {found}, the fence log recorded {expected.metadata_sha256}: "
            "it is damaged or was replaced"
        )
    return metadata_format.decode(data, where), found


def read_again(read: Callable[[], _T]) -> _T:
    """What ``read`` gives; what is damaged is read again before it is believed, for it may be the way that was bad."""
    for _ in range(READS - 1):
        with contextlib.suppress(SnapshotCorrupt):
            return read()
    return read()


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
            for handle in subtask.files:
                _check_file(*snapshot.located(handle))


def discard(folder: Storage, snapshot_folder: str, epoch: Epoch) -> int:
    """Delete what ``epoch`` wrote for a snapshot that did not complete; returns the number of objects.

    ``snapshot_folder`` is ``chk-<n>`` within ``folder``, or "" for a savepoint's own folder. Only state objects whose
    names carry the epoch go, and ``_metadata`` only if this epoch wrote it.
    """
    prefix = f"{snapshot_folder}/" if snapshot_folder else ""
    deleted = 0
    for info in list(folder.list(prefix)):
        rest = info.name[len(prefix) :]
        state = paths.parse_state_name(rest) or paths.parse_shared(rest)
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


def delete_snapshot(folder: Storage) -> None:
    """Delete a snapshot that lies in a folder of its own: its record first, and only what has names of ours."""
    folder.delete(paths.METADATA)
    for info in list(folder.list()):
        if paths.is_state(info.name):
            folder.delete(info.name)


def needed_by_none(job: Storage, but: CheckpointId) -> list[str]:
    """Shared files in the folder ``job``, whose log is closed, of which no checkpoint there is made ``but`` one; none if one is unreadable."""
    others = [number for number in existing_checkpoints(job) if number != but]
    names = [info.name for prefix in ("chk-", paths.SHARED) for info in job.list(prefix)]
    found = shared_files(job, names, others, _LAST)
    ours = {name for name in names if paths.parse_shared(name) is not None}
    return sorted(ours - found.referenced) if found is not None else []


def _shared_of(metadata: SnapshotMetadata) -> set[str]:
    states = (state for operator in metadata.operators for state in operator.subtasks)
    return {handle.path for state in states for handle in state.shared or () if handle.path}


def sweep(
    fence: FenceLog, job: Storage, keep: Iterable[CheckpointId], below: CheckpointId
) -> retention.Classified:
    """Delete what dead processes left of snapshots that never completed. Raises ``Fenced``.

    ``keep``: completed and retained checkpoints and bases; ``below``: the first number that this process may use.
    Everything is classified before anything is deleted.
    """
    names = [info.name for info in job.list()]
    kept = set(keep)
    shared = shared_files(job, names, kept, max(kept, default=CheckpointId(0)))
    classified = retention.classify(names, kept, below, fence.epoch, shared)
    begun = uploads.left_behind(job, below, fence.epoch)
    fence.check_owned()
    for name in classified.delete:
        job.delete(name)
    for upload in begun:
        job.abort(upload)
    return classified


def shared_files(
    job: Storage, names: Iterable[str], keep: Iterable[CheckpointId], newest: CheckpointId
) -> retention.Shared | None:
    """What the snapshots in ``keep``, as far as they are there, are made of; ``None`` when one cannot be read.

    ``names``: a listing, which may lack what is there. ``newest``: the newest completed checkpoint.
    """
    listed = set(names)
    if not any(name.startswith(paths.SHARED) for name in listed):
        return None
    referenced: set[str] = set()
    for checkpoint in keep:
        recorded = paths.checkpoint_metadata(checkpoint)
        if recorded not in listed and not _exists(job, recorded):
            continue
        try:
            snapshot = load_folder(PrefixedStorage(job, paths.checkpoint_folder(checkpoint)))
        except SnapshotError:
            return None
        referenced |= _shared_of(snapshot.metadata)
    return retention.Shared(frozenset(referenced), newest)


def _exists(folder: Storage, name: str) -> bool:
    try:
        folder.size(name)
    except ObjectNotFound:
        return False
    return True


def delete_shared(fence: FenceLog, job: Storage, kept: Iterable[CheckpointId]) -> None:
    """Delete shared files that no snapshot is made of, nor will be; ``kept``: the completed checkpoints, the newest at the end.

    A listing is a hint: what is ``kept`` counts whether it is listed or not.
    Raises ``Fenced`` when another process owns the job; nothing more is deleted then.
    """
    names = [info.name for prefix in ("chk-", paths.SHARED) for info in job.list(prefix)]
    *_, newest = kept = tuple(kept)
    found = {split[0] for name in names if (split := paths.split_checkpoint(name))} | set(kept)
    shared = shared_files(job, names, found, newest)
    _delete_shared(fence, job, retention.classify(names, found, newest, fence.epoch, shared))


def clear(fence: FenceLog, job: Storage) -> None:
    """Delete all checkpoints of a job that has ended. Raises ``Fenced``."""
    delete_checkpoints(fence, job, existing_checkpoints(job))
    names = [info.name for info in job.list(paths.SHARED)]
    nothing = retention.Shared(frozenset(), _LAST)
    _delete_shared(fence, job, retention.classify(names, set(), _LAST, fence.epoch, nothing))


def _delete_shared(fence: FenceLog, job: Storage, found: retention.Classified) -> None:
    due = [name for name in found.delete if name.startswith(paths.SHARED)]
    if due:
        fence.check_owned()
    for name in due:
        crashpoints.hit("jobmanager.shared.before-delete")
        job.delete(name)
        crashpoints.hit("jobmanager.shared.after-delete")


def holds_checkpoints(job: Storage) -> bool:
    """Whether any object of a checkpoint is left."""
    return any(True for prefix in ("chk-", paths.SHARED) for _ in job.list(prefix))


def existing_checkpoints(job: Storage) -> list[CheckpointId]:
    """Numbers of all checkpoint folders that hold any object, ascending."""
    found = {split[0] for info in job.list("chk-") if (split := paths.split_checkpoint(info.name))}
    return sorted(found)


class Origin(msgspec.Struct, frozen=True, omit_defaults=True):
    """The code that a job was first started with, kept with its name; empty in what earlier releases wrote."""

    entrypoint: str = ""  #: ``package.module:function``, or the script's path
    target: str = ""  #: the same, the script's path relative to the working folder

    def is_of(self, other: Origin) -> bool:
        """Whether both may be the same code: also where folders were moved, or nothing is known."""
        known, given = {self.entrypoint, self.target} - {""}, {other.entrypoint, other.target} - {""}
        return not known or not given or bool(known & given)


def mark_name(
    checkpoints: Storage, namespace: str, name: str, job: JobId, origin: Origin | None = None
) -> None:
    """Make the job findable by its name; repeating it is harmless, and changes nothing."""
    try:
        checkpoints.create_if_absent(
            paths.by_name(namespace, name, job), b"" if origin is None else msgspec.json.encode(origin)
        )
    except ObjectExists:
        return


def jobs_of_name(checkpoints: Storage, namespace: str, name: str) -> list[JobId]:
    """All jobs that ever had this name, the one that was marked last at the end."""
    prefix = paths.by_name_prefix(namespace, name)
    found = sorted(checkpoints.list(prefix), key=lambda info: (info.modified_ms, info.name))
    # Below are those of names that begin with this one and a slash.
    return [JobId(rest) for info in found if "/" not in (rest := info.name[len(prefix) :])]


def origin_of(checkpoints: Storage, namespace: str, name: str, job: JobId) -> Origin:
    """What :func:`mark_name` kept with the job's name."""
    try:
        return msgspec.json.decode(checkpoints.read(paths.by_name(namespace, name, job)), type=Origin)
    except (ObjectNotFound, msgspec.DecodeError, UnicodeDecodeError):
        return Origin()


def _written_by(folder: Storage, name: str, epoch: Epoch) -> bool:
    try:
        return metadata_format.decode(folder.read(name), name).epoch == epoch
    except (ObjectNotFound, SnapshotError):
        return False


def _check_file(folder: Storage, handle: StateHandle) -> None:
    if handle.path is None:
        return
    where = f"state file {folder.uri}/{handle.path}"
    try:
        size = folder.size(handle.path)
    except ObjectNotFound as error:
        raise SnapshotCorrupt(f"{where} is missing; its snapshot cannot be restored") from error
    if size != handle.size:
        raise SnapshotCorrupt(f"{where} has {size} bytes, its snapshot recorded {handle.size}")

"""Looks after a job's snapshots where no JobManager lives: tells what there is, deletes savepoints, sweeps, purges.

The operator's short-lived pods run this. Inside a job's folder only the newest epoch deletes, so whoever sweeps or purges
takes one first, by a start that runs nothing; a JobManager that still lives is fenced by that. What is not spelled as ours, or
not known to be the operator's own, stays and is named in the answer.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from weir.checkpoint import fence_records as records
from weir.checkpoint import paths, recovery, retention, store, uploads
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import LogView
from weir.checkpoint.metadata import Owner, SnapshotKind, SnapshotMetadata
from weir.checkpoint.start_directive import run_of
from weir.clock import Clock
from weir.errors import RestoreBlocked, SnapshotError, WeirError, WrongState
from weir.ids import CheckpointId, JobId
from weir.jobmanager.care.answers import Deletion, Inspection, Left
from weir.jobmanager.care.disposal import delete_savepoint
from weir.jobmanager.history.restoring import Choice
from weir.jobmanager.rest.models.report import Blocked, Snapshot
from weir.rpc.messages import JobSpec
from weir.storage import ObjectInfo, PrefixedStorage, Storage, join_uri, open_storage

#: Names the starts that only clear up; no number, so it is no run.
CARETAKER = "caretaker"


@dataclass(frozen=True)
class Place:
    """Whose snapshots, and where they are."""

    spec: JobSpec
    job: JobId
    checkpoints: Storage
    #: URI; ``None``: the job has no folder for savepoints.
    savepoints: str | None
    clock: Clock

    @property
    def folder(self) -> Storage:
        """The job's own, below the checkpoint root."""
        return store.job_folder(self.checkpoints, self.job)

    def fence(self) -> FenceLog:
        """Its log, for a process of this name."""
        return FenceLog(self.folder, f"{CARETAKER}-{secrets.token_hex(8)}", self.clock)


@dataclass(frozen=True)
class _Unreferenced:
    names: tuple[str, ...]
    left: tuple[Left, ...]


def inspect(place: Place) -> Inspection:
    """What a start from the log's tail would find; appends nothing. Raises ``SnapshotError``, ``StorageError``."""
    fence, folder = place.fence(), place.folder
    view = fence.read()
    last, start, ended = view.last, fence.last_start(view), view.ended
    completed_ms = {_path(entry): entry.written_ms for entry in view.newest_first() if _path(entry)}
    choice = Choice(place.spec, folder)
    blocked = None
    if view.entries:
        try:
            choice.base_of(view)
        except RestoreBlocked as error:
            blocked = Blocked(reason=str(error), choices=error.choices)
    newest = None
    if choice.restore is not None and blocked is None:
        metadata, uri = choice.restore.metadata, choice.restore.uri
        known = completed_ms.get(paths.checkpoint_folder(metadata.checkpoint_id)) or completed_ms.get(uri)
        newest = Snapshot(
            path=uri,
            id=metadata.checkpoint_id,
            completed_at_ms=known or metadata.triggered_ms,
            bytes=metadata.size,
        )
    existing = set(store.existing_checkpoints(folder))
    retained = tuple(
        Snapshot(path=join_uri(folder.uri, name), id=number, completed_at_ms=completed_ms.get(name))
        for number in recovery.completed_oldest_first(view)
        if number in existing and (name := paths.checkpoint_folder(number))
    )
    return Inspection(
        tail=view.tail,
        epoch=None if last is None else last.epoch,
        last_run=None if start is None else run_of(start),
        ending=None if ended is None else type(ended).__name__,
        newest=newest,
        retained=retained,
        restore_blocked=blocked,
        note=choice.note,
    )


def delete(place: Place, snapshots: Iterable[str]) -> Deletion:
    """Delete savepoints that the operator made for this job, and that the job does not go on from.

    One that is not there counts as deleted: somebody was here before, and may have been interrupted.
    """
    needed = {point.path for point in _points(place.fence().read())[:1]}
    deleted, left = [], []
    for uri in snapshots:
        try:
            if not _finish_deletion(place, uri):
                _check_ours(place, uri, needed)
                delete_savepoint(uri)
        except WeirError as error:
            left.append(Left(path=uri, why=str(error)))
        else:
            deleted.append(uri)
    return Deletion(deleted=len(deleted), paths=tuple(deleted), left=tuple(left))


def sweep(place: Place, grace_ms: int, *, dry_run: bool = False) -> Deletion:
    """Delete what nobody refers to in the job's folder, and its savepoints that never became complete, when older than ``grace_ms``.

    So are uploads in parts that were begun that long ago.

    Raises ``WrongState`` for a job without an end.
    """
    fence, folder = place.fence(), place.folder
    view = fence.read()
    if view.entries and view.ended is None:
        raise WrongState(
            f"{folder.uri}: the log does not end in a terminal record, so a JobManager may be at work; it sweeps its folder itself"
        )
    before_ms = place.clock.wall_ms() - grace_ms
    found = _unreferenced(folder, view, before_ms)
    root, abandoned = _abandoned_savepoints(place, before_ms)
    begun = uploads.left_by_job(folder, before_ms)
    begun_savepoints = (
        []
        if place.savepoints is None
        else uploads.left_of_savepoints(root, _savepoint_start(place), before_ms)
    )
    count = len(found.names) + len(abandoned) + len(begun) + len(begun_savepoints)
    if dry_run or not count or not view.entries:
        return Deletion(deleted=0, would_delete=count, left=found.left)
    fence.start(CARETAKER, _same_tail(view), clears=True)
    for name in found.names:
        folder.delete(name)
    for name in abandoned:
        root.delete(name)
    for upload in begun:
        folder.abort(upload)
    for upload in begun_savepoints:
        root.abort(upload)
    return Deletion(deleted=count, left=found.left)


def purge(place: Place) -> Deletion:
    """Delete all of this job id: checkpoints, the operator's savepoints, the mark by its name, and the log at last."""
    fence, folder = place.fence(), place.folder
    view = fence.read()
    if view.entries:
        fence.start(CARETAKER, lambda _view: None, clears=True)
        fence.append(records.Cancelled(deleted=True), fence.tail)
    deleted, left = 0, []
    for uri in _own_savepoints(place):
        delete_savepoint(uri)
        deleted += 1
    own: list[str] = []
    for upload in uploads.left_by_job(folder, place.clock.wall_ms()):
        folder.abort(upload)
    for info in folder.list():
        if _spelled_by_us(info.name):
            own.append(info.name)
        else:
            left.append(Left(path=join_uri(folder.uri, info.name), why="it is not spelled as ours"))
    # The log goes last: until then whoever comes back to the job finds that it has ended.
    for name in sorted(own, key=lambda name: (name.startswith(paths.FENCE), name)):
        folder.delete(name)
        deleted += 1
    place.checkpoints.delete(paths.by_name(place.spec.namespace, place.spec.name, place.job))
    return Deletion(deleted=deleted, left=tuple(left))


def _path(entry: records.Entry) -> str:
    record = entry.record
    return record.point.path if isinstance(record, records.Checkpoint) else ""


def _finish_deletion(place: Place, uri: str) -> bool:
    """Whether the savepoint's record is gone; the files that it named follow it, where the folder is spelled as this job's."""
    folder = open_storage(uri)
    found = [info.name for info in folder.list()]
    if paths.METADATA in found:
        return False
    if uri.rstrip("/").rpartition("/")[2].startswith(_savepoint_start(place)):
        for name in found:
            if paths.is_state(name):
                folder.delete(name)
    return True


def _points(view: LogView) -> list[records.RestorePoint]:
    """Whatever a start may restore."""
    return [candidate.point for candidate in recovery.candidates(view)]


def _check_ours(place: Place, uri: str, needed: set[str]) -> None:
    """Raises ``WrongState`` for what may not be deleted."""
    snapshot = store.load(uri)
    metadata = snapshot.metadata
    if metadata.job_id != place.job or metadata.owner is not Owner.OPERATOR:
        raise WrongState(
            f"{uri} belongs to job {metadata.job_id} and to the {metadata.owner.value}: it is left alone"
        )
    if snapshot.uri in needed:
        raise WrongState(f"{uri} is what the job goes on from")


def _savepoint_start(place: Place) -> str:
    """How the names of its savepoints' folders begin."""
    return paths.savepoint_folder(place.job, CheckpointId(0))[:-1]


def _own_savepoints(place: Place) -> Iterator[str]:
    """Folders of savepoints that the operator made for this job."""
    if place.savepoints is None:
        return
    root = open_storage(place.savepoints)
    start = _savepoint_start(place)
    folders = {info.name.partition("/")[0] for info in root.list(start)}
    for name in sorted(folders):
        try:
            metadata = store.load_folder(PrefixedStorage(root, name)).metadata
        except SnapshotError:
            continue  # not complete, or somebody else's
        if (metadata.job_id, metadata.owner, metadata.kind) == (
            place.job,
            Owner.OPERATOR,
            SnapshotKind.SAVEPOINT,
        ):
            yield join_uri(root.uri, name)


def _abandoned_savepoints(place: Place, before_ms: int) -> tuple[Storage, list[str]]:
    """Where savepoints lie, and there the files of this job's that no record names, in folders last written long ago.

    The job has ended, so it completes none any more. Folders of another job whose id begins alike are young while that
    one is at work.
    """
    if place.savepoints is None:
        return place.folder, []
    root = open_storage(place.savepoints)
    folders: dict[str, list[ObjectInfo]] = {}
    for info in root.list(_savepoint_start(place)):
        folders.setdefault(info.name.partition("/")[0], []).append(info)
    found: list[str] = []
    for name, files in sorted(folders.items()):
        made_of = _made_of_savepoint(place, PrefixedStorage(root, name), {info.name for info in files})
        if made_of is None or any(info.modified_ms > before_ms for info in files):
            continue
        own = [info.name.removeprefix(f"{name}/") for info in files]
        found += [f"{name}/{file}" for file in own if file not in made_of and paths.is_state(file)]
    return root, found


def _made_of_savepoint(place: Place, folder: Storage, names: set[str]) -> set[str] | None:
    """Files that the record in a savepoint's folder names, none if there is no record; None: it is not the operator's to clear."""
    if not any(name.endswith(f"/{paths.METADATA}") for name in names):
        return set()
    try:
        made = store.load_folder(folder).metadata
    except SnapshotError:
        return None
    if (made.job_id, made.owner) != (place.job, Owner.OPERATOR):
        return None
    return _files(made)


def _files(made: SnapshotMetadata) -> set[str]:
    """Of what a snapshot is made."""
    handles = (handle for op in made.operators for subtask in op.subtasks for handle in subtask.files)
    return {handle.path for handle in handles if handle.path is not None}


def _unreferenced(folder: Storage, view: LogView, before_ms: int) -> _Unreferenced:
    """Everything is classified before anything is deleted."""
    listed = list(folder.list())
    names = [info.name for info in listed]
    # What the next start restores is kept even if it is damaged: somebody may bring the rest back.
    restorable = {
        point.checkpoint_id
        for point in _points(view)[:1]
        if point.path
        == paths.checkpoint_folder(point.checkpoint_id)  # a savepoint of that number lies elsewhere
    }
    recorded = set(recovery.completed_oldest_first(view))
    complete = {number for name in names if (number := _completed(name)) is not None}
    whole = complete & (recorded | _before(view, complete))
    below = CheckpointId(1 + max(map(_number, names), default=0))
    shared = store.shared_files(folder, names, restorable | whole, below)
    sorted_out = retention.classify(names, restorable | whole, below, view.next_epoch, shared)
    delete = [*sorted_out.delete, *_never_completed(folder, restorable | whole, names)]
    old = {info.name for info in listed if info.modified_ms <= before_ms}
    left = tuple(
        Left(path=join_uri(folder.uri, name), why="it is not spelled as ours") for name in sorted_out.foreign
    )
    return _Unreferenced(names=tuple(name for name in delete if name in old), left=left)


def _completed(name: str) -> CheckpointId | None:
    """The number of the checkpoint whose record this object is."""
    split = paths.split_checkpoint(name)
    return split[0] if split is not None and split[1] == paths.METADATA else None


def _before(view: LogView, numbers: Iterable[CheckpointId]) -> set[CheckpointId]:
    """Those that completed before what the view tells of, if they did: nothing says that they may go."""
    if view.entries[0].seq == 1:
        return set()
    known = [point.checkpoint_id for entry in view.entries if (point := records.point_of(entry.record))]
    first = min(known, default=None)
    return {number for number in numbers if first is None or number < first}


def _never_completed(folder: Storage, kept: Iterable[CheckpointId], names: list[str]) -> Iterator[str]:
    """State files beside those that a kept checkpoint is made of: an earlier attempt at its number came to nothing."""
    for number in kept:
        prefix = f"{paths.checkpoint_folder(number)}/"
        try:
            made = store.load_folder(PrefixedStorage(folder, paths.checkpoint_folder(number))).metadata
        except SnapshotError:
            continue  # somebody may bring the rest back
        made_of = _files(made)
        for name in names:
            state = paths.parse_state_name(name.removeprefix(prefix)) if name.startswith(prefix) else None
            if state is not None and name not in made_of:
                yield name


def _number(name: str) -> int:
    split, shared = paths.split_checkpoint(name), paths.parse_shared(name)
    return split[0] if split else shared.checkpoint if shared else 0


def _spelled_by_us(name: str) -> bool:
    if name.startswith((paths.FENCE, paths.TASK_OWNED)) or paths.parse_shared(name) is not None:
        return True
    split = paths.split_checkpoint(name)
    return split is not None and (split[1] == paths.METADATA or paths.parse_state_name(split[1]) is not None)


def _same_tail(view: LogView) -> Callable[[LogView], records.RestorePoint | None]:
    """Lets the start happen only at the tail for which it was decided what goes."""

    def base_of(now: LogView) -> records.RestorePoint | None:
        if now.tail != view.tail:
            raise WrongState(
                f"the log went on from record {view.tail} to {now.tail}; sweep again when the job has ended"
            )
        return None

    return base_of

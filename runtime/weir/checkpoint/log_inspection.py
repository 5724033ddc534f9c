"""What a job's checkpoint folder holds: its fence log, what would be restored and why, and its checkpoints.

Reads like the JobManager does when it starts the job, but appends nothing, deletes nothing, and goes on behind
damage: a missing record or file becomes a message in the answer.
"""

from __future__ import annotations

import msgspec

from weir.checkpoint import paths, recovery, store
from weir.checkpoint.fence_records import (
    Cancelled,
    Checkpoint,
    Entry,
    Failed,
    Finished,
    LogView,
    RestorePoint,
    Start,
    Stopped,
    Superseded,
    decode_entry,
    point_of,
)
from weir.checkpoint.inspection import FileFault, Problem, SnapshotFacts, inspect_snapshot, verify_files
from weir.errors import ObjectNotFound, RestoreBlocked, SnapshotCorrupt, SnapshotError, StorageError
from weir.ids import CheckpointId, Epoch
from weir.storage import PrefixedStorage, S3Options, Storage

#: Records that are shown, and from which the restore point is derived, unless more are asked for.
NEWEST = 32


class RecordFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One record of the fence log."""

    seq: int
    kind: str  #: ``start``, ``checkpoint``, ``stopped``, ...
    epoch: Epoch
    written_ms: int
    writer: str
    #: The snapshot that it names: completed, stopped with, or the base of a start.
    checkpoint: CheckpointId | None = None
    path: str | None = None
    has_commits: bool | None = None
    detail: str = ""


class RestoreFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the next start of the job restores."""

    checkpoint: CheckpointId
    path: str
    why: str


class HeldFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One checkpoint folder of the job."""

    checkpoint: CheckpointId
    #: ``None``: there is no ``_metadata``.
    triggered_ms: int | None
    #: Bytes of state and objects as listed.
    bytes: int
    objects: int
    #: Whether the log, as far as it was read, knows it as complete.
    recorded: bool
    faults: tuple[FileFault, ...] = ()


class JobFolderFacts(msgspec.Struct, frozen=True, kw_only=True, tag="job-folder"):
    """A job's folder below a checkpoint root."""

    uri: str
    job_name: str
    tail: int
    #: The kind of the terminal record that the log ends with.
    ended: str | None
    records: tuple[RecordFacts, ...]
    restore: RestoreFacts | None
    #: Why there is nothing to restore, or why it cannot be told.
    restore_note: str
    #: The next start is refused until a person decides.
    blocked: bool
    checkpoints: tuple[HeldFacts, ...]
    faults: tuple[FileFault, ...] = ()

    @property
    def damaged(self) -> bool:
        """Whether anything in the folder is not what was written."""
        return bool(self.faults) or any(held.faults for held in self.checkpoints)


def inspect_job_folder(folder: Storage, newest: int = NEWEST, s3: S3Options | None = None) -> JobFolderFacts:
    """Read the newest records, and verify every file of every checkpoint. Raises ``StorageError``."""
    entries, faults, tail = _read_log(folder, newest)
    recorded = {
        point.path: point
        for entry in entries
        if (point := point_of(entry.record)) and "://" not in point.path
    }
    held = []
    names = []
    for number in store.existing_checkpoints(folder):
        facts, name = _held(folder, number, recorded.get(paths.checkpoint_folder(number)))
        held.append(facts)
        names.append(name)
    restore, note, blocked = None, "the log is damaged, so it cannot be told", True
    ended = None
    if not faults:
        view = LogView(tuple(entries))
        ended = view.ended
        restore, note, blocked = _restore(folder, view, s3)
    return JobFolderFacts(
        uri=folder.uri,
        job_name=next((name for name in reversed(names) if name), ""),
        tail=tail,
        ended=None if ended is None else type(ended).__name__.lower(),
        records=tuple(map(_record, entries)),
        restore=restore,
        restore_note=note,
        blocked=blocked,
        checkpoints=tuple(held),
        faults=tuple(faults),
    )


def inspect_checkpoint(folder: Storage, number: CheckpointId) -> SnapshotFacts:
    """One checkpoint in a job's folder; if the log knows it, ``_metadata`` must be the one that was recorded.

    Raises ``SnapshotCorrupt`` or ``SnapshotMismatch`` naming ``_metadata``, or ``StorageError``.
    """
    path = paths.checkpoint_folder(number)
    entries, _, _ = _read_log(folder, NEWEST)
    for entry in reversed(entries):
        if isinstance(entry.record, Checkpoint) and entry.record.point.path == path:
            return inspect_snapshot(store.load_point(folder, entry.record.point), entry.seq)
    return inspect_snapshot(store.load_folder(PrefixedStorage(folder, path), around=folder), 0)


def _read_log(folder: Storage, newest: int) -> tuple[list[Entry], list[FileFault], int]:
    """The newest records that can be read, what is wrong with the others, and the number of the last."""
    listed = {seq for info in folder.list(paths.FENCE) if (seq := paths.fence_seq(info.name)) is not None}
    tail = max(listed, default=0)
    entries: list[Entry] = []
    faults: list[FileFault] = []
    for seq in range(max(1, tail - newest + 1), tail + 1):
        file = f"{folder.uri}/{paths.fence_record(seq)}"
        try:
            entry = decode_entry(folder.read(paths.fence_record(seq)), file)
        except ObjectNotFound:
            message = f"{file} is missing, though record {tail} exists"
            faults.append(FileFault(file=file, problem=Problem.MISSING, message=message))
            continue
        except SnapshotError as error:
            faults.append(FileFault(file=file, problem=Problem.FORMAT, message=str(error)))
            continue
        if entry.seq != seq:
            message = f"{file} says that it is record {entry.seq}"
            faults.append(
                FileFault(file=file, problem=Problem.FORMAT, message=message, recorded=seq, found=entry.seq)
            )
        entries.append(entry)
    if not faults:
        try:
            LogView(tuple(entries))
        except SnapshotCorrupt as error:
            file = f"{folder.uri}/{paths.FENCE}"
            faults.append(FileFault(file=file, problem=Problem.FORMAT, message=f"{file}: {error}"))
    return entries, faults, tail


def _record(entry: Entry) -> RecordFacts:
    record = entry.record
    point = point_of(record)
    return RecordFacts(
        seq=entry.seq,
        kind=type(record).__name__.lower(),
        epoch=entry.epoch,
        written_ms=entry.written_ms,
        writer=entry.writer,
        checkpoint=None if point is None else point.checkpoint_id,
        path=None if point is None else point.path,
        has_commits=record.has_commits if isinstance(record, Checkpoint) else None,
        detail=_detail(entry),
    )


def _detail(entry: Entry) -> str:
    match entry.record:
        case Start(run=run, base=base):
            return f"run {run}, {'without state' if base is None else 'restores it'}"
        case Checkpoint(point=point):
            return str(point.kind)
        case Stopped():
            return "with a savepoint"
        case Finished(deleted=deleted) | Cancelled(deleted=deleted):
            return "its checkpoints are deleted" if deleted else "its checkpoints stay"
        case Failed(reason=reason, deleted=deleted):
            return f"{reason} (its checkpoints are deleted)" if deleted else reason
        case Superseded(by=by):
            return f"job {by} took over"
    return ""


def _held(folder: Storage, number: CheckpointId, point: RestorePoint | None) -> tuple[HeldFacts, str]:
    """One checkpoint folder, and the job's name in it."""
    path = paths.checkpoint_folder(number)
    objects = list(folder.list(path + "/"))
    triggered: int | None = None
    name = ""
    faults: list[FileFault] = []
    size = sum(info.size for info in objects)
    if any(info.name == paths.checkpoint_metadata(number) for info in objects) or point is not None:
        try:
            snapshot = (
                store.load_folder(PrefixedStorage(folder, path), around=folder)
                if point is None
                else store.load_point(folder, point)
            )
        except SnapshotError as error:
            file = f"{folder.uri}/{paths.checkpoint_metadata(number)}"
            faults.append(FileFault(file=file, problem=Problem.FORMAT, message=str(error)))
        else:
            triggered, name = snapshot.metadata.triggered_ms, snapshot.metadata.job_name
            faults += verify_files(snapshot)
    facts = HeldFacts(
        checkpoint=number,
        triggered_ms=triggered,
        bytes=size,
        objects=len(objects),
        recorded=point is not None,
        faults=tuple(faults),
    )
    return facts, name


def _restore(folder: Storage, view: LogView, s3: S3Options | None) -> tuple[RestoreFacts | None, str, bool]:
    """What the next start restores; else why not, and whether that start is refused."""
    damaged: set[str] = set()
    while True:
        try:
            decision = recovery.decide(view, damaged, folder.uri)
        except RestoreBlocked as error:
            return None, str(error), True
        if isinstance(decision, recovery.NoState):
            return None, decision.why, False
        point = decision.point
        try:
            store.check_files(store.load_point(folder, point, s3))
        except SnapshotCorrupt:
            damaged.add(point.path)
        except (SnapshotError, StorageError) as error:
            return None, str(error), True
        else:
            facts = RestoreFacts(checkpoint=point.checkpoint_id, path=point.path, why=str(decision.why))
            return facts, "", False

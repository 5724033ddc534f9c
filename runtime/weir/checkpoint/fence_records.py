"""The fence log as data: its records, their JSON, and what a suffix of the log says. Decides; does no I/O.

Every record is one object ``fence/<seq>``, created if absent at tail + 1. Whoever creates a record has thereby proved
that the log ended right before it, so a process that was overtaken can append nothing more. ``fence`` reads and
writes the records, ``recovery`` derives from a :class:`LogView` what to restore.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from weir.checkpoint.metadata import SnapshotKind
from weir.errors import SnapshotCorrupt, SnapshotMismatch
from weir.ids import CheckpointId, Epoch

FORMAT_VERSION = 1


class RestorePoint(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A completed snapshot that a job can be restored from."""

    checkpoint_id: CheckpointId
    #: ``chk-<n>`` within the job's folder, or an absolute URI of a folder (savepoints, other jobs' checkpoints).
    path: str
    metadata_sha256: str
    kind: SnapshotKind = SnapshotKind.CHECKPOINT


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start"):
    """A JobManager process took over; ``base`` is what it restores (None: it starts empty)."""

    run: str  #: names the workloads it runs in, for the operator and for people
    base: RestorePoint | None = None
    #: Nothing runs in this epoch: it only deletes what an ended job left. The end before it still holds.
    clears: bool = False
    #: ``base`` lies outside the job's folder and is the job's own from here on, to be deleted as its checkpoints are.
    claims: bool = False


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True, tag="checkpoint"):
    """A checkpoint or savepoint is complete. Only this permits what it commits."""

    point: RestorePoint
    has_commits: bool


class Stopped(msgspec.Struct, frozen=True, kw_only=True, tag="stopped"):
    """The job was stopped with a savepoint and goes on from it when it is started again."""

    savepoint: RestorePoint


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="finished"):
    """The job came to the end of its input; ``deleted``: its checkpoints are removed."""

    deleted: bool = False


class Cancelled(msgspec.Struct, frozen=True, kw_only=True, tag="cancelled"):
    """The job was cancelled; ``deleted``: its checkpoints are removed."""

    deleted: bool = False


class Failed(msgspec.Struct, frozen=True, kw_only=True, tag="failed"):
    """The job failed for good; ``deleted``: its checkpoints are removed."""

    reason: str = ""
    deleted: bool = False


class Superseded(msgspec.Struct, frozen=True, kw_only=True, tag="superseded"):
    """Another job took over this one's state; this log is closed for ever."""

    by: str  #: job id


Record = Start | Checkpoint | Stopped | Finished | Cancelled | Failed | Superseded
#: After one of these the job runs no more, until another Start. Superseded allows none.
TERMINAL = (Stopped, Finished, Cancelled, Failed, Superseded)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One object of the log."""

    format_version: int = FORMAT_VERSION
    seq: int
    epoch: Epoch  #: of the Start that the record belongs to
    writer: str  #: unique for each process; tells an own success from a lost race
    written_ms: int  #: wall time, for people
    record: Record


def encode_entry(entry: Entry) -> bytes:
    """The bytes of a record's object."""
    return msgspec.json.encode(entry)


def decode_entry(data: bytes, where: str) -> Entry:
    """Read a record. Raises ``SnapshotCorrupt`` or, for a newer format, ``SnapshotMismatch``, naming ``where``."""
    try:
        version = msgspec.json.decode(data, type=_Header).format_version
        if version > FORMAT_VERSION:
            raise SnapshotMismatch(
                f"fence record {where} has format version {version}, this Weir reads up to {FORMAT_VERSION}; "
                "use the version that wrote it"
            )
        return msgspec.json.decode(data, type=Entry)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SnapshotCorrupt(
            f"fence record {where} is damaged ({error}); bring it back from the bucket's versions, or start from a "
            "savepoint under a new job"
        ) from error


class _Header(msgspec.Struct):
    format_version: int


@dataclass(frozen=True)
class LogView:
    """The newest records of a log, in order and without gaps; empty for a log without records."""

    entries: tuple[Entry, ...] = ()

    def __post_init__(self) -> None:
        for before, after in zip(self.entries, self.entries[1:], strict=False):
            epoch = before.epoch + 1 if isinstance(after.record, Start) else before.epoch
            if after.seq != before.seq + 1 or after.epoch != epoch:
                raise SnapshotCorrupt(
                    f"fence record {after.seq} ({type(after.record).__name__}, epoch {after.epoch}) "
                    f"cannot follow record {before.seq} (epoch {before.epoch})"
                )

    @property
    def tail(self) -> int:
        """The number of the last record; 0 for an empty log."""
        return self.entries[-1].seq if self.entries else 0

    @property
    def last(self) -> Entry | None:
        """The last record."""
        return self.entries[-1] if self.entries else None

    @property
    def next_epoch(self) -> Epoch:
        """The epoch that the next Start takes."""
        return Epoch(self.entries[-1].epoch + 1) if self.entries else Epoch(1)

    @property
    def ended(self) -> Stopped | Finished | Cancelled | Failed | Superseded | None:
        """The terminal record if it is the last one, but for starts that only clear up after it."""
        for entry in self.newest_first():
            if not (isinstance(entry.record, Start) and entry.record.clears):
                return entry.record if isinstance(entry.record, TERMINAL) else None
        return None

    @property
    def last_start(self) -> Entry | None:
        """The newest Start within the view."""
        return next((entry for entry in self.newest_first() if isinstance(entry.record, Start)), None)

    @property
    def highest_checkpoint(self) -> CheckpointId:
        """The highest number of a snapshot that the view mentions; 0 if it mentions none."""
        numbers = [point.checkpoint_id for entry in self.entries if (point := point_of(entry.record))]
        return CheckpointId(max(numbers, default=0))

    def newest_first(self) -> Iterator[Entry]:
        """The records from the tail backwards."""
        return reversed(self.entries)

    def may_commit(self, checkpoint: CheckpointId) -> bool:
        """Whether what belongs to ``checkpoint`` may be committed: it has its record."""
        return any(
            isinstance(entry.record, Checkpoint) and entry.record.point.checkpoint_id == checkpoint
            for entry in self.entries
        )


def point_of(record: Record) -> RestorePoint | None:
    """The restore point that a record names: a checkpoint's, a stop's savepoint, or a start's base."""
    match record:
        case Checkpoint(point=point):
            return point
        case Stopped(savepoint=point):
            return point
        case Start(base=base):
            return base
    return None

"""The fence log on storage: reading it, and appending to it at the proven tail only.

A process owns the log's tail from its own ``start`` until another process appends; it learns of that when its next
``append`` is refused, and then must stop (``Fenced``). A lost response makes an own success look refused or failed:
so every refusal is read back and the writer id compared. Nothing here ever deletes a record: a process that froze
between reading the tail and appending would else find its place free again. What the records mean:
``fence_records``; what to restore: ``recovery``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from weir import crashpoints
from weir.checkpoint import paths
from weir.checkpoint.fence_records import (
    Entry,
    LogView,
    Record,
    RestorePoint,
    Start,
    Superseded,
    decode_entry,
    encode_entry,
)
from weir.clock import Clock
from weir.errors import Fenced, ObjectExists, ObjectNotFound, SnapshotCorrupt, StorageUnavailable
from weir.ids import Epoch, JobId
from weir.storage import Storage

#: How many of the newest records are read, besides those of retained checkpoints: the restore point and its fallbacks are among them.
NEWEST = 32
#: Other processes may win so often in a row before a start gives up; each win is a new epoch of the job.
_START_ATTEMPTS = 100


class Started(NamedTuple):
    """What a successful start proved."""

    entry: Entry  #: the Start itself
    view: LogView  #: the log right before it


class FenceLog:
    """One process's access to a job's fence log; calls block, and are made one at a time.

    ``storage`` is the job's folder; ``writer`` must be unique for each process; ``newest``: how many records are read.
    """

    def __init__(self, storage: Storage, writer: str, clock: Clock, newest: int = NEWEST) -> None:
        self._storage = storage
        self._newest = newest
        self._writer = writer
        self._clock = clock
        self._started: Started | None = None
        self._own: Entry | None = None  # the tail as far as this process proved it
        self._unresolved: Entry | None = None  # an append whose outcome is not known

    @property
    def epoch(self) -> Epoch:
        """The epoch that this process took."""
        return self._last_own().epoch

    @property
    def tail(self) -> int:
        """The number of the last record of this process."""
        return self._last_own().seq

    @property
    def own(self) -> Entry | None:
        """The last record of this process; ``None``: it has not started the job."""
        return self._own

    @property
    def last(self) -> Record:
        """The last record of this process."""
        return self._last_own().record

    @property
    def unresolved(self) -> Record | None:
        """The record whose append ended without a known outcome; it must be appended again before any other."""
        return self._unresolved.record if self._unresolved else None

    def read(self, newest: int | None = None) -> LogView:
        """The newest records, so many if told. Raises ``SnapshotCorrupt`` when one is missing or damaged."""
        tail = self._find_tail()
        first = max(1, tail - (newest or self._newest) + 1)
        entries = []
        for seq in range(first, tail + 1):
            entry = self._get(seq)
            if entry is None:
                raise self._missing(seq, tail)
            entries.append(entry)
        return LogView(tuple(entries))

    def last_start(self, view: LogView) -> Entry | None:
        """The newest start that ran something, however far before ``view`` it lies. Raises ``SnapshotCorrupt``."""
        seen = {entry.epoch: entry for entry in view.entries if isinstance(entry.record, Start)}
        epoch, before = (view.last.epoch, view.tail) if view.last else (Epoch(0), 0)
        while epoch > 0:
            entry = seen.get(epoch) or self._first_of(epoch, before)
            if not (isinstance(entry.record, Start) and entry.record.clears):
                return entry
            epoch, before = Epoch(epoch - 1), entry.seq - 1
        return None

    def start(
        self,
        run: str,
        base_of: Callable[[LogView], RestorePoint | None],
        expected_tail: int | None = None,
        *,
        clears: bool = False,
        claims: Callable[[LogView, RestorePoint], bool] = lambda _view, _base: False,
    ) -> Started:
        """Take over the job with a new epoch; ``clears``: only to delete what an ended job left; ``claims``: whether the base
        becomes the job's own.

        ``base_of`` derives from the log what will be restored; what it raises goes through, and nothing is written.
        When another process appends meanwhile, the log is read and the base derived again. Repeating a start that
        succeeded gives the same answer. Raises ``Fenced`` when the log is closed or does not end at
        ``expected_tail``.
        """
        if self._started is not None:
            return self._started
        for _ in range(_START_ATTEMPTS):
            view = self.read()
            started = self._landed_start(view, run)
            if started is None:
                self._check_open(view, expected_tail)
                base = base_of(view)
                crashpoints.hit("jobmanager.start.after-read")
                owns = base is not None and claims(view, base)
                record = Start(run=run, base=base, clears=clears, claims=owns)
                entry = self._entry(view.tail + 1, view.next_epoch, record)
                if not self._create(entry):
                    continue
                started = Started(entry, view)
            self._own, self._started = started.entry, started
            crashpoints.hit("jobmanager.start.after-record")
            return started
        raise Fenced(
            f"{self._storage.uri}/{paths.FENCE}: {_START_ATTEMPTS} other starts came first; look who makes them"
        )

    def supersede(self, by: JobId) -> LogView:
        """Close this log for ever on behalf of job ``by``, and return what it holds.

        Whoever ran the job is fenced from then on. Raises ``Fenced`` when a third job was faster.
        """
        for _ in range(_START_ATTEMPTS):
            view = self.read()
            if isinstance(view.ended, Superseded):
                if view.ended.by == by:
                    return view
                raise Fenced(
                    f"{self._storage.uri}: job {view.ended.by} took over this job's state before job {by}"
                )
            if view.last is None:
                return view
            entry = self._entry(view.tail + 1, view.last.epoch, Superseded(by=by))
            if self._create(entry):
                return LogView((*view.entries, entry))
        raise Fenced(
            f"{self._storage.uri}/{paths.FENCE}: somebody else appends all the time; stop that job first"
        )

    def append(self, record: Record, expected_tail: int) -> Entry:
        """Append ``record`` right behind ``expected_tail``, the last record of this process.

        Repeating an append whose outcome is unknown (``StorageUnavailable``) is safe, and is the only way to learn
        it. Raises ``Fenced`` when another process took the place.
        """
        own = self._last_own()
        if own.seq == expected_tail + 1 and own.record == record:
            return own  # a repetition of what has succeeded
        if own.seq != expected_tail:
            raise Fenced(
                f"{self._storage.uri}: this process is at fence record {own.seq}, not at {expected_tail}"
            )
        entry = self._unresolved or self._entry(expected_tail + 1, own.epoch, record)
        if entry.record != record:
            raise StorageUnavailable(
                f"{self._storage.uri}: whether fence record {entry.seq} ({type(entry.record).__name__}) was written is not "
                "known yet; append it again first"
            )
        crashpoints.hit("jobmanager.fence.before-record")
        first_attempt, self._unresolved = self._unresolved is None, entry
        try:
            created = self._create(entry)
        except StorageUnavailable:
            raise
        except Exception:
            if first_attempt:  # refused for a reason that cannot hide a success
                self._unresolved = None
            raise
        self._unresolved = None
        if not created:
            raise self._fenced_by(entry.seq, self._get(entry.seq))
        self._own = entry
        crashpoints.hit("jobmanager.fence.after-record")
        return entry

    def check_owned(self) -> None:
        """Raise ``Fenced`` if another process appended; to be called before anything is deleted."""
        seq = self._last_own().seq + 1
        entry = self._get(seq)
        if entry is not None and entry.writer != self._writer:
            raise self._fenced_by(seq, entry)

    def _last_own(self) -> Entry:
        if self._own is None:
            raise Fenced(f"{self._storage.uri}: this process has not started the job")
        return self._own

    def _entry(self, seq: int, epoch: Epoch, record: Record) -> Entry:
        return Entry(
            seq=seq, epoch=epoch, writer=self._writer, written_ms=self._clock.wall_ms(), record=record
        )

    def _create(self, entry: Entry) -> bool:
        """Whether ``entry`` is in the log now, written by this process."""
        name = paths.fence_record(entry.seq)
        try:
            self._storage.create_if_absent(name, encode_entry(entry))
        except ObjectExists:
            crashpoints.hit("jobmanager.fence.after-refusal")
            return self._landed(entry)
        except StorageUnavailable:
            if self._landed(entry):
                return True
            raise
        return True

    def _landed(self, entry: Entry) -> bool:
        found = self._get(entry.seq)
        return found is not None and found.writer == self._writer and found.record == entry.record

    def _get(self, seq: int) -> Entry | None:
        name = paths.fence_record(seq)
        try:
            data = self._storage.read(name)
        except ObjectNotFound:
            return None
        entry = decode_entry(data, f"{self._storage.uri}/{name}")
        if entry.seq != seq:
            raise SnapshotCorrupt(
                f"fence record {self._storage.uri}/{name} says that it is number {entry.seq}"
            )
        return entry

    def _find_tail(self) -> int:
        """The last record's number. LIST is only a hint: what it lacks is looked for by GET."""
        listed = {seq for info in self._storage.list(paths.FENCE) if (seq := paths.fence_seq(info.name))}
        tail = max(listed, default=0)
        for seq in range(1, tail):
            if seq not in listed and self._get(seq) is None:
                raise self._missing(seq, tail)
        while self._get(tail + 1) is not None:
            tail += 1
        return tail

    def _first_of(self, epoch: Epoch, until: int) -> Entry:
        """The first record of ``epoch``, its start; epochs only grow along the log. ``until``: it has begun there."""
        low, high = 1, until
        while True:
            middle = (low + high) // 2
            entry = self._get(middle)
            if entry is None:
                raise self._missing(middle, until)
            if low == high:
                return entry
            low, high = (middle + 1, high) if entry.epoch < epoch else (low, middle)

    def _landed_start(self, view: LogView, run: str) -> Started | None:
        """An earlier ``start`` of this process whose response was lost."""
        mine = next((entry for entry in view.entries if entry.writer == self._writer), None)
        if mine is None:
            return None
        if mine is not view.last or not isinstance(mine.record, Start) or mine.record.run != run:
            raise self._fenced_by(view.tail, view.last)
        return Started(mine, LogView(view.entries[:-1]))

    def _check_open(self, view: LogView, expected_tail: int | None) -> None:
        if isinstance(view.ended, Superseded):
            raise Fenced(
                f"{self._storage.uri}: job {view.ended.by} took over this job's state; it cannot be started again"
            )
        if expected_tail is not None and view.tail != expected_tail:
            raise Fenced(
                f"{self._storage.uri}: the fence log ends at record {view.tail}, the start was planned for {expected_tail}; "
                "plan again"
            )

    def _missing(self, seq: int, tail: int) -> SnapshotCorrupt:
        name = paths.fence_record(seq)
        return SnapshotCorrupt(
            f"fence record {self._storage.uri}/{name} is missing, though record {tail} exists; "
            "bring it back from the bucket's versions, or start from a savepoint under a new job"
        )

    def _fenced_by(self, seq: int, entry: Entry | None) -> Fenced:
        by = (
            f"epoch {entry.epoch} ({type(entry.record).__name__} by {entry.writer})"
            if entry
            else "another process"
        )
        return Fenced(f"{self._storage.uri}: fence record {seq} belongs to {by}; this process must stop")

"""A job's log and snapshots as the job's shell uses them: claim, publish, discard, delete, end.

Calls block and are made one at a time, in whatever thread the shell gives them. :class:`StoredJournal` stands on
``checkpoint.fence`` and ``checkpoint.store``; ``unstored_journal`` is for a job without checkpoints.
"""

from __future__ import annotations

import functools
import secrets
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from weir import crashpoints
from weir.checkpoint import events, paths, publishing, recovery, store
from weir.checkpoint import fence_records as records
from weir.checkpoint.fence import NEWEST, FenceLog, Started
from weir.checkpoint.fence_records import LogView, RestorePoint
from weir.checkpoint.history import Kept
from weir.checkpoint.start_directive import (
    Admission,
    Applied,
    Apply,
    Outrun,
    StartDirective,
    StartRefused,
    admit,
)
from weir.clock import Clock
from weir.errors import Fenced, StorageUnfit, WeirError
from weir.ids import CheckpointId, Epoch, JobId
from weir.jobmanager.history.claimed_sources import ClaimedSources
from weir.jobmanager.history.earlier_lives import EarlierLives
from weir.jobmanager.history.restoring import Choice, Restore, Skipped, mark_name
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState
from weir.storage import Storage, join_uri, open_storage
from weir.storage.doctor import broken_promise

log = structlog.get_logger()


@dataclass(frozen=True)
class Claim:
    """What a successful start proved."""

    epoch: Epoch
    restore: Restore | None
    next_id: CheckpointId
    #: Completed checkpoints of this job that exist, oldest first.
    completed: tuple[CheckpointId, ...]
    note: str  #: what is restored and why, for people
    #: What the log says of ``completed``.
    kept: Mapping[CheckpointId, Kept] = field(default_factory=dict)
    #: Damaged ones in whose place ``restore`` is.
    skipped: tuple[Skipped, ...] = ()

    @property
    def own_base(self) -> CheckpointId | None:
        """What is restored, if it is the job's own to delete."""
        base = None if self.restore is None else self.restore.metadata.checkpoint_id
        return base if self.restore is not None and (self.restore.own or base in self.completed) else None


@dataclass(frozen=True)
class Position:
    """Where a job's log is, as far as this process knows."""

    epoch: Epoch
    tail: int
    #: The kind of its last record if the job ended by it: ``Stopped``, ``Finished``, ...
    ending: str | None = None
    #: Of a stop.
    savepoint: Kept | None = None


class Overtaken(Fenced):
    """While this process was about to take the job over, another one did."""


class LostWithoutCheckpoints(WeirError):
    """The job ran before, and checkpointing is off: what it had read and kept is gone with the process that ran it."""


@dataclass(frozen=True)
class AlreadyEnded:
    """The log ends in a terminal record, and the job is only being recovered, or finished."""

    state: JobState
    position: Position | None = None
    #: Checkpoints of the job that exist, as its log says it.
    kept: Mapping[CheckpointId, Kept] = field(default_factory=dict)
    note: str = ""  #: for people


class Journal(Protocol):
    """See the module."""

    @property
    def root(self) -> str | None:
        """URI of the job's folder; ``None``: nothing is stored."""
        ...

    def claim(
        self,
        *,
        recovering: bool,
        directive: StartDirective | None = None,
        damaged: Mapping[str, str] | None = None,
    ) -> Claim | AlreadyEnded | StartRefused:
        """Take the job over with a new epoch; ``directive``: of the operator, who then decides in ``recovering``'s place.

        ``damaged``: paths of restore points that proved unusable, and how.
        Raises ``Overtaken``, ``Fenced``, ``SnapshotError``, ``StorageError``.
        """
        ...

    def admission(self, directive: StartDirective) -> Admission:
        """What the log says to a directive now; reads only."""
        ...

    def position(self) -> Position | None:
        """Where the log is; ``None``: there is none, or it is not this process's."""
        ...

    def publish(self, order: events.Publish) -> events.Published | events.PublishFailed:
        """Complete a snapshot; the answer's path is the URI of its folder."""
        ...

    def discard(self, checkpoint: CheckpointId, target: str | None) -> None:
        """Delete what this epoch wrote for a snapshot that did not complete; ``target``: of a savepoint."""
        ...

    def check_owned(self) -> None:
        """Raises ``Fenced`` when another process took the job over."""
        ...

    def delete(self, checkpoints: tuple[CheckpointId, ...]) -> None:
        """Delete completed checkpoints. Raises ``Fenced``."""
        ...

    def delete_shared(self, kept: tuple[CheckpointId, ...]) -> None:
        """Delete files that no checkpoint is made of, nor will be; ``newest``: the newest completed one. Raises ``Fenced``."""
        ...

    def sweep(self, keep: tuple[CheckpointId, ...], below: CheckpointId) -> None:
        """Delete what dead workers and processes left of numbers under ``below``, but ``keep``. Raises ``Fenced``."""
        ...

    def end(self, state: JobState, reason: str, *, deletes: bool, stopped: bool = False) -> None:
        """Append the terminal record; then, if it ``deletes``, all checkpoints. ``stopped``: with the snapshot published last.

        Repeatable. Raises ``Fenced``, ``StorageError``.
        """
        ...


class StoredJournal:
    """A job's folder below a checkpoint root."""

    def __init__(
        self,
        spec: JobSpec,
        job: JobId,
        root: str,
        run: str,
        clock: Clock,
        *,
        resumes: bool = True,
        claims: bool = False,
        retained: int = 1,
    ) -> None:
        """``resumes``: whether checkpoints are taken, so that a process that is gone can be followed by another.

        ``claims``: whether a snapshot that is named to start from becomes the job's own. ``retained``: how many completed
        checkpoints are kept, each of which has its record in the log.
        """
        self._spec = spec
        self._job = job
        self._run = run
        self._resumes = resumes
        self._claims = claims
        self._clock = clock
        self._sources = ClaimedSources()
        self._checkpoints = open_storage(root)
        self._folder: Storage = store.job_folder(self._checkpoints, job)
        self._writer = writer = f"{socket.gethostname()}-{secrets.token_hex(8)}"
        self._fence = FenceLog(self._folder, writer, clock, NEWEST + retained)
        self._earlier = EarlierLives(self._checkpoints, spec, job, writer, clock)
        #: The terminal record and the log's tail before it, so that ``end`` can be repeated.
        self._ending: tuple[records.Record, int] | None = None

    @property
    def root(self) -> str | None:
        return self._folder.uri

    def claim(
        self,
        *,
        recovering: bool,
        directive: StartDirective | None = None,
        damaged: Mapping[str, str] | None = None,
    ) -> Claim | AlreadyEnded | StartRefused:
        view = self._fence.read()
        if directive is not None:
            admission = self._admission(view, directive)
            if isinstance(admission, Outrun | StartRefused):
                return self._not_admitted(admission)
            recovering = isinstance(admission, Applied)
            directive = None if recovering else directive
        if not recovering and (directive is None or not view.entries):
            # Else the process before this one asked, and a job that is down should not wait.
            _refuse_unfit(self._checkpoints)
        ended = view.ended
        # A job that finished never runs again under its id but by an operator's order: all its output is there.
        if ended is not None and (recovering or (directive is None and isinstance(ended, records.Finished))):
            self._finish_deletion(ended, view)
            return self._ended(view, ended)
        if recovering and not self._resumes:
            raise LostWithoutCheckpoints(
                f"the JobManager of run {self._run} was lost, and checkpointing is off: a restart would lose state; set "
                "spec.checkpoints.interval, or start anew by upgrade.restartNonce with upgrade.mode Stateless"
            )
        crashpoints.hit("jobmanager.claim.before-name")
        mark_name(self._checkpoints, self._spec, self._job)
        crashpoints.hit("jobmanager.claim.after-name")
        choice = Choice(self._spec, self._folder, directive, self._earlier.take_over, damaged)
        try:
            started = self._start(choice, view, directive)
        except _Unexpected as error:
            return self._not_admitted(error.admission)
        crashpoints.hit("jobmanager.claim.after-start")
        restore, note = choice.restore, choice.note
        existing = store.existing_checkpoints(self._folder)
        base = restore.metadata.checkpoint_id if restore else CheckpointId(0)
        highest = max(started.view.highest_checkpoint, base, *existing, 0)
        line = LogView((*started.view.entries, started.entry))
        recorded = recovery.completed_oldest_first(line)
        self._sources = ClaimedSources.existing(recovery.claimed(line), {*existing, *recorded})
        self._sources.delete_rest(self._job, self._writer, self._clock)
        completed = (*self._sources.points, *(number for number in recorded if number in existing))
        next_id = CheckpointId(highest + 1)
        known = self._recorded(started.view)
        if restore is not None and restore.uri == join_uri(self._folder.uri, paths.checkpoint_folder(base)):
            # After many starts in a row its own record lies before what was read of the log.
            known.setdefault(base, Kept(restore.uri, restore.metadata.triggered_ms, restore.metadata.size))
        kept = {number: self._sources.kept(number) for number in self._sources.points}
        kept |= {number: known[number] for number in completed if number in known}
        return Claim(started.entry.epoch, restore, next_id, completed, note, kept, choice.skipped)

    def _ended(self, view: LogView, ended: records.Record) -> AlreadyEnded:
        last = self._fence.own or view.last
        assert last is not None, "it ended"
        recorded_at, existing = self._recorded(view), store.existing_checkpoints(self._folder)
        kept = {number: recorded_at[number] for number in existing if number in recorded_at}
        reason = f": {ended.reason}" if isinstance(ended, records.Failed) else ""
        note = f"had ended before this JobManager started, by {type(ended).__name__}{reason}"
        return AlreadyEnded(_ENDED[type(ended)], _position(last, ended), kept, note)

    def _recorded(self, view: LogView) -> dict[CheckpointId, Kept]:
        return {
            entry.record.point.checkpoint_id: Kept(
                join_uri(self._folder.uri, entry.record.point.path), entry.written_ms
            )
            for entry in view.entries
            if isinstance(entry.record, records.Checkpoint) and "://" not in entry.record.point.path
        }

    def position(self) -> Position | None:
        own = self._fence.own
        return None if own is None else _position(own, own.record)

    def _start(self, choice: Choice, view: LogView, directive: StartDirective | None) -> Started:
        """Append this process's start. Raises ``_Unexpected`` when the log went on in a way that the directive forbids."""
        claims = functools.partial(_claims, choice, self._claims)
        if directive is not None:
            return self._fence.start(self._run, self._admitting(choice, directive), claims=claims)
        # Whoever froze about here and finds that the log went on is not the one to run the job, let alone
        # to run it again after it finished.
        try:
            return self._fence.start(self._run, choice.base_of, view.tail, claims=claims)
        except Fenced as error:
            if isinstance(view.ended, records.Superseded):
                raise
            raise Overtaken(str(error)) from error

    def admission(self, directive: StartDirective) -> Admission:
        return self._admission(self._fence.read(), directive)

    def _admission(self, view: LogView, directive: StartDirective) -> Admission:
        return admit(view.tail, self._fence.last_start(view), directive)

    def _admitting(
        self, choice: Choice, directive: StartDirective
    ) -> Callable[[LogView], RestorePoint | None]:
        def base_of(view: LogView) -> RestorePoint | None:
            admission = self._admission(view, directive)
            if not isinstance(admission, Apply):
                raise _Unexpected(admission)
            return choice.base_of(view)

        return base_of

    def _not_admitted(self, admission: Admission) -> StartRefused:
        if isinstance(admission, StartRefused):
            return admission
        # ``Applied`` here: a process of the same run came first, while this one was on its way.
        run = admission.run if isinstance(admission, Outrun) else self._run
        raise Overtaken(f"{self._folder.uri}: run {run} has the job, this process is of run {self._run}")

    def _finish_deletion(self, ended: records.Record, view: LogView) -> None:
        """A process died between its terminal record and the deletion that the record allows."""
        deleted = isinstance(ended, records.Finished | records.Cancelled | records.Failed) and ended.deleted
        taken = store.existing_checkpoints(self._folder)
        self._sources = ClaimedSources.existing(recovery.claimed(view) if deleted else (), taken)
        left = self._sources.points or self._sources.left_over
        if deleted and (left or store.holds_checkpoints(self._folder)):
            # Only the newest epoch deletes, so there must be one; the log then ends as it did.
            self._fence.start(self._run, _Still(ended).base_of, clears=True)
            crashpoints.hit("jobmanager.end.before-clearing")
            self._fence.append(ended, self._fence.tail)
            self._clear()

    def publish(self, order: events.Publish) -> events.Published | events.PublishFailed:
        savepoint = None
        if order.target is not None:
            savepoint = store.savepoint_folder(order.target, self._job, order.checkpoint_id)
        answer = publishing.answer(self._fence, self._folder, order, savepoint)
        if isinstance(answer, events.PublishFailed) or savepoint is not None:
            return answer
        return replace(answer, path=join_uri(self._folder.uri, answer.path))

    def check_owned(self) -> None:
        self._fence.check_owned()

    def discard(self, checkpoint: CheckpointId, target: str | None) -> None:
        self._fence.check_owned()
        if target is None:
            store.discard(self._folder, f"chk-{checkpoint}", self._fence.epoch)
        else:
            store.discard(store.savepoint_folder(target, self._job, checkpoint), "", self._fence.epoch)

    def delete(self, checkpoints: tuple[CheckpointId, ...]) -> None:
        sources = self._sources.points
        own = [number for number in checkpoints if number not in sources]
        store.delete_checkpoints(self._fence, self._folder, own)
        self._delete_sources(number for number in checkpoints if number in sources)

    def delete_shared(self, kept: tuple[CheckpointId, ...]) -> None:
        store.delete_shared(self._fence, self._folder, kept)

    def sweep(self, keep: tuple[CheckpointId, ...], below: CheckpointId) -> None:
        found = store.sweep(self._fence, self._folder, keep, below)
        if found.foreign:
            log.warning("unknown files in the job's folder are left alone", files=found.foreign[:10])

    def end(self, state: JobState, reason: str, *, deletes: bool, stopped: bool = False) -> None:
        crashpoints.hit("jobmanager.end.before-record")
        if self._ending is None:
            record = self._stopped_with() if stopped else _terminal(state, reason, deletes)
            self._ending = record, self._fence.tail
        self._fence.append(*self._ending)
        crashpoints.hit("jobmanager.end.after-record")
        if deletes:
            self._clear()
        crashpoints.hit("jobmanager.end.after-delete")

    def _clear(self) -> None:
        store.clear(self._fence, self._folder)
        self._delete_sources(self._sources.points)
        self._sources.delete_rest(self._job, self._writer, self._clock)

    def _delete_sources(self, numbers: Iterable[CheckpointId]) -> None:
        for number in numbers:
            self._fence.check_owned()
            self._sources.delete(number, self._job, self._writer, self._clock)

    def _stopped_with(self) -> records.Stopped:
        """Nothing was published after the savepoint, so it is the last that this process recorded."""
        last = self._fence.last
        assert isinstance(last, records.Checkpoint), f"stopped with a savepoint, but the log ends in {last}"
        return records.Stopped(savepoint=last.point)


def _refuse_unfit(checkpoints: Storage) -> None:
    """Raises ``StorageUnfit`` for an S3 store that cannot hold a fence; file systems create exclusively by their own contract."""
    broken = broken_promise(checkpoints) if checkpoints.uri.startswith("s3://") else None
    if broken is not None:
        raise StorageUnfit(
            f"{checkpoints.uri} must not hold checkpoints: it fails {broken.check!r}: {broken.said}; use another store, or look "
            f"what is between: `weir doctor storage {checkpoints.uri}`"
        )


def _claims(choice: Choice, claims: bool, view: LogView, base: RestorePoint) -> bool:
    """Whether a start's base becomes, or is already, the job's own though it lies elsewhere."""
    named = choice.restore is not None and choice.restore.named
    return "://" in base.path and ((claims and named) or base in recovery.claimed(view))


class _Unexpected(Exception):
    """The log does not admit the directive any more."""

    def __init__(self, admission: Admission) -> None:
        super().__init__()
        self.admission = admission


class _Still:
    """Lets a start happen only while the log ends in a certain record."""

    def __init__(self, ended: records.Record) -> None:
        self._ended = ended

    def base_of(self, view: LogView) -> RestorePoint | None:
        """Nothing is restored. Raises ``Fenced``."""
        if view.ended != self._ended:
            raise Overtaken("somebody else started the job again")
        return None


def _position(last: records.Entry, ended: records.Record) -> Position:
    """``ended``: the last record, but for starts that only cleared up after it."""
    ending = type(ended).__name__ if isinstance(ended, records.TERMINAL) else None
    savepoint = None
    if isinstance(ended, records.Stopped):
        savepoint = Kept(ended.savepoint.path, last.written_ms)
    return Position(last.epoch, last.seq, ending, savepoint)


_ENDED = {
    records.Stopped: JobState.FINISHED,
    records.Finished: JobState.FINISHED,
    records.Cancelled: JobState.CANCELED,
    records.Failed: JobState.FAILED,
    records.Superseded: JobState.SUSPENDED,
}


def _terminal(state: JobState, reason: str, deleted: bool) -> records.Record:
    if state is JobState.FINISHED:
        return records.Finished(deleted=deleted)
    if state is JobState.CANCELED:
        return records.Cancelled(deleted=deleted)
    return records.Failed(reason=reason, deleted=deleted)

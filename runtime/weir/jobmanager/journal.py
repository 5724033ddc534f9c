"""A job's log and snapshots as the job's shell uses them: claim, publish, discard, delete, end.

Calls block and are made one at a time, in whatever thread the shell gives them. :class:`StoredJournal` stands on
``checkpoint.fence`` and ``checkpoint.store``; :class:`UnstoredJournal` is for a job without checkpoints, whose final
round commits output but stores nothing.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from weir import crashpoints
from weir.checkpoint import events, publishing, recovery, store
from weir.checkpoint import fence_records as records
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import LogView, RestorePoint
from weir.checkpoint.metadata import SnapshotMetadata
from weir.checkpoint.retention import JobEnd, deletes_checkpoints
from weir.clock import Clock
from weir.errors import Fenced, RestoreBlocked, SnapshotCorrupt, StorageError, StorageUnfit
from weir.ids import CheckpointId, Epoch, JobId
from weir.rpc.messages import JobSpec
from weir.rpc.requests import JobState
from weir.storage import Storage, join_uri, open_storage
from weir.storage.doctor import broken_promise

log = structlog.get_logger()


@dataclass(frozen=True)
class Restore:
    """A snapshot to deploy from."""

    metadata: SnapshotMetadata
    uri: str  #: of its folder
    #: Whether it is one of this job's own checkpoints: its files lie in the job's folder.
    own: bool


@dataclass(frozen=True)
class Claim:
    """What a successful start proved."""

    epoch: Epoch
    restore: Restore | None
    next_id: CheckpointId
    #: Completed checkpoints of this job that exist, oldest first.
    completed: tuple[CheckpointId, ...]
    note: str  #: what is restored and why, for people


class Overtaken(Fenced):
    """While this process was about to take the job over, another one did."""


@dataclass(frozen=True)
class AlreadyEnded:
    """The log ends in a terminal record, and the job is only being recovered, or finished."""

    state: JobState


class Journal(Protocol):
    """See the module."""

    @property
    def root(self) -> str | None:
        """URI of the job's folder; ``None``: nothing is stored."""
        ...

    def claim(self, *, recovering: bool) -> Claim | AlreadyEnded:
        """Take the job over with a new epoch. Raises ``Overtaken``, ``Fenced``, ``SnapshotError``, ``StorageError``."""
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

    def sweep(self, keep: tuple[CheckpointId, ...], below: CheckpointId) -> None:
        """Delete what dead workers and processes left of numbers under ``below``, but ``keep``. Raises ``Fenced``."""
        ...

    def end(self, state: JobState, reason: str, retain_on_cancel: bool, *, stopped: bool = False) -> None:
        """Append the terminal record, then delete what goes with it; ``stopped``: with the snapshot published last.

        Repeatable. Raises ``Fenced``, ``StorageError``.
        """
        ...


class UnstoredJournal:
    """A job without checkpoints. It may still start from a snapshot, and savepoints of it may be taken."""

    root = None

    def __init__(self, spec: JobSpec, job: JobId) -> None:
        self._spec = spec
        self._job = job

    def claim(self, *, recovering: bool) -> Claim | AlreadyEnded:
        restore = None
        note = "checkpointing is off: nothing is stored"
        if self._spec.restore_from is not None:
            restore = _foreign(store.load(self._spec.restore_from))
            note = f"restored from {restore.uri}; {note}"
        next_id = CheckpointId(1 + (restore.metadata.checkpoint_id if restore else 0))
        return Claim(Epoch(1), restore, next_id, (), note)

    def publish(self, order: events.Publish) -> events.Published | events.PublishFailed:
        if order.target is None:
            return events.Published(order.checkpoint_id, "")
        folder = store.savepoint_folder(order.target, self._job, order.checkpoint_id)
        return publishing.answer_unrecorded(order, folder)

    def discard(self, checkpoint: CheckpointId, target: str | None) -> None:
        if target is not None:
            store.discard(store.savepoint_folder(target, self._job, checkpoint), "", Epoch(1))

    def check_owned(self) -> None:
        pass

    def delete(self, checkpoints: tuple[CheckpointId, ...]) -> None:
        pass

    def sweep(self, keep: tuple[CheckpointId, ...], below: CheckpointId) -> None:
        pass

    def end(self, state: JobState, reason: str, retain_on_cancel: bool, *, stopped: bool = False) -> None:
        pass


class StoredJournal:
    """A job's folder below a checkpoint root."""

    def __init__(self, spec: JobSpec, job: JobId, root: str, run: str, clock: Clock) -> None:
        self._spec = spec
        self._job = job
        self._run = run
        self._checkpoints = open_storage(root)
        self._folder: Storage = store.job_folder(self._checkpoints, job)
        writer = f"{socket.gethostname()}-{secrets.token_hex(8)}"
        self._fence = FenceLog(self._folder, writer, clock)
        #: The terminal record and the log's tail before it, so that ``end`` can be repeated.
        self._ending: tuple[records.Record, int] | None = None

    @property
    def root(self) -> str | None:
        return self._folder.uri

    def claim(self, *, recovering: bool) -> Claim | AlreadyEnded:
        if not recovering:  # else the process before this one asked, and a job that is down should not wait
            _refuse_unfit(self._checkpoints)
        view = self._fence.read()
        ended = view.ended
        # A job that finished never runs again under its id, whoever asks: all its output is there.
        if ended is not None and (recovering or isinstance(ended, records.Finished)):
            self._finish_deletion(ended)
            return AlreadyEnded(_ENDED[type(ended)])
        crashpoints.hit("jobmanager.claim.before-name")
        store.mark_name(self._checkpoints, self._spec.namespace, self._spec.name, self._job)
        crashpoints.hit("jobmanager.claim.after-name")
        choice = _Choice(self._spec, self._folder)
        # Whoever froze about here and finds that the log went on is not the one to run the job, let alone
        # to run it again after it finished.
        try:
            started = self._fence.start(self._run, choice.base_of, view.tail)
        except Fenced as error:
            if isinstance(ended, records.Superseded):
                raise
            raise Overtaken(str(error)) from error
        crashpoints.hit("jobmanager.claim.after-start")
        restore, note = choice.restore, choice.note
        existing = store.existing_checkpoints(self._folder)
        base = restore.metadata.checkpoint_id if restore else CheckpointId(0)
        highest = max(started.view.highest_checkpoint, base, *existing, 0)
        recorded = recovery.completed_oldest_first(started.view)
        completed = tuple(number for number in recorded if number in existing)
        return Claim(started.entry.epoch, restore, CheckpointId(highest + 1), completed, note)

    def _finish_deletion(self, ended: records.Record) -> None:
        """A process died between its terminal record and the deletion that the record allows."""
        deleted = isinstance(ended, records.Finished | records.Cancelled) and ended.deleted
        left = store.existing_checkpoints(self._folder) if deleted else []
        if left:
            # Only the newest epoch deletes, so there must be one; the log then ends as it did.
            self._fence.start(self._run, _Still(ended).base_of, clears=True)
            crashpoints.hit("jobmanager.end.before-clearing")
            self._fence.append(ended, self._fence.tail)
            store.delete_checkpoints(self._fence, self._folder, left)

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
        store.delete_checkpoints(self._fence, self._folder, checkpoints)

    def sweep(self, keep: tuple[CheckpointId, ...], below: CheckpointId) -> None:
        found = store.sweep(self._fence, self._folder, keep, below)
        if found.foreign:
            log.warning("unknown files in the job's folder are left alone", files=found.foreign[:10])

    def end(self, state: JobState, reason: str, retain_on_cancel: bool, *, stopped: bool = False) -> None:
        ending = JobEnd.STOPPED if stopped else _JOB_END[state]
        deletes = deletes_checkpoints(ending, retain_on_cancel=retain_on_cancel)
        crashpoints.hit("jobmanager.end.before-record")
        if self._ending is None:
            record = self._stopped_with() if stopped else _terminal(state, reason, deletes)
            self._ending = record, self._fence.tail
        self._fence.append(*self._ending)
        crashpoints.hit("jobmanager.end.after-record")
        if deletes:
            store.delete_checkpoints(self._fence, self._folder, store.existing_checkpoints(self._folder))
        crashpoints.hit("jobmanager.end.after-delete")

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


class _Still:
    """Lets a start happen only while the log ends in a certain record."""

    def __init__(self, ended: records.Record) -> None:
        self._ended = ended

    def base_of(self, view: LogView) -> RestorePoint | None:
        """Nothing is restored. Raises ``Fenced``."""
        if view.ended != self._ended:
            raise Overtaken("somebody else started the job again")
        return None


class _Choice:
    """What a start restores: the answer to the fence, and what was loaded for it."""

    def __init__(self, spec: JobSpec, folder: Storage) -> None:
        self._spec = spec
        self._folder = folder
        self.restore: Restore | None = None
        self.note = ""

    def base_of(self, view: LogView) -> RestorePoint | None:
        """Derive the base from the log; an empty log starts from the snapshot that was asked for, or with nothing."""
        self.restore = None
        if not view.entries:
            return self._first_start()
        damaged: dict[str, str] = {}
        while True:
            try:
                decision = recovery.decide(view, damaged.keys())
            except RestoreBlocked:
                raise self._blocked(view, damaged) from None
            if isinstance(decision, recovery.NoState):
                self.note = f"starts without state: {decision.why}"
                return None
            try:
                self._load(decision.point)
            except SnapshotCorrupt as error:
                log.warning("restore point is damaged", path=decision.point.path, reason=str(error))
                damaged[decision.point.path] = str(error)
                continue
            self.note = f"restores {decision.point.path}: {decision.why}"
            return decision.point

    def _blocked(self, view: LogView, damaged: Mapping[str, str]) -> RestoreBlocked:
        """Why nothing may be restored: what is damaged and how, and which of the others are still there."""
        unusable = set(damaged)
        for candidate in recovery.candidates(view):
            try:
                self._load(candidate.point)
            except SnapshotCorrupt:
                unusable.add(candidate.point.path)
        try:
            recovery.decide(view, unusable)
        except RestoreBlocked as error:
            return RestoreBlocked("\n".join([*damaged.values(), str(error)]))
        raise AssertionError("a point that is safe to restore was passed over")

    def _first_start(self) -> RestorePoint | None:
        if self._spec.restore_from is None:
            self.note = "starts without state: the job is new"
            return None
        snapshot = store.load(self._spec.restore_from)
        store.check_files(snapshot)
        self.restore = _foreign(snapshot)
        self.note = f"starts from {snapshot.uri}"
        return store.restore_point(snapshot)

    def _load(self, point: RestorePoint) -> None:
        snapshot = store.load_point(self._folder, point)
        store.check_files(snapshot)
        own = "://" not in point.path
        self.restore = Restore(snapshot.metadata, snapshot.uri, own=True) if own else _foreign(snapshot)


def _foreign(snapshot: store.LoadedSnapshot) -> Restore:
    return Restore(snapshot.metadata, snapshot.uri, own=False)


def choose_job(spec: JobSpec, root: str, policy: str) -> tuple[JobId | None, str]:
    """The job that goes on when ``spec`` is started under its name, or ``None`` for a new one; and why.

    The newest job of that name goes on unless it finished, was taken over, or a snapshot to start from is named.
    ``policy`` ``Fresh`` starts anew, ``Refuse`` raises ``RestoreBlocked``.
    """
    checkpoints = open_storage(root)
    found = store.jobs_of_name(checkpoints, spec.namespace, spec.name)
    if not found:
        return None, ""
    if spec.restore_from is not None:
        return (
            None,
            f"state of job {found[-1]} under this name is not used: a snapshot to start from was named",
        )
    for job in reversed(found):
        ended = _end_of(checkpoints, job)
        if isinstance(ended, records.Superseded):
            continue
        if isinstance(ended, records.Finished):
            return None, f"job {job} of this name finished before; this is a new run"
        if policy == "Refuse":
            raise RestoreBlocked(
                f"there is state of job {job} under the name {spec.name!r} in {root}, and restore.policy is Refuse; "
                "use Resume to go on with it, Fresh to leave it aside, or another name"
            )
        if policy == "Fresh":
            return None, f"state of job {job} under this name is left aside: restore.policy is Fresh"
        return job, f"goes on with job {job}, found under this name"
    return None, ""


def _end_of(checkpoints: Storage, job: JobId) -> records.Record | None:
    try:
        return FenceLog(store.job_folder(checkpoints, job), "reader", _NoClock()).read().ended
    except StorageError:
        raise
    except SnapshotCorrupt as error:
        log.warning("log of an earlier job is damaged", job=job, reason=str(error))
        return None


class _NoClock:
    """For a log that is only read."""

    def wall_ms(self) -> int:
        raise NotImplementedError

    def monotonic(self) -> float:
        raise NotImplementedError


_JOB_END = {
    JobState.FINISHED: JobEnd.FINISHED,
    JobState.CANCELED: JobEnd.CANCELLED,
    JobState.FAILED: JobEnd.FAILED,
}
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
    return records.Failed(reason=reason)

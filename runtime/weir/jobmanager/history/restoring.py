"""What a start restores: derived from the job's log, from an operator's directive, or from an earlier job of the name.

``Choice`` is what the fence asks while it appends a start, and keeps what was loaded for the answer. Which point of a log it
is, ``checkpoint.recovery`` decides; ``journal`` makes the claim.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog

from weir.checkpoint import fence_records as records
from weir.checkpoint import paths, recovery, store
from weir.checkpoint.fence import FenceLog
from weir.checkpoint.fence_records import LogView, RestorePoint
from weir.checkpoint.metadata import SnapshotMetadata
from weir.checkpoint.start_directive import RestorePolicy, StartDirective, StartMode
from weir.errors import RestoreBlocked, SnapshotCorrupt, StorageError
from weir.ids import JobId
from weir.jobmanager.history.earlier_lives import EarlierLife, refused
from weir.rpc.messages import JobSpec
from weir.storage import Storage, join_uri, open_storage

log = structlog.get_logger()


@dataclass(frozen=True)
class Restore:
    """A snapshot to deploy from."""

    metadata: SnapshotMetadata
    uri: str  #: of its folder
    #: Whether it is one of this job's own checkpoints: its files lie in the job's folder.
    own: bool
    #: Whether somebody chose it: no other one stands in for it.
    named: bool = False

    @property
    def point(self) -> str:
        """Its path in the job's log."""
        return paths.checkpoint_folder(self.metadata.checkpoint_id) if self.own else self.uri


@dataclass(frozen=True)
class Skipped:
    """A restore point that another one stands in for."""

    uri: str
    reason: str


class Choice:
    """What a start restores: the answer to the fence, and what was loaded for it."""

    def __init__(
        self,
        spec: JobSpec,
        folder: Storage,
        directive: StartDirective | None = None,
        earlier: Callable[[RestorePolicy], EarlierLife | str] = lambda _policy: "the job is new",
        damaged: Mapping[str, str] | None = None,
    ) -> None:
        """``folder``: the job's own; ``earlier``: another job of the name to go on from, or why there is none.

        ``damaged``: what TaskManagers found, by paths of restore points in the log.
        """
        self._spec = spec
        self._earlier = earlier
        self._folder = folder
        self._directive = directive or StartDirective(run=0)
        self._directed = directive is not None
        self._damaged = damaged or {}
        self.restore: Restore | None = None
        self.note = ""
        self.skipped: tuple[Skipped, ...] = ()

    def base_of(self, view: LogView) -> RestorePoint | None:
        """Derive the base. Raises ``RestoreBlocked``, or what is wrong with a snapshot that was named."""
        self.restore = None
        if self._directive.path is not None:
            return self._named(self._directive.path)
        if self._directive.mode is StartMode.EMPTY:
            self.note = "starts without state: it was told to"
            return None
        if not view.entries:
            return self._first_start()
        return self._at_tail(view)

    def _at_tail(self, view: LogView) -> RestorePoint | None:
        damaged = dict(self._damaged)
        while True:
            try:
                decision = recovery.decide(view, damaged.keys(), self._folder.uri)
            except RestoreBlocked:
                raise self._blocked(view, damaged) from None
            if isinstance(decision, recovery.NoState):
                self._check_empty(decision)
                return None
            try:
                self._load(decision.point)
            except SnapshotCorrupt as error:
                log.warning("restore point is damaged", path=decision.point.path, reason=str(error))
                damaged[decision.point.path] = str(error)
                continue
            self.note = f"restores {decision.point.path}: {decision.why}"
            passed = recovery.skipped(view, damaged.keys(), decision.point)
            self.skipped = tuple(Skipped(self._uri(path), damaged[path]) for path in passed)
            return decision.point

    def _uri(self, path: str) -> str:
        return path if "://" in path else join_uri(self._folder.uri, path)

    def _check_empty(self, decision: recovery.NoState) -> None:
        if self._directed and decision.deleted:
            raise RestoreBlocked(
                f"{self._folder.uri}: {decision.why}; a start from there would be empty. Start from a savepoint by "
                "restore.from and a new restore.nonce, or without state by upgrade.mode Stateless",
                (
                    "a savepoint, by restore.from and a new restore.nonce",
                    "no state, by upgrade.mode Stateless",
                ),
            )
        self.note = f"starts without state: {decision.why}"

    def _blocked(self, view: LogView, damaged: Mapping[str, str]) -> RestoreBlocked:
        """Why nothing may be restored: what is damaged and how, and which of the others are still there."""
        unusable = set(damaged)
        for candidate in recovery.candidates(view):
            try:
                self._load(candidate.point)
            except SnapshotCorrupt:
                unusable.add(candidate.point.path)
        try:
            recovery.decide(view, unusable, self._folder.uri)
        except RestoreBlocked as error:
            return RestoreBlocked("\n".join([*damaged.values(), str(error)]), error.choices)
        raise AssertionError("a point that is safe to restore was passed over")

    def _first_start(self) -> RestorePoint | None:
        if self._spec.restore_from is not None:
            return self._named(self._spec.restore_from)
        life = self._earlier(self._directive.restore_policy) if self._directed else "the job is new"
        if isinstance(life, str):
            self.note = f"starts without state: {life}"
            return None
        before = Choice(self._spec, life.folder)
        before._at_tail(life.view)
        self.skipped = before.skipped
        self.note = f"goes on from job {life.job} of this name: it {before.note}"
        if before.restore is None:
            return None
        # Its files stay where they are, and its log is closed: nobody deletes them any more.
        return self._named(before.restore.uri, self.note)

    def _named(self, path: str, note: str = "") -> RestorePoint:
        """A snapshot that somebody chose; one of the job's own checkpoints is named in the log as such."""
        snapshot = store.load(path)
        store.check_files(snapshot)
        self.note = note or f"starts from {snapshot.uri}"
        own = f"{self._folder.uri}/"
        named = not note
        if snapshot.uri.startswith(own):
            self.restore = Restore(snapshot.metadata, snapshot.uri, own=True, named=named)
            return store.restore_point(snapshot, snapshot.uri.removeprefix(own))
        self.restore = replace(foreign(snapshot), named=named)
        return store.restore_point(snapshot)

    def _load(self, point: RestorePoint) -> None:
        snapshot = store.load_point(self._folder, point)
        store.check_files(snapshot)
        own = "://" not in point.path
        self.restore = Restore(snapshot.metadata, snapshot.uri, own=True) if own else foreign(snapshot)


def foreign(snapshot: store.LoadedSnapshot) -> Restore:
    """A snapshot outside the job's folder."""
    return Restore(snapshot.metadata, snapshot.uri, own=False)


def mark_name(checkpoints: Storage, spec: JobSpec, job: JobId) -> None:
    """Make the job findable by its name, and tell what code it is of; repeating it is harmless."""
    store.mark_name(checkpoints, spec.namespace, spec.name, job, _origin(spec))


def _origin(spec: JobSpec) -> store.Origin:
    return store.Origin(spec.entrypoint, spec.target)


def choose_job(spec: JobSpec, root: str, policy: str) -> tuple[JobId | None, str]:
    """The job that goes on when ``spec`` is started under its name, or ``None`` for a new one; and why.

    The newest job of that name goes on unless it finished, was taken over, or a snapshot to start from is named.
    ``policy`` ``Fresh`` starts anew, ``Refuse`` raises ``RestoreBlocked``; so does state of other code, where nobody named
    the job.
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
        view = _log_of(checkpoints, job)
        ended = None if view is None else view.ended
        if isinstance(ended, records.Superseded):
            continue
        if isinstance(ended, records.Finished):
            return None, f"job {job} of this name finished before; this is a new run"
        if policy == "Refuse":
            raise refused(job, spec.name, root)
        if policy == "Fresh":
            return None, f"state of job {job} under this name is left aside: restore.policy is Fresh"
        origin = store.origin_of(checkpoints, spec.namespace, spec.name, job)
        if spec.named_after_code and not origin.is_of(_origin(spec)):
            if view is not None and _is_empty(view):
                return None, ""
            raise _other_code(spec, job, origin, root)
        return job, f"goes on with job {job}, found under this name"
    return None, ""


def _log_of(checkpoints: Storage, job: JobId) -> LogView | None:
    """``None``: it is damaged."""
    try:
        return FenceLog(store.job_folder(checkpoints, job), "reader", _NoClock()).read()
    except StorageError:
        raise
    except SnapshotCorrupt as error:
        log.warning("log of an earlier job is damaged", job=job, reason=str(error))
        return None


def _is_empty(view: LogView) -> bool:
    try:
        return isinstance(recovery.decide(view), recovery.NoState)
    except RestoreBlocked:
        return False


def _other_code(spec: JobSpec, job: JobId, origin: store.Origin, root: str) -> RestoreBlocked:
    """Two jobs would share a name that neither was given."""
    target = spec.target or spec.entrypoint
    return RestoreBlocked(
        f"job {job} under the name {spec.name!r} in {root} is that of {origin.target or origin.entrypoint}, and {target} would "
        f"be named so, too; give this one a name of its own (weir run --name NAME {target}), or let it go on with that job's "
        f"state (--name {spec.name})",
        (f"--name {spec.name}: go on with job {job}", "--name NAME: another job"),
    )


class _NoClock:
    """For a log that is only read."""

    def wall_ms(self) -> int:
        raise NotImplementedError

    def monotonic(self) -> float:
        raise NotImplementedError

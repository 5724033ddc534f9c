"""The engine as the operator meets it: a fence log in a bucket, and JobManager processes that claim it.

It has the engine's promises and nothing else: whoever appended the log's last Start may append; a start from the tail
restores the newest snapshot; a process of a lower run than the log's stays away. The job is a number that grows while it
runs. Every start is judged: a number that falls or an empty start that nobody asked for is a lost or repeated record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from weir_operator.models import StartMode
from weir_operator.observed import (
    BucketFacts,
    Ending,
    FailureClass,
    FailureFacts,
    JobManagerReport,
    JobState,
    RequestFacts,
    RequestState,
    RestoreHeld,
    SkippedSnapshot,
    SnapshotFacts,
    StartDirective,
    StartRefused,
)


@dataclass(frozen=True)
class Snapshot:
    path: str
    id: int
    position: int  #: records whose effect is committed
    at: datetime

    @property
    def facts(self) -> SnapshotFacts:
        return SnapshotFacts(path=self.path, id=self.id, completed_at=self.at, bytes=self.position)


@dataclass(frozen=True)
class Record:
    kind: str  #: start, checkpoint, or an Ending
    epoch: int
    run: int
    snapshot: Snapshot | None = None


class StateLost(AssertionError):
    """The judgement on a start."""


@dataclass
class Bucket:
    """The job's folder, its savepoints, and what users allowed to be forgotten."""

    records: list[Record] = field(default_factory=list)
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    down: bool = False
    purged: bool = False
    #: Paths that somebody asked to be restored, and whether an empty start was asked for.
    asked_for: set[str] = field(default_factory=set)
    empty_asked_for: bool = False
    numbers: int = 0
    starts: list[tuple[int, StartMode | None, Snapshot | None]] = field(default_factory=list)

    @property
    def tail(self) -> int:
        return len(self.records)

    @property
    def epoch(self) -> int:
        return self.records[-1].epoch if self.records else 0

    @property
    def last_start(self) -> Record | None:
        return next((record for record in reversed(self.records) if record.kind == "start"), None)

    @property
    def steady(self) -> bool:
        """It runs for a while, by what it says of itself."""
        return self.steps_running >= 8

    @property
    def ending(self) -> Ending | None:
        return (
            Ending(self.records[-1].kind) if self.records and self.records[-1].kind in set(Ending) else None
        )

    @property
    def newest(self) -> Snapshot | None:
        """What a start from the tail restores: the newest snapshot since the last start, else that start's base."""
        for record in reversed(self.records):
            if record.snapshot is not None or record.kind == "start":
                return record.snapshot
        return None

    def snapshot(self, position: int, now: datetime, *, savepoint: bool) -> Snapshot:
        self.numbers += 1
        folder = "s3://weir/savepoints/savepoint-" if savepoint else "s3://weir/checkpoints/job/chk-"
        taken = Snapshot(f"{folder}{self.numbers}", self.numbers, position, now)
        self.snapshots[taken.path] = taken
        return taken

    def claim(self, run: int, base: Snapshot | None, mode: StartMode | None) -> int:
        committed = self.newest
        if committed is not None and committed.position > 0:
            if base is None and not self.empty_asked_for:
                raise StateLost(f"run {run} starts empty although {committed} exists")
            if base is not None and base.position != committed.position and base.path not in self.asked_for:
                raise StateLost(f"run {run} starts at {base} although {committed} was committed")
        self.records.append(Record("start", self.epoch + 1, run, base))
        self.starts.append((run, mode, base))
        return self.epoch

    def facts(self) -> BucketFacts:
        start = self.last_start
        newest = self.newest
        return BucketFacts(
            tail=self.tail,
            last_run=start.run if start else None,
            ending=self.ending,
            newest=newest.facts if newest else None,
        )


@dataclass
class Behaviour:
    """What an image does once it is there."""

    pulls: bool = True
    runs: bool = True
    checkpoints: bool = True
    finishes_at: int | None = None
    fits: bool = True
    forgets: bool = False  #: it claims only a part of the state: it starts where the rest may be given up
    silent_checks: int = 0  #: pre-flight pods that end without a verdict before one has it
    fails: bool = False  #: reaches RUNNING, then the job is FAILED for good
    storm: FailureClass | None = None  #: it fails as soon as it runs, and helps itself, again and again


@dataclass
class Request:
    kind: str  #: stop, savepoint, checkpoint
    state: RequestState = RequestState.IN_PROGRESS
    snapshot: Snapshot | None = None
    failure: str | None = None


@dataclass
class Process:
    """One JobManager process: a container's life."""

    bucket: Bucket
    behaviour: Behaviour
    run: int
    directive: StartDirective
    interval: bool
    parallelism: int
    standby: bool
    slots: int = 1
    epoch: int | None = None
    exit_code: int | None = None
    state: JobState = JobState.INITIALIZING
    position: int = 0
    restored: Snapshot | None = None
    running_since: datetime | None = None
    refused: StartRefused | None = None
    held: RestoreHeld | None = None
    skipped: tuple[SkippedSnapshot, ...] = ()
    last_checkpoint: Snapshot | None = None
    registered: tuple[str, ...] = ()
    #: TaskManagers in which subtasks are, and for which parallelism; and how often one of them was lost.
    placed: tuple[str, ...] = ()
    placed_for: int = 0
    losses: int = 0
    requests: dict[str, Request] = field(default_factory=dict)
    age: int = 0
    steps_running: int = 0
    failures: list[FailureFacts] = field(default_factory=list)
    failed_checkpoints: int = 0

    def step(self, task_managers: tuple[str, ...], now: datetime) -> None:
        """A few seconds of its life."""
        if self.exit_code is not None:
            return
        self.age += 1
        self.registered = task_managers
        if self.epoch is None:
            if not self.standby:
                self._claim(self.directive, now)
            return
        if self.bucket.epoch != self.epoch:
            self.exit_code = 75
            return
        if self.ending is None:
            self._run(task_managers, now)

    @property
    def steady(self) -> bool:
        """It runs for a while, by what it says of itself."""
        return self.steps_running >= 8

    @property
    def ending(self) -> Ending | None:
        return self.bucket.ending if self.epoch is not None and self.bucket.epoch == self.epoch else None

    @property
    def standby_ready(self) -> bool:
        return self.standby and self.behaviour.runs and len(self.registered) * self.slots >= self.parallelism

    def activate(self, start: StartDirective, now: datetime) -> None:
        if self.standby and self.exit_code is None:
            self._claim(start, now)
            self.standby = self.epoch is None and self.refused is None

    def ask(self, trigger: str, kind: str) -> None:
        self.requests.setdefault(trigger, Request(kind))

    def _claim(self, start: StartDirective, now: datetime) -> None:
        if self.bucket.down or self.refused is not None or self.held is not None:
            return
        last = self.bucket.last_start
        if last is not None and last.run > self.run:
            self.exit_code = 75
            return
        if last is not None and last.run == self.run:
            self._recover(now)
            return
        if start.expected_tail is not None and start.expected_tail != self.bucket.tail:
            self.refused = StartRefused(expected=start.expected_tail, found=self.bucket.tail)
            return
        base = {StartMode.TAIL: self.bucket.newest, StartMode.EMPTY: None}.get(start.mode)
        if start.mode is StartMode.FROM:
            base = self.bucket.snapshots.get(start.path or "")
            if base is None:
                self._refuse(f"{start.path} is missing: no completed snapshot is there", now)
                return
        if base is not None and self.behaviour.forgets and not start.allow_non_restored_state:
            self._refuse(f"{base.path} holds state that no operator claims", now)
            return
        self._begin(base, start.mode)

    def _refuse(self, why: str, now: datetime) -> None:
        """The job fails before it has claimed anything."""
        told = FailureFacts(failure_class=FailureClass.STORAGE, fingerprint="22222222", message=why, at=now)
        self.failures, self.state = [told], JobState.FAILED

    def _recover(self, now: datetime) -> None:
        last = self.bucket.last_start
        assert last is not None
        if self.bucket.ending is not None:
            self.epoch = self.bucket.epoch
            self.position = self.bucket.newest.position if self.bucket.newest else 0
            self.last_checkpoint = self.bucket.newest
            self.state = JobState.FAILED if self.bucket.ending is Ending.FAILED else JobState.FINISHED
        elif self.interval:
            self._begin(self.bucket.newest, None)
        else:
            # Checkpointing is off: a lost JobManager has lost the state, and the job says so.
            self.epoch = self.bucket.epoch
            self.bucket.records.append(Record(Ending.FAILED, self.bucket.epoch, self.run))
            self.state = JobState.FAILED

    def _begin(self, base: Snapshot | None, mode: StartMode | None) -> None:
        self.epoch = self.bucket.claim(self.run, base, mode)
        self.restored = base
        self.position = base.position if base else 0
        self.state = JobState.CREATED

    def _place(self, task_managers: tuple[str, ...]) -> bool:
        """Subtasks stay where they are; whether none of their TaskManagers was lost."""
        needed = -(-self.parallelism // self.slots)
        lost = self.state is JobState.RUNNING and not set(self.placed) <= set(task_managers)
        self.losses += lost
        if lost or self.state is not JobState.RUNNING or self.placed_for != self.parallelism:
            self.placed, self.placed_for = task_managers[:needed], self.parallelism
        return not lost

    @property
    def idle(self) -> tuple[str, ...]:
        return tuple(name for name in self.registered if name not in self.placed)

    def _run(self, task_managers: tuple[str, ...], now: datetime) -> None:
        well = self._place(task_managers)
        if not well or len(task_managers) * self.slots < self.parallelism or not self.behaviour.runs:
            self.state = JobState.RESTARTING
            self.running_since = None
            self.steps_running = 0
            self.position = (self.last_checkpoint or self.restored or Snapshot("", 0, 0, now)).position
            return
        if self.state is not JobState.RUNNING:
            self.state, self.running_since = JobState.RUNNING, now
            return
        if self.behaviour.fails:
            self._end(Ending.FAILED, JobState.FAILED)
            return
        self.position += 1
        self.steps_running += 1
        if self.behaviour.storm is not None:
            self._fail_and_return(self.behaviour.storm, now)
            return
        if self.behaviour.finishes_at is not None and self.position >= self.behaviour.finishes_at:
            self._checkpoint(now, savepoint=False)
            self._end(Ending.FINISHED, JobState.FINISHED)
            return
        self._serve(now)
        if self.interval and self.ending is None and self.age % 2 == 0:
            if self._can_snapshot:
                self._checkpoint(now, savepoint=False)
            else:
                self.failed_checkpoints += 1

    def _fail_and_return(self, kind: FailureClass, now: datetime) -> None:
        """It fails, and goes on from its newest snapshot a step later."""
        told = FailureFacts(failure_class=kind, fingerprint="11111111", message="it fails again", at=now)
        self.failures = [*self.failures[-9:], told]
        self.state, self.running_since, self.steps_running = JobState.RESTARTING, None, 0
        self.position = (self.last_checkpoint or self.restored or Snapshot("", 0, 0, now)).position

    @property
    def _can_snapshot(self) -> bool:
        return not self.bucket.down and self.behaviour.checkpoints

    def _serve(self, now: datetime) -> None:
        for request in self.requests.values():
            if request.state is not RequestState.IN_PROGRESS or self.ending is not None:
                continue
            if request.kind == "checkpoint" and not self.interval:
                request.state, request.failure = RequestState.FAILED, "404 checkpointing is off"
                continue
            if not self._can_snapshot:
                request.state, request.failure = RequestState.FAILED, "503 Slow Down"
                continue
            request.snapshot = self._checkpoint(now, savepoint=request.kind != "checkpoint")
            request.state = RequestState.COMPLETED
            if request.kind == "stop":
                self._end(Ending.STOPPED, JobState.FINISHED, request.snapshot)

    def _checkpoint(self, now: datetime, *, savepoint: bool) -> Snapshot:
        taken = self.bucket.snapshot(self.position, now, savepoint=savepoint)
        assert self.epoch == self.bucket.epoch, "a fenced process appends nothing"
        self.bucket.records.append(Record("checkpoint", self.epoch, self.run, taken))
        self.last_checkpoint = taken
        return taken

    def _end(self, ending: Ending, state: JobState, snapshot: Snapshot | None = None) -> None:
        assert self.epoch == self.bucket.epoch, "a fenced process appends nothing"
        self.bucket.records.append(Record(ending, self.epoch, self.run, snapshot or self.bucket.newest))
        self.state = state
        self.running_since = None

    def _failures(self, now: datetime) -> tuple[FailureFacts, ...]:
        if self.failures or self.state not in {JobState.FAILED, JobState.RESTARTING}:
            return tuple(self.failures)
        return (
            FailureFacts(failure_class=FailureClass.USER, fingerprint="00000000", message="it fails", at=now),
        )

    def report(self, now: datetime) -> JobManagerReport:
        """What REST says."""
        stopped = self.bucket.newest if self.ending is Ending.STOPPED else None
        return JobManagerReport(
            run=self.run,
            state=self.state,
            epoch=self.epoch,
            tail=self.bucket.tail if self.epoch is not None else None,
            ending=self.ending,
            parallelism=self.parallelism,
            slots_required=self.parallelism,
            task_managers=self.registered,
            idle_task_managers=self.idle,
            running_since=self.running_since,
            restored=self.restored.facts if self.restored else None,
            last_checkpoint=self.last_checkpoint.facts if self.last_checkpoint else None,
            retained=(self.last_checkpoint.facts,) if self.last_checkpoint else (),
            last_savepoint=stopped.facts if stopped else None,
            failures=self._failures(now),
            failed_checkpoints=self.failed_checkpoints,
            start_refused=self.refused,
            restore_held=self.held,
            skipped=self.skipped,
            standby=self.standby,
            standby_ready=self.standby_ready,
            requests={
                trigger: RequestFacts(
                    trigger=trigger,
                    state=request.state,
                    snapshot=request.snapshot.facts if request.snapshot else None,
                    failure=request.failure,
                )
                for trigger, request in self.requests.items()
            },
        )

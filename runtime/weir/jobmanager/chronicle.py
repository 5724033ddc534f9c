"""What is remembered of a job's life, and the job as people see it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container
from typing import Final

import structlog

from weir.clock import Clock
from weir.errors import FailureKind
from weir.ids import AttemptId, JobId
from weir.jobmanager.checkpoints.checkpointing import Checkpointing
from weir.jobmanager.checkpoints.facts import checkpoints_status
from weir.jobmanager.deployment.placement import Placement
from weir.jobmanager.history.journal import Claim
from weir.jobmanager.history.restoring import Skipped
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.job_state import JobMachine
from weir.rpc.fingerprint import named
from weir.rpc.messages import Failure, JobSpec
from weir.rpc.requests import CheckpointsStatus, FailureRecord, JobState, JobStatus

log = structlog.get_logger()

#: Failures that are remembered for people.
HISTORY: Final = 16


class Chronicle:
    """Grows until the job is over; times are milliseconds of wall time."""

    def __init__(self, job: JobId, clock: Clock, state: JobState, note: str) -> None:
        """``note``: why the job has this id."""
        self.failures: deque[FailureRecord] = deque(maxlen=HISTORY)
        self.notes = [note] if note else []
        self.started_ms = clock.wall_ms()
        self.ended_ms: int | None = None
        #: When each state was entered last, and for how long the job was in those that it left, all times together.
        self.entered = {state: self.started_ms}
        self.spent: Counter[JobState] = Counter()
        #: Since when all subtasks of the attempt ran, when they last did.
        self.running_since_ms: int | None = None
        #: Damaged snapshots that the restored one stands in for.
        self.skipped: tuple[Skipped, ...] = ()
        self._job = job
        self._clock = clock

    def changed(self, before: JobState, state: JobState) -> None:
        """The job went from one state to another."""
        now_ms = self._clock.wall_ms()
        self.spent[before] += now_ms - self.entered[before]
        self.entered[state] = now_ms

    def all_run(self) -> None:
        """Every subtask processes."""
        self.running_since_ms = self._clock.wall_ms()

    def failed(self, record: ev.RecordFailure) -> None:
        """An attempt, or the job, failed."""
        failure = named(record.failure)
        log.warning(
            "job failure",
            job=self._job,
            attempt=record.attempt,
            reason=failure.message,
            fingerprint=failure.fingerprint,
        )
        at_ms = self._clock.wall_ms()
        self.failures.append(FailureRecord(failure=failure, at_ms=at_ms, attempt=record.attempt))

    def claimed(self, claim: Claim, attempt: AttemptId, told: Container[str]) -> None:
        """The job is this process's. ``told``: what was wrong with snapshots of which a failure tells already."""
        self.note(claim.note)
        self.skipped = (*self.skipped, *claim.skipped)
        for passed in claim.skipped:
            if passed.reason not in told:
                message = f"{passed.uri} is skipped: {passed.reason}"
                failure = Failure(kind=FailureKind.STORAGE, message=message, damaged=True)
                self.failed(ev.RecordFailure(failure, attempt))

    def note(self, text: str) -> None:
        """For people."""
        self.notes.append(text)

    def ended(self, state: JobState, checkpointing: Checkpointing | None) -> None:
        """Nothing more happens. A person's stop waits for commits, but not for ever, and a task may have failed before."""
        self.ended_ms = self._clock.wall_ms()
        snapshot = None if checkpointing is None else checkpointing.uncommitted
        if snapshot is None or state not in (JobState.CANCELED, JobState.SUSPENDED):
            return
        if snapshot.uri:
            self.note(
                f"not all output of checkpoint {snapshot.metadata.checkpoint_id} is known to be visible; it is kept, "
                f"and whoever starts from {snapshot.uri} commits the rest"
            )
        else:
            self.note(
                "not all output is known to be visible, and checkpointing is off, so nothing can commit the rest"
            )

    def status(
        self,
        spec: JobSpec,
        machine: JobMachine,
        placement: Placement,
        checkpointing: Checkpointing | None,
        slots_wanted: int,
        slots_free: int,
    ) -> JobStatus:
        """The job as people see it; ``slots_wanted`` by a rescale."""
        table, planned = placement.table, placement.planned
        read, written = table.totals() if table else (0, 0)
        checkpoints = CheckpointsStatus()
        if checkpointing is not None:
            checkpoints = checkpoints_status(checkpointing.facts(), enabled=checkpointing.enabled)
        return JobStatus(
            job_id=self._job,
            name=spec.name,
            state=machine.state,
            attempt=machine.attempt,
            epoch=machine.epoch,
            started_at_ms=self.started_ms,
            ended_at_ms=self.ended_ms,
            restarts=machine.restarts,
            records_in=read,
            records_out=written,
            vertices=table.vertices(live=not machine.state.is_settled) if table else (),
            checkpoints=checkpoints,
            failures=tuple(self.failures),
            parallelism=planned.options.pipeline.parallelism if planned else 0,
            slots_required=max(machine.slots, slots_wanted),
            slots_available=slots_free + len(machine.workers),
            checkpoint_root=placement.root,
            notes=tuple(self.notes),
        )

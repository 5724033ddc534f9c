"""When snapshots are taken, when they are complete, and what a failed one leads to: a pure state machine.

``handle(event, now)`` is the only thing that changes it. Flow of one snapshot: due or requested -> ``Trigger`` -> an
``Ack`` of EVERY subtask -> ``Publish`` -> ``Published`` -> ``NotifyComplete``; anything else ends in ``_fail``. Records
in the fence log keep the order of the numbers: one snapshot is published at a time, a checkpoint that a newer one
overtakes is dropped, and a savepoint is waited for. A shell in the JobManager carries the instructions out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from weir.checkpoint import events, retention
from weir.checkpoint.events import AckResult, Event, Instruction, PublishFault, TriggerRequested
from weir.checkpoint.history import CheckpointStats, History, Status, stats_of
from weir.checkpoint.job_facts import JobFacts
from weir.checkpoint.metadata import SnapshotKind
from weir.checkpoint.pending import PendingCheckpoint, Phase, unknown_operators
from weir.config import CheckpointOptions
from weir.errors import CheckpointFailureReason as Reason
from weir.ids import AttemptId, CheckpointId, SubtaskId

FIRST_ID = CheckpointId(1)
#: Seconds until a publishing of unknown outcome is tried again.
PUBLISH_RETRY_S = 1.0
#: Failed snapshots that are remembered, so that what late acknowledgements leave in storage is removed.
_REMEMBERED = 100
#: What counts against the tolerable failures; a declining task fails by itself, and being overtaken is no failure.
_COUNTED = frozenset({Reason.EXPIRED, Reason.ASYNC_FAILURE, Reason.STORAGE})


class CheckpointCoordinator:
    """Takes one job's snapshots within one epoch.

    ``next_id`` must be above every number that storage knows; ``completed`` are the checkpoints that exist, oldest
    first. ``now`` is monotonic seconds, ``wall_ms`` wall time for display and metadata.
    """

    def __init__(
        self,
        facts: JobFacts,
        options: CheckpointOptions,
        next_id: CheckpointId = FIRST_ID,
        completed: Iterable[CheckpointId] = (),
    ) -> None:
        self.history = History()
        self._facts = facts
        self._options = options
        #: A pause between snapshots implies one at a time.
        self._concurrent = 1 if options.min_pause > 0 else options.max_concurrent
        self._next_id = next_id
        self._completed = list(completed)
        self._attempt: AttemptId | None = None  # None: no tasks run
        self._subtasks: frozenset[SubtaskId] = frozenset()
        self._gone: frozenset[SubtaskId] = frozenset()
        self._trigger_at: frozenset[SubtaskId] = frozenset()
        self._pending: dict[CheckpointId, PendingCheckpoint] = {}  # in the order of the numbers
        self._requests: deque[TriggerRequested] = deque()
        self._discarded: dict[CheckpointId, str | None] = {}  # number -> target
        self._periodic_at = 0.0
        self._last_end: float | None = None
        self._failures = 0
        self._final_done = False
        #: The attempt runs, but takes no further snapshot.
        self._ending = False
        self._fenced = False

    # ---- what others may look at ----

    @property
    def completed(self) -> tuple[CheckpointId, ...]:
        """Retained checkpoints, oldest first."""
        return tuple(self._completed)

    @property
    def failures(self) -> int:
        """Periodic checkpoints that failed in a row, as far as they count."""
        return self._failures

    @property
    def publishing(self) -> CheckpointId | None:
        """The snapshot that is being published: no attempt may be restored before its outcome is known."""
        return next((p.checkpoint_id for p in self._pending.values() if p.phase is Phase.PUBLISHING), None)

    def in_progress(self, now: float) -> list[CheckpointStats]:
        """Snapshots that are neither complete nor failed, oldest first."""
        return [stats_of(pending, now, Status.IN_PROGRESS) for pending in self._pending.values()]

    def missing(self, checkpoint: CheckpointId) -> frozenset[SubtaskId]:
        """The subtasks that have not acknowledged; empty for a snapshot that is not in progress."""
        pending = self._pending.get(checkpoint)
        return pending.missing if pending else frozenset()

    def next_deadline(self) -> float | None:
        """When a ``Tick`` is due, monotonic seconds; None: not before another event."""
        deadlines = [
            pending.triggered_at + self._options.timeout
            for pending in self._pending.values()
            if pending.phase is Phase.COLLECTING
        ]
        deadlines += [p.retry_at for p in self._pending.values() if p.retry_at is not None]
        periodic = self._periodic_due()
        if periodic is not None and len(self._pending) < self._concurrent:
            deadlines.append(periodic)
        return min(deadlines, default=None)

    # ---- the machine ----

    def handle(self, event: Event, now: float, wall_ms: int = 0) -> list[Instruction]:
        """Take ``event`` and return what is to be done, in order. Raises ``ValueError`` for an impossible event."""
        out: list[Instruction] = []
        if self._fenced:
            return out
        match event:
            case events.TasksRunning():
                self._tasks_running(event, now)
            case events.TasksEnding():
                self._ending = True
                self._give_up_all("the tasks were stopped", now, out)
            case events.TasksResumed():
                self._ending = False
                self._failures = 0
                self._periodic_at = now + (self._options.interval or 0.0)
            case events.TasksStopped():
                self._stop_tasks("the tasks were stopped", now, out)
            case TriggerRequested():
                self._requested(event, out)
            case events.Ack():
                self._acknowledged(event, now, out)
            case events.Decline():
                self._declined(event, now, out)
            case events.Published():
                self._published(event, now, out)
            case events.PublishFailed():
                self._publish_failed(event, now, out)
            case events.SubtaskFinished():
                self._subtask_finished(event.subtask, now, out)
            case events.Tick():
                pass
        self._advance(now, wall_ms, out)
        return out

    def _advance(self, now: float, wall_ms: int, out: list[Instruction]) -> None:
        """What is due whatever the event was: expire, publish, trigger."""
        for pending in list(self._pending.values()):
            expires = pending.triggered_at + self._options.timeout
            if (
                pending.phase is Phase.COLLECTING
                and now >= expires
                and pending.checkpoint_id in self._pending
            ):
                missing = ", ".join(str(subtask) for subtask in sorted(pending.missing)[:5])
                message = f"not complete after {self._options.timeout:g} s; no answer of {missing}"
                self._fail(pending, Reason.EXPIRED, message, now, out)
        self._publish_next(now, out)
        while self._taking and self._subtasks and self._may_trigger():
            if self._requests:
                self._trigger(self._requests.popleft(), now, wall_ms, out)
            elif (due := self._periodic_due()) is not None and now >= due:
                self._trigger(None, now, wall_ms, out)
            else:
                break

    # ---- triggering ----

    def _tasks_running(self, event: events.TasksRunning, now: float) -> None:
        if self.publishing is not None:
            raise ValueError(
                f"attempt {event.attempt} runs, but whether {self.publishing} is complete is not known"
            )
        if self._attempt is not None:
            raise ValueError(f"attempt {event.attempt} runs, but attempt {self._attempt} was not stopped")
        if not event.trigger_at <= event.subtasks:
            raise ValueError("snapshots begin at subtasks that do not acknowledge")
        self._attempt = event.attempt
        self._facts = event.facts or self._facts
        self._subtasks, self._gone, self._trigger_at = event.subtasks, frozenset(), event.trigger_at
        self._final_done = self._ending = False
        self._failures = 0
        self._periodic_at = now + (self._options.interval or 0.0)

    def _requested(self, request: TriggerRequested, out: list[Instruction]) -> None:
        open_requests = [*self._requests, *(p.request for p in self._pending.values() if p.request)]
        if any(request.request == known.request for known in open_requests):
            return  # asked again
        if not self._taking:
            why = "the job's tasks do not run" if self._attempt is None else "its tasks are being stopped"
            self._answer_failure(request, Reason.JOB_FAILURE, why, out)
        elif request.kind is SnapshotKind.SAVEPOINT and request.target is None:
            message = "no folder for the savepoint was given, and storage.savepoints is not set"
            self._answer_failure(request, Reason.DECLINED, message, out)
        else:
            self._requests.append(request)

    @property
    def _taking(self) -> bool:
        return self._attempt is not None and not self._ending

    def _may_trigger(self) -> bool:
        last = self._final_done or any(pending.final for pending in self._pending.values())
        return not last and len(self._pending) < self._concurrent

    def _periodic_due(self) -> float | None:
        """When the next periodic checkpoint may begin, if there is to be one."""
        if not self._taking or self._options.interval is None or self._final_done:
            return None
        requests = [*self._requests, *(p.request for p in self._pending.values() if p.request)]
        if any(request.final for request in requests):
            return None
        if self._last_end is None:
            return self._periodic_at
        return max(self._periodic_at, self._last_end + self._options.min_pause)

    def _trigger(
        self, request: TriggerRequested | None, now: float, wall_ms: int, out: list[Instruction]
    ) -> None:
        assert self._attempt is not None
        if request is None:
            interval = self._options.interval or 0.0
            on_time = now < self._periodic_at + interval
            self._periodic_at = (self._periodic_at if on_time else now) + interval
        number = self._next_id
        self._next_id = CheckpointId(number + 1)
        pending = PendingCheckpoint(
            checkpoint_id=number,
            attempt=self._attempt,
            awaited=self._subtasks,
            gone=self._gone,
            triggered_at=now,
            triggered_ms=wall_ms,
            request=request,
        )
        self._pending[number] = pending
        self.history.counts.triggered += 1
        out.append(
            events.Trigger(
                checkpoint_id=number,
                epoch=self._facts.epoch,
                attempt=self._attempt,
                targets=self._trigger_at,
                timestamp_ms=wall_ms,
                savepoint=pending.savepoint,
                final=pending.final,
                drain=pending.drain,
                target=pending.target,
                whole=request is not None and request.whole,
            )
        )

    # ---- answers of subtasks ----

    def _acknowledged(self, ack: events.Ack, now: float, out: list[Instruction]) -> None:
        result = AckResult.UNKNOWN
        pending = self._pending.get(ack.checkpoint_id)
        if ack.epoch == self._facts.epoch:
            if pending is not None:
                result = pending.acknowledge(ack)
            elif ack.checkpoint_id in self._discarded:
                result = AckResult.DISCARDED
        out.append(events.AckAnswered(ack.checkpoint_id, ack.subtask, result))
        if result is AckResult.DISCARDED:  # what it uploaded came after the others were removed
            out.append(events.DiscardFiles(ack.checkpoint_id, self._discarded[ack.checkpoint_id]))
        elif result is AckResult.SUCCESS and (unknown := unknown_operators(ack.states, self._facts)):
            assert pending is not None
            message = f"subtask {ack.subtask} sent state of operators that the plan does not have: {sorted(unknown)}"
            self._fail(pending, Reason.ASYNC_FAILURE, message, now, out)
        elif result is AckResult.SUCCESS and pending is not None and pending.phase is Phase.READY:
            self._check_channels(pending, now, out)

    def _check_channels(self, pending: PendingCheckpoint, now: float, out: list[Instruction]) -> None:
        """A snapshot that lacks rows is worth nothing, and neither is what the attempt computes after them."""
        lost = pending.lost()
        if lost is not None:
            self._fail(pending, Reason.ROWS_LOST, lost, now, out)
            out.append(events.FailJob(f"checkpoint {pending.checkpoint_id} lacks rows: {lost}"))
            self._stop_tasks("rows were lost", now, out)

    def _declined(self, decline: events.Decline, now: float, out: list[Instruction]) -> None:
        pending = self._pending.get(decline.checkpoint_id)
        if pending is None or pending.phase is not Phase.COLLECTING:
            return
        if (decline.epoch, decline.attempt) == (self._facts.epoch, pending.attempt):
            message = f"subtask {decline.subtask}: {decline.message or decline.reason}"
            self._fail(pending, decline.reason, message, now, out)

    def _subtask_finished(self, subtask: SubtaskId, now: float, out: list[Instruction]) -> None:
        if subtask not in self._subtasks:
            return
        self._subtasks -= {subtask}
        self._trigger_at -= {subtask}
        self._gone |= {subtask}
        for pending in list(self._pending.values()):
            if subtask in pending.missing and pending.checkpoint_id in self._pending:
                message = f"subtask {subtask} ended before it took part"
                self._fail(pending, Reason.DECLINED, message, now, out)

    # ---- publishing ----

    def _publish_next(self, now: float, out: list[Instruction]) -> None:
        for pending in self._pending.values():
            if pending.phase is Phase.PUBLISHING:
                if pending.retry_at is not None and now >= pending.retry_at:
                    pending.retry_at = None
                    out.append(self._publish_of(pending))
                return
        for pending in self._pending.values():
            if pending.phase is Phase.READY:
                pending.phase = Phase.PUBLISHING
                out.append(self._publish_of(pending))
                return
            if pending.savepoint:
                return  # its record has to come first

    def _publish_of(self, pending: PendingCheckpoint) -> events.Publish:
        return events.Publish(pending.checkpoint_id, pending.metadata(self._facts), pending.target)

    def _published(self, event: events.Published, now: float, out: list[Instruction]) -> None:
        pending = self._publishing(event.checkpoint_id)
        del self._pending[event.checkpoint_id]
        self._last_end = now
        self._failures = 0
        self._final_done |= pending.final
        self.history.completed(pending, now, event.path, event.size)
        if pending.attempt == self._attempt:
            out.append(events.NotifyComplete(event.checkpoint_id))
        if pending.request is not None:
            answer = events.RequestAnswered(pending.request.request, event.checkpoint_id, event.path)
            out.append(answer)
        for older in [p for p in self._pending.values() if p.checkpoint_id < event.checkpoint_id]:
            self._fail(older, Reason.SUBSUMED, f"checkpoint {event.checkpoint_id} was faster", now, out)
        if not pending.savepoint:
            self._completed.append(event.checkpoint_id)
            dropped = retention.subsumed(self._completed, self._options.num_retained)
            if dropped:
                self._completed = self._completed[len(dropped) :]
                self.history.dropped(dropped)
                out.append(events.DeleteCheckpoints(dropped))

    def _publish_failed(self, event: events.PublishFailed, now: float, out: list[Instruction]) -> None:
        pending = self._publishing(event.checkpoint_id)
        match event.fault:
            case PublishFault.UNKNOWN:
                pending.retry_at = now + PUBLISH_RETRY_S
            case PublishFault.FAILED:
                self._fail(pending, Reason.STORAGE, event.message, now, out)
            case PublishFault.NUMBER_TAKEN:
                request, pending.request = pending.request, None
                self._fail(pending, Reason.SUBSUMED, event.message, now, out)
                if request is not None and self._taking:
                    self._requests.appendleft(request)
                elif request is not None:
                    self._answer_failure(request, Reason.JOB_FAILURE, event.message, out)
                else:
                    self._periodic_at = now
            case PublishFault.FENCED:
                self._fenced = True
                for request in [*self._requests, *(p.request for p in self._pending.values() if p.request)]:
                    self._answer_failure(request, Reason.FENCED, event.message, out)
                out.append(events.StopProcess(event.message))

    def _publishing(self, number: CheckpointId) -> PendingCheckpoint:
        pending = self._pending.get(number)
        if pending is None or pending.phase is not Phase.PUBLISHING:
            raise ValueError(f"an answer about publishing {number}, which is not being published")
        return pending

    # ---- failing ----

    def _fail(
        self, pending: PendingCheckpoint, reason: Reason, message: str, now: float, out: list[Instruction]
    ) -> None:
        number = pending.checkpoint_id
        del self._pending[number]
        self._last_end = now
        self._discarded[number] = pending.target
        while len(self._discarded) > _REMEMBERED:
            del self._discarded[next(iter(self._discarded))]
        self.history.failed(pending, now, reason, message)
        if pending.attempt == self._attempt:
            out.append(events.NotifyAborted(number, reason))
        out.append(events.DiscardFiles(number, pending.target))
        if pending.request is not None:
            self._answer_failure(pending.request, reason, message, out, number)
        if reason in _COUNTED and not pending.savepoint:
            self._count_failure(number, reason, message, now, out)

    def _count_failure(
        self, number: CheckpointId, reason: Reason, message: str, now: float, out: list[Instruction]
    ) -> None:
        self._failures += 1
        if self._failures <= self._options.tolerable_failures or not self._taking:
            return
        out.append(
            events.FailJob(
                f"checkpoint {number} failed ({reason}: {message}); that makes {self._failures} in a row, and "
                f"checkpoints.tolerableFailures is {self._options.tolerable_failures}"
            )
        )
        self._stop_tasks("too many checkpoints failed", now, out)

    def _stop_tasks(self, message: str, now: float, out: list[Instruction]) -> None:
        self._attempt = None
        self._failures = 0
        self._give_up_all(message, now, out)

    def _give_up_all(self, message: str, now: float, out: list[Instruction]) -> None:
        for pending in list(self._pending.values()):
            if pending.phase is not Phase.PUBLISHING:  # that one may complete yet
                self._fail(pending, Reason.JOB_FAILURE, message, now, out)
        while self._requests:
            self._answer_failure(self._requests.popleft(), Reason.JOB_FAILURE, message, out)

    def _answer_failure(
        self,
        request: TriggerRequested,
        reason: Reason,
        message: str,
        out: list[Instruction],
        number: CheckpointId | None = None,
    ) -> None:
        out.append(events.RequestAnswered(request.request, number, None, reason, message))

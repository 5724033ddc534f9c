"""A subtask: a mailbox around a chain. Elements, timers and control all pass through ``step``, one at a time.

``step`` takes the next element, runs the chain over it and pauses the run when an output has no credit. Barriers go
to the alignment; on its word the subtask sends the barrier on, snapshots every operator and has the result made
durable beside the processing. After the end of its input a subtask stays: it still forwards barriers, acknowledges
them and commits. Hot path. ``ReaderTask`` (reader) and ``EnumeratorTask`` (enumerators) are the two special kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from weir import crashpoints
from weir.errors import as_text
from weir.graph.physical import PhysicalVertex
from weir.keygroups import key_group_range
from weir.operators.base import Operator, OperatorContext, OperatorSnapshot, RestoredState
from weir.records import (
    MIN_TIMESTAMP,
    Barrier,
    EndOfInput,
    StreamElement,
    StreamStatus,
    Watermark,
)
from weir.rpc import messages
from weir.taskmanager import counting
from weir.taskmanager.alignment import Alignment, Outcome
from weir.taskmanager.chain import Chain
from weir.taskmanager.environment import SnapshotRequest, TaskEnvironment
from weir.taskmanager.exchange.channels import CreditGate, InputChannel
from weir.taskmanager.gate import InputGate
from weir.taskmanager.gauges import gauges
from weir.taskmanager.snapshot_stats import AlignmentTime, Stats, snapshot_bytes
from weir.taskmanager.task_commits import RETRY, TaskCommits
from weir.taskmanager.watermarks import WatermarkMerge

#: Seconds between two looks at the timers of a busy task.
_TIMER_CHECK = 0.002


@dataclass(frozen=True)
class TaskIdentity:
    """Which subtask of which deployment."""

    execution: messages.Execution
    vertex: PhysicalVertex
    index: int


class Task:
    """One subtask with row inputs."""

    def __init__(
        self,
        identity: TaskIdentity,
        chain: Chain,
        channels: list[InputChannel],
        alignment: Alignment,
        credit: CreditGate,
        env: TaskEnvironment,
    ) -> None:
        self.identity = identity
        self.chain = chain
        self.credit = credit
        self.ended = False
        #: Restored after its end, and nothing but the end came from its inputs since.
        self._was_over = False
        #: Its input was ended by a person: what the sources have not read is there for whoever starts from the snapshot.
        self.drained = False
        #: The job stops with the last snapshot: no timer fires, nothing is read; commits go on.
        self.held = False
        self.started = False
        self.busy_seconds = 0.0
        self.backpressured_seconds = 0.0
        #: Monotonic seconds; what passed since then and is neither busy nor back-pressured was idle.
        self._started_at = 0.0
        self._env = env
        self._gate = InputGate(channels)
        self._alignment = alignment
        self._watermarks = WatermarkMerge(max(1, len(channels)))
        self._open_channels = len(channels)
        #: A run that was paused for lack of credit.
        self._run: Iterator[None] | None = None
        self._timers_checked = 0.0
        self._aligning = AlignmentTime(env.clock, self._gate)
        self._received = counting.Received()
        self._commits = TaskCommits(
            chain.operators, lambda checkpoint: self._report(messages.CommitsDone, checkpoint_id=checkpoint)
        )
        self._waiting_since: float | None = None
        #: Operators that want to know when they could not run.
        self._pausing = [op for op in chain.operators if type(op).on_paused is not Operator.on_paused]
        self._tends = False

    # ---- life --------------------------------------------------------------------------------------------

    def open(self, contexts: list[OperatorContext], restored: list[RestoredState | None]) -> None:
        """Open all operators, last first, so that each finds its consumers ready."""
        restored = self.chain.with_own_marks(restored)
        for position in range(len(self.chain.operators) - 1, -1, -1):
            self.chain.running = position
            try:
                self.chain.operators[position].open(contexts[position], restored[position])
            except (Exception, SystemExit) as error:
                raise self.chain.failure(error, position) from error
        marks = [state.watermark for state in restored if state is not None and state.watermark is not None]
        self._watermarks.current = max(marks, default=MIN_TIMESTAMP)
        crashpoints.hit("worker.task.opened")
        self._tends = any(operator.tends for operator in self.chain.operators)
        self.started = True
        self._started_at = self._env.clock.monotonic()
        self._report(messages.TaskRunning)
        if restored and all(state is not None and state.finished for state in restored):
            self._restored_over()

    def _restored_over(self) -> None:
        """Its inputs will say that they ended, and it after them. Unless they did not: an input at another parallelism
        may bring rows to a subtask that had none left.
        """
        self._was_over = True

    def restore_in_flight(self, given: Mapping[int, Iterable[tuple[StreamElement, int]]]) -> None:
        """By channel: what was on its way when the checkpoint was taken, with its bytes. It is processed first."""
        for index, elements in sorted(given.items()):
            self._gate.restore(self._gate.channels[index], elements)

    def restore_chained(self, position: int, rows: Iterable[StreamElement]) -> None:
        """The same for an operator inside the chain, which had channels of its own at another parallelism."""

        def run(then: Iterator[None] | None) -> Iterator[None]:
            for element in rows:
                yield from self.chain.run_at(position, element)
            yield from then or ()

        self._run = run(self._run)

    def close(self) -> None:
        """Close all operators; the first error is raised after all were closed."""
        first: Exception | None = None
        for operator in self.chain.operators:
            try:
                operator.close()
            except Exception as error:  # noqa: BLE001  every operator gets its chance to close
                first = first or error
        if first is not None:
            raise first

    # ---- the mailbox -------------------------------------------------------------------------------------

    def step(self, now: float) -> bool:
        """Do one piece of work; ``False`` when there was none. ``now``: monotonic seconds."""
        if self.credit.exhausted:
            if self._waiting_since is None:
                self._waiting_since = now
            return False
        if self._waiting_since is not None:
            waited, self._waiting_since = now - self._waiting_since, None
            self.backpressured_seconds += waited
            for operator in self._pausing:
                operator.on_paused(waited)
        if self._run is not None:
            self._drive(self._run)
            return True
        if self.held:
            if self._commits.outstanding:
                self._commits.check(now)
            return False
        if now - self._timers_checked >= _TIMER_CHECK:
            self._timers_checked = now
            if self._fire_timers():
                return True
        worked = self._work()
        if self._tends:
            worked |= self._tend()
        if self._commits.outstanding:
            self._commits.check(now)
        return worked

    def _tend(self) -> bool:
        """A slice of each operator's work besides the rows, while no run is paused in the middle of an element."""
        if self._run is not None:
            return False
        more = False
        for position, operator in enumerate(self.chain.operators):
            if operator.tends:
                self.chain.running = position
                try:
                    more |= operator.tend()
                except Exception as error:
                    raise self.chain.failure(error, position) from error
        return more

    def _work(self) -> bool:
        found = self._gate.next()
        if found is None:
            return False
        self._handle(*found)
        return True

    def _handle(self, channel: InputChannel, element: StreamElement) -> None:
        kind = element.__class__
        if self._was_over and kind is not Barrier and kind is not EndOfInput:
            self._was_over = False
            self._watermarks.current = MIN_TIMESTAMP
        if kind is Barrier:
            self._on_barrier(channel, element)  # type: ignore[arg-type]
        elif kind is Watermark:
            self._on_merged(self._watermarks.on_watermark(channel.index, element.timestamp))  # type: ignore[union-attr]
        elif kind is StreamStatus:
            self._on_status(channel, element)  # type: ignore[arg-type]
        elif kind is EndOfInput:
            self._on_channel_end(channel, element)  # type: ignore[arg-type]
        else:
            self._drive(self.chain.run(element, channel.input_index))

    def _drive(self, run: Iterator[None]) -> None:
        """Run on until done, or until an output has no credit."""
        credit = self.credit
        for _ in run:
            if credit.exhausted:
                self._run = run
                return
        self._run = None

    def _on_merged(self, watermark: int | None) -> None:
        if watermark is not None and not self.ended:
            self._drive(self.chain.run(Watermark(watermark)))

    def _on_status(self, channel: InputChannel, status: StreamStatus) -> None:
        self._on_merged_status(*self._watermarks.on_status(channel.index, status.idle))

    def _on_merged_status(self, watermark: int | None, idle: bool | None) -> None:
        elements: list[StreamElement] = []
        if watermark is not None and not self.ended:
            elements.append(Watermark(watermark))
        if idle is not None:
            # Active again is said before the watermark that follows from it, idle after it.
            elements.insert(len(elements) if idle else 0, StreamStatus(idle))
        if elements:
            self._drive(self._run_all(elements))

    def _run_all(self, elements: list[StreamElement]) -> Iterator[None]:
        for element in elements:
            yield from self.chain.run(element)

    def _on_channel_end(self, channel: InputChannel, end: EndOfInput) -> None:
        if channel.ended:
            return
        channel.ended = True
        self.drained |= end.drained
        self._open_channels -= 1
        merged, idle = self._watermarks.on_end(channel.index)
        if self._open_channels:
            self._on_merged_status(merged, idle)
        elif not self.ended:
            self._end(merged=merged, repeat=self._was_over and not self.drained)

    def _end(self, *, merged: int | None = None, repeat: bool = False) -> None:
        """The end of all input; ``repeat``: it was processed before the snapshot, only say it again."""
        self.ended = True
        self._drive(self._ending(merged, repeat))

    def _ending(self, merged: int | None, repeat: bool) -> Iterator[None]:
        if merged is not None:
            yield from self.chain.run(Watermark(merged))
        if repeat:
            for output in self.chain.outputs:
                output.control(EndOfInput())
        else:
            yield from self.chain.end_input(drained=self.drained)
        self._report(messages.TaskEnded)

    # ---- time --------------------------------------------------------------------------------------------

    def _fire_timers(self) -> bool:
        now_ms = 0
        for position, operator in enumerate(self.chain.operators):
            due = operator.next_timer()
            if due is None:
                continue
            now_ms = now_ms or self._env.clock.wall_ms()
            if due <= now_ms and not (self.ended or self._was_over):
                self._drive(self.chain.emit_from(position, operator.on_processing_time(now_ms)))
                return True
        return False

    def next_deadline(self, now: float) -> float | None:
        """Monotonic seconds at which ``step`` has work although nothing arrives; ``None``: never."""
        if self.credit.exhausted:
            return None
        if self._run is not None:
            return now
        deadline: float | None = None
        if not (self.ended or self._was_over or self.held):
            for operator in self.chain.operators:
                due = operator.next_timer()
                if due is not None:
                    wait = max(0.0, (due - self._env.clock.wall_ms()) / 1000)
                    deadline = now + wait if deadline is None else min(deadline, now + wait)
        if self._commits.due:
            deadline = min(now + RETRY, deadline or now + RETRY)
        return deadline

    # ---- checkpoints -------------------------------------------------------------------------------------

    def _on_barrier(self, channel: InputChannel, barrier: Barrier) -> None:
        decision = self._alignment.on_barrier(channel.index, barrier.checkpoint_id)
        if decision.outcome is not Outcome.IGNORE:
            self._received.brought(channel, barrier.checkpoint_id)
        if decision.block:
            self._gate.block(channel)
            if not self._aligning.began or decision.abandoned is not None:
                self._aligning.begin()
        if decision.unblock:
            self._gate.unblock(decision.unblock)
        if decision.outcome is Outcome.COMPLETE:
            alignment, received = self._aligning.end(), self._received.of(barrier.checkpoint_id)
            request, stats = self._take_snapshot(barrier)
            self._persist(request, stats.aligned(alignment), received)

    def _take_snapshot(self, barrier: Barrier) -> tuple[SnapshotRequest, Stats]:
        """Send the barrier on, and freeze every operator's state."""
        clock, began = self._env.clock, self._env.clock.monotonic()
        start_delay = max(0, clock.wall_ms() - barrier.timestamp) if barrier.timestamp else 0
        for output in self.chain.outputs:
            output.control(barrier)
        sent = counting.sent(channel for output in self.chain.outputs for channel in output.channels)
        crashpoints.hit("worker.task.barrier-sent")
        frozen = [
            (operator, self._freeze(position, barrier.checkpoint_id))
            for position, operator in enumerate(self.identity.vertex.operators)
        ]
        crashpoints.hit("worker.task.state-frozen")
        if any(snapshot.has_commits for _, snapshot in frozen):
            self._commits.promise(barrier.checkpoint_id)
        request = SnapshotRequest(
            execution=self.identity.execution,
            checkpoint_id=barrier.checkpoint_id,
            subtask=self.identity.index,
            operators=frozen,
            key_groups=self._key_groups(),
            finished=(self.ended or self._was_over) and not self.drained,
            watermark=MIN_TIMESTAMP if self.drained else self._watermarks.current,
            savepoint=barrier.savepoint,
            sent=sent,
            whole=barrier.whole,
        )
        self.held = barrier.stop
        return request, Stats((clock.monotonic() - began) * 1000, float(start_delay))

    def _freeze(self, position: int, checkpoint_id: int) -> OperatorSnapshot:
        self.chain.running = position
        try:
            return self.chain.operators[position].snapshot(checkpoint_id)
        except Exception as error:
            raise self.chain.failure(error, position) from error

    def _key_groups(self) -> tuple[int, int] | None:
        vertex = self.identity.vertex
        groups = key_group_range(vertex.max_parallelism, vertex.parallelism, self.identity.index)
        return (groups.start, groups.stop - 1) if groups else None

    def _persist(self, request: SnapshotRequest, measured: Stats, received: dict[int, int]) -> None:
        env = self._env
        began = env.clock.monotonic()

        def done(states: Any, error: BaseException | None) -> None:
            if error is not None:
                message = as_text(f"{type(error).__name__}: {error}")
                number = request.checkpoint_id
                self._report(messages.CheckpointDeclined, checkpoint_id=number, message=message)
                return
            crashpoints.hit("worker.task.before-ack")
            self._report(
                messages.CheckpointAck,
                checkpoint_id=request.checkpoint_id,
                states=dict(states),
                finished=request.finished,
                stats=measured.told((env.clock.monotonic() - began) * 1000, snapshot_bytes(states)),
                counts=messages.ChannelCounts(sent=request.sent, received=received),
            )
            crashpoints.hit("worker.task.after-ack")

        env.run_async(lambda: env.persist(request), done)

    def trigger(self, barrier: Barrier, *, drain: bool = False) -> None:
        """Checkpoints begin at enumerators only."""
        raise AssertionError(f"checkpoint {barrier.checkpoint_id} was triggered at a task with inputs")

    def notify_complete(self, checkpoint_id: int) -> None:
        """The checkpoint's record exists."""
        self._commits.completed(checkpoint_id, self._env.clock.monotonic())

    def abort(self, checkpoint_id: int) -> None:
        """The checkpoint will not complete."""
        unblock = self._alignment.abort(checkpoint_id)
        if unblock:
            self._aligning.end()
            self._gate.unblock(unblock)

    # ---- reports -----------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Nothing more to do now: what the outputs gathered may go."""
        try:
            for output in self.chain.outputs:
                output.flush()
        except Exception as error:
            raise self.chain.failure(error, len(self.chain.operators) - 1) from error

    def _report(self, kind: Any, **fields: Any) -> None:
        self._env.report(
            kind(
                execution=self.identity.execution,
                vertex=self.identity.vertex.id,
                index=self.identity.index,
                **fields,
            )
        )

    def metrics(self) -> messages.TaskMetrics:
        """Counters since the deployment."""
        chain = self.chain
        now = self._env.clock.monotonic()
        waiting = 0.0 if self._waiting_since is None else now - self._waiting_since
        busy_ms = int(self.busy_seconds * 1000)
        backpressured_ms = int((self.backpressured_seconds + waiting) * 1000)
        since_start_ms = int((now - self._started_at) * 1000) if self.started else 0
        return messages.TaskMetrics(
            vertex=self.identity.vertex.id,
            index=self.identity.index,
            records_in=chain.rows_in[0],
            records_out=sum(output.rows_out for output in chain.outputs),
            bytes_in=self._gate.bytes_in(),
            bytes_out=sum(channel.bytes_out for output in chain.outputs for channel in output.channels),
            busy_ms=busy_ms,
            idle_ms=max(0, since_start_ms - busy_ms - backpressured_ms),
            backpressured_ms=backpressured_ms,
            watermark=self._watermarks.current,
            queued_bytes=self._gate.queued_bytes(),
            operator_records_in={
                operator.operator_id: rows
                for operator, rows in zip(self.identity.vertex.operators, chain.rows_in, strict=True)
            },
            gauges=gauges(chain, self._gate, self._watermarks.current, now),
        )

"""Subtasks under unaligned checkpoints: at a barrier's arrival they snapshot at once, whatever waits before it.

A barrier costs no credit and receivers always read their stream, so it stands in the queue of its receiver soon after
it was sent: what it has to overtake is there, and nowhere else. So the receiver records it, and senders keep nothing. Two
things still delay a barrier: an element whose processing was begun, which is finished beyond the credit, up to
``OVERDRAFT_BATCHES``; and a call of a user function, for which batches are cut when they take long. Hot path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from weir.records import BATCHES, Barrier, Batch, ColumnBatch, RowBatch
from weir.taskmanager import counting, in_flight
from weir.taskmanager.environment import SnapshotRequest
from weir.taskmanager.exchange import wire
from weir.taskmanager.exchange.channels import InputChannel
from weir.taskmanager.in_flight import ChannelName, Recording
from weir.taskmanager.reader import ReaderTask
from weir.taskmanager.snapshot_stats import Stats
from weir.taskmanager.task import Task
from weir.taskmanager.unaligned import Announcement, Unaligned

#: Batches that a subtask may send without credit to finish what it had begun when a barrier came.
OVERDRAFT_BATCHES = 64
#: A batch that takes longer, seconds, makes those after it smaller, so that they take about half of it.
SLOW_BATCH = 0.1
#: Rows of a batch that is not cut.
_ALL_ROWS = 1 << 30


class OvertakableChannel(InputChannel):
    """Tells of barriers when they arrive, and of everything while it is recorded."""

    __slots__ = ("name", "recording", "task")

    def __init__(self, index: int, input_index: int, name: ChannelName, window: int | None = None) -> None:
        super().__init__(index, input_index, window=window)
        self.name = name
        self.task: OvertakingTask | None = None
        self.recording: Recording | None = None

    def put(self, kind: int, item: Any, cost: int) -> None:
        if kind == wire.Kind.BARRIER:
            kind, item = 0, wire.decode_control(kind, item)
        if kind == 0 and item.__class__ is Barrier:
            if self.task is not None and self.task.announced(self, item):
                return
        elif self.recording is not None:
            self.recording.add(kind, item, cost)
        super().put(kind, item, cost)

    def record(self) -> Recording:
        """A recording that begins with what is queued first."""
        return Recording(self.name, self._decoder, self._columns, counting.taken(self))


class _Overdrawing:
    """Finishes a paused run beyond the credit, so far."""

    _run: Iterator[None] | None
    _overdraft: int

    def _finish_run(self) -> bool:
        """Whether nothing is paused in the middle of an element any more."""
        if self._run is None:
            return True
        while self._overdraft > 0:
            self._overdraft -= 1
            if next(self._run, self) is self:
                self._run = None
                return True
        return False


class OvertakingTask(_Overdrawing, Task):
    """With at least one channel whose barriers may overtake."""

    _alignment: Unaligned

    def __init__(self, *args: Any, timeout: float) -> None:
        """``timeout``: seconds from its trigger for which a checkpoint is aligned before its barriers overtake."""
        super().__init__(*args)
        self._timeout_ms = timeout * 1000
        #: Of the alignment's candidate.
        self._barrier: Barrier | None = None
        #: On the monotonic clock: when it overtakes.
        self._due = 0.0
        self._overdraft = 0
        self._most = _ALL_ROWS
        #: Snapshotted; ``recordings`` may not be complete.
        self._taken: tuple[SnapshotRequest, Stats] | None = None
        self._recordings: dict[OvertakableChannel, Recording] = {}
        for channel in self._gate.channels:
            if isinstance(channel, OvertakableChannel):
                channel.task = self

    # ---- the mailbox -------------------------------------------------------------------------------------

    def announced(self, channel: OvertakableChannel, barrier: Barrier) -> bool:
        """A barrier arrived; whether it is not to be queued. Savepoints are always aligned."""
        if barrier.savepoint:
            return False
        meaning = self._alignment.announce(channel.index, barrier.checkpoint_id)
        if meaning is Announcement.FIRST:
            self._barrier = barrier
            self._due = self._env.clock.monotonic() + self._patience(barrier)
            self._overdraft = OVERDRAFT_BATCHES
            self._aligning.begin()
        if meaning is Announcement.RECORDED:
            channel.recording = None
        return meaning is Announcement.RECORDED

    def step(self, now: float) -> bool:
        if self._taken is not None and not self._alignment.missing:
            self._recorded()
            return True
        if self._barrier is not None and self._may_overtake():
            self._overtake(self._barrier)
            return True
        return super().step(now)

    def next_deadline(self, now: float) -> float | None:
        deadline = super().next_deadline(now)
        if self._barrier is None or not self._alignment.may_overtake or not self._overdraft:
            return deadline
        return self._due if deadline is None else min(self._due, deadline)

    def _work(self) -> bool:
        found = self._gate.next()
        if found is None:
            return False
        channel, element = found
        if not isinstance(element, BATCHES):
            self._handle(channel, element)
            return True
        batch: Batch = element
        if len(batch) > self._most:
            batch, rest = _cut(batch, self._most)
            self._gate.put_back(channel, rest)
        began = self._env.clock.monotonic()
        self._handle(channel, batch)
        self._pace(len(batch), self._env.clock.monotonic() - began)
        return True

    def _pace(self, rows: int, seconds: float) -> None:
        if seconds > SLOW_BATCH:
            self._most = max(1, int(rows * SLOW_BATCH / 2 / seconds))
        elif self._most < _ALL_ROWS and rows >= self._most and seconds < SLOW_BATCH / 4:
            self._most *= 2

    # ---- checkpoints -------------------------------------------------------------------------------------

    def _may_overtake(self) -> bool:
        alignment = self._alignment
        if not alignment.waiting:
            self._barrier = None
            return False
        assert self._barrier is not None
        due = self._env.clock.monotonic() >= self._due
        return alignment.may_overtake and due and self._finish_run()

    def _patience(self, barrier: Barrier) -> float:
        """Seconds that it may wait from now on; no longer than the timeout, whatever the clocks of two machines say."""
        waited = self._env.clock.wall_ms() - barrier.timestamp
        return min(max(0.0, self._timeout_ms - waited), self._timeout_ms) / 1000

    def _overtake(self, barrier: Barrier) -> None:
        self._barrier = None
        self._drop_recordings()
        overtaken = self._alignment.overtake()
        self._gate.unblock(overtaken.unblock)
        for channel in self._gate.channels:
            if not isinstance(channel, OvertakableChannel):
                continue
            if channel.index in overtaken.queued or channel.index in overtaken.missing:
                self._record(channel, barrier, complete=channel.index in overtaken.queued)
        self._taken = self._take_snapshot(barrier)

    def _record(self, channel: OvertakableChannel, barrier: Barrier, *, complete: bool) -> None:
        recording = channel.record()
        self._recordings[channel] = recording
        for position, (kind, item, cost) in enumerate(channel.queue):
            if complete and kind == 0 and item == barrier:
                self._gate.remove(channel, position)
                return
            recording.add(kind, item, cost)
        channel.recording = recording

    def _recorded(self) -> None:
        """Every barrier is here: what was recorded and what was frozen are made durable together."""
        assert self._taken is not None
        (request, stats), recordings = self._taken, tuple(self._recordings.values())
        received = self._received.of(request.checkpoint_id)
        received |= {
            channel.number: recording.received
            for channel, recording in self._recordings.items()
            if channel.number is not None
        }
        self._taken, self._recordings = None, {}
        overtaken = stats.overtaken(self._aligning.end(), sum(recording.bytes for recording in recordings))
        vertex = self.identity.vertex
        stored = partial(in_flight.encode, vertex.parallelism, vertex.max_parallelism, recordings)
        self._persist(replace(request, in_flight=stored), overtaken, received)

    def abort(self, checkpoint_id: int) -> None:
        if self._taken is not None and self._taken[0].checkpoint_id == checkpoint_id:
            self._drop_recordings()
        if self._barrier is not None and self._barrier.checkpoint_id == checkpoint_id:
            self._barrier = None
            self._aligning.end()
        super().abort(checkpoint_id)

    def _drop_recordings(self) -> None:
        """The checkpoint will not complete."""
        if self._taken is None:
            return
        for _, snapshot in self._taken[0].operators:
            snapshot.release()
        self._taken, self._recordings = None, {}
        for channel in self._gate.channels:
            if isinstance(channel, OvertakableChannel):
                channel.recording = None
        self._aligning.end()

    def close(self) -> None:
        """What was frozen is let go, too."""
        self._drop_recordings()
        super().close()


class OvertakingReader(_Overdrawing, ReaderTask):
    """Its one channel brings splits in order, so nothing overtakes there; but a barrier does not wait for credit."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._overdraft = OVERDRAFT_BATCHES

    def step(self, now: float) -> bool:
        if self.credit.exhausted and self._barrier_waits() and self._finish_run():
            found = self._gate.next()
            assert found is not None
            self._handle(*found)
            return True
        return super().step(now)

    def _on_barrier(self, channel: InputChannel, barrier: Barrier) -> None:
        self._overdraft = OVERDRAFT_BATCHES
        super()._on_barrier(channel, barrier)

    def _barrier_waits(self) -> bool:
        return any(
            kind == wire.Kind.BARRIER or item.__class__ is Barrier
            for kind, item, _ in self._gate.channels[0].queue
        )


def _cut(batch: Batch, rows: int) -> tuple[Batch, Batch]:
    """A batch as two; the first has ``rows``."""
    if isinstance(batch, ColumnBatch):
        stamps = batch.timestamps
        return (
            ColumnBatch(batch.data.slice(0, rows), None if stamps is None else stamps[:rows], batch.tag),
            ColumnBatch(batch.data.slice(rows), None if stamps is None else stamps[rows:], batch.tag),
        )

    return _part(batch, slice(rows)), _part(batch, slice(rows, None))


def _part(batch: RowBatch, which: slice) -> RowBatch:
    stamps, keys = batch.timestamps, batch.keys
    return RowBatch(
        batch.values[which],
        None if stamps is None else stamps[which],
        None if keys is None else keys[which],
        batch.tag,
    )

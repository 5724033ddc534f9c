"""Scorecard A5: two inputs, the barrier of one comes two seconds late; and the same at least once."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from tests.support.random_jobs import Branch, rows_read
from tests.support.task_harness import TaskHarness
from weir.connectors.collect import CollectSink
from weir.functions import CoMapFunction
from weir.records import RowBatch
from weir.rpc import messages

CHUNK = 5
A, B = (
    Branch(name, [(name, i, 0, i) for i in range(2000)], splits=1, chunk=CHUNK, stages=()) for name in "ab"
)


class Journal(CoMapFunction):
    """Writes down what it sees, in order."""

    seen: ClassVar[list[Any]] = []

    def map1(self, value):
        Journal.seen.append(value)
        return value

    map2 = map1


class LateBarrier:
    """A and B joined by one subtask. B's enumerator takes long over its snapshot while both sources read on."""

    def __init__(self, mode: str, workers: int = 1) -> None:
        Journal.seen = []
        self.sink = CollectSink(two_phase=True)
        self.harness = TaskHarness(
            self.build, workers=workers, settings={"execution.checkpointing.mode": mode}
        )
        self.harness.run_until(lambda: len(Journal.seen) >= 100)
        self.background, self.lane = next(
            (worker.background, lane)
            for worker in self.harness.workers
            for lane in worker.background.lanes
            if lane.startswith("enumerator-b")
        )

    def build(self, env) -> None:
        a, b = (branch.build(env).disable_chaining() for branch in (A, B))
        a.connect(b).map(Journal()).name("join").uid("join").sink_to(self.sink).uid("out")

    @property
    def channel(self) -> Any:
        return self.harness.task("join")._gate.channels[0]

    def hold(self, seconds: float) -> int:
        """Trigger, and let some work and that much time pass before B's barrier leaves."""
        self.background.held.add(self.lane)
        number = self.harness.trigger()
        for _ in range(30):
            self.harness.step()
        self.harness.clock.now += seconds
        return number

    def release(self, number: int) -> messages.SnapshotStats:
        self.background.held.clear()
        self.harness.run_until(lambda: self.harness.acknowledged(number))
        join = self.harness.vertex("join")
        return next(
            ack.stats for subtask, ack in self.harness.pending[number].acks.items() if subtask.vertex == join
        )

    def of(self, name: str) -> list[Any]:
        return [row for row in Journal.seen if row[0] == name]


def test_nothing_of_a_after_its_barrier_is_processed_before_bs_and_its_backlog_goes_first() -> None:
    late = LateBarrier("EXACTLY_ONCE")
    number = late.hold(2.0)
    assert late.channel.blocked
    of_a, of_b = len(late.of("a")), len(late.of("b"))
    for _ in range(5):
        late.harness.step()
    assert len(late.of("a")) == of_a
    assert len(late.of("b")) > of_b, "the other input is read on"

    late.background.held.clear()
    late.harness.run_until(lambda: not late.channel.blocked)
    cut = len(Journal.seen)
    backlog = [row for _, item, _ in late.channel.queue if isinstance(item, RowBatch) for row in item.values]
    # In the same round, after the alignment ended, A's reader sent one batch more.
    backlog = backlog[:-CHUNK]
    assert len(backlog) > 20 * CHUNK
    stats = late.release(number)
    snapshot = late.harness.complete(number)
    late.harness.run_until(lambda: len(Journal.seen) > cut + len(backlog))

    assert late.of("a")[:of_a] == rows_read(snapshot, A)
    assert [row for row in Journal.seen[:cut] if row[0] == "b"] == rows_read(snapshot, B)
    assert Journal.seen[cut : cut + len(backlog)] == backlog
    assert stats.alignment_ms == pytest.approx(2000, rel=0.1)


def test_what_was_held_back_keeps_its_credit_so_the_source_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weir.taskmanager.exchange.credit_windows.WINDOW_BYTES", 20_000)
    late = LateBarrier("EXACTLY_ONCE")
    number = late.hold(2.0)
    queued = late.channel.queued_bytes
    assert 20_000 <= queued < 30_000
    for _ in range(50):
        late.harness.step()
    assert late.channel.queued_bytes == queued
    late.release(number)
    late.harness.complete(number)
    late.harness.run_to_end()
    assert sorted(late.sink.results) == sorted(A.rows + B.rows)


def test_an_abort_lets_a_go_on_at_once() -> None:
    late = LateBarrier("EXACTLY_ONCE")
    number = late.hold(2.0)
    of_a = len(late.of("a"))
    late.harness.abort(number)
    late.harness.run_until(lambda: len(late.of("a")) > of_a)
    late.background.held.clear()
    late.harness.checkpoint()
    late.harness.run_to_end()
    assert sorted(late.sink.results) == sorted(A.rows + B.rows)


def test_a_newer_checkpoint_overtakes_the_one_that_hangs() -> None:
    """Both triggers wait at B; A's second barrier stands behind its first one, which is blocked, until B speaks."""
    late = LateBarrier("EXACTLY_ONCE")
    first = late.hold(1.0)
    second = late.harness.trigger()
    late.background.held.clear()
    late.harness.run_until(lambda: late.harness.acknowledged(second))
    assert late.harness.acknowledged(first)
    snapshot = late.harness.complete(second)
    assert len(rows_read(snapshot, A)) > 100
    late.harness.run_to_end()
    assert sorted(late.sink.results) == sorted(A.rows + B.rows)


def test_at_least_once_reads_on_and_needs_no_alignment() -> None:
    late = LateBarrier("AT_LEAST_ONCE")
    number = late.hold(2.0)
    assert not late.channel.blocked
    of_a = len(late.of("a"))
    for _ in range(5):
        late.harness.step()
    assert len(late.of("a")) > of_a
    stats = late.release(number)
    snapshot = late.harness.complete(number)
    assert stats.alignment_ms == 0.0
    assert len(rows_read(snapshot, A)) < of_a, "rows behind the barrier are in the state as well"


def test_across_workers_the_alignment_is_the_same() -> None:
    late = LateBarrier("EXACTLY_ONCE", workers=2)
    number = late.hold(2.0)
    assert late.channel.blocked
    assert late.release(number).alignment_ms == pytest.approx(2000, rel=0.1)
    late.harness.complete(number)
    late.harness.run_to_end()
    assert sorted(late.sink.results) == sorted(A.rows + B.rows)

"""Where a subtask's time goes: busy, idle and back-pressured time add up, and point at the slow one. Bytes are counted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.random_jobs import ChunkedSource
from tests.support.task_harness import TaskHarness
from weir.connectors.collect import CollectSink
from weir.rpc.messages import TaskMetrics

READERS = 5
ROWS = [f"{number:020000}" for number in range(READERS * 200)]
#: Seconds that the slow function takes for a row; the manual clock is moved by it.
SLOW = 0.01


class SlowJob:
    """Readers whose batches overdraw their credit, before one slow subtask that takes one batch after the other."""

    def __init__(self, workers: int) -> None:
        self.sink = CollectSink(two_phase=True)
        self.harness: TaskHarness | None = None
        self.harness = TaskHarness(self.build, workers=workers, parallelism=READERS)

    def build(self, env) -> None:
        rows = env.from_source(ChunkedSource(ROWS, num_splits=READERS, chunk=50), name="rows").uid("rows")
        slow = rows.rebalance().map(self.take_long).name("slow").uid("slow").set_parallelism(1)
        slow.sink_to(self.sink).set_parallelism(1).uid("out")

    def take_long(self, row: str) -> int:
        assert self.harness is not None
        self.harness.clock.now += SLOW
        return len(row)

    def metrics(self, name: str, index: int = 0) -> TaskMetrics:
        found: TaskMetrics = self.harness.task(name, index).metrics()
        return found


@pytest.fixture(params=[1, 2], ids=["by-reference", "encoded"])
def job(request: Any) -> SlowJob:
    made = SlowJob(workers=request.param)
    harness = made.harness
    harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
    harness.run_until(lambda: harness.task("slow").chain.rows_in[0] >= 500)
    return made


def test_times_add_up_to_what_passed_since_the_start(job: SlowJob) -> None:
    for task in (task for worker in job.harness.workers for task in worker.loop.tasks):
        found = task.metrics()
        passed = (job.harness.clock.now - task._started_at) * 1000
        total = found.busy_ms + found.idle_ms + found.backpressured_ms
        assert total == pytest.approx(passed, abs=2)
        assert min(found.busy_ms, found.idle_ms, found.backpressured_ms) >= 0


def test_the_slow_subtask_is_busy_and_those_before_it_are_back_pressured(job: SlowJob) -> None:
    slow = job.metrics("slow")
    assert slow.busy_ms > 0.9 * (slow.busy_ms + slow.idle_ms)
    assert slow.backpressured_ms == 0
    readers = [job.metrics("rows", index) for index in range(READERS)]
    assert all(reader.busy_ms < 0.1 * slow.busy_ms for reader in readers)
    assert max(reader.backpressured_ms for reader in readers) > 0.3 * slow.busy_ms


def test_a_wait_that_lasts_is_counted_before_it_ends(job: SlowJob) -> None:
    waiting = [i for i in range(READERS) if job.harness.task("rows", i)._waiting_since is not None]
    before = [job.metrics("rows", index) for index in waiting]
    assert before
    job.harness.clock.now += 5.0
    for index, earlier in zip(waiting, before, strict=True):
        later = job.metrics("rows", index)
        assert later.backpressured_ms - earlier.backpressured_ms == pytest.approx(5000, abs=2)
        assert later.idle_ms == pytest.approx(earlier.idle_ms, abs=2)


def test_bytes_out_of_one_side_are_the_bytes_into_the_other_and_what_waits_between(job: SlowJob) -> None:
    sent = sum(job.metrics("rows", index).bytes_out for index in range(READERS))
    slow = job.metrics("slow")
    assert slow.bytes_in >= slow.records_in * len(ROWS[0])
    if len(job.harness.workers) == 1:
        assert sent == slow.bytes_in + slow.queued_bytes
    else:
        assert sent >= slow.bytes_in + slow.queued_bytes, "some may be under way"


def test_an_enumerator_is_idle_on_the_data_thread(job: SlowJob) -> None:
    (enumerator,) = (
        task
        for worker in job.harness.workers
        for task in worker.loop.tasks
        if "(enumerator)" in task.identity.vertex.name
    )
    found = enumerator.metrics()
    assert found.busy_ms == 0
    assert found.idle_ms > 0

"""Random jobs stopped with a savepoint under random schedules: nothing follows the barrier, and nothing is lost by it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.support.random_jobs import RandomJob, random_job
from tests.support.task_harness import Snapshot, TaskHarness
from weir.rpc import messages
from weir.taskmanager.exchange import channels, credit_windows
from weir.taskmanager.task import Task

AT_LEAST_ONCE = {"execution.checkpointing.mode": "AtLeastOnce"}


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So that a few rows meet back pressure."""
    monkeypatch.setattr(credit_windows, "WINDOW_BYTES", 1500)
    monkeypatch.setattr(channels, "GATHER_ROWS", 10)
    return


class Stopped:
    """A job that was stopped somewhere on its way, perhaps with checkpoints before and others under way."""

    def __init__(self, seed: int, *, drain: bool, settings: dict[str, str] | None = None) -> None:
        self.rng = rng = random.Random(seed)
        self.job: RandomJob = random_job(rng)
        self.harness = harness = TaskHarness(
            self.job.build,
            workers=rng.randint(1, 3),
            parallelism=rng.randint(1, 3),
            seed=seed,
            settings=settings,
        )
        harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
        self.steps(400)
        if rng.random() < 0.5:
            harness.checkpoint()
            self.steps(200)
        if rng.random() < 0.5:
            harness.trigger()  # its barriers are on their way when the stop comes
            self.steps(30)
        number = harness.trigger(stop=True, drain=drain)
        harness.run_until(lambda: harness.acknowledged(number))
        self.read = self.rows_read()
        self.snapshot: Snapshot = harness.complete_and_commit(number)

    def steps(self, most: int) -> None:
        for _ in range(self.rng.randint(0, most)):
            self.harness.step()

    def tasks(self) -> list[Task]:
        found = [task for worker in self.harness.workers for task in worker.loop.tasks]
        return [task for task in found if isinstance(task, Task)]

    def rows_read(self) -> dict[tuple[str, int], list[int]]:
        return {(t.identity.vertex.id, t.identity.index): list(t.chain.rows_in) for t in self.tasks()}

    def committed(self) -> tuple[list, list]:
        return list(self.job.results.results), list(self.job.thirds.results)

    def hold_for_an_hour(self) -> None:
        """Nothing but time passes."""
        before, said = self.committed(), len(self.harness.messages)
        for _ in range(200):
            self.harness.step()
            self.harness.clock.now += 18.0
        assert all(task.held for task in self.tasks())
        assert self.rows_read() == self.read
        assert self.committed() == before
        late = self.harness.messages[said:]
        assert [m for m in late if not isinstance(m, messages.CheckpointAck)] == [], "but of an upload before"

    def go_on(self) -> None:
        """From the savepoint, at any parallelism, to the end."""
        self.harness.crash(self.rng.randint(1, 3), workers=self.rng.randint(1, 3))
        self.harness.run_to_end()


@pytest.mark.parametrize("seed", range(60))
def test_nothing_follows_the_barrier_and_what_goes_on_from_there_is_exact(seed: int) -> None:
    stopped = Stopped(seed, drain=False)
    stopped.job.check_snapshot(stopped.snapshot)
    stopped.hold_for_an_hour()
    stopped.go_on()
    stopped.job.check()


@pytest.mark.parametrize("seed", range(60))
def test_drained_every_timer_fires_once_and_what_was_not_read_is_there_for_who_goes_on(seed: int) -> None:
    stopped = Stopped(seed, drain=True)
    stopped.job.check_snapshot(stopped.snapshot)
    rows, totals = parts(stopped.job)
    assert Counter(dict(totals)) == Counter(row[2] for row in rows)
    assert len(totals) == len(dict(totals))
    stopped.hold_for_an_hour()
    stopped.go_on()
    rows, totals = parts(stopped.job)
    assert Counter(rows) == Counter(stopped.job.expected())
    last = dict(totals)  # a key that goes on fires again, at the end of its input
    assert last == dict(Counter(row[2] for row in rows))


@pytest.mark.parametrize("seed", range(100, 120))
def test_at_least_once_a_stop_loses_nothing(seed: int) -> None:
    stopped = Stopped(seed, drain=seed % 2 == 0, settings=AT_LEAST_ONCE)
    stopped.hold_for_an_hour()
    stopped.go_on()
    rows, _ = parts(stopped.job)
    assert not Counter(stopped.job.expected()) - Counter(rows)


@pytest.mark.parametrize("seed", range(200, 220))
def test_a_stop_that_is_given_up_goes_back_to_the_last_checkpoint(seed: int) -> None:
    rng = random.Random(seed)
    job = random_job(rng)
    harness = TaskHarness(job.build, workers=rng.randint(1, 3), parallelism=2, seed=seed, zombies=True)
    harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
    for drain in (False, True):
        for _ in range(rng.randint(0, 200)):
            harness.step()
        number = harness.trigger(stop=True, drain=drain)
        for _ in range(rng.randint(0, 200)):
            harness.step()
        harness.abort(number)
        harness.crash(2, workers=rng.randint(1, 3))
        harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
    harness.run_to_end()
    job.check()


def parts(job: RandomJob) -> tuple[list, list]:
    """Rows, and (key, total) in the order in which they were committed."""
    results = job.results.results
    return [r[1] for r in results if r[0] == "row"], [r[1:] for r in results if r[0] == "total"]

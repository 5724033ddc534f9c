"""Random jobs under random schedules: output equals the oracle, without faults and with them. The seed names the run."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.support.random_jobs import RandomJob, random_job
from tests.support.task_harness import TaskHarness, unavailable
from weir.taskmanager.exchange import channels, credit_windows

#: More than any of these jobs needs; where it is reached, something waits for ever.
MOST_STEPS = 50_000
AT_LEAST_ONCE = {"execution.checkpointing.mode": "AtLeastOnce"}


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """So that a few rows meet back pressure."""
    monkeypatch.setattr(credit_windows, "WINDOW_BYTES", 1500)
    monkeypatch.setattr(channels, "GATHER_ROWS", 10)
    return


class Disturbed:
    """Runs a job while it takes checkpoints, loses some of them, and crashes."""

    def __init__(
        self,
        seed: int,
        *,
        parallelisms: tuple[int, ...] = (1, 2, 3),
        exactly: bool = True,
        faulty_storage: bool = True,
    ) -> None:
        self.rng = random.Random(seed)
        self.job: RandomJob = random_job(self.rng)
        self.exactly = exactly
        self.parallelisms = parallelisms
        self.concurrent = self.rng.randint(1, 3)
        self.crashes = 0
        self.share = self.rng.choice((0.0, 0.0, 0.02)) if faulty_storage else 0.0
        self.harness = TaskHarness(
            self.job.build,
            workers=self.rng.randint(1, 3),
            parallelism=parallelisms[0] if len(parallelisms) != 3 else self.rng.choice(parallelisms),
            settings={} if exactly else AT_LEAST_ONCE,
            seed=seed,
            zombies=True,
        )
        self._trouble()

    def _trouble(self) -> None:
        for worker in self.harness.workers:
            worker.background.before_work = unavailable(self.rng, self.share)

    def run(self, crashes: int) -> None:
        harness, rng = self.harness, self.rng
        for _ in range(MOST_STEPS):
            if len(harness.ended) == len(harness.subtasks) and self.crashes == crashes:
                break
            harness.step()
            due = rng.random() < 0.03 and len(harness.pending) < self.concurrent
            if due and len(harness.running) == len(harness.subtasks):
                harness.trigger()
            self._answer()
            if self.crashes < crashes and rng.random() < 0.004:
                self.crashes += 1
                self._crash(rng.choice(self.parallelisms))
        assert self.crashes == crashes, (
            f"the input did not end; waiting: {set(harness.subtasks) - harness.ended}"
        )
        for worker in harness.workers:
            worker.background.before_work = lambda: None
        harness.run_to_end()

    def _answer(self) -> None:
        harness, rng = self.harness, self.rng
        for number in list(harness.pending):
            if number not in harness.pending:
                continue
            if number in harness.declined or rng.random() < 0.0005:
                harness.abort(number)
            elif harness.acknowledged(number) and rng.random() < 0.2:
                snapshot = harness.complete(number)
                if self.exactly:
                    self.job.check_snapshot(snapshot)

    def _crash(self, parallelism: int) -> None:
        self.harness.crash(parallelism, workers=self.rng.randint(1, 3))
        self._trouble()


@pytest.mark.parametrize("seed", range(60))
def test_without_faults_the_output_equals_the_oracle_and_keeps_order_by_key(seed: int) -> None:
    rng = random.Random(seed)
    job = random_job(rng)
    TaskHarness(job.build, workers=rng.randint(1, 3), parallelism=rng.randint(1, 3), seed=seed).run_to_end()
    job.check()


@pytest.mark.parametrize("seed", range(1000, 1080))
def test_crashes_aborts_and_lost_uploads_leave_the_committed_output_exact(seed: int) -> None:
    disturbed = Disturbed(seed)
    disturbed.run(crashes=disturbed.rng.randint(1, 4))
    disturbed.job.check()


@pytest.mark.parametrize("seed", range(2000, 2030))
def test_at_least_once_loses_nothing(seed: int) -> None:
    disturbed = Disturbed(seed, exactly=False)
    disturbed.run(crashes=2)
    disturbed.job.check(exactly=False)


@pytest.mark.parametrize("seed", range(3000, 3030))
def test_rescaling_from_one_to_three_to_two_stays_exact(seed: int) -> None:
    disturbed = Disturbed(seed, parallelisms=(1,), faulty_storage=False)
    harness, rng = disturbed.harness, disturbed.rng
    for parallelism in (3, 2):
        for _ in range(rng.randint(1, 300)):
            harness.step()
        disturbed.job.check_snapshot(harness.checkpoint())
        for _ in range(rng.randint(0, 200)):
            harness.step()
        harness.crash(parallelism, workers=rng.randint(1, 3))
    harness.run_to_end()
    disturbed.job.check()

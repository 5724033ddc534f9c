"""Restart strategies: whether, and after how long."""

from __future__ import annotations

import pytest

from weir import config
from weir.jobmanager.lifecycle.restart import (
    ExponentialDelay,
    FailureRate,
    FixedDelay,
    GiveUp,
    NoRestart,
    Restart,
    RestartStrategy,
    strategy,
)


def decisions(strategy: RestartStrategy, *times: float, jitter: float = 0.0) -> list[Restart | GiveUp]:
    made = []
    for now in times:
        decision, strategy = strategy.next(now, jitter)
        made.append(decision)
    return made


def test_no_restart_gives_up_at_once_and_says_why() -> None:
    assert decisions(NoRestart("because"), 0.0) == [GiveUp("because")]


def test_fixed_delay_restarts_so_many_times_and_no_more() -> None:
    first, second, third = decisions(FixedDelay(attempts=2, delay=3.0), 0, 100, 100_000)
    assert (first, second) == (Restart(3.0), Restart(3.0))
    assert third == GiveUp("all 2 restarts of FixedDelay are used")


def test_asking_does_not_change_a_strategy() -> None:
    strategy = FixedDelay(attempts=1, delay=0.0)
    assert strategy.next(0, 0)[0] == strategy.next(0, 0)[0] == Restart(0.0)


def test_exponential_delay_grows_up_to_its_maximum() -> None:
    growing = ExponentialDelay(initial=1, maximum=5, multiplier=2, reset_after=100, jitter_factor=0)
    assert decisions(growing, 0, 2, 5, 10, 16) == [Restart(1), Restart(2), Restart(4), Restart(5), Restart(5)]


def test_exponential_delay_starts_anew_after_a_quiet_time() -> None:
    growing = ExponentialDelay(initial=1, maximum=60, multiplier=2, reset_after=100, jitter_factor=0)
    assert decisions(growing, 0, 2, 4 + 100) == [Restart(1), Restart(2), Restart(1)]


def test_the_pause_itself_is_not_quiet_time() -> None:
    growing = ExponentialDelay(initial=50, maximum=500, multiplier=2, reset_after=60, jitter_factor=0)
    assert decisions(growing, 0, 70) == [Restart(50), Restart(100)], "it ran for 20 s only"


@pytest.mark.parametrize(("jitter", "delay"), [(-1.0, 9.0), (0.0, 10.0), (1.0, 11.0)])
def test_jitter_moves_the_delay_by_its_share(jitter: float, delay: float) -> None:
    growing = ExponentialDelay(initial=10, maximum=60, multiplier=2, reset_after=100, jitter_factor=0.1)
    assert decisions(growing, 0, jitter=jitter) == [Restart(pytest.approx(delay))]


def test_jitter_never_exceeds_the_maximum() -> None:
    growing = ExponentialDelay(initial=60, maximum=60, multiplier=2, reset_after=100, jitter_factor=0.5)
    assert decisions(growing, 0, jitter=0.9) == [Restart(60)]


def test_failure_rate_gives_up_at_too_many_failures_within_its_interval() -> None:
    rate = FailureRate(failures=2, interval=60, delay=1)
    assert decisions(rate, 0, 10, 50)[:2] == [Restart(1), Restart(1)]
    assert isinstance(decisions(rate, 0, 10, 50)[2], GiveUp)


def test_failure_rate_forgets_what_is_older_than_its_interval() -> None:
    rate = FailureRate(failures=1, interval=60, delay=1)
    assert decisions(rate, 0, 60.1, 120.2) == [Restart(1)] * 3
    assert isinstance(decisions(rate, 0, 60)[1], GiveUp)


def test_without_checkpoints_there_is_no_restart() -> None:
    chosen = strategy(config.JobOptions(restart=config.FixedDelay(attempts=5)))
    assert isinstance(chosen, NoRestart)
    assert "checkpointing is off" in chosen.reason


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (config.NoRestart(), NoRestart),
        (config.FixedDelay(), FixedDelay),
        (config.ExponentialDelay(), ExponentialDelay),
        (config.FailureRate(), FailureRate),
    ],
)
def test_each_configured_strategy_has_its_machine(options: config.RestartOptions, expected: type) -> None:
    chosen = strategy(config.JobOptions(config.CheckpointOptions(interval=1.0), options))
    assert type(chosen) is expected

"""Whether and when a failed job is deployed again. Pure.

``job_state`` asks :meth:`RestartStrategy.next` at each failure and keeps the strategy that is answered; the
shell waits. Times are monotonic seconds; the jitter's random number is handed in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

from weir import config


@dataclass(frozen=True)
class Restart:
    """Deploy again after ``delay`` seconds."""

    delay: float


@dataclass(frozen=True)
class GiveUp:
    """The job fails; ``reason`` completes the sentence "no restart, since ..."."""

    reason: str


class RestartStrategy(Protocol):
    """A strategy is a value: asking it gives the answer and the strategy to ask next time."""

    def next(self, now: float, jitter: float) -> tuple[Restart | GiveUp, RestartStrategy]:
        """The decision about a failure at ``now``; ``jitter`` is random in [-1, 1)."""
        ...


@dataclass(frozen=True)
class NoRestart:
    """Every failure is final."""

    reason: str = "the restart strategy is None"

    def next(self, now: float, jitter: float) -> tuple[Restart | GiveUp, Self]:
        return GiveUp(self.reason), self


@dataclass(frozen=True)
class FixedDelay:
    """At most ``attempts`` restarts, each after ``delay`` seconds."""

    attempts: int
    delay: float
    used: int = 0

    def next(self, now: float, jitter: float) -> tuple[Restart | GiveUp, Self]:
        if self.used >= self.attempts:
            return GiveUp(f"all {self.attempts} restarts of FixedDelay are used"), self
        return Restart(self.delay), replace(self, used=self.used + 1)


@dataclass(frozen=True)
class ExponentialDelay:
    """Unlimited restarts; the delay grows by ``multiplier`` and starts anew after ``reset_after`` quiet seconds."""

    initial: float = 1.0
    maximum: float = 60.0
    multiplier: float = 1.5
    reset_after: float = 3600.0
    jitter_factor: float = 0.1
    #: The delay given last; 0: none yet.
    current: float = 0.0
    #: When the job was to be running again after the last failure.
    restarted_at: float = 0.0

    def next(self, now: float, jitter: float) -> tuple[Restart | GiveUp, Self]:
        quiet = self.current == 0.0 or now - self.restarted_at >= self.reset_after
        base = self.initial if quiet else min(self.maximum, self.current * self.multiplier)
        delay = min(self.maximum, base * (1 + jitter * self.jitter_factor))
        return Restart(delay), replace(self, current=base, restarted_at=now + delay)


@dataclass(frozen=True)
class FailureRate:
    """Restarts after ``delay`` seconds, until more than ``failures`` fall into ``interval`` seconds."""

    failures: int
    interval: float
    delay: float
    recent: tuple[float, ...] = ()

    def next(self, now: float, jitter: float) -> tuple[Restart | GiveUp, Self]:
        recent = (*(at for at in self.recent if now - at <= self.interval), now)
        if len(recent) > self.failures:
            return GiveUp(
                f"{len(recent)} failures within {self.interval:g} s, {self.failures} are allowed"
            ), self
        return Restart(self.delay), replace(self, recent=recent)


def strategy(options: config.JobOptions) -> RestartStrategy:
    """The strategy that a job's options ask for; without checkpoints never a restart, it would lose state."""
    chosen = options.restart
    if not options.checkpoints.enabled:
        return NoRestart("checkpointing is off, so a restart would lose state")
    if isinstance(chosen, config.FixedDelay):
        return FixedDelay(chosen.attempts, chosen.delay)
    if isinstance(chosen, config.ExponentialDelay):
        return ExponentialDelay(
            chosen.initial, chosen.max, chosen.multiplier, chosen.reset_after, chosen.jitter
        )
    if isinstance(chosen, config.FailureRate):
        return FailureRate(chosen.failures, chosen.interval, chosen.delay)
    return NoRestart()

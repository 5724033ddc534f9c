"""What a job's code says about checkpoints and restarts, with PyFlink's names; kept as settings by key.

A set field of the StreamJob and a flag of the CLI win over it (``config.merge_settings``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from weir.api.arguments import setting
from weir.config import (
    CheckpointingMode,
    Duration,
    ExternalizedCheckpointRetention,
    JobOptions,
    SettingValue,
    options,
)


class CheckpointConfig:
    """Settings of checkpoints; got from ``env.get_checkpoint_config()``. Numbers for durations are milliseconds, as in
    PyFlink; ``"10s"`` and ``timedelta`` say it themselves.
    """

    def __init__(self, settings: dict[str, str]) -> None:
        self._settings = settings

    def _set(self, option: options.Option[Any], value: SettingValue) -> CheckpointConfig:
        self._settings[option.key] = setting(f"setting {option.key}", option.key, value)
        return self

    @property
    def _effective(self) -> JobOptions:
        return JobOptions.from_settings(self._settings)

    def set_checkpoint_interval(self, interval: Duration) -> CheckpointConfig:
        """Time from the start of one checkpoint to the next."""
        return self._set(options.CHECKPOINT_INTERVAL, milliseconds(interval))

    def set_checkpointing_mode(self, mode: CheckpointingMode) -> CheckpointConfig:
        """Exactly once (default) or at least once."""
        return self._set(options.CHECKPOINT_MODE, mode)

    def set_checkpoint_timeout(self, timeout: Duration) -> CheckpointConfig:
        """A checkpoint that takes longer is given up; default 10 minutes."""
        return self._set(options.CHECKPOINT_TIMEOUT, milliseconds(timeout))

    def set_min_pause_between_checkpoints(self, pause: Duration) -> CheckpointConfig:
        """Least time from the end of a checkpoint to the next; default 0."""
        return self._set(options.CHECKPOINT_MIN_PAUSE, milliseconds(pause))

    def set_max_concurrent_checkpoints(self, number: int) -> CheckpointConfig:
        """Checkpoints under way at once; default 1."""
        return self._set(options.MAX_CONCURRENT_CHECKPOINTS, number)

    def set_tolerable_checkpoint_failure_number(self, number: int) -> CheckpointConfig:
        """Checkpoints in a row that may fail before the job does; default 0."""
        return self._set(options.TOLERABLE_FAILED_CHECKPOINTS, number)

    def set_externalized_checkpoint_retention(
        self, retention: ExternalizedCheckpointRetention
    ) -> CheckpointConfig:
        """What becomes of the last checkpoints on cancel and failure; default: deleted by both."""
        return self._set(options.CHECKPOINT_RETENTION, retention)

    def set_checkpoint_storage_dir(self, uri: str) -> CheckpointConfig:
        """Root URI of checkpoints."""
        return self._set(options.CHECKPOINT_DIRECTORY, uri)

    def enable_unaligned_checkpoints(self, enabled: bool = True) -> CheckpointConfig:
        """Let barriers overtake rows, which become part of the snapshot."""
        return self._set(options.UNALIGNED, enabled)

    def is_checkpointing_enabled(self) -> bool:
        """Whether the job's code turned checkpoints on."""
        return self._effective.checkpoints.enabled

    def get_checkpoint_interval(self) -> int | None:
        """Milliseconds; ``None``: off."""
        interval = self._effective.checkpoints.interval
        return None if interval is None else round(interval * 1000)

    def get_checkpointing_mode(self) -> CheckpointingMode:
        """The mode set, or the default."""
        return self._effective.checkpoints.mode


@dataclass(frozen=True)
class RestartStrategy:
    """What follows a failure, as settings; made by ``RestartStrategies``."""

    settings: Mapping[str, SettingValue]


class RestartStrategies:
    """Makes restart strategies. Without one: exponential delay with checkpoints on, no restart with them off."""

    @staticmethod
    def no_restart() -> RestartStrategy:
        """The first failure fails the job."""
        return RestartStrategy({options.RESTART_STRATEGY.key: "none"})

    @staticmethod
    def fixed_delay_restart(restart_attempts: int, delay_between_attempts: Duration) -> RestartStrategy:
        """So many restarts, each after the delay."""
        return RestartStrategy(
            {
                options.RESTART_STRATEGY.key: "fixed-delay",
                options.FIXED_ATTEMPTS.key: restart_attempts,
                options.FIXED_DELAY.key: milliseconds(delay_between_attempts),
            }
        )

    @staticmethod
    def exponential_delay_restart(
        initial_backoff: Duration = "1s",
        max_backoff: Duration = "1m",
        backoff_multiplier: float = 1.5,
        reset_backoff_threshold: Duration = "1h",
        jitter_factor: float = 0.1,
    ) -> RestartStrategy:
        """Restarts for ever with a growing pause."""
        return RestartStrategy(
            {
                options.RESTART_STRATEGY.key: "exponential-delay",
                options.EXPONENTIAL_INITIAL.key: milliseconds(initial_backoff),
                options.EXPONENTIAL_MAX.key: milliseconds(max_backoff),
                options.EXPONENTIAL_MULTIPLIER.key: backoff_multiplier,
                options.EXPONENTIAL_RESET.key: milliseconds(reset_backoff_threshold),
                options.EXPONENTIAL_JITTER.key: jitter_factor,
            }
        )

    @staticmethod
    def failure_rate_restart(
        failure_rate: int, failure_interval: Duration, delay_interval: Duration
    ) -> RestartStrategy:
        """Restarts until there were more failures than ``failure_rate`` within the interval."""
        return RestartStrategy(
            {
                options.RESTART_STRATEGY.key: "failure-rate",
                options.RATE_FAILURES.key: failure_rate,
                options.RATE_INTERVAL.key: milliseconds(failure_interval),
                options.RATE_DELAY.key: milliseconds(delay_interval),
            }
        )


def milliseconds(value: Duration) -> SettingValue:
    """A duration as a setting: PyFlink's bare numbers are milliseconds."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return value
    if not value:
        return "0s"
    if isinstance(value, float) and not value.is_integer():
        # As it was written: not rounded, and without an exponent, which a duration's text does not have.
        return f"{Decimal(repr(float(value))):f}ms"
    return f"{int(value)}ms"

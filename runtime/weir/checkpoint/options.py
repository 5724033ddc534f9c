"""When checkpoints are taken and what a failed one means; names and defaults are Flink's.

Times are seconds here: the coordinator compares them with a monotonic clock.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from weir.errors import ConfigError


class CheckpointingMode(enum.StrEnum):
    """Whether inputs are aligned at a barrier."""

    EXACTLY_ONCE = "ExactlyOnce"
    AT_LEAST_ONCE = "AtLeastOnce"


class OnCancel(enum.StrEnum):
    """What happens to the checkpoints of a job that is cancelled; savepoints always stay."""

    DELETE = "Delete"
    RETAIN = "Retain"


@dataclass(frozen=True)
class CheckpointOptions:
    """``checkpoints`` of a StreamJob. ``interval_s`` None: only on demand."""

    interval_s: float | None = None
    mode: CheckpointingMode = CheckpointingMode.EXACTLY_ONCE
    timeout_s: float = 600.0
    min_pause_s: float = 0.0
    max_concurrent: int = 1
    tolerable_failures: int = 0
    retained: int = 1
    on_cancel: OnCancel = OnCancel.DELETE

    def __post_init__(self) -> None:
        positive = {"interval": self.interval_s, "timeout": self.timeout_s}
        for name, seconds in positive.items():
            if seconds is not None and not seconds > 0:
                raise ConfigError(f"checkpoints.{name} is {seconds} s; it must be above 0")
        counts = {"maxConcurrent": self.max_concurrent, "retained": self.retained}
        for name, count in counts.items():
            if count < 1:
                raise ConfigError(f"checkpoints.{name} is {count}; it must be at least 1")
        if self.min_pause_s < 0 or self.tolerable_failures < 0:
            raise ConfigError("checkpoints.minPause and checkpoints.tolerableFailures cannot be negative")

    @property
    def concurrent(self) -> int:
        """Checkpoints at a time; a pause between them implies one."""
        return 1 if self.min_pause_s > 0 else self.max_concurrent

"""Settings: hierarchical keys with Flink's names, their parsing, and the frozen groups that the engine reads.

``options`` is the table of keys, ``values`` reads single values, ``groups`` merges origins and makes
:class:`JobOptions`.
"""

from __future__ import annotations

from weir.config.groups import (
    CheckpointOptions,
    ExponentialDelay,
    FailureRate,
    FixedDelay,
    JobOptions,
    MergedSettings,
    NoRestart,
    PipelineOptions,
    ProcessOptions,
    RestartOptions,
    StateBackendOptions,
    merge_settings,
)
from weir.config.options import (
    OPTIONS,
    CheckpointingMode,
    ExternalizedCheckpointRetention,
    Option,
    RestartStrategyType,
    StateBackendType,
    nearest,
    setting_text,
    settings_from_environment,
)
from weir.config.values import (
    Duration,
    SettingValue,
    format_duration,
    parse_duration,
    parse_size,
    text_of,
)

__all__ = [
    "OPTIONS",
    "CheckpointOptions",
    "CheckpointingMode",
    "Duration",
    "ExponentialDelay",
    "ExternalizedCheckpointRetention",
    "FailureRate",
    "FixedDelay",
    "JobOptions",
    "MergedSettings",
    "NoRestart",
    "Option",
    "PipelineOptions",
    "ProcessOptions",
    "RestartOptions",
    "RestartStrategyType",
    "SettingValue",
    "StateBackendOptions",
    "StateBackendType",
    "format_duration",
    "merge_settings",
    "nearest",
    "parse_duration",
    "parse_size",
    "setting_text",
    "settings_from_environment",
    "text_of",
]

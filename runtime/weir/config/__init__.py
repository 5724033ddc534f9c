"""Settings: hierarchical keys with Flink's names, their parsing, and the frozen groups that the engine reads.

``options`` is the table of keys, ``values`` reads single values, ``layers`` says who sets what (``weir config
explain``), ``groups`` merges origins and makes :class:`JobOptions`.
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
from weir.config.layers import (
    CONFIG_VARIABLE,
    Explanation,
    Layer,
    Origin,
    environment_layer,
    explain,
    file_layer,
    merged,
    places,
)
from weir.config.options import (
    OPTIONS,
    CheckpointingMode,
    ExternalizedCheckpointRetention,
    OnError,
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
    "CONFIG_VARIABLE",
    "OPTIONS",
    "CheckpointOptions",
    "CheckpointingMode",
    "Duration",
    "ExponentialDelay",
    "ExternalizedCheckpointRetention",
    "Explanation",
    "FailureRate",
    "FixedDelay",
    "JobOptions",
    "Layer",
    "MergedSettings",
    "NoRestart",
    "Option",
    "Origin",
    "PipelineOptions",
    "ProcessOptions",
    "RestartOptions",
    "OnError",
    "RestartStrategyType",
    "SettingValue",
    "StateBackendOptions",
    "StateBackendType",
    "environment_layer",
    "explain",
    "file_layer",
    "format_duration",
    "merge_settings",
    "merged",
    "nearest",
    "parse_duration",
    "parse_size",
    "places",
    "setting_text",
    "settings_from_environment",
    "text_of",
]

"""Who wins, what groups of options come out, and how faults are told."""

from __future__ import annotations

import pytest

from weir.config import (
    OPTIONS,
    CheckpointingMode,
    ExponentialDelay,
    FailureRate,
    FixedDelay,
    JobOptions,
    NoRestart,
    merge_settings,
    settings_from_environment,
)
from weir.config.options import environment_key
from weir.errors import ConfigError

INTERVAL = "execution.checkpointing.interval"


def test_overrides_win_over_code_and_code_over_defaults():
    merged = merge_settings({"a": "1", "b": "1", "c": "1"}, {"b": "2", "c": "2"}, {"c": "3"})
    assert dict(merged) == {"a": "1", "b": "2", "c": "3"}
    assert merged.origins["a"].startswith("defaults")
    assert merged.origins["b"] == "the job's code"
    assert merged.origins["c"].startswith("a field")


def test_without_settings_everything_has_its_documented_default():
    options = JobOptions.from_settings({})
    assert options == JobOptions()
    assert options.checkpoints.interval is None
    assert options.checkpoints.mode is CheckpointingMode.EXACTLY_ONCE
    assert options.restart == NoRestart()
    assert options.process.heartbeat_interval == 2
    assert options.process.heartbeat_timeout == 8


def test_each_option_has_a_description_and_its_default_is_read_back():
    for option in OPTIONS.values():
        assert option.description.endswith(".")
        assert environment_key(option.key).startswith("WEIR_")


def test_an_interval_of_zero_means_off():
    assert not JobOptions.from_settings({INTERVAL: "0s"}).checkpoints.enabled
    assert JobOptions.from_settings({INTERVAL: "1s"}).checkpoints.enabled


@pytest.mark.parametrize(
    ("settings", "strategy"),
    [
        ({}, ExponentialDelay()),
        ({"restart-strategy.type": "none"}, NoRestart()),
        ({"restart-strategy.type": "off"}, NoRestart()),
        (
            {
                "restart-strategy.type": "FixedDelay",
                "restart-strategy.fixed-delay.attempts": "3",
                "restart-strategy.fixed-delay.delay": "500ms",
            },
            FixedDelay(3, 0.5),
        ),
        (
            {
                "restart-strategy.type": "failure-rate",
                "restart-strategy.failure-rate.max-failures-per-interval": "2",
            },
            FailureRate(failures=2),
        ),
        (
            {"restart-strategy.exponential-delay.max-backoff": "10s"},
            ExponentialDelay(max=10),
        ),
    ],
)
def test_the_restart_strategy_is_read_with_its_numbers(settings, strategy):
    assert JobOptions.from_settings({INTERVAL: "1s", **settings}).restart == strategy


def test_a_restart_strategy_without_checkpoints_is_refused_since_state_would_be_empty():
    with pytest.raises(ConfigError, match=r"fixed-delay needs checkpoints.*execution.checkpointing.interval"):
        JobOptions.from_settings({"restart-strategy.type": "fixed-delay"})


def test_all_faults_are_told_at_once_with_their_origin():
    merged = merge_settings({"heartbeat.intervall": "1s"}, {"parallelism.default": "many"}, {INTERVAL: "x"})
    with pytest.raises(ConfigError) as caught:
        JobOptions.from_settings(merged)
    lines = sorted(str(caught.value).splitlines())
    assert len(lines) == 3
    assert lines[0] == (
        f"{INTERVAL}: got 'x' (set by a field of the StreamJob or a flag), expected a duration such as 500ms, 10s or 1h30m"
    )
    assert "'many' (set by the job's code)" in lines[1]
    assert "did you mean heartbeat.interval?" in lines[2]


def test_a_heartbeat_timeout_below_its_interval_is_refused():
    with pytest.raises(ConfigError, match=r"heartbeat.timeout is 1s and heartbeat.interval is 2s"):
        JobOptions.from_settings({"heartbeat.timeout": "1s"})


def test_environment_variables_set_known_keys_only():
    environ = {"WEIR_HEARTBEAT_INTERVAL": "3s", "WEIR_ADDRESS": "host:1", "HOME": "/"}
    assert settings_from_environment(environ) == {"heartbeat.interval": "3s"}
    with pytest.raises(ConfigError, match=r"heartbeat.interval: got 'x'"):
        settings_from_environment({"WEIR_HEARTBEAT_INTERVAL": "x"})


UNALIGNED = "execution.checkpointing.unaligned.enabled"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {UNALIGNED: "true", "execution.checkpointing.mode": "AtLeastOnce"},
            "belong to mode EXACTLY_ONCE, but execution.checkpointing.mode is AT_LEAST_ONCE",
        ),
        (
            {UNALIGNED: "true", "execution.checkpointing.max-concurrent-checkpoints": "2"},
            "one at a time, but execution.checkpointing.max-concurrent-checkpoints is 2; set it to 1",
        ),
    ],
)
def test_what_does_not_go_with_unaligned_checkpoints_is_refused_with_both_values(settings, message):
    with pytest.raises(ConfigError, match=message):
        JobOptions.from_settings(settings)
    assert JobOptions.from_settings({UNALIGNED: "true"}).checkpoints.unaligned


def test_a_wrong_value_is_told_once():
    with pytest.raises(ConfigError) as caught:
        JobOptions.from_settings({"state.backend.type": "Disk"})
    assert len(str(caught.value).splitlines()) == 1

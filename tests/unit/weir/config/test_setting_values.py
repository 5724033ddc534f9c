"""Durations, sizes, numbers and enums as people write them."""

from __future__ import annotations

from datetime import timedelta

import pytest

from weir.config import format_duration, parse_duration, parse_size
from weir.config.options import CheckpointingMode, StateBackendType, setting_text
from weir.config.values import BOOLEAN, choice, duration, integer, number
from weir.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2.5s", 2.5),
        ("0", 0),
        ("1d", 86400),
        ("5min", 300),
    ],
)
def test_a_duration_is_read_as_kubernetes_writes_it(text, seconds):
    assert parse_duration(text) == seconds


def test_a_timedelta_and_a_number_of_seconds_are_durations_too():
    assert parse_duration(timedelta(minutes=2)) == 120
    assert parse_duration(1.5) == 1.5


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "10",
        "s",
        "10 parsecs",
        "10s!",
        "-1s",
        "x10s",
        timedelta(seconds=-1),
        True,
        None,
        float("nan"),
        10**400,
        "9" * 400 + "s",
    ],
)
def test_what_is_no_duration_is_refused(wrong):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(wrong)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (90, "1m30s"), (5400, "1h30m"), (2.5, "2.5s"), (0.0015, "1.5ms")],
)
def test_a_duration_is_written_as_short_as_it_can_be(seconds, text):
    assert format_duration(seconds) == text
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("64Mi", 64 * 2**20), ("1500k", 1_500_000), ("17", 17), (17, 17), ("1.5Gi", 3 * 2**29)]
)
def test_a_size_is_read_as_kubernetes_writes_it(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("wrong", ["", "64 parsecs", "Mi", "-5", "64mi"])
def test_what_is_no_size_is_refused(wrong):
    with pytest.raises(ValueError, match="size"):
        parse_size(wrong)


def test_an_enum_is_found_whatever_its_case_and_separators():
    kind = choice(CheckpointingMode)
    assert kind.parse("ExactlyOnce") is kind.parse("EXACTLY_ONCE") is kind.parse("exactly-once")
    assert kind.accepted == "one of EXACTLY_ONCE, AT_LEAST_ONCE"
    with pytest.raises(ValueError, match="sometimes"):
        kind.parse("sometimes")


def test_bounds_are_inclusive_and_said():
    kind = integer(1, 3)
    assert [kind.parse("1"), kind.parse("3")] == [1, 3]
    assert kind.accepted == "a whole number from 1 to 3"
    for wrong in ("0", "4", "1.5", "x"):
        with pytest.raises(ValueError, match=r".+"):
            kind.parse(wrong)
    assert number(0.0, 1.0).parse("0.5") == 0.5
    assert duration(0.01).accepted == "a duration of at least 10ms such as 500ms, 10s or 1h30m"
    assert BOOLEAN.parse("True") is True


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("heartbeat.interval", timedelta(seconds=3), "3s"),
        ("parallelism.default", 4, "4"),
        ("pipeline.auto-generate-uids", False, "false"),
        ("execution.checkpointing.mode", CheckpointingMode.AT_LEAST_ONCE, "AT_LEAST_ONCE"),
        ("state.backend.type", StateBackendType.ROCKSDB, "RocksDB"),
    ],
)
def test_a_value_given_by_code_becomes_text(key, value, text):
    assert setting_text(key, value) == text


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "heartbeat.intervall",
            "3s",
            "unknown setting heartbeat.intervall; did you mean heartbeat.interval?",
        ),
        ("zzz", "3s", "unknown setting zzz"),
        (
            "heartbeat.interval",
            "soon",
            "heartbeat.interval: got 'soon', expected a duration of at least 10ms",
        ),
        ("parallelism.default", 0, "parallelism.default: got 0, expected a whole number from 1 to 32768"),
        ("parallelism.default", [1], "parallelism.default: got [1], expected a whole number"),
    ],
)
def test_a_wrong_key_or_value_is_named_with_what_is_accepted(key, value, message):
    with pytest.raises(ConfigError) as caught:
        setting_text(key, value)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("text", ["nan", "inf", "-inf", "1e400"])
def test_a_number_is_one_to_count_with(text):
    with pytest.raises(ValueError, match="no number"):
        number().parse(text)
    with pytest.raises(ConfigError, match="expected a number >= 1"):
        setting_text("restart-strategy.exponential-delay.backoff-multiplier", text)


@pytest.mark.parametrize("wrong", [10**400, "9" * 400 + "s"], ids=["number", "text"])
def test_a_duration_ends(wrong):
    with pytest.raises(ValueError, match="duration"):
        parse_duration(wrong)


@pytest.mark.parametrize("wrong", [10**400, "9" * 400, "9" * 30 + "Ti"], ids=["number", "text", "unit"])
def test_a_size_ends(wrong):
    with pytest.raises(ValueError, match="size"):
        parse_size(wrong)

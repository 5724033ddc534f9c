"""Durations, sizes and amounts: what they mean, that they compare by it, and that they are given back as they were written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from weir_operator.models import Duration, Size, StreamJobSpec
from weir_operator.models.values import amount


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("10s", 10),
        ("1h30m", 5400),
        ("0", 0),
        ("0s", 0),
        ("1.5h", 5400),
        ("250us", 0.00025),
        ("3ns", 3e-9),
    ],
)
def test_a_duration_means_its_seconds(text: str, seconds: float) -> None:
    assert Duration.parse(text).seconds == seconds
    assert str(Duration.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "10", "7d", "5min", "-1s", "1s ", "1 s", "1h 30m", ".5s", "1e3s", "1s" * 11, 10, True]
)
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="expected a duration such as 500ms, 10s or 1h30m"):
        Duration.parse(text)


def test_durations_compare_by_what_they_mean() -> None:
    assert Duration.parse("60s") == Duration.parse("1m")
    assert Duration.parse("61s") != Duration.parse("1m")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (2.1, "2.1s"),
        (0.3, "0.3s"),
        (60, "1m"),
        (90.5, "1m30.5s"),
        (3600, "1h"),
        (10, "10s"),
        (36000, "10h"),
    ],
)
def test_a_number_of_seconds_is_written_as_people_would(seconds: float, text: str) -> None:
    assert str(Duration.of(seconds)) == text
    assert Duration.parse(text) == Duration.of(seconds)


@pytest.mark.parametrize(
    ("written", "size"),
    [("64Mi", 2**26), ("1500k", 1_500_000), (1024, 1024), ("1.5Gi", 3 * 2**29), ("2T", 2 * 10**12)],
)
def test_a_size_means_its_bytes(written: str | int, size: int) -> None:
    assert Size.parse(written).bytes == size
    assert Size.parse(written).written == written


@pytest.mark.parametrize("written", ["", "ten", "1.5.5Gi", "10 Gi", "-1", -1, 1.5, True, "1Pi"])
def test_what_is_no_size_is_refused(written: object) -> None:
    with pytest.raises(ValueError, match="expected a size such as 1024, 500k, 64Mi or 2Gi"):
        Size.parse(written)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ("500m", "0.5"),
        (2, "2"),
        ("4Gi", str(2**32)),
        ("1e3", "1000"),
        ("1E", str(10**18)),
        ("1.5", "1.5"),
        ("2E2", "200"),
        ("3n", "3e-9"),
    ],
)
def test_an_amount_of_a_resource_compares_by_its_number(quantity: int | str, value: str) -> None:
    assert amount(quantity) == Decimal(value)


@pytest.mark.parametrize("quantity", ["two", "1K", "5ki", "", "-1"])
def test_what_is_no_amount_has_no_number(quantity: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        amount(quantity)


def test_a_spec_is_given_back_as_it_was_written() -> None:
    written = {
        "job": {"entrypoint": "m:build", "parallelism": 1},
        "checkpoints": {"interval": "60s", "mode": "ExactlyOnce"},
        "restore": {"from": "s3://bucket/s"},
        "taskManager": {"localStorage": 1024, "resources": {"limits": {"cpu": 1, "memory": "1Gi"}}},
        "config": {"a": True, "b": 1, "c": 1.5, "d": "x"},
    }
    assert StreamJobSpec.model_validate(written).written() == written

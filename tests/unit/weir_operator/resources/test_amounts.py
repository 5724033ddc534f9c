"""Requests and limits: what was asked for, completed."""

from __future__ import annotations

from decimal import Decimal

import pytest

from weir_operator.models.values import amount
from weir_operator.resources.amounts import complete, mebibytes, plus

REQUESTS = {"cpu": "250m", "memory": "512Mi"}
LIMITS = {"cpu": "1", "memory": "512Mi"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("250m", "0.25"),
        ("1.5", "1.5"),
        ("64Mi", str(64 * 2**20)),
        ("2k", "2000"),
        ("1e3", "1000"),
        (".5", "0.5"),
    ],
)
def test_quantities_are_numbers(text: str, value: str) -> None:
    assert amount(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "x", "1 Gi", "1Q", "-1"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        amount(text)


def test_sums_are_rounded_up_to_whole_mebibytes() -> None:
    assert (plus("1Gi", "1"), mebibytes(2**20), mebibytes(2**20 + 1)) == ("1025Mi", "1Mi", "2Mi")


def test_nothing_asked_gives_our_defaults() -> None:
    assert complete(None, REQUESTS, LIMITS) == {"requests": REQUESTS, "limits": LIMITS}


def test_a_limit_alone_caps_our_request() -> None:
    given = complete({"limits": {"memory": "256Mi"}}, REQUESTS, LIMITS)
    assert (given["limits"]["memory"], given["requests"]["memory"]) == ("256Mi", "256Mi")


def test_a_request_over_our_limit_raises_the_limit() -> None:
    given = complete({"requests": {"memory": "4Gi", "cpu": 2}}, REQUESTS, LIMITS)
    assert given == {"requests": {"cpu": "2", "memory": "4Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}


def test_other_resources_are_passed_on_with_a_request_that_equals_the_limit() -> None:
    given = complete({"limits": {"nvidia.com/gpu": 1}}, REQUESTS, LIMITS)
    assert (given["limits"]["nvidia.com/gpu"], given["requests"]["nvidia.com/gpu"]) == ("1", "1")

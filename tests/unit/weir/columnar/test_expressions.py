"""Expressions: what they compute, what they read, and what they refuse."""

from __future__ import annotations

import pytest

pa = pytest.importorskip("pyarrow")

from weir import col, lit  # noqa: E402
from weir.errors import GraphError, UserCodeError  # noqa: E402

BATCH = pa.record_batch({"n": [7, -7, None], "x": [1.5, 2.0, 4.0], "s": ["a", "b", "c"]})

CASES = {
    "arithmetic": (col("n") * 2 + 1, [15, -13, None]),
    "from the right": (10 - col("n"), [3, 17, None]),
    "whole numbers divide as in SQL": (col("n") / 2, [3, -3, None]),
    "floats divide": (col("x") / 2, [0.75, 1.0, 2.0]),
    "the remainder has the sign of the dividend": (col("n") % 3, [1, -1, None]),
    "of floats too": (col("x") % 1.0, [0.5, 0.0, 0.0]),
    "comparison": (col("n") > 0, [True, False, None]),
    "equality builds an expression": (col("s") == "b", [False, True, False]),
    "and, or, not": (~(col("s") == "b") & ((col("x") > 3) | (col("n") > 0)), [True, False, True]),
    "null is told": (col("n").is_null(), [False, False, True]),
    "one of": (col("s").is_in(["a", "c"]), [True, False, True]),
    "negative": (-col("n"), [-7, 7, None]),
    "a literal beside columns": (lit(1) + col("n"), [8, -6, None]),
}


@pytest.mark.parametrize("case", CASES)
def test_it_computes_for_each_row(case):
    expression, expected = CASES[case]
    assert expression.evaluate(BATCH).to_pylist() == expected


def test_it_knows_what_it_reads():
    assert ((col("a") + 1) * col("b")).columns() == {"a", "b"}
    assert col("a").is_in([1]).columns() == {"a"}
    assert lit(1).columns() == frozenset()


def test_it_shows_what_it_is_so_that_two_can_be_told_apart():
    assert repr(col("a") + 1) == repr(col("a") + 1)
    assert repr(col("a") + 1) != repr(col("a") + 2)


def test_and_between_expressions_says_what_to_write_instead():
    with pytest.raises(GraphError, match=r"combine expressions by & \| ~"):
        col("a") > 1 and col("b") > 1


def test_a_missing_column_is_named_with_those_that_are_there():
    with pytest.raises(UserCodeError, match="there is no column 'm'; there are n, x, s"):
        (col("m") + 1).evaluate(BATCH)


def test_types_that_do_not_fit_are_named():
    with pytest.raises(UserCodeError, match=r"add\(int64, string\)"):
        (col("n") + col("s")).evaluate(BATCH)


def test_what_cannot_be_in_a_column_is_refused_when_the_job_is_written():
    with pytest.raises(GraphError, match="an expression takes numbers"):
        col("n") * [1]


@pytest.mark.parametrize("divisor", [1, 3, 123, 2**62])
def test_remainders_of_whole_numbers_are_those_of_java_also_at_the_ends_of_their_range(divisor):
    numbers = [0, 1, -1, 122, -122, 123, -123, -(2**63), 2**63 - 1, 5 - 2**63]
    found = (col("n") % divisor).evaluate(pa.record_batch({"n": numbers}))
    assert found.to_pylist() == [abs(n) % divisor * (-1 if n < 0 else 1) for n in numbers]

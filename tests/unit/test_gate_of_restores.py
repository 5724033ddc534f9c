"""A release may not restore large state more slowly than the one before: what the gate of ``benchmarks.restored_state`` refuses (R33)."""

from __future__ import annotations

from benchmarks.restored_state import slower

BEFORE = {"100": {"detect": 0.05, "fetch": 2.0, "all": 8.0}}


def test_a_tenth_more_is_let_through_and_so_is_what_no_clock_can_tell() -> None:
    assert slower({"100": {"detect": 0.15, "fetch": 2.2, "all": 8.8}}, BEFORE) == []


def test_more_than_a_tenth_is_named_with_both_values() -> None:
    found = slower({"100": {"detect": 0.05, "fetch": 2.3, "all": 8.0}}, BEFORE)
    assert found == ["100 MB: fetch takes 2.30 s, before 2.00 s: +15%, allowed +10%"]


def test_a_size_that_was_not_measured_is_no_pass() -> None:
    assert slower({}, BEFORE) == ["100 MB: not measured; give --mb 100"]

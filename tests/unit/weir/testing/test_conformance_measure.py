"""What the kit counts, and how it says it."""

from __future__ import annotations

import pytest

from weir.testing.conformance import (
    ConformanceError,
    Difference,
    Guarantee,
    Moment,
    Report,
    Trial,
    summary,
)
from weir.testing.conformance.calls import Call, Probe, ProcessDied, Strike, strikes_at
from weir.testing.conformance.measure import compare


@pytest.mark.parametrize(
    ("found", "difference", "guarantee"),
    [
        ([1, 2, 3, 4], Difference(), Guarantee.EXACTLY_ONCE),
        ([1, 2, 4], Difference(lost=1), Guarantee.AT_MOST_ONCE),
        ([1, 2, 3, 2, 3, 4], Difference(doubled=2), Guarantee.AT_LEAST_ONCE),
        ([1, 1, 3, 4], Difference(lost=1, doubled=1), Guarantee.NONE),
        ([1, 2, 3, 4, 5], Difference(strange=1), Guarantee.NONE),
        ([2, 1, 4, 3], Difference(reordered=2), Guarantee.EXACTLY_ONCE),
        ([], Difference(lost=4), Guarantee.AT_MOST_ONCE),
    ],
)
def test_rows_are_counted_one_by_one(found, difference, guarantee):
    assert compare([1, 2, 3, 4], found) == difference
    assert difference.guarantee is guarantee


def test_equal_rows_and_rows_that_cannot_be_hashed_are_told_apart_by_their_number():
    expected = [{"n": 1}, {"n": 1}, [2]]
    assert compare(expected, expected) == Difference()
    assert compare(expected, [{"n": 1}, [2]]) == Difference(lost=1)
    assert compare(expected, [{"n": 1}, {"n": 1}, {"n": 1}, [2]]) == Difference(doubled=1)


def call(number=1, name="writer.write"):
    return Call(name, number)


def test_a_probe_strikes_once_an_attempt_and_a_dead_process_calls_nothing():
    made = []
    probe = Probe([Strike(call(2), Moment.BEFORE), Strike(call(1), Moment.AFTER)])
    probe.begin()
    probe.around("writer.write", lambda: made.append(1))
    with pytest.raises(ProcessDied):
        probe.around("writer.write", lambda: made.append(2))
    with pytest.raises(ProcessDied):
        probe.around("writer.write", lambda: made.append(3))
    assert probe.quietly(lambda: made.append(4), otherwise="untouched") == "untouched"
    probe.begin()
    with pytest.raises(ProcessDied):
        probe.around("writer.write", lambda: made.append(5))
    probe.begin()
    probe.around("writer.write", lambda: made.append(6))
    assert made == [1, 5, 6]
    assert probe.attempts == [[call(1), call(2)], [call(1)], [call(1)]]
    assert probe.hits == 2


def test_calls_are_chosen_from_first_to_last():
    calls = [call(n) for n in range(1, 12)] + [call(1, "committer.commit")]
    struck = strikes_at(calls, 3, frozenset({"committer.commit"}))
    assert sorted({s.call.number for s in struck if s.call.name == "writer.write"}) == [1, 6, 11]
    assert [s.moment for s in struck if s.call.name == "committer.commit"] == list(Moment)


def report(declared, *differences):
    trials = [Trial("writer.write", Moment.BEFORE, "before writer.write #1", d) for d in differences]
    return Report("MySink", declared, tuple(trials))


def test_what_is_measured_must_be_what_is_declared():
    report(Guarantee.EXACTLY_ONCE, Difference(), Difference(reordered=1)).check()
    report(Guarantee.AT_LEAST_ONCE, Difference(), Difference(doubled=1)).check()
    with pytest.raises(
        ConformanceError,
        match=r"declares exactly once, measured was at least once; first seen before writer.write #1: 2 rows doubled",
    ):
        report(Guarantee.EXACTLY_ONCE, Difference(), Difference(doubled=2)).check()
    with pytest.raises(ConformanceError, match="set transactional"):
        report(Guarantee.AT_LEAST_ONCE, Difference()).check()
    with pytest.raises(ConformanceError, match="declares at least once, measured was none"):
        report(Guarantee.AT_LEAST_ONCE, Difference(lost=1), Difference(doubled=1)).check()


def test_a_report_is_a_table():
    found = report(Guarantee.EXACTLY_ONCE, Difference(), Difference(lost=12))
    assert str(found).splitlines() == [
        "MySink: measured at most once, declared exactly once",
        "| crashed at   | times | lost | doubled | strange | reordered |",
        "|--------------|-------|------|---------|---------|-----------|",
        "| writer.write |     2 |   12 |       0 |       0 |         0 |",
        "| all          |     2 |   12 |       0 |       0 |         0 |",
    ]
    assert summary([found]).splitlines()[2] == (
        "| MySink    | some      | none         | at most once | exactly once |"
    )

"""Time that waits for a person at a breakpoint."""

from __future__ import annotations

import pytest

from weir.local.debug_clock import GRACE, DebugClock


class HandMoved:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> HandMoved:
    return HandMoved()


def test_time_passes_while_the_loop_works_in_short_pieces(hand: HandMoved) -> None:
    clock = DebugClock(hand)
    for _ in range(10):
        clock.busy("map")
        hand.now += 0.5
    assert clock.monotonic() == pytest.approx(105.0)


def test_time_passes_while_the_loop_waits(hand: HandMoved) -> None:
    clock = DebugClock(hand)
    clock.idle()
    hand.now += 3600
    assert clock.monotonic() == pytest.approx(3700.0)


def test_an_hour_at_a_breakpoint_counts_as_the_grace_while_it_lasts_and_afterwards(hand: HandMoved) -> None:
    clock = DebugClock(hand)
    clock.busy("map")
    hand.now += 3600
    assert clock.monotonic() == pytest.approx(100.0 + GRACE)
    clock.idle()
    assert clock.monotonic() == pytest.approx(100.0 + GRACE)
    hand.now += 2
    assert clock.monotonic() == pytest.approx(102.0 + GRACE)


def test_time_never_goes_back_over_several_stops(hand: HandMoved) -> None:
    clock = DebugClock(hand)
    last = clock.monotonic()
    for pause in (0.1, 50.0, 0.0, 7.0, 0.9):
        clock.busy("map")
        hand.now += pause
        assert clock.monotonic() >= last
        last = clock.monotonic()
        clock.idle()
        assert clock.monotonic() >= last

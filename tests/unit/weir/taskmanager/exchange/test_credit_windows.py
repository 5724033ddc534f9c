"""How large a channel's window is."""

from __future__ import annotations

import pytest

from weir.taskmanager.exchange.credit_windows import (
    ROUND_TRIP,
    SHARED_WINDOWS,
    WINDOW_BYTES,
    WindowRange,
    adapted,
    columns_window,
    fixed_window,
    rows_window,
)

BETWEEN = WindowRange(1000, 8000)


def test_columns_between_few_subtasks_have_room_for_several_batches_from_the_beginning() -> None:
    most = SHARED_WINDOWS * WINDOW_BYTES
    found = [columns_window(channels) for channels in (1, 2, 3, 8, 500)]
    assert [window.smallest for window in found] == [most, most // 2, most // 3, WINDOW_BYTES, WINDOW_BYTES]
    assert all(window.smallest == window.largest for window in found)


def test_rows_begin_with_one_window_and_may_have_what_columns_have() -> None:
    for channels in (1, 2, 3, 8, 500):
        assert rows_window(channels) == WindowRange(WINDOW_BYTES, columns_window(channels).largest)
    assert fixed_window() == WindowRange(WINDOW_BYTES, WINDOW_BYTES)


@pytest.mark.parametrize(
    ("window", "taken", "seconds", "wanted"),
    [
        (1000, 1000, ROUND_TRIP, 1000),
        (1000, 2000, ROUND_TRIP, 2000),
        (1000, 2000, ROUND_TRIP / 2, 4000),
        (1000, 90_000, ROUND_TRIP, 8000),
        (8000, 4000, ROUND_TRIP, 8000),
        (8000, 1999, ROUND_TRIP, 4000),
        (4000, 1, 60.0, 2000),
        (1500, 1, 60.0, 1000),
        (1000, 1, 60.0, 1000),
        (4000, 9000, 0.0, 4000),
    ],
)
def test_a_window_holds_what_is_taken_in_one_round_trip(
    window: int, taken: int, seconds: float, wanted: int
) -> None:
    assert adapted(window, taken, seconds, BETWEEN) == wanted

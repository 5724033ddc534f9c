"""The watermark of several channels: the smallest of those that are not idle."""

from __future__ import annotations

from weir.records import MAX_TIMESTAMP, MIN_TIMESTAMP
from weir.taskmanager.watermarks import WatermarkMerge


def test_the_smallest_channel_counts_and_every_channel_must_have_spoken() -> None:
    merge = WatermarkMerge(3)
    assert merge.on_watermark(0, 10) is None
    assert merge.on_watermark(1, 5) is None
    assert merge.current == MIN_TIMESTAMP
    assert merge.on_watermark(2, 7) == 5
    assert merge.on_watermark(1, 20) == 7


def test_a_watermark_that_does_not_advance_its_channel_says_nothing() -> None:
    merge = WatermarkMerge(1)
    assert merge.on_watermark(0, 10) == 10
    assert merge.on_watermark(0, 10) is None
    assert merge.on_watermark(0, 3) is None
    assert merge.current == 10


def test_an_idle_channel_does_not_hold_the_others_back() -> None:
    merge = WatermarkMerge(2)
    merge.on_watermark(0, 10)
    assert merge.on_status(1, True) == (10, None)
    assert merge.on_watermark(0, 20) == 20


def test_a_channel_that_comes_back_behind_the_watermark_does_not_pull_it_back() -> None:
    merge = WatermarkMerge(2)
    merge.on_watermark(0, 10)
    merge.on_status(1, True)
    assert merge.on_status(1, False) == (None, None)
    assert merge.on_watermark(1, 4) is None
    assert merge.current == 10
    assert merge.on_watermark(0, 30) is None
    assert merge.on_watermark(1, 15) == 15


def test_only_when_all_channels_are_idle_the_subtask_is() -> None:
    merge = WatermarkMerge(2)
    assert merge.on_status(0, True) == (None, None)
    assert merge.on_status(1, True) == (None, True)
    assert merge.on_status(0, False) == (None, False)
    assert not merge.idle


def test_the_end_of_all_channels_is_the_highest_watermark() -> None:
    merge = WatermarkMerge(2)
    assert merge.on_end(0) == (None, None)
    assert merge.on_end(1) == (MAX_TIMESTAMP, None)


def test_an_ended_channel_holds_nothing_back() -> None:
    merge = WatermarkMerge(2)
    merge.on_watermark(0, 3)
    merge.on_watermark(1, 8)
    assert merge.on_end(0) == (8, None)


def test_an_ended_channel_does_not_make_what_an_idle_one_brings_later_late() -> None:
    merge = WatermarkMerge(2)
    merge.on_watermark(1, 5)
    merge.on_status(1, True)
    assert merge.on_watermark(0, MAX_TIMESTAMP) is None
    assert merge.on_end(0) == (None, True)
    assert merge.on_status(1, False) == (5, False)
    assert merge.on_watermark(1, 9) == 9


def test_the_end_of_an_idle_channel_lets_time_go_on() -> None:
    merge = WatermarkMerge(2)
    merge.on_status(1, True)
    merge.on_end(0)
    assert merge.on_end(1)[0] == MAX_TIMESTAMP

"""``assign_timestamps_and_watermarks``."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator_driver import Driver, failure_message, stamped
from weir.operators.watermarks import TimestampsAndWatermarksOperator
from weir.records import MAX_TIMESTAMP, RowBatch, StreamStatus, Watermark
from weir.windows.watermark_strategy import WatermarkStrategy

BOUNDED = WatermarkStrategy.for_bounded_out_of_orderness("2s")


def driver(strategy: WatermarkStrategy, **how: Any) -> Driver:
    return Driver(lambda: TimestampsAndWatermarksOperator(strategy), **how)


def marks(elements: list[Any]) -> list[int]:
    return [element.timestamp for element in elements if isinstance(element, Watermark)]


def by(assigner: Any) -> WatermarkStrategy:
    return BOUNDED.with_timestamp_assigner(assigner)


def test_rows_get_their_times_and_the_watermark_lags_by_the_bound() -> None:
    made = driver(by(lambda row, _: row["t"]))
    out = made.process({"t": 5000}, {"t": 9000}, {"t": 7000})
    assert [time for _, time in stamped(out)] == [5000, 9000, 7000]
    assert marks(out) == [6999]
    assert isinstance(out[0], RowBatch)


def test_the_assigner_sees_the_time_that_the_row_had() -> None:
    made = driver(by(lambda row, before: row + (before or 0)))
    assert stamped(made.process(1, 2, stamps=[10, 20])) == [(1, 11), (2, 22)]
    assert stamped(made.process(1)) == [(1, 1)]


def test_without_an_assigner_the_times_of_the_source_count() -> None:
    assert marks(driver(BOUNDED).process("a", stamps=[5000])) == [2999]


def test_a_watermark_is_said_only_when_it_advances() -> None:
    made = driver(by(lambda row, _: row))
    assert marks(made.process(5000)) == [2999]
    assert marks(made.process(4000)) == []
    assert marks(made.process(5001)) == [3000]


def test_watermarks_of_the_input_are_replaced_but_its_end_passes() -> None:
    made = driver(BOUNDED)
    assert made.watermark(100) == []
    assert made.watermark(MAX_TIMESTAMP) == [Watermark(MAX_TIMESTAMP)]


def test_a_silent_stream_becomes_idle_and_active_again_before_its_next_row() -> None:
    made = driver(by(lambda row, _: row).with_idleness("3s"))
    assert made.time(2900) == []
    assert made.time(200) == [StreamStatus(idle=True)]
    assert made.operator.next_timer() is None
    assert made.process(5)[0] == StreamStatus(idle=False)
    made.clock.now += 60
    made.operator.on_paused(60.0)
    assert made.time(0) == []
    assert made.time(3001) == [StreamStatus(idle=True)]


@pytest.mark.parametrize("stamps", [None, [1, 2, 3]])
@pytest.mark.parametrize("answer", [1.5, None, "7", True], ids=repr)
def test_a_time_that_is_no_int_is_refused_with_the_assigners_line(
    answer: Any, stamps: list[int] | None
) -> None:
    assigner = lambda row, _: answer if row == 2 else row
    made = driver(by(assigner))
    message = failure_message(made, lambda: made.process(1, 2, 3, stamps=stamps))
    assert message.startswith(f"{__file__}:{assigner.__code__.co_firstlineno}: ")
    assert f"returned {type(answer).__name__} {answer!r}; expected an int of milliseconds" in message


@pytest.mark.parametrize("stamps", [None, [1, 2]])
def test_an_assigner_that_raises_stop_iteration_loses_no_row_in_silence(stamps: list[int] | None) -> None:
    nothing = iter(())
    made = driver(by(lambda row, _: row or next(nothing)))
    assert "raised StopIteration" in failure_message(made, lambda: made.process(1, 0, stamps=stamps))


def test_an_assigner_that_raises_is_named_by_its_line() -> None:
    made = driver(by(lambda row, _: row["t"]))
    message = failure_message(made, lambda: made.process({"t": 1}, {}))
    assert message.startswith(f"{__file__}:")
    assert "KeyError: 't'" in message


def test_a_generator_of_ones_own_is_asked_after_each_batch() -> None:
    class EveryThird:
        def __init__(self) -> None:
            self.seen = 0

        def on_batch(self, timestamps: list[int]) -> None:
            self.seen += len(timestamps)

        def watermark(self) -> int:
            return self.seen // 3

    strategy = WatermarkStrategy.for_generator(EveryThird).with_timestamp_assigner(lambda row, _: row)
    made = driver(strategy)
    assert [marks(made.process(*rows)) for rows in ([1, 1], [1, 1], [1], [1])] == [[0], [1], [], [2]]

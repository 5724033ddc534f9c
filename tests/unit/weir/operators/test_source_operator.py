"""The head of a reader's chain: splits, positions, watermarks per split, idleness."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from tests.support.checkpoints import ManualClock
from tests.support.operator_driver import Driver, stamped
from weir.connectors.source import Fetched, ReaderContext, Source, SplitEnumerator, SplitReader
from weir.errors import UserError
from weir.operators.base import RestoredState
from weir.operators.source import SourceOperator
from weir.records import MAX_TIMESTAMP, RowBatch, StreamElement, StreamStatus, Watermark
from weir.windows.watermark_strategy import WatermarkStrategy


class Part(msgspec.Struct, frozen=True):
    """Rows ``position`` to ``end`` of split ``split_id``; a row is its number."""

    split_id: str
    end: int
    position: int = 0


class ScriptedReader(SplitReader[Any, Part]):
    """Gives what the test puts into ``script``: (split id, values) or ``None``; ends splits at their end."""

    def __init__(self) -> None:
        self.script: deque[tuple[str, list[int]] | None] = deque()
        self.splits: dict[str, Part] = {}
        self.closed = False
        self._finished: list[str] = []

    def add_splits(self, splits: Sequence[Part]) -> None:
        for split in splits:
            self.splits[split.split_id] = split

    def fetch(self, max_rows: int) -> Fetched | None:
        found = self.script.popleft() if self.script else None
        if found is None:
            return None
        split_id, values = found
        split = self.splits[split_id]
        position = split.position + len(values)
        self.splits[split_id] = Part(split_id, split.end, position)
        if position == split.end:
            self.finish(split_id)
        return Fetched(values, None, split_id)

    def finish(self, split_id: str) -> None:
        del self.splits[split_id]
        self._finished.append(split_id)

    def finished_splits(self) -> list[str]:
        finished, self._finished = self._finished, []
        return finished

    def is_idle(self) -> bool:
        return not self.splits

    def next_fetch_at(self) -> float | None:
        return 12.5

    def snapshot(self) -> list[Part]:
        return list(self.splits.values())

    def close(self) -> None:
        self.closed = True


class ScriptedSource(Source[Any, Part]):
    split_type = Part

    def __init__(self) -> None:
        self.readers: list[ScriptedReader] = []
        self.contexts: list[ReaderContext] = []

    def create_enumerator(self, context: Any) -> SplitEnumerator[Part]:
        raise NotImplementedError

    restore_enumerator = create_enumerator

    def create_reader(self, context: ReaderContext) -> ScriptedReader:
        self.contexts.append(context)
        self.readers.append(ScriptedReader())
        return self.readers[-1]


class Reading:
    """A source operator and its scripted reader."""

    def __init__(
        self,
        strategy: WatermarkStrategy | None = None,
        restored: RestoredState | None = None,
        clock: ManualClock | None = None,
        **place: int,
    ) -> None:
        self.source = ScriptedSource()
        self.driver = Driver(
            lambda: SourceOperator(self.source, strategy), restored=restored, clock=clock, **place
        )
        self.operator: SourceOperator = self.driver.operator
        self.reader = self.source.readers[0]

    def assign(self, *splits: Part, no_more: bool = False) -> None:
        self.operator.add_splits([msgspec.msgpack.encode(split) for split in splits], no_more)

    def poll(self, split_id: str, *values: int) -> list[StreamElement]:
        self.reader.script.append((split_id, list(values)))
        return list(self.operator.poll())

    def marks(self, split_id: str, *values: int) -> list[int]:
        return [e.timestamp for e in self.poll(split_id, *values) if isinstance(e, Watermark)]


BY_VALUE = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(lambda value, _: value)


def test_rows_of_a_fetch_become_a_batch_and_nothing_is_none() -> None:
    reading = Reading()
    reading.assign(Part("a", 9))
    assert [element.values for element in reading.poll("a", 1, 2)] == [[1, 2]]
    reading.reader.script.append(None)
    assert reading.operator.poll() is None
    assert reading.operator.next_fetch_at() == 12.5


def test_rows_that_are_under_way_say_where_they_were_read() -> None:
    reading = Reading()
    reading.assign(Part("a", 9), Part("b", 9))
    reading.reader.script.append(("a", [1, 2]))
    elements = reading.operator.poll()
    assert reading.operator.origin() == ""
    next(elements)
    position = next(part.position for part in reading.reader.snapshot() if part.split_id == "a")
    assert reading.operator.origin() == f"split 'a' before position {position}"
    assert list(elements) == []
    assert reading.operator.origin() == ""


def test_a_source_that_had_ended_is_not_endless_all_at_once() -> None:
    source = ScriptedSource()
    source.endless = True
    with pytest.raises(UserError, match=r"had read all its input, .* or start without state"):
        Driver(lambda: SourceOperator(source), restored=RestoredState(finished=True))


def test_a_source_that_is_not_open_yet_has_read_nothing() -> None:
    assert SourceOperator(ScriptedSource()).origin() == ""


def test_the_reader_is_told_its_place() -> None:
    reading = Reading(subtask_index=2, parallelism=3)
    context = reading.source.contexts[0]
    assert (context.subtask_index, context.parallelism) == (2, 3)


def test_splits_are_wanted_when_all_are_read_until_there_are_no_more() -> None:
    reading = Reading()
    assert (reading.operator.wants_splits(), reading.operator.exhausted()) == (True, False)
    reading.assign(Part("a", 1))
    assert (reading.operator.wants_splits(), reading.operator.exhausted()) == (False, False)
    reading.poll("a", 0)
    assert (reading.operator.wants_splits(), reading.operator.exhausted()) == (True, False)
    reading.assign(no_more=True)
    assert (reading.operator.wants_splits(), reading.operator.exhausted()) == (False, True)


def test_a_snapshot_holds_the_next_position_of_each_unfinished_split() -> None:
    reading = Reading()
    reading.assign(Part("a", 9), Part("b", 5), Part("c", 1))
    reading.poll("a", 0, 1, 2)
    reading.poll("c", 0)
    again = Reading(restored=reading.driver.saved())
    assert again.reader.splits == {"a": Part("a", 9, 3), "b": Part("b", 5, 0)}


def test_restored_splits_are_dealt_over_the_readers_of_another_parallelism() -> None:
    reading = Reading()
    reading.assign(*(Part(str(i), 9, i) for i in range(5)))
    saved = reading.driver.saved()
    saved = RestoredState(operator=saved.operator, own_only=False)
    new = [Reading(restored=saved, parallelism=2, subtask_index=i) for i in range(2)]
    assert sorted(split for reader in new for split in reader.reader.splits) == list("01234")
    assert [len(reader.reader.splits) for reader in new] == [3, 2]


def test_a_restored_reader_asks_again_and_a_finished_one_does_not() -> None:
    saved = Reading().driver.saved()
    assert Reading(restored=saved).operator.wants_splits()
    finished = Reading(restored=RestoredState(operator=saved.operator, own_only=True, finished=True))
    assert finished.operator.exhausted()


def test_the_watermark_follows_the_rows_and_comes_after_them() -> None:
    reading = Reading(BY_VALUE)
    reading.assign(Part("a", 9))
    first, second = reading.poll("a", 5, 7)
    assert isinstance(first, RowBatch)
    assert stamped([first]) == [(5, 5), (7, 7)]
    assert second == Watermark(6)
    assert [type(element) for element in reading.poll("a", 7)] == [RowBatch]


def test_a_split_holds_the_watermark_back_from_its_assignment_on() -> None:
    reading = Reading(BY_VALUE)
    reading.assign(Part("a", 9), Part("b", 9))
    assert reading.marks("a", 100) == []
    assert reading.marks("b", 10) == [9]
    assert reading.marks("b", 200) == [99]


def test_a_split_that_ended_holds_nothing_back() -> None:
    reading = Reading(BY_VALUE)
    reading.assign(Part("a", 2), Part("b", 9))
    reading.marks("a", 10)
    assert reading.marks("b", 100) == [9]
    assert reading.marks("a", 20) == [99]


def test_splits_read_one_after_the_other_move_the_watermark_on() -> None:
    reading = Reading(BY_VALUE)
    reading.assign(Part("a", 1))
    assert reading.marks("a", 50) == [49]
    reading.assign(Part("b", 3))
    assert reading.marks("b", 20) == []
    assert reading.marks("b", 80) == [79]


def test_a_restored_watermark_is_not_said_again_and_never_taken_back() -> None:
    reading = Reading(BY_VALUE, restored=RestoredState(watermark=60))
    reading.assign(Part("a", 9))
    assert reading.marks("a", 40) == []
    assert reading.marks("a", 90) == [89]


def test_without_a_strategy_there_are_no_times_and_no_watermarks() -> None:
    reading = Reading(None)
    reading.assign(Part("a", 9))
    assert stamped(reading.poll("a", 5)) == [(5, None)]


def test_the_end_of_input_is_the_highest_watermark() -> None:
    assert list(Reading(BY_VALUE).operator.end_input()) == [Watermark(MAX_TIMESTAMP)]


IDLE = BY_VALUE.with_idleness("10s")


def later(reading: Reading, seconds: float) -> list[StreamElement]:
    return reading.driver.time(int(seconds * 1000))


def test_an_idle_split_does_not_hold_back_the_others() -> None:
    reading = Reading(IDLE)
    reading.assign(Part("a", 9), Part("b", 9))
    reading.marks("a", 5)
    later(reading, 6)
    assert reading.marks("b", 100) == [4]
    later(reading, 6)
    assert reading.marks("b", 200) == [199]


def test_a_split_that_falls_silent_lets_time_go_on_though_no_row_comes() -> None:
    reading = Reading(IDLE)
    reading.assign(Part("a", 9), Part("b", 9))
    assert later(reading, 5) == []
    assert reading.marks("b", 100) == []
    assert later(reading, 4.9) == []
    assert later(reading, 0.2) == [Watermark(99)]
    assert later(reading, 4.8) == []
    assert later(reading, 0.2) == [StreamStatus(idle=True)]
    assert reading.operator.next_timer() is None


def test_the_time_of_the_last_active_split_is_said_before_idleness_also_when_the_timer_is_late() -> None:
    reading = Reading(IDLE)
    reading.assign(Part("a", 9), Part("b", 9), Part("c", 9))
    reading.marks("a", 50)
    later(reading, 5)
    reading.marks("b", 100)
    assert later(reading, 60) == [Watermark(99), StreamStatus(idle=True)]


def test_a_timer_that_is_due_is_over_once_it_was_looked_at() -> None:
    reading = Reading(IDLE)
    reading.assign(*(Part(str(i), 9) for i in range(7)))
    for i in range(7):
        later(reading, 0.1)
        reading.poll(str(i), i)
    for _ in range(7):
        due = reading.operator.next_timer()
        assert due is not None
        assert due > reading.driver.clock.wall_ms()
        later(reading, (due - reading.driver.clock.wall_ms()) / 1000)
    assert reading.operator.next_timer() is None


def test_a_split_that_was_silent_stays_so_while_there_is_no_credit() -> None:
    reading = Reading(IDLE)
    reading.assign(Part("a", 9), Part("b", 9))
    later(reading, 5)
    reading.marks("b", 100)
    assert later(reading, 5.1) == [Watermark(99)]
    reading.driver.clock.now += 60
    reading.operator.on_paused(60.0)
    assert reading.operator.next_timer() > reading.driver.clock.wall_ms() + 4000
    assert later(reading, 1) == []


def test_a_reader_whose_splits_are_all_silent_is_idle_once_until_a_row_comes() -> None:
    reading = Reading(IDLE)
    reading.assign(Part("a", 9))
    reading.poll("a", 5)
    assert later(reading, 9.9) == []
    assert later(reading, 0.2) == [StreamStatus(idle=True)]
    assert later(reading, 100) == []
    first, *_ = reading.poll("a", 6)
    assert first == StreamStatus(idle=False)
    assert later(reading, 10.1) == [StreamStatus(idle=True)]


def test_the_timer_for_idleness_is_set_from_the_last_row() -> None:
    reading = Reading(IDLE)
    reading.assign(Part("a", 9))
    assert reading.operator.next_timer() == pytest.approx(reading.driver.clock.wall_ms() + 10_000, abs=2)
    reading.driver.clock.now += 4
    reading.poll("a", 5)
    assert reading.operator.next_timer() == pytest.approx(reading.driver.clock.wall_ms() + 10_000, abs=2)


def test_a_reader_that_never_got_a_split_becomes_idle_too() -> None:
    reading = Reading(IDLE)
    assert later(reading, 10.1) == [StreamStatus(idle=True)]


def test_time_without_credit_is_no_idleness() -> None:
    reading = Reading(IDLE)
    reading.assign(Part("a", 9), Part("b", 9))
    reading.marks("a", 5)
    reading.marks("b", 100)
    reading.driver.clock.now += 60
    reading.operator.on_paused(60.0)
    assert later(reading, 1) == []
    assert reading.marks("b", 200) == []


def test_without_idleness_there_is_no_timer() -> None:
    reading = Reading(BY_VALUE)
    reading.assign(Part("a", 9))
    assert reading.operator.next_timer() is None


def test_closing_closes_the_reader() -> None:
    reading = Reading()
    reading.operator.close()
    assert reading.reader.closed

"""A source whose data holds crashes, waits and checkpoints, read as the engine reads it."""

from __future__ import annotations

import pytest

from weir import EnumeratorContext, ReaderContext
from weir.errors import UserError
from weir.testing import Checkpoint, Crash, Eof, InjectedCrash, ManualClock, Row, Wait, Watermark
from weir.testing.sources import ScriptedSource, crash_when


def reader_of(source, state=None, clock=None):
    reader = source.create_reader(ReaderContext(0, 1, lambda: None, (clock or ManualClock()).monotonic))
    if state is None:
        enumerator = source.create_enumerator(EnumeratorContext(1))
        while not (assigned := enumerator.handle_request(0)[0]).no_more:
            reader.add_splits(assigned.splits)
        state = assigned.splits
    reader.add_splits(state)
    return reader


def rest(reader):
    rows = []
    while (fetched := reader.fetch(100)) is not None:
        rows += fetched.values
    return rows


def test_a_crash_happens_once_behind_the_rows_before_it():
    source = ScriptedSource([1, 2, Crash(), 3])
    reader = reader_of(source)
    assert reader.fetch(100).values == [1, 2]
    state = reader.snapshot()
    with pytest.raises(InjectedCrash, match="item 2 of script 0"):
        reader.fetch(100)
    assert rest(reader_of(source, state)) == [3]
    assert rest(reader_of(source)) == [1, 2, 3]


def test_every_crash_of_a_script_happens():
    source = ScriptedSource([Crash(), 1, Crash()], [2, Crash()])
    rows = []
    for _ in range(3):
        with pytest.raises(InjectedCrash):
            rest(reader_of(source))
    rows = rest(reader_of(source))
    assert rows == [1, 2]


def test_rows_come_in_no_larger_batches_than_asked_for_and_splits_in_order():
    reader = reader_of(ScriptedSource([1, 2, 3], [], [4]))
    assert [reader.fetch(2).values for _ in range(3)] == [[1, 2], [3], [4]]
    assert reader.is_idle()
    assert reader.finished_splits() == ["0", "1", "2"]


def test_a_reader_waits_at_a_checkpoint_until_a_second_snapshot_says_that_the_first_is_over():
    source = ScriptedSource([1, Checkpoint(), 2])
    reader = reader_of(source)
    assert rest(reader) == [1]
    state = reader.snapshot()
    assert reader.fetch(100) is None
    reader.snapshot()
    assert rest(reader) == [2]
    restored = reader_of(source, state)
    assert restored.fetch(100) is None


def test_a_wait_is_on_the_engines_clock():
    clock = ManualClock()
    reader = reader_of(ScriptedSource([1, Wait("5s"), 2]), clock=clock)
    assert rest(reader) == [1]
    assert reader.next_fetch_at() == 5
    clock.advance("4s")
    assert reader.fetch(100) is None
    clock.advance("1s")
    assert rest(reader) == [2]
    assert reader.next_fetch_at() is None


def test_nothing_behind_the_end_is_read():
    reader = reader_of(ScriptedSource([1, Eof(), 2, Crash()]))
    assert rest(reader) == [1]
    assert reader.is_idle()


def test_event_times_come_with_the_rows():
    assert reader_of(ScriptedSource([Row("a", 5), Row("b", 7)])).fetch(9).timestamps == [5, 7]
    assert reader_of(ScriptedSource([Row("a"), "b"])).fetch(9).timestamps is None


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ([Row(1, 5), 2], "2 has no timestamp"),
        ([Watermark(5)], "WatermarkStrategy"),
        ([Row(1, input=1)], "second input"),
        ([Crash("kill")], "markers=FOLDER"),
    ],
)
def test_what_a_source_cannot_do_is_refused(script, message):
    with pytest.raises(UserError, match=message):
        ScriptedSource(script)


def test_a_step_crashes_on_the_first_row_that_is_meant():
    step = crash_when(lambda row: row > 1)
    assert step(1) == 1
    with pytest.raises(InjectedCrash, match="crash at 2"):
        step(2)
    assert step(2) == 2


def test_a_manual_clock_moves_by_hand_only():
    clock = ManualClock(start_ms=1000)
    clock.advance("1500ms")
    assert (clock.wall_ms(), clock.monotonic()) == (2500, 2.5)
    clock.set_wall_ms(100)
    assert (clock.wall_ms(), clock.monotonic()) == (100, 2.5)
    with pytest.raises(ValueError, match="duration"):
        clock.advance(-1)

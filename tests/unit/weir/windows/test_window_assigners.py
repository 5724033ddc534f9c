"""Which windows a time belongs to, what merges, and what is said to who describes windows wrongly."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weir import (
    ContinuousEventTimeTrigger,
    CountEvictor,
    CountTrigger,
    EventTimeSessionWindows,
    GlobalWindows,
    OutputTag,
    ProcessingTimeSessionWindows,
    PurgingTrigger,
    SlidingEventTimeWindows,
    StreamExecutionEnvironment,
    TimeWindow,
    Trigger,
    TriggerResult,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
)
from weir.errors import GraphError
from weir.windows.assigners import AlignedWindows
from weir.windows.merging import MergingWindows
from weir.windows.window import covering

HOUR = 3_600_000


def test_a_tumbling_window_begins_at_multiples_of_its_size_and_ends_before_the_next() -> None:
    windows = TumblingEventTimeWindows.of("10s")
    assert list(windows.assign_windows(None, 0)) == [TimeWindow(0, 10_000)]
    assert list(windows.assign_windows(None, 9_999)) == [TimeWindow(0, 10_000)]
    assert list(windows.assign_windows(None, 10_000)) == [TimeWindow(10_000, 20_000)]
    assert list(windows.assign_windows(None, -1)) == [TimeWindow(-10_000, 0)]
    assert TimeWindow(0, 10_000).max_timestamp() == 9_999


def test_a_day_in_another_time_zone_is_shifted() -> None:
    days = TumblingEventTimeWindows.of(timedelta(days=1), timedelta(hours=-1))
    assert list(days.assign_windows(None, 0)) == [TimeWindow(-HOUR, 23 * HOUR)]
    assert TumblingEventTimeWindows.of("1d", "-1h") == days
    assert TumblingEventTimeWindows.of(86_400, -3_600) == days


@given(
    st.integers(1, 50),
    st.integers(1, 50),
    st.integers(-20, 20),
    st.integers(-200, 200),
    st.integers(-200, 200),
)
def test_sliding_windows_are_all_that_cover_a_time_and_a_pane_shares_them(
    size: int, slide: int, offset: int, time: int, end: int
) -> None:
    windows: AlignedWindows = SlidingEventTimeWindows(size, slide, offset)
    expected = [
        TimeWindow(start, start + size)
        for start in range(time, time - size, -1)
        if (start - offset) % slide == 0
    ]
    assert list(windows.assign_windows(None, time)) == expected
    (pane,) = windows.panes([time])
    assert all(windows.windows_of(pane) == list(windows.assign_windows(None, at)) for at in range(pane, time))
    found = windows.ending_at(end)
    assert (found is not None) == ((end + 1 - size - offset) % slide == 0)
    assert found is None or found.max_timestamp() == end


def test_sessions_that_overlap_or_touch_are_one() -> None:
    sessions = EventTimeSessionWindows.with_gap("3s")
    assert list(sessions.assign_windows("row", 1_000)) == [TimeWindow(1_000, 4_000)]
    assert covering([TimeWindow(5, 9), TimeWindow(0, 3), TimeWindow(3, 4)]) == [
        (TimeWindow(0, 4), [TimeWindow(0, 3), TimeWindow(3, 4)]),
        (TimeWindow(5, 9), [TimeWindow(5, 9)]),
    ]
    dynamic = EventTimeSessionWindows.with_dynamic_gap(lambda row: row["gap"])
    assert list(dynamic.assign_windows({"gap": 5}, 10)) == [TimeWindow(10, 15)]
    with pytest.raises(GraphError, match=re.escape("the gap of {'gap': 0} is 0")):
        dynamic.assign_windows({"gap": 0}, 10)


@given(st.lists(st.integers(0, 200), max_size=30), st.integers(1, 20))
def test_whatever_order_rows_come_in_the_same_sessions_stand_and_each_has_state_of_its_own(
    times: list[int], gap: int
) -> None:
    merging = MergingWindows({})
    assigner = EventTimeSessionWindows(gap)
    contents: dict[TimeWindow, list[int]] = {}
    for time in times:
        added = merging.add(TimeWindow(time, time + gap), assigner.merge_windows)
        for merge in added.merges:
            for absorbed in merge.absorbed:
                contents[merge.state_window] += contents.pop(absorbed)
        state = merging.state_window(added.window)
        assert state is not None
        contents.setdefault(state, []).append(time)
        merging = MergingWindows.of_state(merging.kept())
    expected = {
        cover: sorted(w.start for w in made)
        for cover, made in covering(TimeWindow(t, t + gap) for t in times)
    }
    assert {window: sorted(contents[state]) for window, state in merging.mapping.items()} == expected


class NoMerge(Trigger[Any, TimeWindow]):
    def on_element(self, element, timestamp, window, ctx):
        return TriggerResult.FIRE

    def on_event_time(self, time, window, ctx):
        return TriggerResult.CONTINUE

    def on_processing_time(self, time, window, ctx):
        return TriggerResult.CONTINUE

    def clear(self, window, ctx):
        pass


def plain() -> Any:
    return StreamExecutionEnvironment().from_collection([1])


def keyed() -> Any:
    return plain().key_by(lambda row: row)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: TumblingEventTimeWindows.of(0),
            "size 0 is shorter than a millisecond; give one such as '10s'",
        ),
        (lambda: TumblingEventTimeWindows.of("-10s"), "TumblingEventTimeWindows.of.*size: '-10s'"),
        (lambda: TumblingProcessingTimeWindows.of(timedelta(seconds=-1)), "TumblingProcessingTimeWindows.of"),
        (lambda: TumblingEventTimeWindows.of("ten"), "size: 'ten'"),
        (
            lambda: TumblingEventTimeWindows.of("10s", "10s"),
            "offset '10s' is not smaller than the size of 10000 ms",
        ),
        (lambda: TumblingEventTimeWindows.of("10s", "-11s"), "offset '-11s' is not smaller than the size"),
        (
            lambda: SlidingEventTimeWindows.of("10s"),
            "SlidingEventTimeWindows.of.. needs a slide; give one such as",
        ),
        (lambda: SlidingEventTimeWindows.of("10s", 0), "slide 0 is shorter"),
        (
            lambda: SlidingEventTimeWindows.of("10s", "2s", "3s"),
            "offset '3s' is not smaller than the slide of 2000 ms",
        ),
        (lambda: EventTimeSessionWindows.with_gap("0s"), "gap '0s' is shorter"),
        (lambda: ProcessingTimeSessionWindows.with_dynamic_gap(5), "for a fixed gap use with_gap"),  # type: ignore[arg-type]
        (lambda: CountTrigger.of(0), "CountTrigger takes a whole number of 1 or more, got 0"),
        (lambda: CountEvictor.of(-1), "CountEvictor takes a whole number of 1 or more, got -1"),
        (lambda: ContinuousEventTimeTrigger.of("0s"), "interval '0s' is shorter"),
        (lambda: PurgingTrigger.of("x"), "PurgingTrigger takes a Trigger"),  # type: ignore[type-var, arg-type]
        (
            lambda: keyed().window("10s"),
            "takes an assigner, such as TumblingEventTimeWindows.of.'10s'., got str",
        ),
        (lambda: keyed().window(GlobalWindows), "got the class GlobalWindows; make one"),
        (
            lambda: plain().window(TumblingEventTimeWindows.of("10s")),
            "needs a keyed stream, and this one has no key; call key_by",
        ),
        (lambda: plain().count_window(3), "count_window.. needs a keyed stream"),
        (lambda: keyed().count_window(0), "count_window.size. takes a whole number from 1"),
        (
            lambda: keyed().window(GlobalWindows.create()).allowed_lateness("1s"),
            "rows are never late for GlobalWindows",
        ),
        (lambda: windowed().allowed_lateness("-1s"), "allowed_lateness.*'-1s'"),
        (lambda: windowed().side_output_late_data("late"), "takes a OutputTag, got str"),
        (lambda: windowed().trigger(CountTrigger), "got the class CountTrigger; make an instance"),
        (lambda: windowed().reduce(5), "takes a callable or a ReduceFunction, got int"),
        (lambda: windowed().aggregate(max), "takes a AggregateFunction"),
        (lambda: windowed().process(lambda key, context, rows: rows), "takes a ProcessWindowFunction"),
        (
            lambda: keyed().window(EventTimeSessionWindows.with_gap("1s")).trigger(NoMerge()),
            "EventTimeSessionWindows merges windows, but NoMerge cannot",
        ),
    ],
)
def test_what_cannot_be_is_refused_with_the_value_and_a_remedy(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(GraphError, match=message):
        make()


def windowed() -> Any:
    return keyed().window(TumblingEventTimeWindows.of("10s"))


def test_settings_of_a_windowed_stream_do_not_change_the_stream_that_they_are_called_on() -> None:
    first = windowed()
    first.allowed_lateness("5s").side_output_late_data(OutputTag("late"))
    assert first._settings.lateness == 0
    assert first._settings.late_tag is None

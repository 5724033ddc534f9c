"""Windows of rows as a job writes them, driven by the harness: results, lateness, side output, triggers, evictors, state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from weir import (
    AggregateFunction,
    ContinuousEventTimeTrigger,
    CountTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    GlobalWindows,
    OutputTag,
    ProcessingTimeSessionWindows,
    ProcessWindowFunction,
    PurgingTrigger,
    SlidingEventTimeWindows,
    SlidingProcessingTimeWindows,
    StateTtlConfig,
    TimeEvictor,
    TimeWindow,
    TumblingEventTimeWindows,
    TumblingProcessingTimeWindows,
    ValueStateDescriptor,
    WindowFunction,
)
from weir.errors import SerializationError, StateAccessError, UserCodeError
from weir.operators.failures import operator_failure
from weir.operators.triggered_windows import TriggeredWindowOperator
from weir.operators.window_contents import RUN
from weir.records import RowBatch
from weir.testing import stream_harness

LATE = OutputTag("late")
EARLY = OutputTag("early")
TEN = TumblingEventTimeWindows.of("10s")


def key(row: tuple[str, int]) -> str:
    return row[0]


def add(one: tuple[str, int], other: tuple[str, int]) -> tuple[str, int]:
    return one[0], one[1] + other[1]


class Average(AggregateFunction):
    def create_accumulator(self):
        return [0, 0]

    def add(self, value, accumulator):
        accumulator[0] += value[1]
        accumulator[1] += 1
        return accumulator

    def get_result(self, accumulator):
        return accumulator[0] / accumulator[1]

    def merge(self, a, b):
        return [a[0] + b[0], a[1] + b[1]]


class Describe(ProcessWindowFunction):
    def process(self, key, context, elements):
        yield key, context.window(), list(elements)


class Firings(ProcessWindowFunction):
    """Counts by window and by key, and says so to the side when the window is gone."""

    COUNT = ValueStateDescriptor("count", int)

    def process(self, key, context, elements):
        counts = []
        for store in (context.window_state(), context.global_state()):
            state = store.get_state(self.COUNT)
            state.update((state.value() or 0) + 1)
            counts.append(state.value())
        yield key, context.window().start, *counts

    def clear(self, context):
        context.output(EARLY, context.window())


def harness(windows: Any, end: Any, **how: Any) -> Any:
    def build(stream: Any) -> Any:
        return end(windows(stream.key_by(key)))

    return stream_harness(build, **how)


def on(assigner: Any, end: Any, settings: Any = lambda windows: windows, **how: Any) -> Any:
    return harness(lambda keyed: settings(keyed.window(assigner)), end, **how)


def test_a_window_gives_its_result_when_the_watermark_passes_its_last_millisecond() -> None:
    h = on(TEN, lambda w: w.reduce(add))
    h.process_all([("a", 1), ("b", 2), ("a", 3), ("a", 4)], [0, 1_000, 9_999, 10_000])
    h.watermark(9_998)
    assert h.output == []
    h.watermark(9_999)
    assert h.timestamped == [(9_999, ("a", 4)), (9_999, ("b", 2))]
    h.end_input()
    assert h.output[2:] == [("a", 4)]
    assert h.timers() == []


def test_a_row_belongs_to_every_sliding_window_that_covers_it() -> None:
    h = on(SlidingEventTimeWindows.of("10s", "5s"), lambda w: w.aggregate(Average(), Describe()))
    h.process_all([("a", 1), ("a", 3)], [4_000, 6_000])
    h.end_input()
    assert h.output == [
        ("a", TimeWindow(-5_000, 5_000), [1.0]),
        ("a", TimeWindow(0, 10_000), [2.0]),
        ("a", TimeWindow(5_000, 15_000), [3.0]),
    ]


def test_a_function_with_the_rows_sees_them_in_the_order_in_which_they_came() -> None:
    rows = [("a", n) for n in range(3 * RUN + 7)]
    h = on(TEN, lambda w: w.process(Describe()))
    for start in range(0, len(rows), 100):
        part = rows[start : start + 100]
        h.process_all(part, [5_000] * len(part))
        h.snapshot()
        h.crash()
    h.watermark(9_999)
    assert h.output == [("a", TimeWindow(0, 10_000), rows)]
    assert h._taken().state(h._subtasks[0].operator._contents._descriptor) == {}


def test_rows_of_a_window_keep_their_order_across_the_panes_that_it_is_made_of() -> None:
    h = on(
        SlidingEventTimeWindows.of("10s", "5s"),
        lambda w: w.process(Describe()),
        lambda w: w.allowed_lateness("20s"),
    )
    h.process_all([("a", 1), ("a", 2), ("a", 3)], [3_000, 6_000, 4_000])
    h.watermark(9_999)
    assert h.output[-1] == ("a", TimeWindow(0, 10_000), [("a", 1), ("a", 2), ("a", 3)])
    h.clear_output()
    h.process_all([("a", 4), ("a", 5), ("a", 6)], [3_000, 6_000, 4_000])
    rows = [[row for _, row in given] for _, window, given in h.output if window.start == 0]
    assert rows == [[1, 2, 3, 4], [1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 6]]


def test_apply_is_given_key_window_and_rows() -> None:
    class Apply(WindowFunction):
        def apply(self, key, window, inputs):
            return [(key, window.end, len(inputs))]

    h = on(TEN, lambda w: w.apply(Apply()))
    h.process(("a", 1), 3)
    h.end_input()
    assert h.output == [("a", 10_000, 1)]


def test_late_rows_give_the_new_result_then_are_dropped_and_counted() -> None:
    h = on(TEN, lambda w: w.reduce(add), lambda w: w.allowed_lateness("5s"))
    h.process(("a", 1), 1_000)
    h.watermark(9_999)
    h.process_all([("a", 10), ("a", 100), ("b", 5)], [2_000, 2_000, 2_000])
    assert h.output == [("a", 1), ("a", 11), ("a", 111), ("b", 5)]
    h.watermark(14_998)
    h.process(("a", 1_000), 2_000)
    assert h.output[4:] == [("a", 1_111)]
    h.watermark(14_999)
    h.process_all([("a", 7), ("a", 8)], [2_000, 15_000])
    assert h.output[5:] == []
    assert h._subtasks[0].operator.late_rows == 1
    h.end_input()
    assert h.output[5:] == [("a", 8)]
    assert h.timers() == []


def test_rows_that_are_too_late_go_to_their_side_output() -> None:
    h = on(TEN, lambda w: w.reduce(add), lambda w: w.side_output_late_data(LATE))
    h.watermark(9_999)
    h.process_all([("a", 7), ("a", 8)], [9_999, 10_000])
    assert h.side_output(LATE) == [("a", 7)]
    assert h._subtasks[0].operator.late_rows == 0


def test_state_of_a_window_goes_with_it_and_state_of_the_key_stays() -> None:
    h = on(TEN, lambda w: w.process(Firings()), lambda w: w.allowed_lateness("5s"))
    h.process(("a", 1), 1_000)
    h.watermark(9_999)
    h.snapshot()
    h.crash()
    h.process(("a", 1), 1_000)
    h.process(("a", 1), 11_000)
    assert h.side_output(EARLY) == []
    h.end_input()
    assert h.output == [("a", 0, 1, 1), ("a", 0, 2, 2), ("a", 10_000, 1, 3)]
    assert h.side_output(EARLY) == [TimeWindow(0, 10_000), TimeWindow(10_000, 20_000)]
    states = h._taken().state(h._subtasks[0].operator._states_descriptor)
    assert {entry for entries in states.values() for entry in entries} == {"all"}


def test_sessions_merge_and_late_rows_may_merge_what_has_fired() -> None:
    h = on(
        EventTimeSessionWindows.with_gap("3s"),
        lambda w: w.process(Describe()),
        lambda w: w.allowed_lateness("10s"),
    )
    h.process_all([("a", 1), ("b", 2), ("a", 3)], [1_000, 2_000, 5_000])
    h.watermark(3_999)
    assert h.output == [("a", TimeWindow(1_000, 4_000), [("a", 1)])]
    h.snapshot()
    h.process(("a", 4), 3_000)
    h.crash()
    h.replay()
    h.watermark(7_999)
    assert h.output[1:] == [
        ("b", TimeWindow(2_000, 5_000), [("b", 2)]),
        ("a", TimeWindow(1_000, 8_000), [("a", 1), ("a", 3), ("a", 4)]),
    ]
    h.process(("a", 5), 6_000)
    assert h.output[3:] == []
    h.end_input()
    assert h.output[3:] == [("a", TimeWindow(1_000, 9_000), [("a", 1), ("a", 3), ("a", 4), ("a", 5)])]
    assert h.timers() == []


def test_a_session_that_grows_takes_no_timer_from_another_one_of_its_key() -> None:
    h = on(EventTimeSessionWindows(1), lambda w: w.reduce(add), lambda w: w.allowed_lateness("10ms"))
    # The first ends when the second, before it grew, would have been forgotten.
    h.process_all([("a", 1), ("a", 2), ("a", 3)], [5, -5, -4])
    h.end_input()
    assert h.output == [("a", 5), ("a", 1)]
    assert h.timers() == []


def test_windows_by_the_clock_end_by_the_clock() -> None:
    h = on(TumblingProcessingTimeWindows.of("1s"), lambda w: w.reduce(add))
    for _ in range(5):
        h.process(("a", 1))
        h.advance_processing_time("333ms")
    h.watermark(2**62)
    assert h.output == [("a", 4)]
    h.advance_processing_time("1s")
    assert h.output == [("a", 4), ("a", 1)]
    assert h.timers() == []


def test_sliding_windows_and_sessions_by_the_clock() -> None:
    sliding = on(SlidingProcessingTimeWindows.of("2s", "1s"), lambda w: w.reduce(add))
    session = on(ProcessingTimeSessionWindows.with_gap("1s"), lambda w: w.reduce(add))
    for h in (sliding, session):
        for wait in ("500ms", "600ms", "3s"):
            h.process(("a", 1))
            h.advance_processing_time(wait)
        assert h.timers() == []
    assert sliding.output == [("a", 2), ("a", 3), ("a", 1)]
    assert session.output == [("a", 3)]


def test_count_windows_end_after_so_many_rows_of_a_key() -> None:
    rows = [("a", 1), ("b", 1), ("a", 2), ("a", 3), ("a", 4), ("b", 5)]
    h = harness(lambda keyed: keyed.count_window(2), lambda w: w.reduce(add))
    h.process_all(rows[:3])
    h.snapshot()
    h.process_all(rows[3:])
    h.crash()
    h.replay()
    assert h.output == [("a", 3), ("a", 7), ("b", 6)]
    sliding = harness(lambda keyed: keyed.count_window(3, 2), lambda w: w.reduce(add))
    sliding.process_all([("a", n) for n in range(6)])
    assert sliding.output == [("a", 1), ("a", 6), ("a", 12)]


def test_a_global_window_never_fires_by_itself() -> None:
    h = on(GlobalWindows.create(), lambda w: w.reduce(add))
    h.process(("a", 1), 5)
    h.end_input()
    assert h.output == []


def test_a_trigger_replaces_the_default_and_purging_forgets_what_was_given() -> None:
    keeps = on(TEN, lambda w: w.reduce(add), lambda w: w.trigger(CountTrigger.of(2)))
    purges = on(TEN, lambda w: w.reduce(add), lambda w: w.trigger(PurgingTrigger.of(CountTrigger.of(2))))
    for h in (keeps, purges):
        h.process_all([("a", 1)] * 5, [1_000] * 5)
        h.end_input()
        assert h.timers() == []
    assert keeps.output == [("a", 2), ("a", 4)]
    assert purges.output == [("a", 2), ("a", 2)]


def test_a_continuous_trigger_fires_at_each_interval_and_at_the_end() -> None:
    h = on(TEN, lambda w: w.reduce(add), lambda w: w.trigger(ContinuousEventTimeTrigger.of("4s")))
    h.process_all([("a", 1), ("a", 1)], [1_000, 5_000])
    for watermark in (3_999, 4_000, 7_999, 8_000, 9_999):
        h.watermark(watermark)
    assert h.output == [("a", 2)] * 3
    assert h.timers() == []


def test_an_evictor_drops_rows_when_the_window_fires() -> None:
    h = on(TEN, lambda w: w.process(Describe()), lambda w: w.evictor(TimeEvictor.of("3s")))
    h.process_all([("a", 1), ("a", 2), ("a", 3)], [1_000, 6_000, 8_000])
    h.end_input()
    assert h.output == [("a", TimeWindow(0, 10_000), [("a", 2), ("a", 3)])]
    assert h.timers() == []


@pytest.mark.parametrize("assigner", [TEN, EventTimeSessionWindows.with_gap("10s")])
def test_one_trigger_may_take_over_the_windows_of_another(assigner: Any) -> None:
    default = on(assigner, lambda w: w.reduce(add))
    purging = on(
        assigner, lambda w: w.reduce(add), lambda w: w.trigger(PurgingTrigger.of(EventTimeTrigger.create()))
    )
    assert not isinstance(default._subtasks[0].operator, TriggeredWindowOperator)
    assert isinstance(purging._subtasks[0].operator, TriggeredWindowOperator)
    for old, new in ((default, purging), (purging, default)):
        old.process(("a", 1), 1_000)
        h = new.restored(old.snapshot())
        h.process(("a", 2), 2_000)
        h.end_input()
        assert h.output == [("a", 3)]
        old.process(("b", 1), 1_000)
        h = new.restored(old.snapshot())
        h.end_input()
        assert sorted(h.output) == [("a", 1), ("b", 1)]


def test_what_was_given_or_emitted_is_nobodys_to_change() -> None:
    def extend(one: list[int], other: list[int]) -> list[int]:
        one.extend(other)
        return one

    rows = [[1], [1], [1]]
    h = stream_harness(
        lambda s: s.key_by(lambda row: row[0]).window(TEN).allowed_lateness("5s").reduce(extend)
    )
    h.process_all(rows[:2], [0, 0])
    h.watermark(9_999)
    h.process(rows[2], 0)
    assert rows == [[1], [1], [1]]
    assert h.output == [[1, 1], [1, 1, 1]]


def test_keys_move_with_their_windows_when_the_job_is_rescaled() -> None:
    names = [f"key-{n}" for n in range(40)]
    for assigner in (TEN, EventTimeSessionWindows.with_gap("10s")):
        h = on(assigner, lambda w: w.reduce(add), parallelism=2)
        h.process_all([(name, 1) for name in names], [0] * 40)
        wide = h.restored(parallelism=5)
        wide.process_all([(name, 1) for name in names], [1_000] * 40)
        narrow = wide.restored(parallelism=1)
        narrow.end_input()
        assert sorted(narrow.output) == sorted((name, 2) for name in names)


def test_a_large_window_leaves_in_batches_of_bounded_size() -> None:
    class Many(ProcessWindowFunction):
        def process(self, key, context, elements):
            yield from range(5_000)
            context.output(EARLY, key)

    h = on(TEN, lambda w: w.process(Many()))
    h.process_all([("a", 1), ("b", 1)], [0, 0])
    operator = h._subtasks[0].operator
    operator._timers.watermark = 9_999
    batches = [
        e for e in operator._fire(operator._store.event_timers, 9_999, operator._domain) if e.tag is None
    ]
    assert all(isinstance(batch, RowBatch) for batch in batches)
    assert sum(map(len, batches)) == 10_000
    assert max(map(len, batches)) < 4_000


def test_misuse_is_told_with_operator_key_and_remedy() -> None:
    class Wrong(ProcessWindowFunction):
        def process(self, key, context, elements):
            return 5

    class Mortal(ProcessWindowFunction):
        def process(self, key, context, elements):
            descriptor = ValueStateDescriptor("seen", int)
            descriptor.enable_time_to_live(StateTtlConfig.new_builder("1s").build())
            context.window_state().get_state(descriptor)
            yield 1

    h = on(TEN, lambda w: w.process(Describe()))
    with pytest.raises(
        UserCodeError, match="by event time, but they have none; give the source a WatermarkStrategy"
    ):
        h.process(("a", 1))
    for function, message in (
        (Wrong(), "returned int 5; expected an iterable"),
        (Mortal(), "has a time to live"),
    ):
        h = on(TEN, lambda w, function=function: w.process(function))
        h.process(("a", 1), 0)
        with pytest.raises((UserCodeError, StateAccessError), match=message):
            h.end_input()
    h = on(EventTimeSessionWindows.with_gap("1s"), lambda w: w.process(Firings()))
    h.process(("a", 1), 0)
    with pytest.raises(
        StateAccessError, match=r"window_state\(\), but windows that merge have no state of their own"
    ):
        h.end_input()


@dataclass
class Ride:
    taxi: str
    fare: int


def test_rows_of_a_class_of_ones_own_are_kept_when_their_type_is_said() -> None:
    def total(one: Ride, other: Ride) -> Ride:
        return Ride(one.taxi, one.fare + other.fare)

    for end in (
        lambda w: w.reduce(total, element_type=Ride),
        lambda w: w.process(Describe(), element_type=Ride),
    ):
        h = stream_harness(lambda s, end=end: end(s.key_by(lambda ride: ride.taxi).window(TEN)))
        h.process(Ride("a", 1), 0)
        h.snapshot()
        h.crash()
        h.process(Ride("a", 2), 0)
        h.end_input()
        assert h.output in ([Ride("a", 3)], [("a", TimeWindow(0, 10_000), [Ride("a", 1), Ride("a", 2)])])
    h = stream_harness(lambda s: s.key_by(lambda ride: ride.taxi).window(TEN).reduce(total))
    h.process(Ride("a", 1), 0)
    with pytest.raises(SerializationError, match="Ride"):
        h.snapshot()


@pytest.mark.parametrize("assigner", [TEN, EventTimeSessionWindows.with_gap("10s")])
@pytest.mark.parametrize("trigger", [EventTimeTrigger.create(), CountTrigger.of(2)])
def test_a_failure_names_the_row_or_the_window_and_the_key(assigner: Any, trigger: Any) -> None:
    class Fails(ProcessWindowFunction):
        def process(self, key, context, elements):
            raise ValueError("no")

    def fail(one: Any, other: Any) -> Any:
        raise ValueError("no")

    for end, subject in (
        (lambda w: w.reduce(fail), "record ('a', 2), key 'a'"),
        (lambda w: w.process(Fails()), "key 'a', window (0, 10000)"),
    ):
        h = on(assigner, end, lambda w: w.trigger(trigger))
        with pytest.raises(ValueError, match="no") as caught:
            h.process_all([("a", 1), ("a", 2)], [0, 0])
            h.end_input()
        assert subject in str(operator_failure(caught.value, "op"))

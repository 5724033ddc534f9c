"""A trigger is asked at the times that it asked for, and when its window is forgotten; and of no window that a key does not have."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.kept_windows import TEN, add, harness
from weir import (
    ContinuousEventTimeTrigger,
    EventTimeSessionWindows,
    EventTimeTrigger,
    GlobalWindows,
    OutputTag,
    ProcessWindowFunction,
    SlidingEventTimeWindows,
    TimeWindow,
    Trigger,
    TriggerResult,
    ValueStateDescriptor,
)

CLEARED = OutputTag("cleared")


class Silent(Trigger):
    def on_element(self, element, timestamp, window, ctx):
        return TriggerResult.CONTINUE

    def on_event_time(self, time, window, ctx):
        return TriggerResult.FIRE

    def on_processing_time(self, time, window, ctx):
        return TriggerResult.CONTINUE

    def clear(self, window, ctx):
        pass


class Early(Silent):
    """Two seconds after the window began, and at nothing else; answers FIRE whatever it is asked."""

    def on_element(self, element, timestamp, window, ctx):
        ctx.register_event_time_timer(window.start + 2_000)
        return TriggerResult.CONTINUE


class Closing(Silent):
    """At the end, unless a row of 0 closed the window before."""

    def on_element(self, element, timestamp, window, ctx):
        if element[1] == 0:
            ctx.delete_event_time_timer(window.max_timestamp())
            return TriggerResult.FIRE
        ctx.register_event_time_timer(window.max_timestamp())
        return TriggerResult.CONTINUE

    def on_event_time(self, time, window, ctx):
        return TriggerResult.FIRE if time == window.max_timestamp() else TriggerResult.CONTINUE


class Quiet(Silent):
    """A minute after the last row."""

    LAST = ValueStateDescriptor("last", int)

    def on_element(self, element, timestamp, window, ctx):
        last = ctx.get_partitioned_state(self.LAST)
        if last.value() is not None:
            ctx.delete_event_time_timer(last.value())
        last.update(timestamp + 60_000)
        ctx.register_event_time_timer(timestamp + 60_000)
        return TriggerResult.CONTINUE


class Same(EventTimeTrigger):
    """Not the default one by its class, so that it is asked."""


def reduced(assigner: Any, trigger: Any, lateness: str = "0s") -> Any:
    return harness(
        lambda keyed: keyed.window(assigner).allowed_lateness(lateness).trigger(trigger).reduce(add)
    )


def test_a_trigger_is_asked_of_a_window_at_no_time_of_another_one() -> None:
    h = reduced(TEN, Early(), "10s")
    h.process_all([("a", 1), ("a", 2)], [1_000, 11_000])
    for second in range(60):
        h.watermark(second * 1_000 + 999)
    # The first one is forgotten as the second one ends, which asked for no timer there.
    assert [stamp for stamp, _ in h.timestamped] == [9_999, 19_999, 9_999, 19_999]
    assert h.timers() == []


@pytest.mark.parametrize(("lateness", "times"), [("0s", 2), ("10s", 1), ("7s", 1)])
def test_a_timer_that_a_trigger_took_back_is_not_due(lateness: str, times: int) -> None:
    """Without lateness the window is forgotten at its end, where the trigger is asked anyhow, as in Flink."""
    h = reduced(TEN, Closing(), lateness)
    h.process_all([("a", 1), ("a", 0)], [1_000, 2_000])
    h.end_input()
    assert h.output == [("a", 1)] * times
    assert h.timers() == []


def test_a_late_row_fires_its_window_once() -> None:
    h = reduced(SlidingEventTimeWindows(8, 4, 1), ContinuousEventTimeTrigger(6), "9ms")
    h.process(("a", 1), 5)
    h.watermark(12)
    h.clear_output()
    h.process(("a", 2), 10)
    assert h.timestamped == [(12, ("a", 3))]
    h.clear_output()
    h.watermark(13)
    assert h.timestamped == [(16, ("a", 2))]


def test_timers_that_are_taken_back_leave_nothing_behind() -> None:
    h = harness(lambda keyed: keyed.window(GlobalWindows.create()).trigger(Quiet()).reduce(add))
    for second in range(300):
        h.process(("a", 1), second * 1_000)
    assert len(h.timers()) == 1
    h.watermark(359_000)
    assert h.output == [("a", 300)]
    assert h.timers() == []


def test_sessions_that_grow_leave_no_timers_behind() -> None:
    for trigger in (Same(), ContinuousEventTimeTrigger.of("20s")):
        h = reduced(EventTimeSessionWindows.with_gap("10s"), trigger)
        for second in range(300):
            h.process(("a", 1), second * 1_000)
        assert len(h.timers()) <= 2
        h.end_input()
        assert set(h.output) == {("a", 300)}
        assert h.timers() == []


@pytest.mark.parametrize("trigger", [EventTimeTrigger.create(), Same()])
@pytest.mark.parametrize("lateness", ["0s", "10s"])
def test_clear_is_called_once_for_each_window_that_a_key_had(trigger: Any, lateness: str) -> None:
    class Clears(ProcessWindowFunction):
        def process(self, key, context, elements):
            yield key, context.window().start

        def clear(self, context):
            cleared = context.global_state().get_state(ValueStateDescriptor("cleared", int))
            cleared.update((cleared.value() or 0) + 1)
            context.output(CLEARED, (context.window(), cleared.value()))

    h = harness(lambda keyed: keyed.window(TEN).allowed_lateness(lateness).trigger(trigger).process(Clears()))
    h.process_all([("a", 1), ("b", 2)], [12_000, 2_000])
    for second in range(60):
        h.watermark(second * 1_000 + 999)
    assert h.output == [("b", 0), ("a", 10_000)]
    assert h.side_output(CLEARED) == [(TimeWindow(0, 10_000), 1), (TimeWindow(10_000, 20_000), 1)]

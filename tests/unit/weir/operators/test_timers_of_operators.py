"""Event- and processing-time timers as keyed operators fire them (scorecard B18)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.support.checkpoints import ManualClock
from tests.support.operator_driver import Driver, rows_of, stamped
from weir.functions import KeyedProcessFunction, OutputTag, TimeDomain
from weir.operators.base import MAX_BATCH_ROWS
from weir.operators.failures import operator_failure
from weir.operators.process import KeyedProcessOperator
from weir.records import MAX_TIMESTAMP, Watermark
from weir.state.descriptors import ValueStateDescriptor

START = ManualClock().wall_ms()
SIDE = OutputTag("side")


class Alarm(KeyedProcessFunction):
    """A row is ``(key, what, timestamp)``; ``what`` is a method of the timer service."""

    def open(self, ctx) -> None:
        self.fired = ctx.get_state(ValueStateDescriptor("fired", int))

    def process_element(self, value, ctx):
        getattr(ctx.timer_service(), value[1])(value[2])

    def on_timer(self, timestamp, ctx):
        self.fired.update((self.fired.value() or 0) + 1)
        yield (ctx.get_current_key(), timestamp, ctx.time_domain(), self.fired.value())


def alarm(function: Any = Alarm, clock: ManualClock | None = None) -> Driver:
    return Driver(lambda: KeyedProcessOperator(function()), key=lambda row: row[0], clock=clock)


def event(key: str, timestamp: int) -> tuple[str, str, int]:
    return (key, "register_event_time_timer", timestamp)


def processing(key: str, timestamp: int) -> tuple[str, str, int]:
    return (key, "register_processing_time_timer", timestamp)


def keys_and_times(elements: Any) -> list[tuple[str, int]]:
    return [(key, timestamp) for key, timestamp, *_ in rows_of(elements)]


def test_event_timers_fire_in_order_of_time_once_the_watermark_has_passed_them() -> None:
    driver = alarm()
    driver.process(event("a", 30), event("b", 10), event("c", 20))
    assert keys_and_times(driver.watermark(9)) == []
    assert keys_and_times(driver.watermark(20)) == [("b", 10), ("c", 20)]
    assert keys_and_times(driver.watermark(100)) == [("a", 30)]
    assert keys_and_times(driver.watermark(200)) == []


def test_results_of_a_timer_carry_its_time_and_come_before_the_watermark() -> None:
    driver = alarm()
    driver.process(event("a", 5))
    out = driver.watermark(9)
    assert stamped(out) == [(("a", 5, TimeDomain.EVENT_TIME, 1), 5)]
    assert out[-1] == Watermark(9)


def test_a_timer_is_one_for_its_key_and_time_however_often_it_is_set() -> None:
    driver = alarm()
    driver.process(event("a", 5), event("b", 5), event("a", 5))
    assert keys_and_times(driver.watermark(5)) == [("a", 5), ("b", 5)]


def test_a_deleted_timer_does_not_fire_and_those_of_other_keys_do() -> None:
    driver = alarm()
    driver.process(event("a", 5), event("b", 5))
    driver.process(("a", "delete_event_time_timer", 5), ("a", "delete_event_time_timer", 99))
    assert keys_and_times(driver.watermark(5)) == [("b", 5)]


def test_the_two_kinds_of_time_do_not_mix() -> None:
    driver = alarm()
    driver.process(event("a", START + 5), processing("a", START + 5))
    assert [row[2] for row in rows_of(driver.time(10))] == [TimeDomain.PROCESSING_TIME]
    assert [row[2] for row in rows_of(driver.watermark(START + 5))] == [TimeDomain.EVENT_TIME]


def test_processing_timers_fire_when_the_clock_has_passed_them() -> None:
    driver = alarm()
    assert driver.operator.next_timer() is None
    driver.process(processing("a", START + 30), processing("b", START + 10))
    assert driver.operator.next_timer() == START + 10
    assert keys_and_times(driver.time(9)) == []
    assert keys_and_times(driver.time(11)) == [("b", START + 10)]
    assert driver.operator.next_timer() == START + 30


def test_timers_restored_late_fire_at_once_each_once_with_their_keys_state() -> None:
    driver = alarm()
    driver.process(event("a", 5), processing("a", START + 50), processing("b", START + 60), event("b", 500))
    clock = ManualClock()
    clock.now = 3600.0
    late = driver.restored(watermark=4, clock=clock)
    assert keys_and_times(late.time(0)) == [("a", START + 50), ("b", START + 60)]
    assert keys_and_times(late.time(1000)) == []
    assert rows_of(late.watermark(100)) == [("a", 5, TimeDomain.EVENT_TIME, 2)]
    again = late.restored(watermark=100)
    assert keys_and_times(again.watermark(MAX_TIMESTAMP)) == [("b", 500)]


def test_a_timer_that_is_already_due_waits_for_the_next_watermark() -> None:
    driver = alarm()
    driver.watermark(100)
    driver.process(event("a", 50))
    assert keys_and_times(driver.watermark(101)) == [("a", 50)]


class Again(Alarm):
    """Each timer sets the next one, ten later, up to forty."""

    def on_timer(self, timestamp, ctx):
        if timestamp < 40:
            ctx.timer_service().register_event_time_timer(timestamp + 10)
            ctx.timer_service().register_event_time_timer(timestamp + 10)
        yield (ctx.get_current_key(), timestamp)


def test_a_timer_set_while_one_fires_fires_in_the_same_round_if_it_is_due() -> None:
    driver = alarm(Again)
    driver.process(event("a", 10))
    assert keys_and_times(driver.watermark(25)) == [("a", 10), ("a", 20)]
    assert keys_and_times(driver.watermark(100)) == [("a", 30), ("a", 40)]


def test_a_timer_sees_the_watermark_that_fired_it() -> None:
    class Now(Alarm):
        def on_timer(self, timestamp, ctx):
            yield (timestamp, ctx.timer_service().current_watermark(), ctx.timestamp())

    driver = alarm(Now)
    driver.process(event("a", 5))
    assert rows_of(driver.watermark(77)) == [(5, 77, 5)]


def test_a_function_without_on_timer_may_set_timers_for_nothing() -> None:
    class Silent(KeyedProcessFunction):
        def process_element(self, value, ctx):
            ctx.timer_service().register_event_time_timer(5)

    driver = alarm(Silent)
    driver.process(("a", "", 0))
    assert driver.watermark(5) == [Watermark(5)]


@pytest.mark.parametrize("timestamp", [1.5, "5", None, True])
def test_a_time_that_is_no_int_is_refused(timestamp: Any) -> None:
    driver = alarm()
    with pytest.raises(TypeError, match="int of milliseconds"):
        driver.process(event("a", timestamp))


def test_a_timer_that_raises_is_named_with_its_time_and_key() -> None:
    class Fails(Alarm):
        def on_timer(self, timestamp, ctx):
            raise RuntimeError("bell broken")

    driver = alarm(Fails)
    driver.process(event("a", 5), event("b", 5))
    with pytest.raises(RuntimeError) as caught:
        driver.watermark(5)
    message = str(operator_failure(caught.value, "'Op'"))
    assert message.startswith(f"{__file__}:")
    assert message.endswith("RuntimeError: bell broken (in operator 'Op', timer 5, key 'a')")


def test_on_timer_with_the_wrong_number_of_parameters_is_refused_before_the_first_row() -> None:
    class Wrong(Alarm):
        def on_timer(self, timestamp):
            return []

    with pytest.raises(Exception, match=r"Wrong.on_timer takes 1"):
        alarm(Wrong)


class Appending(Alarm):
    def on_timer(self, timestamp, ctx, out):
        out(ctx.get_current_key())


class ToTheSide(Alarm):
    def on_timer(self, timestamp, ctx):
        ctx.output(SIDE, ctx.get_current_key())


@pytest.mark.parametrize(("function", "tag"), [(Alarm, None), (Appending, None), (ToTheSide, "side")])
def test_a_huge_bucket_is_handed_on_in_parts_as_they_are_taken(function: Any, tag: str | None) -> None:
    keys = 10 * MAX_BATCH_ROWS
    driver = alarm(function)
    driver.process(*(event(key, 5) for key in range(keys)))
    fired = itertools.count()
    original = driver.operator._on_timer

    def counted(ctx, bucket, values, stamps):
        for _ in bucket:
            next(fired)
        return original(ctx, bucket, values, stamps)

    driver.operator._on_timer = counted
    elements = driver.operator.on_watermark(Watermark(5))
    first = next(elements)
    assert len(first) <= MAX_BATCH_ROWS
    assert next(fired) <= 2 * MAX_BATCH_ROWS
    rest = rows_of(elements, tag)
    assert len(rest) + len(first) == keys

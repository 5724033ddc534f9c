"""Process functions: unkeyed, keyed, with two inputs, with a broadcast; and reduce."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator_driver import Driver, failure_message, rows_of, stamped
from weir.errors import StateAccessError, UserCodeError
from weir.functions import (
    BroadcastProcessFunction,
    CoProcessFunction,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    OutputTag,
    ProcessFunction,
    ReduceFunction,
)
from weir.operators.base import MAX_BATCH_ROWS
from weir.operators.connected import (
    BroadcastProcessOperator,
    CoProcessOperator,
    KeyedBroadcastProcessOperator,
    KeyedCoProcessOperator,
)
from weir.operators.failures import operator_failure
from weir.operators.process import KeyedProcessOperator, ProcessOperator, ReduceOperator
from weir.records import MIN_TIMESTAMP, RowBatch, Watermark
from weir.state.descriptors import ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor
from weir.state.heap import NoKeyError

LATE = OutputTag("late")
COUNT = ValueStateDescriptor("n", int)


# ---- the three ways to give results


class Yields(ProcessFunction):
    def process_element(self, value, ctx):
        for i in range(value):
            yield (value, i, ctx.timestamp())


class Returns(ProcessFunction):
    def process_element(self, value, ctx):
        return [(value, i, ctx.timestamp()) for i in range(value)] or None


class Appends(ProcessFunction):
    def process_element(self, value, ctx, out):
        for i in range(value):
            out((value, i, ctx.timestamp()))


@pytest.mark.parametrize("function", [Yields, Returns, Appends])
@pytest.mark.parametrize("stamps", [None, [100, 200, 300]])
def test_results_are_yielded_returned_or_appended_alike(function: Any, stamps: list[int] | None) -> None:
    out = Driver(lambda: ProcessOperator(function())).process(2, 0, 1, stamps=stamps)
    times = stamps or [None] * 3
    assert stamped(out) == [
        ((2, 0, times[0]), times[0]),
        ((2, 1, times[0]), times[0]),
        ((1, 0, times[2]), times[2]),
    ]


@pytest.mark.parametrize("function", [Yields, Returns, Appends])
@pytest.mark.parametrize("stamps", [None, [1, 2]])
@pytest.mark.parametrize(
    "count", [MAX_BATCH_ROWS - 1, MAX_BATCH_ROWS, 2 * MAX_BATCH_ROWS + 1, 3 * MAX_BATCH_ROWS]
)
def test_bursts_are_cut_into_batches_without_loss(function: Any, stamps: Any, count: int) -> None:
    out = Driver(lambda: ProcessOperator(function())).process(count, 1, stamps=stamps)
    assert [row[1] for row in rows_of(out)] == [*range(count), 0]
    assert max(map(len, out)) <= 2 * MAX_BATCH_ROWS
    assert [time for _, time in stamped(out)] == [row[2] for row in rows_of(out)]


@pytest.mark.parametrize("stamps", [None, [5]])
def test_a_yielded_burst_is_drawn_as_it_is_taken(stamps: list[int] | None) -> None:
    drawn = []

    class Burst(ProcessFunction):
        def process_element(self, value, ctx):
            for i in range(1_000_000):
                drawn.append(i)
                yield i

    elements = Driver(lambda: ProcessOperator(Burst())).operator.process(RowBatch([1], stamps), 0)
    next(elements)
    next(elements)
    assert len(drawn) <= 2 * MAX_BATCH_ROWS
    elements.close()


@pytest.mark.parametrize("stamps", [None, [1, 2]])
def test_side_outputs_leave_under_their_tag_with_the_rows_time(stamps: list[int] | None) -> None:
    class Sides(ProcessFunction):
        def process_element(self, value, ctx):
            ctx.output(LATE, -value)
            yield value

    out = Driver(lambda: ProcessOperator(Sides())).process(1, 2, stamps=stamps)
    times = stamps or [None, None]
    assert stamped(out, "late") == [(-1, times[0]), (-2, times[1])]
    assert rows_of(out) == [1, 2]


def test_a_function_that_only_uses_side_outputs_is_heard() -> None:
    class OnlySide(ProcessFunction):
        def process_element(self, value, ctx):
            ctx.output(LATE, value)

    assert rows_of(Driver(lambda: ProcessOperator(OnlySide())).process(1, 2), "late") == [1, 2]


def test_an_output_needs_a_tag() -> None:
    class Wrong(ProcessFunction):
        def process_element(self, value, ctx):
            ctx.output("late", value)

    driver = Driver(lambda: ProcessOperator(Wrong()))
    assert "needs an OutputTag first, got str 'late'" in failure_message(driver, lambda: driver.process(1))


def test_a_result_that_cannot_be_iterated_shows_the_function_first() -> None:
    class Number(ProcessFunction):
        def process_element(self, value, ctx):
            return value

    driver = Driver(lambda: ProcessOperator(Number()))
    message = failure_message(driver, lambda: driver.process(7))
    assert message.startswith(f"{__file__}:{Number.process_element.__code__.co_firstlineno}: ")
    assert "returned int 7" in message
    assert "record 7" in message


@pytest.mark.parametrize("parameters", ["self", "self, value", "self, value, ctx, out, more"])
def test_a_method_with_the_wrong_number_of_parameters_is_refused_before_the_first_row(
    parameters: str,
) -> None:
    scope: dict[str, Any] = {"ProcessFunction": ProcessFunction}
    exec(f"class Wrong(ProcessFunction):\n    def process_element({parameters}): pass", scope)
    with pytest.raises(UserCodeError, match=r"Wrong.process_element takes") as caught:
        Driver(lambda: ProcessOperator(scope["Wrong"]()))
    assert str(operator_failure(caught.value, "'Op'", "job.py:7")).startswith("<string>:2: ")


def test_an_unkeyed_function_reads_time_and_is_refused_timers() -> None:
    class Timers(ProcessFunction):
        def process_element(self, value, ctx):
            if value == "timer":
                ctx.timer_service().register_event_time_timer(5)
            yield ctx.timer_service().current_watermark()

    driver = Driver(lambda: ProcessOperator(Timers()))
    assert driver.rows("x") == [MIN_TIMESTAMP]
    assert driver.watermark(9) == [Watermark(9)]
    assert driver.rows("x") == [9]
    assert driver.restored(watermark=9).rows("x") == [9]
    assert "does not run on a keyed stream" in failure_message(driver, lambda: driver.process("timer"))


# ---- keyed


class Counts(KeyedProcessFunction):
    def open(self, ctx) -> None:
        self.count = ctx.get_state(COUNT)

    def process_element(self, value, ctx):
        count = (self.count.value() or 0) + 1
        self.count.update(count)
        if value == "bad":
            raise ValueError("spoilt")
        yield (ctx.get_current_key(), count)


class CountsWithOut(Counts):
    def process_element(self, value, ctx, out):
        out(*super().process_element(value, ctx))


@pytest.mark.parametrize("function", [Counts, CountsWithOut])
@pytest.mark.parametrize("stamps", [None, [1, 2, 3]])
def test_state_and_key_are_those_of_the_row(function: Any, stamps: list[int] | None) -> None:
    driver = Driver(lambda: KeyedProcessOperator(function()), key=lambda v: v)
    assert driver.rows("a", "b", "a", stamps=stamps) == [("a", 1), ("b", 1), ("a", 2)]
    assert driver.restored().rows("a", "b", "c", stamps=stamps) == [("a", 3), ("b", 2), ("c", 1)]


@pytest.mark.parametrize("function", [Counts, CountsWithOut])
@pytest.mark.parametrize("stamps", [None, [1, 2, 3]])
def test_a_keyed_failure_names_line_operator_row_and_key(function: Any, stamps: list[int] | None) -> None:
    driver = Driver(lambda: KeyedProcessOperator(function()), key=lambda v: v.upper())
    message = failure_message(driver, lambda: driver.process("a", "bad", "c", stamps=stamps))
    assert message.startswith(f"{__file__}:")
    assert message.endswith("(in operator 'Op' (uid op), record 'bad', key 'BAD')")


def test_state_outside_of_a_row_has_no_key() -> None:
    driver = Driver(lambda: KeyedProcessOperator(Counts()), key=lambda v: v)
    driver.process("a")
    with pytest.raises(NoKeyError, match="'n'"):
        driver.operator._function.count.value()


def test_what_value_returned_may_be_changed_and_a_snapshot_stays_as_it_was() -> None:
    class Collects(KeyedProcessFunction):
        def open(self, ctx) -> None:
            self.seen = ctx.get_state(ValueStateDescriptor("seen", list))

        def process_element(self, value, ctx):
            seen = self.seen.value() or []
            seen.append(value)
            self.seen.update(seen)
            yield len(seen)

    driver = Driver(lambda: KeyedProcessOperator(Collects()), key=lambda _: "k")
    assert driver.rows(1, 2) == [1, 2]
    saved = driver.saved()
    assert driver.rows(3) == [3]
    again = Driver(lambda: KeyedProcessOperator(Collects()), lambda _: "k", saved)
    assert again.rows(9) == [3]


def test_keyed_state_is_dealt_by_key_group_when_the_parallelism_changes() -> None:
    old = Driver(lambda: KeyedProcessOperator(Counts()), key=lambda v: v)
    old.rows(*range(50))
    saved = old.saved()
    found = []
    for index in range(3):
        new = Driver(
            lambda: KeyedProcessOperator(Counts()), lambda v: v, saved, parallelism=3, subtask_index=index
        )
        found += [key for key, count in new.rows(*range(50)) if count == 2]
    assert sorted(found) == list(range(50))


def test_operator_lists_are_dealt_and_union_lists_are_given_to_all() -> None:
    class Lists(ProcessFunction):
        def open(self, ctx) -> None:
            self.index = ctx.get_index_of_this_subtask()
            self.split = ctx.get_operator_list_state(ListStateDescriptor("split", int))
            self.union = ctx.get_operator_union_list_state(ListStateDescriptor("union", int))

        def process_element(self, value, ctx):
            if value is not None:
                self.split.add(value)
                self.union.add(value)
            yield (self.split.get(), self.union.get())

    old = [Driver(lambda: ProcessOperator(Lists()), parallelism=2, subtask_index=i) for i in range(2)]
    old[0].process(1, 2)
    old[1].process(3)
    saved = [driver.saved() for driver in old]
    assert not saved[0].own_only
    everything = type(saved[0])(operator=(*saved[0].operator, *saved[1].operator))
    new = [
        Driver(lambda: ProcessOperator(Lists()), None, everything, parallelism=3, subtask_index=i)
        for i in range(3)
    ]
    given = [driver.rows(None)[0] for driver in new]
    assert sorted(item for split, _ in given for item in split) == [1, 2, 3]
    assert [len(split) for split, _ in given] == [1, 1, 1]
    assert [union for _, union in given] == [[1, 2, 3]] * 3


# ---- reduce


class Longest(ReduceFunction):
    def reduce(self, value1, value2):
        return max(value1, value2, key=len)


def test_reduce_emits_the_running_value_of_the_key_with_the_rows_time() -> None:
    driver = Driver(lambda: ReduceOperator(lambda a, b: (a[0], a[1] + b[1])), key=lambda v: v[0])
    out = driver.process(("a", 1), ("b", 5), ("a", 2), stamps=[1, 2, 3])
    assert stamped(out) == [(("a", 1), 1), (("b", 5), 2), (("a", 3), 3)]
    assert driver.restored().rows(("a", 10)) == [("a", 13)]


def test_reduce_takes_a_function_object_and_falsy_values_count() -> None:
    driver = Driver(lambda: ReduceOperator(Longest()), key=lambda _: 0)
    assert driver.rows("", "aa", "b") == ["", "aa", "aa"]
    adding = Driver(lambda: ReduceOperator(lambda a, b: a + b), key=lambda _: 0)
    assert adding.rows(0, 0, 3) == [0, 0, 3]


def test_a_reduce_that_changes_its_first_argument_changes_neither_rows_nor_what_it_emitted() -> None:
    def adding(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
        left["n"] += right["n"]
        return left

    driver = Driver(lambda: ReduceOperator(adding), key=lambda _: 0)
    rows = [{"n": 1}, {"n": 2}, {"n": 3}]
    assert driver.rows(*rows) == [{"n": 1}, {"n": 3}, {"n": 6}]
    assert rows == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_a_reduce_that_raises_names_row_and_key() -> None:
    driver = Driver(lambda: ReduceOperator(lambda a, b: a // b), key=lambda _: "k")
    message = failure_message(driver, lambda: driver.process(4, 2, 0))
    assert message.startswith(f"{__file__}:")
    assert message.endswith("record 0, key 'k')")


# ---- two inputs


class Joined(CoProcessFunction):
    def process_element1(self, value, ctx):
        yield ("one", value, ctx.timestamp())

    def process_element2(self, value, ctx, out):
        out(("two", value, ctx.timestamp()))
        ctx.output(LATE, value)


def test_two_unkeyed_inputs_have_a_method_each_and_side_outputs() -> None:
    driver = Driver(lambda: CoProcessOperator(Joined()))
    assert driver.rows(1, side=0, stamps=[5]) == [("one", 1, 5)]
    out = driver.process(2, side=1)
    assert (rows_of(out), rows_of(out, "late")) == ([("two", 2, None)], [2])


class Match(KeyedCoProcessFunction):
    """Remembers the left side; the right one asks. A timer forgets."""

    def open(self, ctx) -> None:
        self.left = ctx.get_state(ValueStateDescriptor("left", str))

    def process_element1(self, value, ctx):
        self.left.update(value)
        ctx.timer_service().register_event_time_timer(100)

    def process_element2(self, value, ctx):
        yield (value, self.left.value())

    def on_timer(self, timestamp, ctx):
        yield ("forgot", ctx.get_current_key(), self.left.value())
        self.left.clear()


def test_two_keyed_inputs_share_state_and_timers_by_key() -> None:
    driver = Driver(lambda: KeyedCoProcessOperator(Match()), key=lambda v: v[0])
    driver.process("a1", "b1", side=0)
    assert driver.rows("a?", "c?", side=1) == [("a?", "a1"), ("c?", None)]
    again = driver.restored()
    assert rows_of(again.watermark(100)) == [("forgot", "a", "a1"), ("forgot", "b", "b1")]
    assert again.rows("a?", side=1) == [("a?", None)]


RULES = MapStateDescriptor("rules", str, int)


class Rules(BroadcastProcessFunction):
    def process_element(self, value, ctx):
        rules = ctx.get_broadcast_state(RULES)
        if value == "write":
            rules.put("x", 1)
        yield (value, rules.get(value), value in rules, sorted(rules))

    def process_broadcast_element(self, value, ctx):
        ctx.get_broadcast_state(RULES).put(*value)


class KeyedRules(Rules, KeyedBroadcastProcessFunction):
    def open(self, ctx) -> None:
        self.count = ctx.get_state(COUNT)

    def process_element(self, value, ctx):
        self.count.update((self.count.value() or 0) + 1)
        ctx.timer_service().register_event_time_timer(10)
        yield from super().process_element(value, ctx)
        yield self.count.value()

    def process_broadcast_element(self, value, ctx):
        if value == "keyed":
            self.count.value()
        super().process_broadcast_element(value, ctx)

    def on_timer(self, timestamp, ctx):
        ctx.get_broadcast_state(RULES).put("y", 1)


def test_the_broadcast_side_writes_what_the_other_reads_over_a_restore() -> None:
    driver = Driver(lambda: BroadcastProcessOperator(Rules(), [RULES]))
    assert driver.rows("a") == [("a", None, False, [])]
    driver.process(("a", 7), side=1)
    assert driver.rows("a") == [("a", 7, True, ["a"])]
    assert not driver.saved().own_only
    assert driver.restored().rows("a") == [("a", 7, True, ["a"])]


@pytest.mark.parametrize(
    ("operator", "function", "key"),
    [(BroadcastProcessOperator, Rules, None), (KeyedBroadcastProcessOperator, KeyedRules, lambda v: v)],
)
def test_the_other_side_cannot_write_broadcast_state(operator: Any, function: Any, key: Any) -> None:
    driver = Driver(lambda: operator(function(), [RULES]), key)
    driver.process(("a", 7), side=1, keyless=True)
    with pytest.raises(StateAccessError, match="broadcast state is read-only here"):
        driver.process("write")


def test_keyed_broadcast_has_keys_and_timers_on_one_side_only() -> None:
    driver = Driver(lambda: KeyedBroadcastProcessOperator(KeyedRules(), [RULES]), key=lambda v: v)
    driver.process(("a", 7), side=1, keyless=True)
    assert driver.rows("a") == [("a", 7, True, ["a"]), 1]
    with pytest.raises(NoKeyError):
        driver.process("keyed", side=1, keyless=True)


def test_a_timer_cannot_write_broadcast_state_although_the_broadcast_side_came_last() -> None:
    driver = Driver(lambda: KeyedBroadcastProcessOperator(KeyedRules(), [RULES]), key=lambda v: v)
    driver.process("a")
    driver.process(("a", 7), side=1, keyless=True)
    with pytest.raises(StateAccessError, match="read-only"):
        driver.watermark(10)

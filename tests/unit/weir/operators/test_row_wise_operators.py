"""map, filter, flat_map and their two-input forms."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.support.operator_driver import Driver, failure_message, rows_of, stamped
from weir.errors import StateAccessError, UserCodeError
from weir.functions import CoFlatMapFunction, CoMapFunction, FilterFunction, FlatMapFunction, MapFunction
from weir.operators.base import MAX_BATCH_ROWS
from weir.operators.connected import CoFlatMapOperator, CoMapOperator
from weir.operators.stateless import FilterOperator, FlatMapOperator, MapOperator
from weir.records import RowBatch
from weir.state.descriptors import ListStateDescriptor, ValueStateDescriptor


def test_map_gives_one_row_for_each_with_its_time() -> None:
    out = Driver(lambda: MapOperator(str)).process(1, 2, stamps=[10, 20])
    assert stamped(out) == [("1", 10), ("2", 20)]


def test_filter_keeps_rows_and_their_times_and_emits_no_empty_batch() -> None:
    driver = Driver(lambda: FilterOperator(lambda x: x > 1))
    assert stamped(driver.process(1, 2, 3, stamps=[10, 20, 30])) == [(2, 20), (3, 30)]
    assert driver.process(0, 1) == []


def test_filter_takes_any_truth() -> None:
    assert Driver(lambda: FilterOperator(lambda x: x)).rows(0, "", "a", None, [0]) == ["a", [0]]


@pytest.mark.parametrize("stamps", [None, [1, 2, 3]])
@pytest.mark.parametrize(
    "function",
    [
        range,
        lambda n: list(range(n)) or None,
        lambda n: (i for i in range(n)),
        lambda n: map(int, range(n)),
    ],
    ids=["builtin", "list-or-none", "generator-expression", "iterator"],
)
def test_flat_map_takes_whatever_can_be_iterated(function: Any, stamps: list[int] | None) -> None:
    out = Driver(lambda: FlatMapOperator(function)).process(2, 0, 3, stamps=stamps)
    assert rows_of(out) == [0, 1, 0, 1, 2]
    if stamps:
        assert [stamp for _, stamp in stamped(out)] == [1, 1, 3, 3, 3]


@pytest.mark.parametrize("stamps", [None, [7]])
def test_a_million_rows_of_one_row_are_drawn_as_they_are_taken(stamps: list[int] | None) -> None:
    drawn = itertools.count()
    last = [0]

    def burst(row: int):
        for _ in range(1_000_000):
            last[0] = next(drawn)
            yield row

    elements = Driver(lambda: FlatMapOperator(burst)).operator.process(RowBatch([1], stamps), 0)
    for taken in range(1, 4):
        assert len(next(elements)) <= MAX_BATCH_ROWS
        assert last[0] < (taken + 1) * MAX_BATCH_ROWS
    elements.close()


def test_bursts_around_the_batch_size_lose_and_double_nothing() -> None:
    for stamps in (None, [1, 2, 3]):
        for count in (MAX_BATCH_ROWS - 1, MAX_BATCH_ROWS, MAX_BATCH_ROWS + 1, 2 * MAX_BATCH_ROWS):
            driver = Driver(lambda count=count: FlatMapOperator(lambda _: range(count)))
            out = driver.process(1, 2, 3, stamps=stamps)
            assert rows_of(out) == [*range(count)] * 3
            assert max(len(batch) for batch in out) < 2 * MAX_BATCH_ROWS


def failure_of(driver: Driver, *rows: Any, **how: Any) -> str:
    return failure_message(driver, lambda: driver.process(*rows, **how))


@pytest.mark.parametrize("stamps", [None, [1, 2, 3]])
@pytest.mark.parametrize("kind", [MapOperator, FilterOperator, FlatMapOperator])
def test_a_function_that_raises_is_named_by_line_operator_and_row(
    kind: Any, stamps: list[int] | None
) -> None:
    def fails(row: int) -> Any:
        return [1 // row]

    message = failure_of(Driver(lambda: kind(fails)), 5, 0, 7, stamps=stamps)
    assert message.startswith(f"{__file__}:{fails.__code__.co_firstlineno + 1}: ZeroDivisionError: ")
    assert message.endswith("(in operator 'Op' (uid op), record 0)")


@pytest.mark.parametrize("stamps", [None, [1, 2]])
def test_a_generator_that_raises_in_the_middle_names_its_row(stamps: list[int] | None) -> None:
    def fails(row: int):
        yield 1
        yield 1 // row

    message = failure_of(Driver(lambda: FlatMapOperator(fails)), 1, 0, stamps=stamps)
    assert message.startswith(f"{__file__}:{fails.__code__.co_firstlineno + 2}: ")
    assert "record 0" in message


@pytest.mark.parametrize("stamps", [None, [1, 2]])
def test_flat_map_refuses_a_result_that_is_no_sequence_and_shows_the_function(
    stamps: list[int] | None,
) -> None:
    function = lambda row: row
    message = failure_of(Driver(lambda: FlatMapOperator(function)), [], 42, stamps=stamps)
    assert message.startswith(f"{__file__}:{function.__code__.co_firstlineno}: ")
    assert "returned int 42; expected an iterable" in message
    assert "record 42" in message


def test_a_function_with_the_wrong_number_of_parameters_is_placed_where_the_operator_was_made() -> None:
    message = failure_of(Driver(lambda: MapOperator(lambda: 1)), 5)
    assert message.startswith("job.py:7: TypeError: ")
    assert "takes 0 positional arguments but 1 was given" in message
    assert "record 5" in message


def test_a_builtin_that_raises_is_placed_where_the_operator_was_made() -> None:
    assert failure_of(Driver(lambda: MapOperator(int)), "1", "x").startswith("job.py:7: ValueError: invalid")


@pytest.mark.parametrize("stamps", [None, [1, 2, 3]])
@pytest.mark.parametrize("kind", [MapOperator, FilterOperator, FlatMapOperator])
@pytest.mark.parametrize("position", [0, 2])
def test_stop_iteration_in_a_function_is_an_error_and_not_the_end_of_the_batch(
    kind: Any, stamps: list[int] | None, position: int
) -> None:
    nothing = iter(())
    driver = Driver(lambda: kind(lambda row: [row] if row != position else next(nothing)))
    assert "raised StopIteration; give next(...) a default" in failure_of(driver, 0, 1, 2, stamps=stamps)


class Rich(MapFunction):
    """Numbers its rows, over restarts too."""

    def open(self, ctx) -> None:
        self.lives = ["open"]
        self.numbers = ctx.get_operator_list_state(ListStateDescriptor("numbers", int))

    def map(self, value):
        self.numbers.add(value)
        return sum(self.numbers.get())

    def close(self) -> None:
        self.lives.append("close")


def test_a_rich_function_is_opened_keeps_operator_state_and_is_closed() -> None:
    driver = Driver(lambda: MapOperator(Rich()))
    assert driver.rows(1, 2) == [1, 3]
    again = driver.restored()
    assert again.rows(10) == [13]
    function = again.operator._function
    again.operator.close()
    assert function.lives == ["open", "close"]


class CountingMap(MapFunction):
    def open(self, ctx) -> None:
        self.count = ctx.get_state(ValueStateDescriptor("n", int))

    def map(self, value):
        if value == "bad":
            raise ValueError("bad")
        count = (self.count.value() or 0) + 1
        self.count.update(count)
        return (value, count)


class CountingFlatMap(FlatMapFunction):
    def open(self, ctx) -> None:
        self.count = ctx.get_state(ValueStateDescriptor("n", int))

    def flat_map(self, value):
        for _ in range(2):
            count = (self.count.value() or 0) + 1
            self.count.update(count)
            yield (value, count)


class FirstOnly(FilterFunction):
    def open(self, ctx) -> None:
        self.seen = ctx.get_state(ValueStateDescriptor("seen", bool))

    def filter(self, value):
        first = not self.seen.value()
        self.seen.update(True)
        return first


def test_on_a_keyed_stream_rich_functions_keep_state_by_key_over_a_restore() -> None:
    driver = Driver(lambda: MapOperator(CountingMap()), key=lambda v: v)
    assert driver.rows("a", "b", "a") == [("a", 1), ("b", 1), ("a", 2)]
    assert driver.restored().rows("a", "c") == [("a", 3), ("c", 1)]


@pytest.mark.parametrize("stamps", [None, [1, 2, 3]])
def test_keyed_flat_map_and_filter_see_the_state_of_their_rows_key(stamps: list[int] | None) -> None:
    flat = Driver(lambda: FlatMapOperator(CountingFlatMap()), key=lambda v: v)
    assert flat.rows("a", "b", "a", stamps=stamps) == [
        *[("a", 1), ("a", 2), ("b", 1), ("b", 2)],
        *[("a", 3), ("a", 4)],
    ]
    first = Driver(lambda: FilterOperator(FirstOnly()), key=lambda v: v)
    assert first.rows("a", "b", "a", stamps=stamps) == ["a", "b"]


def test_a_keyed_function_that_raises_is_named_with_its_key() -> None:
    driver = Driver(lambda: MapOperator(CountingMap()), key=lambda v: v.upper())
    assert failure_of(driver, "ok", "bad", "ok").endswith("record 'bad', key 'BAD')")


def test_keyed_state_without_a_key_is_refused_before_the_first_row() -> None:
    with pytest.raises(StateAccessError, match=r"'n' .* put key_by"):
        Driver(lambda: MapOperator(CountingMap()))


class Both(CoMapFunction):
    def map1(self, value):
        return ("one", value)

    def map2(self, value):
        return ("two", value)


class FlatBoth(CoFlatMapFunction):
    def open(self, ctx) -> None:
        self.last = ctx.get_state(ValueStateDescriptor("last", str))

    def flat_map1(self, value):
        self.last.update(value)

    def flat_map2(self, value):
        return [self.last.value()]


def test_two_inputs_have_a_method_each() -> None:
    driver = Driver(lambda: CoMapOperator(Both()))
    assert driver.rows(1, side=0) + driver.rows(2, side=1) == [("one", 1), ("two", 2)]


def test_both_inputs_of_keyed_connected_streams_share_state_by_key() -> None:
    driver = Driver(lambda: CoFlatMapOperator(FlatBoth()), key=lambda v: v[0])
    assert driver.rows("a1", "b1", side=0) == []
    assert driver.rows("b?", "a?", "c?", side=1) == ["b1", "a1", None]
    assert driver.restored().rows("a?", side=1) == ["a1"]


def test_state_is_given_out_in_open_only() -> None:
    class Late(MapFunction):
        def open(self, ctx) -> None:
            self.ctx = ctx

        def map(self, value):
            return self.ctx.get_operator_list_state(ListStateDescriptor("late", int))

    message = failure_of(Driver(lambda: MapOperator(Late())), 1)
    assert "state 'late' of operator 'Op' (uid op) was asked for outside open()" in message


def test_what_is_neither_callable_nor_a_function_is_refused() -> None:
    with pytest.raises(TypeError, match="MapFunction"):
        MapOperator(42)
    assert issubclass(UserCodeError, Exception)

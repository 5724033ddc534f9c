"""One record of a batch raises: it becomes a dead letter, and the others go on as if it had not been."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.operator_driver import context
from weir import KeyedProcessFunction, OutputTag
from weir.errors import LocalDiskError, SerializationError, StateAccessError, UserCodeError
from weir.functions import DEAD_LETTERS
from weir.operators.base import Operator
from weir.operators.dead_letters import Diverted, is_of_a_record
from weir.operators.process import KeyedProcessOperator, ReduceOperator
from weir.operators.stateless import FilterOperator, FlatMapOperator, MapOperator
from weir.records import RowBatch
from weir.state.descriptors import ValueStateDescriptor

SIDE = OutputTag("side")


class Trusting(KeyedProcessFunction):
    def open(self, ctx: Any) -> None:
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value: Any, ctx: Any) -> Any:
        seen = (self.seen.value() or 0) + 1
        self.seen.update(seen)
        ctx.output(SIDE, value)
        yield "half"
        yield int(value), seen


def given(operator: Operator, batch: RowBatch, **settings: Any) -> dict[str | None, list[Any]]:
    """What it gives, by tag."""
    operator.open(context(**settings), None)
    found: dict[str | None, list[Any]] = {}
    for out in Diverted(operator).process(batch, 0):
        assert isinstance(out, RowBatch)
        found.setdefault(out.tag, []).extend(out.values)
    return found


@pytest.mark.parametrize(
    ("operator", "results"),
    [
        (MapOperator(int), [1, 3]),
        (FlatMapOperator(lambda text: [int(text)] * 2), [1, 1, 3, 3]),
        (FilterOperator(lambda text: int(text) > 1), ["3"]),
    ],
    ids=["map", "flat-map", "filter"],
)
def test_the_others_of_a_batch_go_on(operator: Operator, results: list[Any]) -> None:
    found = given(operator, RowBatch(["1", "two", "3"], [10, 20, 30]), uid="read")
    assert found[None] == results
    [letter] = found[DEAD_LETTERS]
    assert letter["message"] == "invalid literal for int() with base 10: 'two'"
    assert {name: letter[name] for name in ("record", "exception", "operator", "timestamp")} == {
        "record": "two",
        "exception": "ValueError",
        "operator": "read",
        "timestamp": 20,
    }


def test_what_a_call_gave_before_it_raised_is_dropped_and_what_it_did_to_state_stays() -> None:
    batch = RowBatch(["1", "two", "3"], None, ["k", "k", "k"])
    found = given(KeyedProcessOperator(Trusting()), batch, keyed=True)
    assert found[None] == ["half", (1, 1), "half", (3, 3)]
    assert found["side"] == ["1", "3"]
    assert [letter["record"] for letter in found[DEAD_LETTERS]] == ["two"]


def test_a_reduction_is_as_if_the_record_had_not_been() -> None:
    found = given(ReduceOperator(lambda a, b: a + b), RowBatch([1, "x", 2], None, ["k"] * 3), keyed=True)
    assert found[None] == [1, 3]
    assert found[DEAD_LETTERS][0]["exception"] == "TypeError"


def test_a_class_of_a_module_is_named_with_it_and_a_builtin_stands_at_the_operator() -> None:
    def refuse(value: Any) -> Any:
        raise UserCodeError("no")

    found = given(MapOperator(refuse), RowBatch([1]))
    assert found[DEAD_LETTERS][0]["exception"] == "weir.errors.UserCodeError"
    assert "test_diverted_records.py:" in found[DEAD_LETTERS][0]["place"]
    found = given(MapOperator(int), RowBatch(["x"]), location="job.py:7")
    assert found[DEAD_LETTERS][0]["place"] == "job.py:7"


@pytest.mark.parametrize("error", [LocalDiskError("full"), StateAccessError("no key"), MemoryError()])
def test_what_is_no_fault_of_a_record_fails_the_job(error: Exception) -> None:
    def fail(value: Any) -> Any:
        raise error

    with pytest.raises(type(error)):
        given(MapOperator(fail), RowBatch([1]))
    assert not is_of_a_record(error)
    assert is_of_a_record(SerializationError("of a value")) and is_of_a_record(KeyError("carrier"))


def test_an_end_of_the_process_is_no_dead_letter() -> None:
    def leave(value: Any) -> Any:
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        given(MapOperator(leave), RowBatch([1]))

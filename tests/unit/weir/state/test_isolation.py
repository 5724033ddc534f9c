"""What goes into state, what comes out and what is emitted share nothing that can change."""

from __future__ import annotations

import enum
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import msgspec
import pytest

from weir.functions import KeyedProcessFunction
from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from weir.state.heap import HeapValueState, IsolatedValueState, KeyCell
from weir.state.isolation import declares_immutable, isolated
from weir.state.keyed import KeyedStateStore
from weir.testing import keyed_harness


@dataclass
class Order:
    lines: list[str] = field(default_factory=list)
    total: int = 0


@dataclass(slots=True)
class Slotted:
    lines: list[str]


class Struct(msgspec.Struct):
    lines: list[str]


class Pair(NamedTuple):
    name: str
    lines: list[str]


class Colour(enum.Enum):
    RED = 1


class Counted(Order):
    copies = 0

    def __deepcopy__(self, memo: Any) -> Counted:
        Counted.copies += 1
        return Counted(list(self.lines), self.total)


MUTABLE = [
    [1], [[1]], {"a": 1}, {"a": [1]}, {1}, bytearray(b"x"), ([1], 2), deque([1]), Counter("a"),
    Order(["a"]), Slotted(["a"]), Struct(["a"]), Pair("a", ["b"]), Counted(["a"]), {"a": Order(["b"])},
]  # fmt: skip
IMMUTABLE = [1, "a", None, (1, "a"), ((1, 2), "a"), Pair("a", "b"), Colour.RED, frozenset({1}), int, len]


def inner_lists(value: Any) -> list[Any]:
    """All lists within, of the shapes above."""
    if isinstance(value, list):
        return [value, *[found for item in value for found in inner_lists(item)]]
    if isinstance(value, tuple):
        return [found for item in value for found in inner_lists(item)]
    if isinstance(value, dict):
        return [found for item in value.values() for found in inner_lists(item)]
    return inner_lists(value.lines) if hasattr(value, "lines") else []


@pytest.mark.parametrize("value", MUTABLE, ids=repr)
def test_a_copy_is_equal_and_shares_nothing_mutable(value: Any) -> None:
    own = isolated(value)
    assert own == value
    assert type(own) is type(value)
    assert own is not value
    assert not {id(found) for found in inner_lists(own)} & {id(found) for found in inner_lists(value)}


@pytest.mark.parametrize("value", IMMUTABLE, ids=repr)
def test_what_cannot_change_is_itself(value: Any) -> None:
    assert isolated(value) is value


def test_what_cannot_be_copied_is_itself() -> None:
    lock = threading.Lock()
    assert isolated(lock) is lock


def test_a_value_that_contains_itself_is_copied_too() -> None:
    ring: list[Any] = []
    ring.append(ring)
    own = isolated(ring)
    assert own is not ring
    assert own[0] is own


@pytest.mark.parametrize(
    ("declared", "expected"),
    [
        (int, True), (str | None, True), (tuple[int, str], True), (tuple[int, ...], True), (Colour, True),
        (Literal["a"], True), (list[int], False), (tuple, False), (tuple[list[int], int], False), (Pair, False),
        (Any, False), (Order, False), (int | list[int], False), (dict, False), (frozenset[int], True),
    ],
    ids=repr,
)  # fmt: skip
def test_declared_types_whose_values_cannot_change_are_known(declared: Any, expected: bool) -> None:
    assert declares_immutable(declared) is expected
    cell = KeyCell()
    store = KeyedStateStore(cell, 128, range(128), "'op'")
    handle = store.get_state(ValueStateDescriptor("v", None if declared is Any else declared))
    assert type(handle) is (HeapValueState if expected else IsolatedValueState)


class _Lists:
    def create_accumulator(self) -> list[Any]:
        return []

    def add(self, value: Any, accumulator: list[Any]) -> list[Any]:
        accumulator.append(value)
        return accumulator

    def get_result(self, accumulator: list[Any]) -> list[Any]:
        return accumulator

    def merge(self, a: list[Any], b: list[Any]) -> list[Any]:
        return a + b


def _folded(left: list[Any], right: list[Any]) -> list[Any]:
    left.extend(right)
    return left


def test_no_handle_gives_or_takes_what_somebody_else_can_change() -> None:
    cell = KeyCell()
    store = KeyedStateStore(cell, 128, range(128), "'op'")
    value = store.get_state(ValueStateDescriptor("value"))
    items = store.get_state(ListStateDescriptor("list"))
    mapped = store.get_state(MapStateDescriptor("map"))
    reduced = store.get_state(ReducingStateDescriptor("reduced", _folded))
    summed = store.get_state(AggregatingStateDescriptor("summed", _Lists()))
    cell.key = "k"

    given = [1]
    value.update(given)
    items.add(given)
    items.add_all([given])
    mapped.put("a", given)
    mapped.put_all({"b": given})
    reduced.add(given)
    summed.add(given)

    def read() -> list[Any]:
        return [
            value.value(), items.get(), mapped.get("a"), mapped.get("b"), list(mapped.values()),
            list(mapped.items()), reduced.get(), summed.get(),
        ]  # fmt: skip

    expected = [[1], [[1], [1]], [1], [1], [[1], [1]], [("a", [1]), ("b", [1])], [1], [[1]]]
    given.append(2)
    assert read() == expected, "what was given changed"
    for found in read():
        for inner in inner_lists(found):
            inner.append(3)
    assert read() == expected, "what was read changed"


class RunningTotal(KeyedProcessFunction):
    """The pattern of every newcomer: read, change in place, give back, emit."""

    def open(self, ctx: Any) -> None:
        self.account = ctx.get_state(ValueStateDescriptor("account", dict))

    def process_element(self, value: int, ctx: Any) -> Any:
        account = self.account.value() or {"count": 0, "sum": 0}
        account["count"] += 1
        account["sum"] += value
        self.account.update(account)
        yield account


def test_rows_that_are_the_state_itself_stay_as_they_were_emitted() -> None:
    h = keyed_harness(RunningTotal(), key=lambda value: "k")
    h.process_all([1, 2, 3])
    assert h.output == [{"count": 1, "sum": 1}, {"count": 2, "sum": 3}, {"count": 3, "sum": 6}]

"""What mypy infers for state, as users write it; read by ``make types``, never run."""

from __future__ import annotations

import dataclasses
from typing import Any, assert_type

from weir.functions import AggregateFunction, ReduceFunction, RuntimeContext
from weir.serde import PickleSerializer
from weir.state import (
    AggregatingState,
    AggregatingStateDescriptor,
    ListState,
    ListStateDescriptor,
    MapState,
    MapStateDescriptor,
    ReducingState,
    ReducingStateDescriptor,
    ValueState,
    ValueStateDescriptor,
)


@dataclasses.dataclass
class Order:
    id: int


class Mean(AggregateFunction[float, tuple[float, int], float]):
    def create_accumulator(self) -> tuple[float, int]:
        return 0.0, 0

    def add(self, value: float, accumulator: tuple[float, int]) -> tuple[float, int]:
        return accumulator[0] + value, accumulator[1] + 1

    def get_result(self, accumulator: tuple[float, int]) -> float:
        return accumulator[0] / accumulator[1]

    def merge(self, a: tuple[float, int], b: tuple[float, int]) -> tuple[float, int]:
        return a[0] + b[0], a[1] + b[1]


class Larger(ReduceFunction[int]):
    def reduce(self, value1: int, value2: int) -> int:
        return max(value1, value2)


def add(a: int, b: int) -> int:
    return a + b


class Function:
    """A descriptor's type reaches the handle; without one it is Any and needs no annotation."""

    def open(self, ctx: RuntimeContext) -> None:
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))
        self.last = ctx.get_state(ValueStateDescriptor("last", type=Order))
        self.untyped = ctx.get_state(ValueStateDescriptor("untyped"))
        self.pickled = ctx.get_state(ValueStateDescriptor("pickled", PickleSerializer()))
        self.items = ctx.get_list_state(ListStateDescriptor("items", str))
        self.prices = ctx.get_map_state(MapStateDescriptor("prices", str, float))
        self.total = ctx.get_reducing_state(ReducingStateDescriptor("total", add, int))
        self.largest = ctx.get_reducing_state(ReducingStateDescriptor("largest", Larger()))
        self.mean = ctx.get_aggregating_state(AggregatingStateDescriptor("mean", Mean()))

    def check(self) -> None:
        assert_type(self.seen, ValueState[int])
        assert_type(self.seen.value(), int | None)
        assert_type(self.last, ValueState[Order])
        assert_type(self.untyped, ValueState[Any])
        assert_type(self.pickled, ValueState[Any])
        assert_type(self.items, ListState[str])
        assert_type(self.items.get(), list[str])
        assert_type(self.prices, MapState[str, float])
        assert_type(self.prices["a"], float | None)
        assert_type(self.total, ReducingState[int])
        assert_type(self.largest, ReducingState[int])
        assert_type(self.mean, AggregatingState[float, float])
        self.seen.update("x")  # type: ignore[arg-type]
        self.items.add(1)  # type: ignore[arg-type]

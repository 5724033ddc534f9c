"""Operators with two inputs: co-map, co-flat-map, co-process (keyed or not) and the broadcast pattern. Hot path."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from itertools import repeat
from typing import Any

from weir.operators.base import OperatorContext, RestoredState
from weir.operators.calls import make_call
from weir.operators.contexts import ElementContext, UnkeyedTimers
from weir.operators.process import TimedOperator
from weir.operators.stateless import (
    FlatMapOperator,
    MapOperator,
    RowWiseOperator,
    UserFunctionOperator,
)
from weir.records import RowBatch, StreamElement, Watermark
from weir.state.descriptors import MapStateDescriptor
from weir.state.keyed import NO_KEY


class _TwoSides(UserFunctionOperator):
    """A row-wise operator for each input, of one function with one state."""

    by_key = True

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._sides = self._make_sides()
        for side in self._sides:
            side.context = context
            side.share_key(self._cell)

    @abstractmethod
    def _make_sides(self) -> list[RowWiseOperator]: ...

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        return self._sides[input_index].process(batch, 0)


class CoMapOperator(_TwoSides):
    """``map1`` and ``map2`` of one function over two inputs."""

    def _make_sides(self) -> list[RowWiseOperator]:
        return [MapOperator(self._function.map1), MapOperator(self._function.map2)]


class CoFlatMapOperator(_TwoSides):
    """``flat_map1`` and ``flat_map2`` of one function over two inputs."""

    def _make_sides(self) -> list[RowWiseOperator]:
        return [FlatMapOperator(self._function.flat_map1), FlatMapOperator(self._function.flat_map2)]


class CoProcessOperator(UserFunctionOperator):
    """A ``CoProcessFunction`` without a key."""

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        self._timers = UnkeyedTimers(context.clock, context.label)
        self._ctx = ElementContext(self._timers, self._operator_state)
        self._calls = list(map(make_call, self._methods()))
        if restored is not None and restored.watermark is not None:
            self._timers.watermark = restored.watermark

    def _methods(self) -> list[Callable[..., Any]]:
        return [self._function.process_element1, self._function.process_element2]

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        for out in self._calls[input_index](self._ctx, repeat(NO_KEY), batch.values, batch.timestamps):
            yield out
            yield from self._ctx.take_side_outputs()
        yield from self._ctx.take_side_outputs()

    def on_watermark(self, watermark: Watermark) -> Iterator[StreamElement]:
        self._timers.watermark = watermark.timestamp
        yield watermark

    def discard(self) -> None:
        self._ctx.take_side_outputs()


class BroadcastProcessOperator(CoProcessOperator):
    """A ``BroadcastProcessFunction``: input 0 reads the broadcast state that input 1 writes."""

    def __init__(self, function: Any, descriptors: Sequence[MapStateDescriptor[Any, Any]]) -> None:
        super().__init__(function)
        self._descriptors = descriptors

    def open(self, context: OperatorContext, restored: RestoredState | None) -> None:
        super().open(context, restored)
        for descriptor in self._descriptors:
            self._operator_state.get_broadcast_state(descriptor)

    def _methods(self) -> list[Callable[..., Any]]:
        return [self._function.process_element, self._function.process_broadcast_element]

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        self._ctx.writable = input_index == 1
        return super().process(batch, input_index)


class KeyedCoProcessOperator(TimedOperator):
    """A ``KeyedCoProcessFunction``: both inputs are keyed and share state and timers."""

    def _register(self) -> None:
        super()._register()
        self._calls = list(map(make_call, self._methods()))

    def _methods(self) -> list[Callable[..., Any]]:
        return [self._function.process_element1, self._function.process_element2]

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        ctx = self._ctx
        keys = repeat(NO_KEY) if batch.keys is None else batch.keys
        for out in self._calls[input_index](ctx, keys, batch.values, batch.timestamps):
            yield out
            yield from ctx.take_side_outputs()
        yield from ctx.take_side_outputs()
        ctx.key = NO_KEY


class KeyedBroadcastProcessOperator(KeyedCoProcessOperator):
    """A ``KeyedBroadcastProcessFunction``: input 0 is keyed, input 1 is broadcast and has no key."""

    def __init__(self, function: Any, descriptors: Sequence[MapStateDescriptor[Any, Any]]) -> None:
        super().__init__(function)
        self._descriptors = descriptors

    def _register(self) -> None:
        for descriptor in self._descriptors:
            self._operator_state.get_broadcast_state(descriptor)
        super()._register()

    def _methods(self) -> list[Callable[..., Any]]:
        return [self._function.process_element, self._function.process_broadcast_element]

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        self._ctx.writable = input_index == 1
        return super().process(batch, input_index)

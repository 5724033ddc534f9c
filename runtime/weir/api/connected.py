"""Two streams as the inputs of one operator: connected (with or without a key), and connected with a broadcast.

Made by ``connect``. The broadcast side reaches every subtask and is kept in broadcast state; the other side reads it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from weir.api import factories
from weir.api.arguments import user_function
from weir.api.recorder import Output, Recipe
from weir.api.stream import DataStream
from weir.errors import GraphError
from weir.functions import (
    BroadcastProcessFunction,
    CoFlatMapFunction,
    CoMapFunction,
    CoProcessFunction,
    Function,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeySelector,
)

if TYPE_CHECKING:
    from weir.api.keyed import KeyedStream
    from weir.state.descriptors import MapStateDescriptor

K = TypeVar("K")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
OUT = TypeVar("OUT")


class ConnectedStreams(Generic[T1, T2]):
    """Two streams, to be read by one operator."""

    def __init__(self, stream1: DataStream[T1], stream2: DataStream[T2]) -> None:
        self._stream1 = stream1
        self._stream2 = stream2

    def key_by(
        self,
        key_selector1: Callable[[T1], K] | KeySelector[T1, K],
        key_selector2: Callable[[T2], K] | KeySelector[T2, K],
    ) -> KeyedConnectedStreams[K, T1, T2]:
        """Bring elements of both streams together by key."""
        return KeyedConnectedStreams(self._stream1.key_by(key_selector1), self._stream2.key_by(key_selector2))

    def map(self, func: CoMapFunction[T1, T2, OUT]) -> DataStream[OUT]:
        """One result for each element of either stream."""
        user_function("map() of connected streams", func, CoMapFunction, plain=False)
        return self._add(Recipe("co-map", "CoMap", factories.co_map_factory(func), (func,)))

    def flat_map(self, func: CoFlatMapFunction[T1, T2, OUT]) -> DataStream[OUT]:
        """Any number of results for each element of either stream."""
        user_function("flat_map() of connected streams", func, CoFlatMapFunction, plain=False)
        return self._add(Recipe("co-flat-map", "CoFlatMap", factories.co_flat_map_factory(func), (func,)))

    def process(self, func: CoProcessFunction[T1, T2, OUT]) -> DataStream[OUT]:
        """Results and side outputs of elements of either stream; no key, so no keyed state."""
        user_function("process() of connected streams", func, CoProcessFunction, plain=False)
        return self._add(Recipe("co-process", "CoProcess", factories.co_process_factory(func), (func,)))

    def _add(self, recipe: Recipe) -> DataStream[Any]:
        return _joined(self._stream1, self._stream2, recipe)


class KeyedConnectedStreams(ConnectedStreams[T1, T2], Generic[K, T1, T2]):
    """Two streams that share a key, and with it state and timers."""

    def __init__(self, stream1: KeyedStream[K, T1], stream2: KeyedStream[K, T2]) -> None:
        super().__init__(stream1, stream2)

    def process(self, func: KeyedCoProcessFunction[K, T1, T2, OUT]) -> DataStream[OUT]:  # type: ignore[override]
        """State by key that both streams' elements see, timers, side outputs."""
        user_function("process() of streams connected by key", func, KeyedCoProcessFunction, plain=False)
        factory = factories.keyed_co_process_factory(func)
        return self._add(Recipe("keyed-co-process", "KeyedCoProcess", factory, (func,)))

    def _add(self, recipe: Recipe) -> DataStream[Any]:
        keyed = any(isinstance(part, Function) for part in recipe.code)
        return _joined(
            self._stream1,
            self._stream2,
            Recipe(recipe.type, recipe.name, recipe.factory, recipe.code, keyed=keyed),
        )


class BroadcastStream(Generic[T2]):
    """A stream that reaches every subtask, with the states it is kept in; only good for ``connect``."""

    def __init__(self, stream: DataStream[T2], descriptors: tuple[MapStateDescriptor[Any, Any], ...]) -> None:
        from weir.state.descriptors import MapStateDescriptor

        for descriptor in descriptors:
            if not isinstance(descriptor, MapStateDescriptor):
                raise GraphError(f"broadcast() takes MapStateDescriptors, got {descriptor!r:.100}")
        self.stream = stream
        self.descriptors = descriptors


class BroadcastConnectedStream(Generic[T1, T2]):
    """A stream, and a broadcast one beside it."""

    def __init__(self, stream: DataStream[T1], broadcast: BroadcastStream[T2]) -> None:
        self._stream = stream
        self._broadcast = broadcast

    def process(self, func: BroadcastProcessFunction[T1, T2, OUT]) -> DataStream[OUT]:
        """``process_element`` reads broadcast state, ``process_broadcast_element`` writes it."""
        user_function("process() with a broadcast stream", func, BroadcastProcessFunction, plain=False)
        descriptors = self._broadcast.descriptors
        factory = factories.broadcast_process_factory(func, descriptors)
        code = (func, _described(descriptors))
        return _joined(
            self._stream,
            self._broadcast.stream,
            Recipe("broadcast-process", "BroadcastProcess", factory, code),
        )


class KeyedBroadcastConnectedStream(BroadcastConnectedStream[T1, T2], Generic[K, T1, T2]):
    """A keyed stream, and a broadcast one beside it."""

    def __init__(self, stream: KeyedStream[K, T1], broadcast: BroadcastStream[T2]) -> None:
        super().__init__(stream, broadcast)

    def process(  # type: ignore[override]
        self, func: KeyedBroadcastProcessFunction[K, T1, T2, OUT]
    ) -> DataStream[OUT]:
        """As without a key; ``process_element`` may also use keyed state and timers."""
        call = "process() of a keyed stream with a broadcast one"
        user_function(call, func, KeyedBroadcastProcessFunction, plain=False)
        descriptors = self._broadcast.descriptors
        factory = factories.keyed_broadcast_process_factory(func, descriptors)
        code = (func, _described(descriptors))
        recipe = Recipe("keyed-broadcast-process", "KeyedBroadcastProcess", factory, code, keyed=True)
        return _joined(self._stream, self._broadcast.stream, recipe)


def _described(descriptors: tuple[MapStateDescriptor[Any, Any], ...]) -> list[str]:
    return [descriptor.name for descriptor in descriptors]


def _joined(first: DataStream[Any], second: DataStream[Any], recipe: Recipe) -> DataStream[Any]:
    node = first._record(recipe, second)  # noqa: SLF001  the room's own
    return DataStream(first._env, (Output(node),))  # noqa: SLF001

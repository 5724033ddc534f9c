"""``KeyedStream``: a stream whose elements with equal keys meet, so that functions may keep state by key.

Made by ``DataStream.key_by``. Results of its operators are plain streams again, as in Flink.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from weir.api import factories
from weir.api.arguments import positive, user_function
from weir.api.recorder import Recipe
from weir.api.stream import DataStream
from weir.errors import GraphError
from weir.functions import KeyedProcessFunction, ReduceFunction
from weir.graph.logical import Partitioning

if TYPE_CHECKING:
    from weir.api.connected import (
        BroadcastStream,
        ConnectedStreams,
        KeyedBroadcastConnectedStream,
        KeyedConnectedStreams,
    )
    from weir.api.windowed import WindowedStream
    from weir.windows.assigners import WindowAssigner
    from weir.windows.window import GlobalWindow, Window

K = TypeVar("K")
T = TypeVar("T")
U = TypeVar("U")
OUT = TypeVar("OUT")
W = TypeVar("W", bound="Window")


class KeyedStream(DataStream[T], Generic[K, T]):
    """A stream of ``T`` partitioned by a key of type ``K``."""

    def _is_keyed(self) -> bool:
        return True

    def process(self, func: KeyedProcessFunction[K, T, OUT]) -> DataStream[OUT]:  # type: ignore[override]
        """State, timers, side outputs and any number of results, by key."""
        user_function("process() on a keyed stream", func, KeyedProcessFunction, plain=False)
        recipe = Recipe(
            "keyed-process", "KeyedProcess", factories.keyed_process_factory(func), (func,), keyed=True
        )
        return self._add(recipe)

    def reduce(self, func: Callable[[T, T], T] | ReduceFunction[T]) -> DataStream[T]:
        """The running reduction of each key: one result for each element."""
        user_function("reduce()", func, ReduceFunction)
        return self._add(Recipe("reduce", "Reduce", factories.reduce_factory(func), (func,), keyed=True))

    def window(self, window_assigner: WindowAssigner[Any, W]) -> WindowedStream[K, T, W]:
        """Put the rows of each key into windows, such as ``TumblingEventTimeWindows.of("10s")``."""
        from weir.api.windowed import WindowedStream

        return WindowedStream(self, window_assigner)

    def count_window(self, size: int, slide: int | None = None) -> WindowedStream[K, T, GlobalWindow]:
        """Windows of ``size`` rows of a key; with ``slide``, of the newest ``size`` rows, after each ``slide`` of them.

        Raises ``GraphError`` for what is no whole number of 1 or more.
        """
        from weir.windows.assigners import GlobalWindows
        from weir.windows.evictors import CountEvictor
        from weir.windows.triggers import CountTrigger, PurgingTrigger

        positive("count_window(size)", size, 2**31 - 1)
        windows = self.window(GlobalWindows.create())
        if slide is None:
            return windows.trigger(PurgingTrigger.of(CountTrigger.of(size)))
        positive("count_window(slide)", slide, 2**31 - 1)
        return windows.evictor(CountEvictor.of(size)).trigger(CountTrigger.of(slide))

    @overload  # type: ignore[override]
    def connect(self, ds: BroadcastStream[U]) -> KeyedBroadcastConnectedStream[K, T, U]: ...
    @overload
    def connect(self, ds: KeyedStream[K, U]) -> KeyedConnectedStreams[K, T, U]: ...
    @overload
    def connect(self, ds: DataStream[U]) -> ConnectedStreams[T, U]: ...
    def connect(
        self, ds: BroadcastStream[U] | DataStream[U]
    ) -> KeyedBroadcastConnectedStream[K, T, U] | ConnectedStreams[T, U]:
        """With another keyed stream: both share state by key. With a broadcast one: each key sees all of it."""
        from weir.api.connected import BroadcastStream, KeyedBroadcastConnectedStream, KeyedConnectedStreams

        if isinstance(ds, BroadcastStream):
            return KeyedBroadcastConnectedStream(self, ds)
        if isinstance(ds, KeyedStream):
            return KeyedConnectedStreams(self, cast("KeyedStream[K, U]", ds))
        return super().connect(ds)

    def _repartitioned(self, partitioning: Partitioning) -> DataStream[T]:
        raise GraphError(
            f"a keyed stream cannot be partitioned by {partitioning}: its key decides where elements go; call it "
            "before key_by(...), or after the operator that follows"
        )

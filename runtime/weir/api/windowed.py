"""``WindowedStream``: rows of a keyed stream in windows. Made by ``KeyedStream.window`` or ``count_window``.

What a window keeps is chosen by how it ends: ``reduce`` and ``aggregate`` keep one value for each key and window,
``process`` and ``apply`` keep all rows. Results carry the window's last millisecond as their event time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from weir.api import factories
from weir.api.arguments import instance_of, user_function
from weir.api.recorder import Recipe
from weir.config import Duration
from weir.errors import GraphError
from weir.functions import AggregateFunction, OutputTag, ReduceFunction
from weir.windows.assigners import WindowAssigner, checked_assigner
from weir.windows.evictors import Evictor
from weir.windows.functions import ProcessWindowFunction, WindowFunction
from weir.windows.lengths import lateness_ms
from weir.windows.sessions import MergingWindowAssigner
from weir.windows.settings import WindowSettings
from weir.windows.triggers import Trigger
from weir.windows.window import Window

if TYPE_CHECKING:
    from weir.api.keyed import KeyedStream
    from weir.api.stream import DataStream

K = TypeVar("K")
T = TypeVar("T")
W = TypeVar("W", bound=Window)
ACC = TypeVar("ACC")
V = TypeVar("V")
OUT = TypeVar("OUT")


class WindowedStream(Generic[K, T, W]):
    """Rows of type ``T`` by key of type ``K`` in windows of type ``W``."""

    def __init__(
        self,
        keyed_stream: KeyedStream[K, T],
        assigner: WindowAssigner[Any, W],
        settings: WindowSettings | None = None,
    ) -> None:
        checked_assigner("window()", assigner)
        self._stream = keyed_stream
        self._settings = settings or WindowSettings(assigner, assigner.get_default_trigger())

    def _with(self, **changes: Any) -> WindowedStream[K, T, W]:
        changed = replace(self._settings, **changes)
        return WindowedStream(self._stream, changed.assigner, changed)

    # ---- settings

    def trigger(self, trigger: Trigger[Any, Any]) -> WindowedStream[K, T, W]:
        """Decide when windows give results by ``trigger``, instead of the assigner's default.

        Raises ``GraphError`` for windows that merge with a trigger that cannot.
        """
        instance_of("trigger()", trigger, Trigger)
        assigner = self._settings.assigner
        if isinstance(assigner, MergingWindowAssigner) and not trigger.can_merge():
            raise GraphError(
                f"trigger(): {type(assigner).__name__} merges windows, but {type(trigger).__name__} cannot be used with windows that "
                "merge: its can_merge() is false; give it can_merge() and on_merge(), or use another trigger"
            )
        return self._with(trigger=trigger)

    def evictor(self, evictor: Evictor[Any, Any]) -> WindowedStream[K, T, W]:
        """Drop rows from a window when it fires; all of its rows are kept until then, also by ``reduce`` and ``aggregate``."""
        return self._with(evictor=instance_of("evictor()", evictor, Evictor))

    def allowed_lateness(self, time: Duration) -> WindowedStream[K, T, W]:
        """Keep windows for ``"5s"`` (a ``timedelta``, seconds) after their end: each late row gives the new result. Default: 0.

        Later rows are dropped and counted, or go to the side output of ``side_output_late_data``. Raises ``GraphError`` for
        windows by processing time, where nothing is late.
        """
        lateness = lateness_ms("allowed_lateness()", time)
        if not self._settings.assigner.is_event_time():
            raise GraphError(
                f"allowed_lateness({time!r}): rows are never late for {type(self._settings.assigner).__name__}, which do not go by event "
                "time; leave it out, or use windows by event time"
            )
        return self._with(lateness=lateness)

    def side_output_late_data(self, output_tag: OutputTag[T]) -> WindowedStream[K, T, W]:
        """Send rows that come after all of their windows are gone to ``output_tag``, instead of dropping them.

        Get them by ``get_side_output`` of the stream of results.
        """
        return self._with(late_tag=instance_of("side_output_late_data()", output_tag, OutputTag))

    # ---- results

    @overload
    def reduce(
        self, reduce_function: Callable[[T, T], T] | ReduceFunction[T], *, element_type: Any = None
    ) -> DataStream[T]: ...
    @overload
    def reduce(
        self,
        reduce_function: Callable[[T, T], T] | ReduceFunction[T],
        window_function: ProcessWindowFunction[T, OUT, K, W] | WindowFunction[T, OUT, K, W],
        *,
        element_type: Any = None,
    ) -> DataStream[OUT]: ...
    def reduce(
        self,
        reduce_function: Callable[[T, T], T] | ReduceFunction[T],
        window_function: Any = None,
        *,
        element_type: Any = None,
    ) -> DataStream[Any]:
        """The reduction of each key and window when it fires; ``window_function`` is given it with the window.

        ``element_type``: of the rows, which state needs for classes of your own.
        """
        user_function("reduce() of windows", reduce_function, ReduceFunction)
        return self._add("reduce", reduce_function, window_function, element_type)

    @overload
    def aggregate(
        self, aggregate_function: AggregateFunction[T, ACC, OUT], *, accumulator_type: Any = None
    ) -> DataStream[OUT]: ...
    @overload
    def aggregate(
        self,
        aggregate_function: AggregateFunction[T, ACC, V],
        window_function: ProcessWindowFunction[V, OUT, K, W] | WindowFunction[V, OUT, K, W],
        *,
        accumulator_type: Any = None,
    ) -> DataStream[OUT]: ...
    def aggregate(
        self,
        aggregate_function: AggregateFunction[T, Any, Any],
        window_function: Any = None,
        *,
        accumulator_type: Any = None,
    ) -> DataStream[Any]:
        """The aggregate of each key and window when it fires; ``window_function`` is given it with the window.

        ``accumulator_type``: of what ``create_accumulator`` gives, which state needs for classes of your own.
        """
        user_function("aggregate()", aggregate_function, AggregateFunction, plain=False)
        return self._add("aggregate", aggregate_function, window_function, accumulator_type)

    def process(
        self, process_window_function: ProcessWindowFunction[T, OUT, K, W], *, element_type: Any = None
    ) -> DataStream[OUT]:
        """Any number of results of each key and window when it fires, from all of its rows.

        ``element_type``: of the rows, which state needs for classes of your own.
        """
        user_function("process() of windows", process_window_function, ProcessWindowFunction, plain=False)
        return self._add("process", None, process_window_function, element_type)

    def apply(
        self, window_function: WindowFunction[T, OUT, K, W], *, element_type: Any = None
    ) -> DataStream[OUT]:
        """As ``process``, by a function without a context."""
        user_function("apply()", window_function, WindowFunction, plain=False)
        return self._add("process", None, window_function, element_type)

    def _add(self, kind: str, function: Any, window_function: Any, value_type: Any) -> DataStream[Any]:
        if window_function is not None and not isinstance(window_function, WindowFunction):
            user_function(f"{kind}() of windows", window_function, ProcessWindowFunction, plain=False)
        factory = factories.window_factory(self._settings, kind, function, window_function, value_type)
        name = f"Window{kind.capitalize()}"
        settings = self._settings
        code = (
            settings.assigner,
            settings.trigger,
            settings.evictor,
            settings.lateness,
            function,
            window_function,
        )
        recipe = Recipe(f"window-{kind}", name, factory, code, keyed=True)
        return self._stream._add(recipe)  # noqa: SLF001  the room's own

"""Makes operators from user functions, one fresh operator a subtask.

Each factory imports its operator when it is called: building a graph (also in the loading child, which never runs an
operator) stays light. A function object is copied for each operator, so that subtasks that share a process never
share what ``open`` put on ``self``.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from weir.connectors.sink import Sink
from weir.connectors.source import Source
from weir.functions import Function
from weir.windows.watermark_strategy import WatermarkStrategy

if TYPE_CHECKING:
    from weir.operators.base import Operator

Factory = Callable[[], "Operator"]


def own_copy(function: Any) -> Any:
    """A copy for one subtask; plain callables are shared."""
    if not isinstance(function, Function):
        return function
    try:
        return copy.deepcopy(function)
    except Exception:  # noqa: BLE001  a lock or an open file cannot be copied deeply; what open() sets is still apart
        return copy.copy(function)


def map_factory(function: Any) -> Factory:
    """For ``map``."""

    def make() -> Operator:
        from weir.operators.stateless import MapOperator

        return MapOperator(own_copy(function))

    return make


def flat_map_factory(function: Any) -> Factory:
    """For ``flat_map``."""

    def make() -> Operator:
        from weir.operators.stateless import FlatMapOperator

        return FlatMapOperator(own_copy(function))

    return make


def filter_factory(function: Any) -> Factory:
    """For ``filter``."""

    def make() -> Operator:
        from weir.operators.stateless import FilterOperator

        return FilterOperator(own_copy(function))

    return make


def process_factory(function: Any) -> Factory:
    """For ``process`` without a key."""

    def make() -> Operator:
        from weir.operators.process import ProcessOperator

        return ProcessOperator(own_copy(function))

    return make


def keyed_process_factory(function: Any) -> Factory:
    """For ``process`` by key."""

    def make() -> Operator:
        from weir.operators.process import KeyedProcessOperator

        return KeyedProcessOperator(own_copy(function))

    return make


def reduce_factory(function: Any) -> Factory:
    """For ``reduce``."""

    def make() -> Operator:
        from weir.operators.process import ReduceOperator

        return ReduceOperator(own_copy(function))

    return make


def co_map_factory(function: Any) -> Factory:
    """For ``map`` of connected streams."""

    def make() -> Operator:
        from weir.operators.connected import CoMapOperator

        return CoMapOperator(own_copy(function))

    return make


def co_flat_map_factory(function: Any) -> Factory:
    """For ``flat_map`` of connected streams."""

    def make() -> Operator:
        from weir.operators.connected import CoFlatMapOperator

        return CoFlatMapOperator(own_copy(function))

    return make


def co_process_factory(function: Any) -> Factory:
    """For ``process`` of connected streams without a key."""

    def make() -> Operator:
        from weir.operators.connected import CoProcessOperator

        return CoProcessOperator(own_copy(function))

    return make


def keyed_co_process_factory(function: Any) -> Factory:
    """For ``process`` of streams connected by key."""

    def make() -> Operator:
        from weir.operators.connected import KeyedCoProcessOperator

        return KeyedCoProcessOperator(own_copy(function))

    return make


def broadcast_process_factory(function: Any, descriptors: tuple[Any, ...]) -> Factory:
    """For ``process`` of a stream and a broadcast one."""

    def make() -> Operator:
        from weir.operators.connected import BroadcastProcessOperator

        return BroadcastProcessOperator(own_copy(function), descriptors)

    return make


def keyed_broadcast_process_factory(function: Any, descriptors: tuple[Any, ...]) -> Factory:
    """For ``process`` of a keyed stream and a broadcast one."""

    def make() -> Operator:
        from weir.operators.connected import KeyedBroadcastProcessOperator

        return KeyedBroadcastProcessOperator(own_copy(function), descriptors)

    return make


def watermarks_factory(strategy: WatermarkStrategy) -> Factory:
    """For ``assign_timestamps_and_watermarks``."""

    def make() -> Operator:
        from weir.operators.watermarks import TimestampsAndWatermarksOperator

        return TimestampsAndWatermarksOperator(strategy)

    return make


def source_factory(source: Source[Any, Any], strategy: WatermarkStrategy) -> Factory:
    """For the reader side of a source."""

    def make() -> Operator:
        from weir.operators.source import SourceOperator

        return SourceOperator(source, strategy)

    return make


def sink_factory(sink: Sink[Any, Any]) -> Factory:
    """For a sink."""

    def make() -> Operator:
        from weir.operators.sink import SinkOperator

        return SinkOperator(sink)

    return make


def project_factory(columns: Any, *, keep: bool) -> Factory:
    """For ``select`` and ``with_columns``."""

    def make() -> Operator:
        from weir.operators.columns import ProjectOperator

        return ProjectOperator(columns, keep=keep)

    return make


def filter_columns_factory(predicate: Any) -> Factory:
    """For ``filter`` of columns."""

    def make() -> Operator:
        from weir.operators.columns import FilterColumnsOperator

        return FilterColumnsOperator(predicate)

    return make


def to_rows_factory(columns: tuple[str, ...]) -> Factory:
    """For ``to_rows``."""

    def make() -> Operator:
        from weir.operators.columns import ToRowsOperator

        return ToRowsOperator(columns)

    return make


def to_columns_factory(schema: Any) -> Factory:
    """For ``to_columns``."""

    def make() -> Operator:
        from weir.operators.columns import ToColumnsOperator

        return ToColumnsOperator(schema)

    return make


def running_aggregate_factory(keys: tuple[str, ...], aggregates: Any, *, by_row: bool) -> Factory:
    """For ``aggregate`` by key."""

    def make() -> Operator:
        from weir.operators.columns import RunningAggregateOperator

        return RunningAggregateOperator(keys, aggregates, by_row=by_row)

    return make


def window_aggregate_factory(keys: tuple[str, ...], aggregates: Any, size: int, slide: int) -> Factory:
    """For ``aggregate`` by key and window."""

    def make() -> Operator:
        from weir.operators.column_windows import WindowAggregateOperator

        return WindowAggregateOperator(keys, aggregates, size, slide)

    return make


def window_factory(settings: Any, kind: str, function: Any, window_function: Any, value_type: Any) -> Factory:
    """For windows of rows; ``kind``: ``reduce``, ``aggregate``, or ``process`` (then ``function`` is ``None``)."""

    def make() -> Operator:
        from weir.operators.windowing import window_operator

        return window_operator(settings, kind, own_copy(function), own_copy(window_function), value_type)

    return make

"""Weir: a stateful stream processor for Python that lives in Kubernetes.

This module is the public facade: what a job imports comes from here (``from weir import FileSource``),
and everything that is not in ``__all__`` may change without notice. Names are loaded when they are first used, so that
``import weir`` is quick. It is also the one place that wires ``env.execute()`` to a local cluster.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from weir.api.executor import Executor, JobExecutionResult, set_default_executor

if TYPE_CHECKING:
    from weir.api.checkpoint_config import CheckpointConfig, RestartStrategies
    from weir.api.columns import ColumnStream, KeyedColumnStream, WindowedColumnStream
    from weir.api.connected import (
        BroadcastConnectedStream,
        BroadcastStream,
        ConnectedStreams,
        KeyedBroadcastConnectedStream,
        KeyedConnectedStreams,
    )
    from weir.api.environment import StreamExecutionEnvironment
    from weir.api.keyed import KeyedStream
    from weir.api.stream import DataStream, DataStreamSink
    from weir.api.windowed import WindowedStream
    from weir.columnar.aggregates import Aggregate, Count, Max, Mean, Min, Sum
    from weir.columnar.expressions import Expression, col, lit
    from weir.config import CheckpointingMode, ExternalizedCheckpointRetention, OnError
    from weir.connectors import (
        Assignment,
        CollectionSource,
        CollectSink,
        ColumnGeneratorSource,
        Committer,
        DataGeneratorSource,
        EnumeratorContext,
        Fetched,
        FileSink,
        FileSource,
        Pending,
        PrintSink,
        ReaderContext,
        Sink,
        Source,
        SplitEnumerator,
        SplitReader,
        Writer,
        WriterContext,
    )
    from weir.errors import (
        ConfigError,
        GraphError,
        JobFailed,
        JobLoadError,
        RestoreBlocked,
        SnapshotError,
        StorageError,
        UserError,
        WeirError,
    )
    from weir.functions import (
        AggregateFunction,
        BroadcastContext,
        BroadcastProcessFunction,
        CoFlatMapFunction,
        CoMapFunction,
        Context,
        CoProcessFunction,
        DeadLetter,
        FilterFunction,
        FlatMapFunction,
        KeyedBroadcastProcessFunction,
        KeyedContext,
        KeyedCoProcessFunction,
        KeyedProcessFunction,
        KeySelector,
        MapFunction,
        OnTimerContext,
        OutputTag,
        Partitioner,
        ProcessFunction,
        ReadOnlyContext,
        ReadOnlyKeyedContext,
        ReduceFunction,
        RuntimeContext,
        TimeDomain,
        TimerService,
    )
    from weir.operators.job_code import JobCode
    from weir.state.descriptors import (
        AggregatingStateDescriptor,
        ListStateDescriptor,
        MapStateDescriptor,
        ReducingStateDescriptor,
        ValueStateDescriptor,
    )
    from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, ValueState
    from weir.state.ttl_config import StateTtlConfig
    from weir.windows.assigners import (
        GlobalWindows,
        SlidingEventTimeWindows,
        SlidingProcessingTimeWindows,
        TumblingEventTimeWindows,
        TumblingProcessingTimeWindows,
        WindowAssigner,
    )
    from weir.windows.evictors import CountEvictor, Evictor, TimeEvictor, TimestampedValue
    from weir.windows.functions import KeyedStateStore, ProcessWindowFunction, WindowContext, WindowFunction
    from weir.windows.sessions import (
        EventTimeSessionWindows,
        MergingWindowAssigner,
        ProcessingTimeSessionWindows,
    )
    from weir.windows.triggers import (
        ContinuousEventTimeTrigger,
        CountTrigger,
        EventTimeTrigger,
        NeverTrigger,
        OnMergeContext,
        ProcessingTimeTrigger,
        PurgingTrigger,
        Trigger,
        TriggerContext,
        TriggerResult,
    )
    from weir.windows.watermark_strategy import WatermarkGenerator, WatermarkStrategy
    from weir.windows.window import GlobalWindow, TimeWindow, Window

__version__ = "0.1.0.dev0"

#: Where each name of the facade lives.
_HOMES = {
    "api.environment": "StreamExecutionEnvironment",
    "api.stream": "DataStream DataStreamSink",
    "api.columns": "ColumnStream KeyedColumnStream WindowedColumnStream",
    "columnar.aggregates": "Aggregate Count Max Mean Min Sum",
    "columnar.expressions": "Expression col lit",
    "api.keyed": "KeyedStream",
    "api.windowed": "WindowedStream",
    "api.connected": "BroadcastConnectedStream BroadcastStream ConnectedStreams KeyedBroadcastConnectedStream "
    "KeyedConnectedStreams",
    "api.checkpoint_config": "CheckpointConfig RestartStrategies",
    "config": "CheckpointingMode ExternalizedCheckpointRetention OnError",
    "functions": "AggregateFunction BroadcastContext BroadcastProcessFunction CoFlatMapFunction CoMapFunction "
    "CoProcessFunction Context DeadLetter FilterFunction FlatMapFunction KeySelector KeyedBroadcastProcessFunction "
    "KeyedCoProcessFunction KeyedContext KeyedProcessFunction MapFunction OnTimerContext OutputTag Partitioner "
    "ProcessFunction ReadOnlyContext ReadOnlyKeyedContext ReduceFunction RuntimeContext TimeDomain TimerService",
    "state.descriptors": "AggregatingStateDescriptor ListStateDescriptor MapStateDescriptor "
    "ReducingStateDescriptor ValueStateDescriptor",
    "state.handles": "AggregatingState ListState MapState ReducingState ValueState",
    "state.ttl_config": "StateTtlConfig",
    "windows.window": "GlobalWindow TimeWindow Window",
    "windows.assigners": "GlobalWindows SlidingEventTimeWindows SlidingProcessingTimeWindows TumblingEventTimeWindows TumblingProcessingTimeWindows WindowAssigner",
    "windows.sessions": "EventTimeSessionWindows MergingWindowAssigner ProcessingTimeSessionWindows",
    "windows.triggers": "ContinuousEventTimeTrigger CountTrigger EventTimeTrigger NeverTrigger OnMergeContext ProcessingTimeTrigger PurgingTrigger Trigger TriggerContext TriggerResult",
    "windows.evictors": "CountEvictor Evictor TimeEvictor TimestampedValue",
    "windows.functions": "KeyedStateStore ProcessWindowFunction WindowContext WindowFunction",
    "windows.watermark_strategy": "WatermarkGenerator WatermarkStrategy",
    "connectors": "Assignment CollectSink CollectionSource ColumnGeneratorSource Committer DataGeneratorSource EnumeratorContext Fetched "
    "FileSink FileSource Pending PrintSink ReaderContext Sink Source SplitEnumerator SplitReader Writer WriterContext",
    "errors": "ConfigError GraphError JobFailed JobLoadError RestoreBlocked SnapshotError StorageError UserError "
    "WeirError",
}
_HOME_OF = {name: f"weir.{room}" for room, names in _HOMES.items() for name in names.split()}

__all__ = [
    "__version__",
    # a job
    "StreamExecutionEnvironment",
    "JobExecutionResult",
    "CheckpointConfig",
    "CheckpointingMode",
    "ExternalizedCheckpointRetention",
    "RestartStrategies",
    # streams
    "DataStream",
    "DataStreamSink",
    "DeadLetter",
    "KeyedStream",
    "WindowedStream",
    "ConnectedStreams",
    "KeyedConnectedStreams",
    "BroadcastStream",
    "BroadcastConnectedStream",
    "KeyedBroadcastConnectedStream",
    # columns
    "ColumnStream",
    "KeyedColumnStream",
    "WindowedColumnStream",
    "Expression",
    "col",
    "lit",
    "Aggregate",
    "Count",
    "Sum",
    "Min",
    "Max",
    "Mean",
    # functions
    "MapFunction",
    "FlatMapFunction",
    "FilterFunction",
    "ReduceFunction",
    "AggregateFunction",
    "KeySelector",
    "Partitioner",
    "ProcessFunction",
    "KeyedProcessFunction",
    "CoMapFunction",
    "CoFlatMapFunction",
    "CoProcessFunction",
    "KeyedCoProcessFunction",
    "BroadcastProcessFunction",
    "KeyedBroadcastProcessFunction",
    "OutputTag",
    # what functions are handed
    "RuntimeContext",
    "Context",
    "KeyedContext",
    "OnError",
    "OnTimerContext",
    "ReadOnlyContext",
    "ReadOnlyKeyedContext",
    "BroadcastContext",
    "TimerService",
    "TimeDomain",
    # state
    "ValueState",
    "ListState",
    "MapState",
    "ReducingState",
    "StateTtlConfig",
    "AggregatingState",
    "ValueStateDescriptor",
    "ListStateDescriptor",
    "MapStateDescriptor",
    "ReducingStateDescriptor",
    "AggregatingStateDescriptor",
    # time
    "WatermarkStrategy",
    "WatermarkGenerator",
    # windows
    "WindowAssigner",
    "TumblingEventTimeWindows",
    "TumblingProcessingTimeWindows",
    "SlidingEventTimeWindows",
    "SlidingProcessingTimeWindows",
    "EventTimeSessionWindows",
    "ProcessingTimeSessionWindows",
    "MergingWindowAssigner",
    "GlobalWindows",
    "Window",
    "TimeWindow",
    "GlobalWindow",
    "ProcessWindowFunction",
    "WindowFunction",
    "WindowContext",
    "KeyedStateStore",
    "Trigger",
    "TriggerResult",
    "TriggerContext",
    "OnMergeContext",
    "EventTimeTrigger",
    "ProcessingTimeTrigger",
    "CountTrigger",
    "ContinuousEventTimeTrigger",
    "PurgingTrigger",
    "NeverTrigger",
    "Evictor",
    "CountEvictor",
    "TimeEvictor",
    "TimestampedValue",
    # connectors
    "FileSource",
    "FileSink",
    "CollectionSource",
    "DataGeneratorSource",
    "ColumnGeneratorSource",
    "CollectSink",
    "PrintSink",
    # contracts for connectors
    "Source",
    "SplitEnumerator",
    "SplitReader",
    "Assignment",
    "Fetched",
    "Pending",
    "ReaderContext",
    "EnumeratorContext",
    "Sink",
    "Writer",
    "Committer",
    "WriterContext",
    # errors
    "WeirError",
    "UserError",
    "ConfigError",
    "JobLoadError",
    "GraphError",
    "StorageError",
    "SnapshotError",
    "RestoreBlocked",
    "JobFailed",
]


def __getattr__(name: str) -> Any:
    """Load a name of the facade from where it lives."""
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module 'weir' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _LocalCluster:
    """Runs the job of a script on a cluster of this machine."""

    def execute(self, job: JobCode) -> JobExecutionResult:
        from weir.local import execute_script

        return execute_script(job, job.graph.name)


def _local_cluster() -> Executor:
    return _LocalCluster()


set_default_executor(_local_cluster)

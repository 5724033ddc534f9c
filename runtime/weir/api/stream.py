"""``DataStream``: the fluent calls in which a job is written. Each one records an operator or a property of an edge.

Nothing runs here: ``recorder`` keeps what was written, ``environment.execute`` hands it over, ``graph.plan`` makes the
plan of it. Streams with a key are in ``keyed``, two streams together in ``connected``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from weir.api import factories
from weir.api.arguments import instance_of, label, method_of, positive, user_function
from weir.api.recorder import NodeDraft, Output, Recipe
from weir.config import OnError
from weir.connectors.sink import Sink
from weir.errors import GraphError
from weir.functions import (
    DEAD_LETTERS,
    DeadLetter,
    FilterFunction,
    FlatMapFunction,
    Function,
    KeySelector,
    MapFunction,
    OutputTag,
    Partitioner,
    ProcessFunction,
)
from weir.graph.logical import Chaining, NodeKind, Partitioning
from weir.operators.job_code import EdgeCode
from weir.windows.watermark_strategy import WatermarkStrategy

if TYPE_CHECKING:
    from typing import Self

    from weir.api.columns import ColumnStream
    from weir.api.connected import BroadcastConnectedStream, BroadcastStream, ConnectedStreams
    from weir.api.environment import StreamExecutionEnvironment
    from weir.api.keyed import KeyedStream
    from weir.state.descriptors import MapStateDescriptor

T = TypeVar("T")
U = TypeVar("U")
K = TypeVar("K")
OUT = TypeVar("OUT")


#: Types of operators that call a function for each record of a stream. Not those with a broadcast side: each subtask has all of it.
_CALL_FOR_EACH = frozenset(
    {
        "map",
        "flat-map",
        "filter",
        "process",
        "keyed-process",
        "reduce",
        "co-map",
        "co-flat-map",
        "co-process",
        "keyed-co-process",
    }
)


class _Settings:
    """What can be set on the operator made last."""

    def _operator(self, call: str) -> NodeDraft:
        raise NotImplementedError

    def uid(self, uid: str) -> Self:
        """Name the operator for ever: its state is found by this name after any change of the job."""
        self._operator("uid()").uid = label("uid()", uid)
        return self

    def name(self, name: str) -> Self:
        """How plans, logs and metrics call the operator; no effect on state."""
        self._operator("name()").name = label("name()", name)
        return self

    def set_parallelism(self, parallelism: int) -> Self:
        """Subtasks of this operator, instead of the job's parallelism."""
        self._operator("set_parallelism()").parallelism = positive("set_parallelism()", parallelism)
        return self

    def set_max_parallelism(self, max_parallelism: int) -> Self:
        """Key groups of this operator, instead of the job's; cannot change while state is kept."""
        node = self._operator("set_max_parallelism()")
        node.max_parallelism = positive("set_max_parallelism()", max_parallelism)
        return self

    def slot_sharing_group(self, slot_sharing_group: str) -> Self:
        """Operators of different groups never share a slot; default: that of the inputs, else ``default``."""
        node = self._operator("slot_sharing_group()")
        node.slot_group = label("slot_sharing_group()", slot_sharing_group)
        return self

    def disable_chaining(self) -> Self:
        """Run the operator in a task of its own."""
        self._operator("disable_chaining()").chaining = Chaining.NEVER
        return self


class DataStreamSink(_Settings):
    """The end of a stream."""

    def __init__(self, node: NodeDraft) -> None:
        self._node = node

    def _operator(self, call: str) -> NodeDraft:
        return self._node


def sink_recipe(sink: Sink[Any, Any]) -> Recipe:
    """Of the operator that writes to ``sink``."""
    return Recipe(
        "sink",
        type(sink).__name__,
        factories.sink_factory(sink),
        (sink,),
        kind=NodeKind.SINK,
        transactional=sink.transactional,
        sink=sink,
    )


class DataStream(_Settings, Generic[T]):
    """A stream of ``T``. Calls that make an operator return the stream of its results."""

    def __init__(self, env: StreamExecutionEnvironment, outputs: tuple[Output, ...]) -> None:
        self._env = env
        self._outputs = outputs

    def _operator(self, call: str) -> NodeDraft:
        """The operator whose main output this stream is. Raises ``GraphError`` if it is none's."""
        output = self._outputs[0]
        if len(self._outputs) == 1 and output.side_tag is None and output.partitioning is None:
            return output.node
        subject = (
            "a union"
            if len(self._outputs) > 1
            else f"side output '{output.side_tag}'"
            if output.side_tag is not None
            else f"a stream after {output.partitioning} partitioning"
        )
        raise GraphError(
            f"{call} sets something of an operator, but {subject} is none; call it directly after the operator "
            "(after map, process, from_source, ...)"
        )

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Tell who puts rows into windows before there is a key what is missing; type checkers tell it by themselves."""
            if name in ("window", "count_window"):
                raise GraphError(
                    f"{name}() needs a keyed stream, and this one has no key; call key_by(...) before it (key_by(lambda row: 0) brings "
                    "all rows into the same windows)"
                )
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def _add(self, recipe: Recipe) -> DataStream[Any]:
        return DataStream(self._env, (Output(self._record(recipe)),))

    def _record(self, recipe: Recipe, second: DataStream[Any] | None = None) -> NodeDraft:
        recorder = self._env._recorder  # noqa: SLF001  the environment is this room's own
        return recorder.add(recipe, self._outputs, () if second is None else second._outputs)  # noqa: SLF001

    def start_new_chain(self) -> Self:
        """Begin a task with this operator: it is not chained to its input."""
        self._operator("start_new_chain()").chaining = Chaining.HEAD
        return self

    # ---- operators

    def map(self, func: Callable[[T], OUT] | MapFunction[T, OUT]) -> DataStream[OUT]:
        """One result for each element."""
        user_function("map()", func, MapFunction)
        return self._add(self._row_wise("map", "Map", factories.map_factory(func), func))

    def flat_map(self, func: Callable[[T], Iterable[OUT]] | FlatMapFunction[T, OUT]) -> DataStream[OUT]:
        """Any number of results for each element: what ``func`` returns or yields."""
        user_function("flat_map()", func, FlatMapFunction)
        return self._add(self._row_wise("flat-map", "FlatMap", factories.flat_map_factory(func), func))

    def filter(self, func: Callable[[T], object] | FilterFunction[T]) -> DataStream[T]:
        """The elements for which ``func`` is true."""
        user_function("filter()", func, FilterFunction)
        return self._add(self._row_wise("filter", "Filter", factories.filter_factory(func), func))

    def _row_wise(self, type_: str, name: str, factory: factories.Factory, func: object) -> Recipe:
        """A map-like operator; on a keyed stream a rich function may keep state by key."""
        return Recipe(type_, name, factory, (func,), keyed=self._is_keyed() and isinstance(func, Function))

    def _is_keyed(self) -> bool:
        return False

    def process(self, func: ProcessFunction[T, OUT]) -> DataStream[OUT]:
        """Any number of results and side outputs for each element, with its timestamp at hand."""
        user_function("process()", func, ProcessFunction, plain=False)
        return self._add(Recipe("process", "Process", factories.process_factory(func), (func,)))

    def assign_timestamps_and_watermarks(self, watermark_strategy: WatermarkStrategy) -> DataStream[T]:
        """Give elements event times, and the stream watermarks, replacing those it had."""
        call = "assign_timestamps_and_watermarks()"
        instance_of(call, watermark_strategy, WatermarkStrategy)
        factory = factories.watermarks_factory(watermark_strategy)
        return self._add(
            Recipe("timestamps-watermarks", "Timestamps/Watermarks", factory, (watermark_strategy,))
        )

    def get_side_output(self, output_tag: OutputTag[U]) -> DataStream[U]:
        """What this operator emits to ``output_tag``."""
        instance_of("get_side_output()", output_tag, OutputTag)
        return DataStream(self._env, (Output(self._operator("get_side_output()"), output_tag.tag_id),))

    def on_error(self, policy: OnError) -> Self:
        """What an exception of this operator's function does, instead of ``pipeline.on-error``: fail the job, or divert the record."""
        instance_of("on_error()", policy, OnError)
        self._calling_functions("on_error()").on_error = policy
        return self

    def get_dead_letters(self) -> DataStream[DeadLetter]:
        """The records whose function raised, if the policy is ``OnError.DEAD_LETTER``: each with the exception, in place of its results."""
        return DataStream(self._env, (Output(self._calling_functions("get_dead_letters()"), DEAD_LETTERS),))

    def _calling_functions(self, call: str) -> NodeDraft:
        node = self._operator(call)
        if node.type not in _CALL_FOR_EACH:
            raise GraphError(
                f"{call} is about operators that call a function for each record ({', '.join(sorted(_CALL_FOR_EACH))}), and "
                f"'{node.name}' is of type {node.type}; catch the exception in its function, or check records in a map() before it"
            )
        return node

    def to_columns(self, schema: Any) -> ColumnStream:
        """A stream of columns: rows are dicts, or tuples in the order of ``schema`` (a ``pyarrow.Schema``)."""
        from weir import columnar
        from weir.api.columns import ColumnStream

        columnar.require("to_columns()")
        factory = factories.to_columns_factory(schema)
        return ColumnStream(
            self._env, (Output(self._record(Recipe("to-columns", "ToColumns", factory, (str(schema),)))),)
        )

    # ---- several streams

    def union(self, *streams: DataStream[T]) -> DataStream[T]:
        """All elements of this stream and of the others, in no particular order between them."""
        outputs = self._outputs
        for stream in streams:
            instance_of("union()", stream, DataStream)
            outputs += stream._outputs  # noqa: SLF001  of the same class
        return DataStream(self._env, outputs)

    @overload
    def connect(self, ds: BroadcastStream[U]) -> BroadcastConnectedStream[T, U]: ...
    @overload
    def connect(self, ds: DataStream[U]) -> ConnectedStreams[T, U]: ...
    def connect(
        self, ds: BroadcastStream[U] | DataStream[U]
    ) -> BroadcastConnectedStream[T, U] | ConnectedStreams[T, U]:
        """This stream and another as the two inputs of one operator, which sees which is which."""
        from weir.api.connected import BroadcastConnectedStream, BroadcastStream, ConnectedStreams

        if isinstance(ds, BroadcastStream):
            return BroadcastConnectedStream(self, ds)
        instance_of("connect()", ds, DataStream)
        return ConnectedStreams(self, ds)

    # ---- partitioning

    def key_by(self, key_selector: Callable[[T], K] | KeySelector[T, K]) -> KeyedStream[K, T]:
        """Bring elements with equal keys together; what follows may keep state and timers by key."""
        from weir.api.keyed import KeyedStream

        user_function("key_by()", key_selector, KeySelector)
        code = EdgeCode(key_selector=method_of(key_selector, KeySelector, "get_key"))
        return KeyedStream(self._env, self._partitioned(Partitioning.HASH, code))

    def _partitioned(self, partitioning: Partitioning, code: EdgeCode | None = None) -> tuple[Output, ...]:
        return tuple(output._replace(partitioning=partitioning, code=code) for output in self._outputs)

    def _repartitioned(self, partitioning: Partitioning) -> DataStream[T]:
        return DataStream(self._env, self._partitioned(partitioning))

    def forward(self) -> DataStream[T]:
        """Subtask n sends to subtask n of the next operator, which must have the same parallelism."""
        return self._repartitioned(Partitioning.FORWARD)

    def rebalance(self) -> DataStream[T]:
        """Spread elements evenly over all subtasks of the next operator."""
        return self._repartitioned(Partitioning.REBALANCE)

    def rescale(self) -> DataStream[T]:
        """Spread elements evenly over a few neighbouring subtasks of the next operator."""
        return self._repartitioned(Partitioning.RESCALE)

    def shuffle(self) -> DataStream[T]:
        """Send each element to a random subtask of the next operator."""
        return self._repartitioned(Partitioning.SHUFFLE)

    def global_(self) -> DataStream[T]:
        """Send all elements to the first subtask of the next operator."""
        return self._repartitioned(Partitioning.GLOBAL)

    @overload
    def broadcast(self) -> DataStream[T]: ...
    @overload
    def broadcast(
        self, descriptor: MapStateDescriptor[Any, Any], /, *descriptors: MapStateDescriptor[Any, Any]
    ) -> BroadcastStream[T]: ...
    def broadcast(self, *descriptors: MapStateDescriptor[Any, Any]) -> DataStream[T] | BroadcastStream[T]:
        """Send each element to every subtask; with ``descriptors`` for ``connect``, to keep it in broadcast state."""
        from weir.api.connected import BroadcastStream

        stream = self._repartitioned(Partitioning.BROADCAST)
        return BroadcastStream(stream, descriptors) if descriptors else stream

    def partition_custom(
        self,
        partitioner: Callable[[K, int], int] | Partitioner,
        key_selector: Callable[[T], K] | KeySelector[T, K],
    ) -> DataStream[T]:
        """Send each element where ``partitioner(key, number of subtasks)`` says."""
        user_function("partition_custom()", partitioner, Partitioner)
        user_function("partition_custom()", key_selector, KeySelector)
        code = EdgeCode(
            key_selector=method_of(key_selector, KeySelector, "get_key"),
            partitioner=method_of(partitioner, Partitioner, "partition"),
        )
        return DataStream(self._env, self._partitioned(Partitioning.CUSTOM, code))

    # ---- ends

    def sink_to(self, sink: Sink[T, Any]) -> DataStreamSink:
        """Write the stream to ``sink``."""
        instance_of("sink_to()", sink, Sink)
        if sink.columnar:
            raise GraphError(
                f"sink_to() of rows got {type(sink).__name__}, which takes columns; use to_columns() before it"
            )
        return DataStreamSink(self._record(sink_recipe(sink)))

    def print(self, sink_identifier: str = "") -> DataStreamSink:
        """Print elements to the standard output of the worker, ``sink_identifier`` before each."""
        from weir.connectors.print_sink import PrintSink

        return self.sink_to(PrintSink(sink_identifier)).name("Print")

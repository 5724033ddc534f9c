"""The public API as a user types it: each chain's element type is what mypy must see. Read by mypy, never run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, assert_type

from weir import (
    AggregateFunction,
    AggregatingStateDescriptor,
    BroadcastProcessFunction,
    BroadcastStream,
    CheckpointingMode,
    CollectionSource,
    CollectSink,
    ConnectedStreams,
    Context,
    CoProcessFunction,
    DataStream,
    DataStreamSink,
    EventTimeSessionWindows,
    FilterFunction,
    FlatMapFunction,
    GlobalWindow,
    JobExecutionResult,
    KeyedBroadcastProcessFunction,
    KeyedConnectedStreams,
    KeyedContext,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    KeyedStream,
    KeySelector,
    ListStateDescriptor,
    MapFunction,
    MapStateDescriptor,
    OnTimerContext,
    OutputTag,
    ProcessFunction,
    ProcessWindowFunction,
    ReadOnlyContext,
    ReadOnlyKeyedContext,
    ReduceFunction,
    RestartStrategies,
    RuntimeContext,
    SlidingEventTimeWindows,
    Source,
    StreamExecutionEnvironment,
    TimeWindow,
    TumblingEventTimeWindows,
    ValueState,
    ValueStateDescriptor,
    WatermarkStrategy,
    WindowContext,
    WindowedStream,
    WindowFunction,
)
from weir.functions import BroadcastContext

LATE = OutputTag("late", str)
RULES = MapStateDescriptor("rules", str, int)


class Length(MapFunction[str, int]):
    def map(self, value: str) -> int:
        return len(value)


class Words(FlatMapFunction[str, str]):
    def flat_map(self, value: str) -> Iterable[str]:
        yield from value.split()


class LongOnes(FilterFunction[str]):
    def filter(self, value: str) -> bool:
        return len(value) > 3


class FirstLetter(KeySelector[str, str]):
    def get_key(self, value: str) -> str:
        return value[0]


class Sum(ReduceFunction[int]):
    def reduce(self, value1: int, value2: int) -> int:
        return value1 + value2


class Parse(ProcessFunction[str, float]):
    def process_element(self, value: str, ctx: Context) -> Iterator[float]:
        if ctx.timestamp() is None:
            ctx.output(LATE, value)
        yield float(value)


class CountWords(KeyedProcessFunction[str, str, tuple[str, int]]):
    count: ValueState[int]

    def open(self, runtime_context: RuntimeContext) -> None:
        self.count = runtime_context.get_state(ValueStateDescriptor("count", int))

    def process_element(self, value: str, ctx: KeyedContext) -> Iterator[tuple[str, int]]:
        assert_type(self.count.value(), int | None)
        self.count.update((self.count.value() or 0) + 1)
        ctx.timer_service().register_event_time_timer(10)
        yield ctx.get_current_key(), 1

    def on_timer(self, timestamp: int, ctx: OnTimerContext) -> Iterator[tuple[str, int]]:
        yield ctx.get_current_key(), timestamp


class Join(KeyedCoProcessFunction[str, str, int, float]):
    def process_element1(self, value: str, ctx: KeyedContext) -> Iterable[float]:
        return [float(value)]

    def process_element2(self, value: int, ctx: KeyedContext) -> Iterable[float]:
        return [float(value)]


class Merge(CoProcessFunction[str, int, bytes]):
    def process_element1(self, value: str, ctx: Context) -> Iterable[bytes] | None:
        return [value.encode()]

    def process_element2(self, value: int, ctx: Context) -> Iterable[bytes] | None:
        return None


class Apply(BroadcastProcessFunction[str, tuple[str, int], int]):
    def process_element(self, value: str, ctx: ReadOnlyContext) -> Iterator[int]:
        yield ctx.get_broadcast_state(RULES).get(value) or 0

    def process_broadcast_element(self, value: tuple[str, int], ctx: BroadcastContext) -> None:
        ctx.get_broadcast_state(RULES).put(*value)


class ApplyByKey(KeyedBroadcastProcessFunction[str, str, tuple[str, int], int]):
    def process_element(self, value: str, ctx: ReadOnlyKeyedContext) -> Iterator[int]:
        yield 1

    def process_broadcast_element(self, value: tuple[str, int], ctx: BroadcastContext) -> None:
        return None


class Mean(AggregateFunction[int, tuple[int, int], float]):
    def create_accumulator(self) -> tuple[int, int]:
        return 0, 0

    def add(self, value: int, accumulator: tuple[int, int]) -> tuple[int, int]:
        return accumulator[0] + value, accumulator[1] + 1

    def get_result(self, accumulator: tuple[int, int]) -> float:
        return accumulator[0] / accumulator[1]

    def merge(self, a: tuple[int, int], b: tuple[int, int]) -> tuple[int, int]:
        return a[0] + b[0], a[1] + b[1]


def sources(env: StreamExecutionEnvironment, source: Source[bytes, Any]) -> None:
    assert_type(env.from_collection(["a", "b"]), DataStream[str])
    assert_type(env.from_collection([1, 2]), DataStream[int])
    assert_type(env.from_source(CollectionSource([1.5])), DataStream[float])
    assert_type(env.from_source(source, WatermarkStrategy.no_watermarks(), name="raw"), DataStream[bytes])


def callables(lines: DataStream[str]) -> None:
    assert_type(lines.map(len), DataStream[int])
    assert_type(lines.map(lambda line: line.upper()), DataStream[str])
    assert_type(lines.map(lambda line: (line, 1)), DataStream[tuple[str, int]])
    assert_type(lines.flat_map(lambda line: line.split()), DataStream[str])
    assert_type(lines.filter(lambda line: len(line) > 3), DataStream[str])
    assert_type(lines.key_by(lambda line: line[0]), KeyedStream[str, str])
    assert_type(lines.map(len).key_by(lambda n: n % 2 == 0), KeyedStream[bool, int])
    assert_type(lines.map(len).key_by(lambda n: n).reduce(lambda a, b: a + b), DataStream[int])


def function_objects(lines: DataStream[str]) -> None:
    assert_type(lines.map(Length()), DataStream[int])
    assert_type(lines.flat_map(Words()), DataStream[str])
    assert_type(lines.filter(LongOnes()), DataStream[str])
    assert_type(lines.process(Parse()), DataStream[float])
    assert_type(lines.process(Parse()).get_side_output(LATE), DataStream[str])
    keyed = lines.key_by(FirstLetter())
    assert_type(keyed, KeyedStream[str, str])
    assert_type(keyed.process(CountWords()), DataStream[tuple[str, int]])
    assert_type(keyed.map(Length()), DataStream[int])
    assert_type(lines.map(Length()).key_by(lambda n: n).reduce(Sum()), DataStream[int])


def settings_keep_the_type(lines: DataStream[str]) -> None:
    assert_type(lines.map(len).uid("a").name("b").set_parallelism(2).disable_chaining(), DataStream[int])
    assert_type(lines.rebalance().rescale().shuffle().forward().global_(), DataStream[str])
    assert_type(lines.broadcast(), DataStream[str])
    assert_type(lines.partition_custom(lambda key, n: key % n, len), DataStream[str])
    assert_type(lines.union(lines, lines), DataStream[str])
    assert_type(lines.print().uid("p"), DataStreamSink)
    assert_type(
        lines.assign_timestamps_and_watermarks(
            WatermarkStrategy.for_bounded_out_of_orderness(timedelta(seconds=5))
            .with_timestamp_assigner(lambda value, stamp: int(value))
            .with_idleness("1m")
        ),
        DataStream[str],
    )


def two_streams(lines: DataStream[str], numbers: DataStream[int], rules: DataStream[tuple[str, int]]) -> None:
    assert_type(lines.connect(numbers), ConnectedStreams[str, int])
    assert_type(lines.connect(numbers).process(Merge()), DataStream[bytes])
    by_key = lines.connect(numbers).key_by(lambda line: line[0], lambda n: f"{n}")
    assert_type(by_key, KeyedConnectedStreams[str, str, int])
    assert_type(by_key.process(Join()), DataStream[float])
    keyed = lines.key_by(lambda line: line[0])
    assert_type(keyed.connect(numbers.key_by(str)).process(Join()), DataStream[float])
    spread = rules.broadcast(RULES)
    assert_type(spread, BroadcastStream[tuple[str, int]])
    assert_type(lines.connect(spread).process(Apply()), DataStream[int])
    assert_type(keyed.connect(spread).process(ApplyByKey()), DataStream[int])


def state(ctx: RuntimeContext) -> None:
    assert_type(ctx.get_state(ValueStateDescriptor("v", str)).value(), str | None)
    assert_type(list(ctx.get_list_state(ListStateDescriptor("l", int)).get()), list[int])
    assert_type(ctx.get_map_state(RULES).get("a"), int | None)
    assert_type(ctx.get_aggregating_state(AggregatingStateDescriptor("m", Mean())).get(), float | None)


def whole_job(env: StreamExecutionEnvironment) -> None:
    env.set_parallelism(2).enable_checkpointing("10s", CheckpointingMode.EXACTLY_ONCE)
    env.set_restart_strategy(RestartStrategies.fixed_delay_restart(3, "1s"))
    sink: CollectSink[tuple[str, int]] = CollectSink()
    words = env.from_collection(["a b"]).flat_map(str.split)
    words.key_by(lambda w: w).process(CountWords()).sink_to(sink).uid("out")
    assert_type(env.execute("job"), JobExecutionResult)


class Longest(AggregateFunction[str, int, float]):
    def create_accumulator(self) -> int:
        return 0

    def add(self, value: str, accumulator: int) -> int:
        return max(accumulator, len(value))

    def get_result(self, accumulator: int) -> float:
        return float(accumulator)

    def merge(self, a: int, b: int) -> int:
        return max(a, b)


class Labelled(ProcessWindowFunction[float, tuple[int, float], str, TimeWindow]):
    def process(
        self, key: str, context: WindowContext[TimeWindow], elements: Iterable[float]
    ) -> Iterator[tuple[int, float]]:
        assert_type(context.window().start, int)
        assert_type(context.window_state().get_state(ValueStateDescriptor("n", int)), ValueState[int])
        for element in elements:
            yield context.window().end, element


class Lines(WindowFunction[str, int, str, TimeWindow]):
    def apply(self, key: str, window: TimeWindow, inputs: Iterable[str]) -> Iterator[int]:
        yield len(list(inputs))


def windows(lines: DataStream[str]) -> None:
    by_line = lines.key_by(lambda line: line)
    tumbling = by_line.window(TumblingEventTimeWindows.of("10s", offset=timedelta(hours=-1)))
    assert_type(tumbling, WindowedStream[str, str, TimeWindow])
    assert_type(tumbling.reduce(lambda a, b: a + b), DataStream[str])
    assert_type(tumbling.aggregate(Longest()), DataStream[float])
    assert_type(
        tumbling.aggregate(Longest(), Labelled(), accumulator_type=int), DataStream[tuple[int, float]]
    )
    assert_type(tumbling.allowed_lateness("5s").side_output_late_data(LATE).apply(Lines()), DataStream[int])
    assert_type(by_line.window(SlidingEventTimeWindows.of("10s", "5s")).reduce(max), DataStream[str])
    assert_type(by_line.window(EventTimeSessionWindows.with_gap(30)).apply(Lines()), DataStream[int])
    assert_type(by_line.count_window(3), WindowedStream[str, str, GlobalWindow])

"""What fluent calls record, and which slips are refused at the user's line."""

from __future__ import annotations

import pytest

from weir import (
    BroadcastProcessFunction,
    CheckpointingMode,
    CollectionSource,
    CollectSink,
    CoMapFunction,
    CoProcessFunction,
    ExternalizedCheckpointRetention,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    KeySelector,
    MapFunction,
    MapStateDescriptor,
    OnError,
    OutputTag,
    Partitioner,
    ProcessFunction,
    RestartStrategies,
    StreamExecutionEnvironment,
    WatermarkStrategy,
)
from weir.api.executor import JobExecutionResult, LoadContext, executing_with
from weir.api.factories import own_copy
from weir.config import ExponentialDelay, FailureRate, FixedDelay, JobOptions, NoRestart
from weir.errors import ConfigError, GraphError
from weir.graph.logical import Chaining, NodeKind, Partitioning
from weir.graph.plan import make_plan

TABLE = MapStateDescriptor("table", str, str)


class Inc(MapFunction):
    def map(self, value):
        return value + 1


class Count(KeyedProcessFunction):
    def process_element(self, value, ctx):
        yield 1


class Route(ProcessFunction):
    def process_element(self, value, ctx):
        yield value


class Enrich(BroadcastProcessFunction):
    def process_element(self, value, ctx):
        yield value

    def process_broadcast_element(self, value, ctx):
        return None


class EnrichByKey(KeyedBroadcastProcessFunction):
    def process_element(self, value, ctx):
        yield value

    def process_broadcast_element(self, value, ctx):
        return None


class Join(KeyedCoProcessFunction):
    def process_element1(self, value, ctx):
        yield value

    def process_element2(self, value, ctx):
        yield value


class Merge(CoProcessFunction):
    def process_element1(self, value, ctx):
        yield value

    def process_element2(self, value, ctx):
        yield value


class Both(CoMapFunction):
    def map1(self, value):
        return value

    def map2(self, value):
        return value


@pytest.fixture
def env():
    return StreamExecutionEnvironment()


@pytest.fixture
def numbers(env):
    return env.from_source(CollectionSource([1, 2, 3]), name="numbers")


def nodes(env):
    return {node.name: node for node in env.job_code("job").graph.nodes}


def edges(env):
    return env.job_code("job").graph.edges


def test_each_call_makes_an_operator_with_a_factory(env, numbers):
    numbers.map(lambda x: x).flat_map(lambda x: [x]).filter(bool).process(Route()).sink_to(CollectSink())
    job = env.job_code("job")
    assert [node.type for node in job.graph.nodes] == [
        "source",
        "map",
        "flat-map",
        "filter",
        "process",
        "sink",
    ]
    assert set(job.factories) == {1, 2, 3, 4, 5, 6}
    assert list(job.sources) == [1]
    assert [(edge.source, edge.target) for edge in job.graph.edges] == [
        (1, 2),
        (2, 3),
        (3, 4),
        (4, 5),
        (5, 6),
    ]


def test_settings_apply_to_the_operator_they_follow(env, numbers):
    mapped = numbers.map(lambda x: x).uid("m").name("Double").set_parallelism(3).set_max_parallelism(9)
    mapped.slot_sharing_group("g").start_new_chain()
    numbers.print().uid("out").name("Out").disable_chaining()
    double, out = nodes(env)["Double"], nodes(env)["Out"]
    assert (double.uid, double.parallelism, double.max_parallelism, double.slot_group) == ("m", 3, 9, "g")
    assert double.chaining is Chaining.HEAD
    assert (out.uid, out.chaining, out.kind) == ("out", Chaining.NEVER, NodeKind.SINK)


def test_a_node_remembers_the_line_that_made_it(env, numbers):
    numbers.map(lambda x: x)
    assert "test_recorded_streams.py:" in nodes(env)["Map"].location


@pytest.mark.parametrize("call", ["rebalance", "rescale", "shuffle", "forward", "global_", "broadcast"])
def test_partitioners_mark_the_next_edge(env, numbers, call):
    getattr(numbers, call)().map(lambda x: x)
    assert edges(env)[0].partitioning == Partitioning(call.rstrip("_"))


def test_without_a_partitioner_the_edge_is_open(env, numbers):
    numbers.map(lambda x: x)
    assert edges(env)[0].partitioning is None


def test_a_key_selector_travels_with_its_edge(env, numbers):
    class Parity(KeySelector):
        def get_key(self, value):
            return value % 2

    numbers.key_by(lambda x: x % 3).process(Count())
    numbers.key_by(Parity()).reduce(lambda a, b: a + b)
    job = env.job_code("job")
    assert [edge.partitioning for edge in job.graph.edges] == [Partitioning.HASH, Partitioning.HASH]
    assert [job.edges[i].key_selector(5) for i in (0, 1)] == [2, 1]
    assert all(node.keyed for node in job.graph.nodes[1:])


def test_a_custom_partitioner_travels_with_its_edge(env, numbers):
    class Mod(Partitioner):
        def partition(self, key, num_partitions):
            return key % num_partitions

    numbers.partition_custom(Mod(), lambda x: x + 1).map(lambda x: x)
    code = env.job_code("job").edges[0]
    assert code.partitioner(code.key_selector(4), 3) == 2


def test_a_rich_function_on_a_keyed_stream_is_keyed_and_a_lambda_is_not(env, numbers):
    keyed = numbers.key_by(lambda x: x)
    keyed.map(Inc())
    keyed.map(lambda x: x)
    assert [node.keyed for node in env.job_code("job").graph.nodes] == [False, True, False]


def test_union_gives_the_next_operator_several_edges(env, numbers):
    other = env.from_collection([4])
    numbers.union(other.map(lambda x: x), other).map(lambda x: x)
    target = env.job_code("job").graph.nodes[-1].id
    assert [edge.source for edge in edges(env) if edge.target == target] == [1, 3, 2]


def test_a_side_output_is_an_edge_with_a_tag(env, numbers):
    routed = numbers.process(Route())
    routed.get_side_output(OutputTag("late")).print()
    assert edges(env)[-1].side_tag == "late"


def test_connected_streams_are_the_two_inputs_of_one_operator(env, numbers):
    other = env.from_collection(["a"])
    numbers.connect(other).map(Both())
    numbers.connect(other).process(Merge())
    numbers.connect(other).key_by(lambda x: x, lambda x: x).process(Join())
    numbers.key_by(lambda x: x).connect(other.key_by(lambda x: x)).process(Join())
    job = env.job_code("job").graph
    assert [node.type for node in job.nodes[2:]] == [
        "co-map",
        "co-process",
        "keyed-co-process",
        "keyed-co-process",
    ]
    assert [(edge.source, edge.input_index) for edge in job.edges] == [(1, 0), (2, 1)] * 4
    assert [edge.partitioning for edge in job.edges[4:]] == [Partitioning.HASH] * 4
    assert [node.keyed for node in job.nodes[2:]] == [False, False, True, True]


def test_a_broadcast_stream_reaches_all_and_brings_its_state(env, numbers):
    rules = env.from_collection(["rule"]).broadcast(TABLE)
    numbers.connect(rules).process(Enrich())
    numbers.key_by(lambda x: x).connect(rules).process(EnrichByKey())
    job = env.job_code("job").graph
    assert [node.type for node in job.nodes[2:]] == ["broadcast-process", "keyed-broadcast-process"]
    assert [edge.partitioning for edge in job.edges] == [
        None,
        Partitioning.BROADCAST,
        Partitioning.HASH,
        Partitioning.BROADCAST,
    ]
    make_plan(job, 2, 128)


def test_a_collection_has_one_subtask(env):
    env.from_collection([1])
    assert nodes(env)["Collection"].parallelism == 1


def test_watermarks_can_be_assigned_after_the_source(env, numbers):
    numbers.assign_timestamps_and_watermarks(WatermarkStrategy.for_monotonous_timestamps())
    assert nodes(env)["Timestamps/Watermarks"].type == "timestamps-watermarks"


def test_a_source_that_cannot_replay_and_a_sink_that_is_not_transactional_are_marked(env):
    class Socket(CollectionSource):
        replayable = False

    env.from_source(Socket([1])).print()
    found = nodes(env)
    assert not found["Socket"].replayable
    assert not found["Print"].transactional


SLIPS = {
    "a class for an object": (
        lambda s: s.process(Route),
        "got the class Route; make an instance: Route\\(\\)",
    ),
    "the wrong function class": (lambda s: s.map(Count()), "got Count, which is a KeyedProcessFunction"),
    "a lambda where contexts are": (
        lambda s: s.process(lambda v, ctx: []),
        "takes a ProcessFunction, got the plain callable .*<lambda>",
    ),
    "a value": (lambda s: s.map(5), "map\\(\\) takes a callable or a MapFunction, got int: 5"),
    "keyed process without a key": (
        lambda s: s.process(Count()),
        "process\\(\\) takes a ProcessFunction, got Count, which is a Keyed",
    ),
    "plain process with a key": (
        lambda s: s.key_by(str).process(Route()),
        "on a keyed stream takes a KeyedProcessFunction",
    ),
    "rebalance after key_by": (
        lambda s: s.key_by(str).rebalance(),
        "a keyed stream cannot be partitioned by rebalance",
    ),
    "uid on a union": (
        lambda s: s.union(s).uid("x"),
        "uid\\(\\) sets something of an operator, but a union is none",
    ),
    "uid after a partitioner": (
        lambda s: s.shuffle().uid("x"),
        "a stream after shuffle partitioning is none",
    ),
    "name of a side output": (
        lambda s: s.process(Route()).get_side_output(OutputTag("t")).name("x"),
        "side output 't' is none",
    ),
    "parallelism zero": (
        lambda s: s.set_parallelism(0),
        "set_parallelism\\(\\) takes a whole number from 1 to 32768, got 0",
    ),
    "parallelism as text": (lambda s: s.set_parallelism("4"), "got '4'"),
    "an empty uid": (lambda s: s.uid(""), "uid\\(\\) takes a text that is not empty, got ''"),
    "a sink class": (
        lambda s: s.sink_to(CollectSink),
        "sink_to\\(\\) takes a Sink, got the class CollectSink",
    ),
    "no sink": (lambda s: s.sink_to(print), "sink_to\\(\\) takes a Sink, got builtin_function_or_method"),
    "a union with a list": (lambda s: s.union([s]), "union\\(\\) takes a DataStream, got list"),
    "a broadcast of no state": (
        lambda s: s.broadcast("table"),
        "broadcast\\(\\) takes MapStateDescriptors, got 'table'",
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_refused_where_it_is_written(numbers, slip):
    call, message = SLIPS[slip]
    with pytest.raises(GraphError, match=message):
        call(numbers)


def test_a_coroutine_function_is_refused(numbers):
    async def fetch(value):
        return value

    with pytest.raises(GraphError, match=r"coroutine function .*fetch"):
        numbers.map(fetch)


def test_streams_of_two_environments_do_not_mix(numbers):
    other = StreamExecutionEnvironment().from_collection([1])
    with pytest.raises(GraphError, match="belongs to another StreamExecutionEnvironment"):
        numbers.union(other).map(lambda x: x)


def test_settings_of_the_environment_become_options(env):
    env.set_parallelism(4).set_max_parallelism(64).enable_checkpointing(
        10_000, CheckpointingMode.AT_LEAST_ONCE
    )
    env.get_checkpoint_config().set_checkpoint_timeout("1m").set_min_pause_between_checkpoints(500)
    env.get_checkpoint_config().set_externalized_checkpoint_retention(
        ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION
    )
    env.set_buffer_timeout("5ms").disable_operator_chaining().set_config("heartbeat.interval", "1s")
    env.from_collection([1])
    options = JobOptions.from_settings(env.job_code("job").graph.settings)
    assert (env.get_parallelism(), env.get_max_parallelism()) == (4, 64)
    assert (options.pipeline.parallelism, options.pipeline.max_parallelism, options.pipeline.chaining) == (
        4,
        64,
        False,
    )
    assert options.pipeline.buffer_timeout == 0.005
    checkpoints = options.checkpoints
    assert (checkpoints.interval, checkpoints.timeout, checkpoints.min_pause) == (10, 60, 0.5)
    assert checkpoints.mode is CheckpointingMode.AT_LEAST_ONCE
    assert checkpoints.retention is ExternalizedCheckpointRetention.RETAIN_ON_CANCELLATION
    assert options.process.heartbeat_interval == 1
    assert env.get_checkpoint_config().get_checkpoint_interval() == 10_000


@pytest.mark.parametrize(
    ("strategy", "options"),
    [
        (RestartStrategies.no_restart(), NoRestart()),
        (RestartStrategies.fixed_delay_restart(3, 1500), FixedDelay(3, 1.5)),
        (RestartStrategies.exponential_delay_restart(max_backoff="5s"), ExponentialDelay(max=5)),
        (RestartStrategies.failure_rate_restart(2, "1m", "1s"), FailureRate(2, 60, 1)),
    ],
)
def test_restart_strategies_become_options(env, strategy, options):
    env.enable_checkpointing("1s").set_restart_strategy(strategy)
    env.from_collection([1])
    assert JobOptions.from_settings(env.job_code("job").graph.settings).restart == options


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        (1_800_000, 1800),
        (3_600_000.0, 3600),
        (1_234_567, 1234.567),
        (123456.7, 123.4567),
        (0.5, 0.0005),
        (1e-3, 1e-6),
    ],
)
def test_bare_milliseconds_are_kept_as_they_are_however_many(env, given, seconds):
    env.from_collection([1]).print()
    env.enable_checkpointing(given).get_checkpoint_config().set_min_pause_between_checkpoints(given)
    checkpoints = JobOptions.from_settings(env.job_code("job").graph.settings).checkpoints
    assert (checkpoints.interval, checkpoints.min_pause) == (seconds, seconds)


def test_bare_milliseconds_of_restarts_may_be_hours(env):
    env.from_collection([1]).print()
    env.enable_checkpointing("1s")
    env.set_restart_strategy(RestartStrategies.failure_rate_restart(3, 3_600_000, 10_000))
    assert JobOptions.from_settings(env.job_code("job").graph.settings).restart == FailureRate(3, 3600, 10)


@pytest.mark.parametrize(
    "refused",
    [
        lambda env: env.set_restart_strategy(RestartStrategies.failure_rate_restart(3, -1, "1s")),
        lambda env: env.set_restart_strategy(
            RestartStrategies.exponential_delay_restart(backoff_multiplier=float("nan"))
        ),
        lambda env: env.enable_checkpointing("1s", "sometimes"),
        lambda env: env.enable_checkpointing(float("inf")),
    ],
    ids=["negative", "not a number", "no mode", "infinite"],
)
def test_a_call_that_is_refused_leaves_nothing_of_it(env, refused):
    env.from_collection([1]).print()
    before = dict(env.job_code("job").graph.settings)
    with pytest.raises(ConfigError):
        refused(env)
    assert env.job_code("job").graph.settings == before


def test_a_wrong_setting_is_refused_at_its_line(env):
    with pytest.raises(
        ConfigError, match=r"set_config\(\): unknown setting heartbeat.intervall; did you mean"
    ):
        env.set_config("heartbeat.intervall", "1s")
    with pytest.raises(ConfigError, match=r"got 'soon', expected a duration"):
        env.enable_checkpointing("soon")
    with pytest.raises(GraphError, match="takes a RestartStrategy, got str"):
        env.set_restart_strategy("none")


def test_execute_hands_the_job_to_the_executor_once(env):
    class Keeps:
        def execute(self, job):
            self.job = job
            return JobExecutionResult("id", job.graph.name, 12)

    executor = Keeps()
    env.from_collection([1])
    with executing_with(LoadContext(executor, parallelism=5)):
        assert env.get_parallelism() == 5
        result = env.execute("named")
    assert executor.job.graph.name == "named"
    assert (result.get_job_id(), result.get_net_runtime()) == ("id", 12)
    with pytest.raises(GraphError, match="called before"):
        env.execute("again")


def test_a_job_without_operators_is_refused(env):
    with pytest.raises(GraphError, match="no operators"):
        env.execute("empty")


def test_each_subtask_gets_a_function_object_of_its_own():
    class Rich(MapFunction):
        def __init__(self):
            self.seen = []

        def map(self, value):
            return value

    rich = Rich()
    copied = own_copy(rich)
    assert copied is not rich
    assert copied.seen is not rich.seen
    plain = str
    assert own_copy(plain) is plain


def test_a_function_object_that_cannot_be_copied_deeply_is_copied_flat():
    class Holds(MapFunction):
        def __init__(self):
            self.numbers = (n for n in ())

        def map(self, value):
            return value

    holds = Holds()
    copied = own_copy(holds)
    assert copied is not holds
    assert copied.numbers is holds.numbers


def test_a_policy_for_errors_is_kept_beside_the_graph(env):
    mapped = env.from_collection([1]).map(Inc()).on_error(OnError.DEAD_LETTER)
    mapped.get_dead_letters().sink_to(CollectSink("dead"))
    mapped.map(Inc()).on_error(OnError.FAIL)
    code = env.job_code("job")
    assert code.on_error == {2: OnError.DEAD_LETTER, 4: OnError.FAIL}
    assert [edge.side_tag for edge in code.graph.edges] == [None, "weir:dead-letters", None]


def test_dead_letters_that_nobody_reads_are_refused_at_the_operators_line(env):
    env.from_collection([1]).map(Inc()).on_error(OnError.DEAD_LETTER)
    with pytest.raises(
        GraphError, match=r"test_recorded_streams\.py:\d+: operator 'Map' diverts .* nothing reads"
    ):
        env.job_code("job")


def test_only_operators_that_call_a_function_for_each_record_divert_one(env):
    rows = env.from_collection([1])
    with pytest.raises(GraphError, match=r"on_error\(\) is about .*, and 'Collection' is of type source"):
        rows.on_error(OnError.DEAD_LETTER)
    window = rows.key_by(str).count_window(2).reduce(max)
    with pytest.raises(GraphError, match=r"get_dead_letters\(\) is about .* is of type"):
        window.get_dead_letters()
    with pytest.raises(GraphError, match="takes a OnError, got str"):
        rows.map(Inc()).on_error("dead-letter")

"""Plans of whole jobs as pictures: the same job gives the same plan, for ever and everywhere."""

from __future__ import annotations

import pytest

from weir import (
    BroadcastProcessFunction,
    CollectionSource,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    MapStateDescriptor,
    OutputTag,
    PrintSink,
    StreamExecutionEnvironment,
    WatermarkStrategy,
)
from weir.graph.plan import make_plan
from weir.graph.render import render


class Count(KeyedProcessFunction):
    def process_element(self, value, ctx):
        yield ctx.get_current_key(), 1


class Enrich(BroadcastProcessFunction):
    def process_element(self, value, ctx):
        yield value

    def process_broadcast_element(self, value, ctx):
        return None


class Match(KeyedCoProcessFunction):
    def process_element1(self, value, ctx):
        yield value

    def process_element2(self, value, ctx):
        yield value


def source(env, name):
    return env.from_source(CollectionSource([name]), name=name).uid(name)


def word_count(env):
    lines = source(env, "lines")
    words = lines.flat_map(str.split).map(lambda w: (w, 1))
    counts = words.key_by(lambda pair: pair[0]).reduce(lambda a, b: (a[0], a[1] + b[1])).uid("count")
    counts.sink_to(PrintSink()).uid("out")


def enrichment_with_side_output(env):
    late = OutputTag("late", dict)
    carriers = source(env, "carriers").broadcast(MapStateDescriptor("carriers", str, str))
    flights = source(env, "flights").map(lambda f: f).uid("parse")
    named = flights.connect(carriers).process(Enrich()).uid("name")
    named.get_side_output(late).sink_to(PrintSink()).uid("late")
    named.key_by(lambda f: f).process(Count()).uid("count").print().uid("result")


def every_partitioner(env):
    stream = source(env, "numbers")
    stream.forward().map(abs).name("forward")
    stream.rebalance().map(abs).name("rebalance")
    stream.rescale().map(abs).name("rescale").set_parallelism(2)
    stream.shuffle().map(abs).name("shuffle")
    stream.broadcast().map(abs).name("broadcast")
    stream.global_().map(abs).name("global").set_parallelism(1)
    stream.partition_custom(lambda key, n: key % n, lambda x: x).map(abs).name("custom")
    stream.map(abs).name("not asked, other parallelism").set_parallelism(3)


def chains_and_slot_groups(env):
    stream = source(env, "numbers").map(abs).name("chained")
    stream.map(abs).name("head").start_new_chain().map(abs).name("behind the head").print()
    stream.map(abs).name("alone").disable_chaining().map(abs).name("after alone")
    heavy = stream.map(abs).name("heavy").slot_sharing_group("gpu").set_parallelism(2)
    heavy.map(abs).name("inherits gpu")


def unions_and_joins(env):
    strategy = WatermarkStrategy.for_bounded_out_of_orderness("5s")
    left = source(env, "left").assign_timestamps_and_watermarks(strategy)
    right, extra = source(env, "right"), env.from_collection([1]).uid("extra")
    both = right.union(extra)
    joined = left.key_by(abs).connect(both.key_by(abs)).process(Match()).uid("match").set_max_parallelism(64)
    joined.union(left).filter(bool).name("any").print()


@pytest.mark.parametrize(
    "build",
    [word_count, enrichment_with_side_output, every_partitioner, chains_and_slot_groups, unions_and_joins],
)
def test_a_jobs_plan_is_the_golden_one(build, golden):
    env = StreamExecutionEnvironment()
    build(env)
    plan = make_plan(env.job_code(build.__name__).graph, 4, 128)
    golden(f"plans/{build.__name__}.txt", render(plan))

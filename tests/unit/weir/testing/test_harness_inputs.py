"""Functions without a key, with two inputs, with a broadcast, and operators of the engine under the harness."""

from __future__ import annotations

import pytest

from weir import (
    BroadcastProcessFunction,
    CoFlatMapFunction,
    CollectSink,
    CoMapFunction,
    CoProcessFunction,
    FilterFunction,
    KeyedBroadcastProcessFunction,
    KeyedCoProcessFunction,
    KeyedProcessFunction,
    ListStateDescriptor,
    MapFunction,
    MapStateDescriptor,
    ProcessFunction,
    ValueStateDescriptor,
    WatermarkStrategy,
)
from weir.errors import GraphError, StateAccessError
from weir.operators.sink import SinkOperator
from weir.operators.watermarks import TimestampsAndWatermarksOperator
from weir.testing import (
    ManualClock,
    Row,
    broadcast_harness,
    connected_harness,
    function_harness,
    operator_harness,
    stream_harness,
)


class Buffer(ProcessFunction):
    """Gives rows in pairs; holds the odd one in operator state."""

    def open(self, ctx):
        self.held = ctx.get_operator_list_state(ListStateDescriptor("held", int))

    def process_element(self, value, ctx):
        self.held.add(value)
        if len(self.held.get()) == 2:
            yield tuple(self.held.get())
            self.held.clear()


def test_operator_state_survives_a_crash():
    h = function_harness(Buffer())
    h.process(1)
    h.snapshot()
    h.process(2)
    h.crash()
    h.process(3)
    assert h.output == [(1, 3)]


class Ids(MapFunction):
    """Numbers rows from a range of its own; which ranges are used is known to all subtasks."""

    def open(self, ctx):
        self.mine = ctx.get_operator_list_state(ListStateDescriptor("mine", int))
        self.all = ctx.get_operator_union_list_state(ListStateDescriptor("all", int))
        self.known = sorted(self.all.get())

    def map(self, value):
        self.mine.add(value)
        self.all.add(value)
        return value, len(self.mine.get())


def test_lists_are_dealt_and_unions_go_to_everybody_when_a_snapshot_is_rescaled():
    h = function_harness(Ids())
    h.process_all([1, 2, 3, 4, 5, 6])
    wide = h.restored(parallelism=3)
    assert wide.function.known == [1, 2, 3, 4, 5, 6]
    wide.process_all([10, 20, 30])
    assert wide.output == [(10, 3), (20, 3), (30, 3)]
    assert [wide.output_of(i) for i in range(3)] == [[(10, 3)], [(20, 3)], [(30, 3)]]


class Even(FilterFunction):
    def filter(self, value):
        return value % 2 == 0


def test_timestamps_stay_with_their_rows():
    h = function_harness(Even())
    h.process_all([1, 2, 4], [10, 20, 40])
    h.watermark(15)
    assert h.timestamped == [(20, 2), (40, 4)]
    assert h.watermarks == [15]


def test_a_keyed_function_needs_the_keyed_harness():
    class Keyed(KeyedProcessFunction):
        def process_element(self, value, ctx):
            yield value

    with pytest.raises(GraphError, match=r"got Keyed; with a key use keyed_harness\(\)"):
        function_harness(Keyed())


class Join(KeyedCoProcessFunction):
    """Rows of input 1 wait 10 ms of event time for the price of their item."""

    def open(self, ctx):
        self.price = ctx.get_state(ValueStateDescriptor("price", int))
        self.waiting = ctx.get_list_state(ListStateDescriptor("waiting", int))

    def process_element1(self, value, ctx):
        if self.price.value() is not None:
            yield value["item"], value["n"] * self.price.value()
            return
        self.waiting.add(value["n"])
        ctx.timer_service().register_event_time_timer(ctx.timestamp() + 10)

    def process_element2(self, value, ctx):
        self.price.update(value["price"])
        for n in self.waiting.get():
            yield value["item"], n * value["price"]
        self.waiting.clear()

    def on_timer(self, timestamp, ctx):
        for n in self.waiting.get():
            yield ctx.get_current_key(), f"{n} without a price"
        self.waiting.clear()


def join():
    return connected_harness(Join(), lambda v: v["item"], lambda v: v["item"])


def test_both_inputs_share_state_and_the_smaller_watermark_counts():
    h = join()
    h.process1({"item": "x", "n": 2}, timestamp=100)
    h.process1({"item": "y", "n": 3}, timestamp=100)
    h.process2({"item": "x", "price": 5}, timestamp=101)
    assert h.output == [("x", 10)]
    h.watermark1(200)
    assert h.watermarks == []
    h.watermark2(150)
    assert h.output[1:] == [("y", "3 without a price")]
    assert h.watermarks == [150]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_a_join_survives_crash_and_rescale(parallelism):
    h = join()
    h.process1({"item": "x", "n": 2}, timestamp=100)
    h.snapshot()
    h.process2({"item": "x", "price": 5})
    h.crash()
    h.replay()
    assert h.output == [("x", 10)]
    other = h.restored(parallelism=parallelism)
    other.run([Row({"item": "x", "n": 4}, 110)])
    assert other.output == [("x", 20)]


class Label(CoMapFunction):
    def map1(self, value):
        return "left", value

    def map2(self, value):
        return "right", value


class Spread(CoFlatMapFunction):
    def flat_map1(self, value):
        return [value] * 2

    def flat_map2(self, value):
        return None


class Watch(CoProcessFunction):
    def process_element1(self, value, ctx):
        yield value, ctx.timer_service().current_watermark()

    def process_element2(self, value, ctx):
        yield -value, ctx.timestamp()


def test_unkeyed_functions_of_two_inputs():
    assert connected_harness(Label()).run([Row(1), Row(2, input=1)]).output == [("left", 1), ("right", 2)]
    assert connected_harness(Spread()).run([Row(1), Row(2, input=1)]).output == [1, 1]
    h = connected_harness(Watch())
    h.watermark(7)
    h.run([Row(1), Row(2, 9, input=1)])
    assert h.output == [(1, 7), (-2, 9)]
    with pytest.raises(GraphError, match="one key"):
        connected_harness(Label(), lambda v: v)


RULES = MapStateDescriptor("rules", str, list[int])


class Alert(BroadcastProcessFunction):
    def process_element(self, value, ctx):
        limits = ctx.get_broadcast_state(RULES).get("limits") or []
        yield value, [limit for limit in limits if value > limit]

    def process_broadcast_element(self, value, ctx):
        ctx.get_broadcast_state(RULES).put("limits", value)


class KeyedAlert(KeyedBroadcastProcessFunction):
    def open(self, ctx):
        self.count = ctx.get_state(ValueStateDescriptor("count", int))

    def process_element(self, value, ctx):
        self.count.update((self.count.value() or 0) + 1)
        if self.count.value() in (ctx.get_broadcast_state(RULES).get("limits") or []):
            yield ctx.get_current_key()

    def process_broadcast_element(self, value, ctx):
        ctx.get_broadcast_state(RULES).put("limits", value)


def test_what_is_broadcast_reaches_every_subtask_and_is_restored():
    h = broadcast_harness(Alert(), RULES, parallelism=2)
    h.process_broadcast([5, 7])
    h.snapshot()
    h.process_broadcast([100])
    h.crash()
    h.process(6)
    h.process(8)
    assert h.output == [(6, [5]), (8, [5, 7])]
    wide = h.restored(parallelism=3)
    wide.process_all([6, 6, 6])
    assert wide.output == [(6, [5])] * 3


def test_keyed_state_beside_a_broadcast():
    h = broadcast_harness(KeyedAlert(), RULES, key=lambda v: v, parallelism=2)
    h.process_broadcast([2])
    h.run(["a", "b", "a", "b", "a"])
    assert h.output == ["a", "b"]
    assert h.state("count") == {"a": 3, "b": 2}


class Meddling(Alert):
    def process_element(self, value, ctx):
        limits = ctx.get_broadcast_state(RULES).get("limits")
        self.seen = [*getattr(self, "seen", []), limits.copy()]
        limits.append(value)
        return ()


class Different(Alert):
    def open(self, ctx):
        self.index = ctx.get_index_of_this_subtask()

    def process_broadcast_element(self, value, ctx):
        ctx.get_broadcast_state(RULES).put("limits", [self.index])


def test_what_is_read_of_broadcast_state_is_a_copy():
    h = broadcast_harness(Meddling(), RULES)
    h.process_broadcast([5])
    assert h.output == []
    h.process(6)
    h.process(7)
    assert h.function.seen == [[5], [5]], "what the first did to its copy is not seen by the second"


def test_broadcast_state_that_differs_between_subtasks_is_caught():
    with pytest.raises(StateAccessError, match="different broadcast state"):
        broadcast_harness(Different(), RULES, parallelism=2).process_broadcast([5])


def test_a_sink_operator_commits_with_its_snapshots():
    sink = CollectSink(two_phase=True)
    h = operator_harness(lambda: SinkOperator(sink), name="sink")
    h.process_all(["a", "b"])
    assert sink.results == []
    h.snapshot()
    assert sink.results == ["a", "b"]
    h.process("c")
    h.crash()
    assert sink.results == ["a", "b"]


def test_idleness_is_time_as_data():
    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(lambda v, _: v)
    clock = ManualClock(start_ms=1000)
    h = operator_harness(lambda: TimestampsAndWatermarksOperator(strategy.with_idleness("1s")), clock=clock)
    h.process(50)
    h.advance_processing_time("1s")
    assert h.timestamped == [(50, 50)]
    assert h.watermarks == [49]
    assert h.statuses == [True]
    h.process(60)
    assert h.statuses == [True, False]


def test_an_operator_in_the_words_of_a_job():
    h = stream_harness(lambda s: s.key_by(lambda v: v % 2).reduce(lambda a, b: a + b), parallelism=2)
    h.process_all([1, 2, 3, 4])
    assert sorted(h.output) == [1, 2, 4, 6]
    with pytest.raises(GraphError, match="Map, Map"):
        stream_harness(lambda s: s.map(str).map(str))

"""Keyed functions under the harness: event time, processing time, state, timers, crashes and rescaling as data."""

from __future__ import annotations

import pytest

from weir import (
    AggregatingStateDescriptor,
    FlatMapFunction,
    KeyedProcessFunction,
    ListStateDescriptor,
    MapFunction,
    MapStateDescriptor,
    OutputTag,
    ReduceFunction,
    ReducingStateDescriptor,
    TimeDomain,
    ValueStateDescriptor,
)
from weir.errors import GraphError, SnapshotMismatch, UserError
from weir.testing import Checkpoint, Crash, Eof, Row, Snapshot, Wait, Watermark, keyed_harness

LATE = OutputTag("late", dict)


class Count(KeyedProcessFunction):
    def open(self, ctx):
        self.seen = ctx.get_state(ValueStateDescriptor("seen", int))

    def process_element(self, value, ctx):
        n = (self.seen.value() or 0) + 1
        self.seen.update(n)
        yield ctx.get_current_key(), n


class Session(KeyedProcessFunction):
    """Sums a user's rows until event time is 10 ms past the last one."""

    def open(self, ctx):
        self.rows = ctx.get_list_state(ListStateDescriptor("rows", int))
        self.end = ctx.get_state(ValueStateDescriptor("end", int))

    def process_element(self, value, ctx):
        if ctx.timestamp() <= ctx.timer_service().current_watermark():
            ctx.output(LATE, value)
            return
        self.rows.add(value["n"])
        end = ctx.timestamp() + 10
        if self.end.value() is not None:
            ctx.timer_service().delete_event_time_timer(self.end.value())
        self.end.update(end)
        ctx.timer_service().register_event_time_timer(end)

    def on_timer(self, timestamp, ctx):
        yield ctx.get_current_key(), timestamp, sum(self.rows.get())
        self.rows.clear()
        self.end.clear()


class Heartbeat(KeyedProcessFunction):
    """Says each second for how long its key has been silent."""

    def open(self, ctx):
        self.last = ctx.get_state(ValueStateDescriptor("last", int))

    def process_element(self, value, ctx):
        now = ctx.timer_service().current_processing_time()
        if self.last.value() is None:
            ctx.timer_service().register_processing_time_timer(now + 1000)
        self.last.update(now)

    def on_timer(self, timestamp, ctx):
        assert ctx.time_domain() is TimeDomain.PROCESSING_TIME
        yield ctx.get_current_key(), timestamp - self.last.value()
        ctx.timer_service().register_processing_time_timer(timestamp + 1000)


def by_k(value):
    return value["k"]


def k(key, n=0):
    return {"k": key, "n": n}


def test_results_and_state_come_by_key():
    h = keyed_harness(Count(), key=by_k)
    h.process(k("a"))
    h.process(k("b"))
    h.process_all([k("a"), k("a")])
    assert h.output == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]
    assert h.state("seen") == {"a": 3, "b": 1}


def test_event_time_timers_fire_as_the_watermark_passes_them():
    h = keyed_harness(Session(), key=by_k)
    h.process(k("u", 1), timestamp=100)
    h.process(k("u", 2), timestamp=105)
    assert [(t.timestamp, t.key, t.domain) for t in h.timers()] == [(115, "u", TimeDomain.EVENT_TIME)]
    h.watermark(114)
    assert h.output == []
    h.watermark(115)
    assert h.timestamped == [(115, ("u", 115, 3))]
    assert h.watermarks == [114, 115]
    assert h.state("rows") == {}
    h.process(k("u", 9), timestamp=110)
    assert h.side_output(LATE) == h.side_output("late") == [k("u", 9)]


def test_time_passes_timer_by_timer():
    h = keyed_harness(Heartbeat(), key=by_k)
    h.process(k("a"))
    h.advance_processing_time("2500ms")
    assert h.output == [("a", 1000), ("a", 2000)]
    h.process(k("a"))
    h.set_processing_time(3000)
    assert h.output[2:] == [("a", 500)]
    assert h.clock.wall_ms() == 3000
    with pytest.raises(ValueError, match="duration"):
        h.set_processing_time(10)


def test_the_end_of_input_brings_event_time_to_its_end():
    h = keyed_harness(Session(), key=by_k)
    h.run([Row(k("u", 5), 100), Eof()])
    assert h.output == [("u", 110, 5)]
    with pytest.raises(UserError, match="has ended"):
        h.process(k("u"))
    assert h.restored().run([Eof()]).output == []


def test_a_crash_goes_back_to_the_last_snapshot_and_takes_the_output_since_with_it():
    h = keyed_harness(Count(), key=by_k)
    h.process(k("a"))
    h.snapshot()
    h.process(k("a"))
    before = h.function
    h.crash()
    assert h.output == [("a", 1)]
    assert h.state("seen") == {"a": 1}
    assert h.function is not before
    h.replay()
    assert h.output == [("a", 1), ("a", 2)]
    h.crash()
    assert h.output == [("a", 1)]


def test_a_crash_before_any_snapshot_starts_from_nothing():
    h = keyed_harness(Count(), key=by_k)
    h.process(k("a"))
    h.crash()
    assert h.output == []
    assert h.state("seen") == {}
    h.replay()
    assert h.output == [("a", 1)]


SCRIPT = [
    Row(k("u", 1), 100),
    Row(k("v", 7), 103),
    Checkpoint(),
    Row(k("u", 2), 105),
    Watermark(116),
    Row(k("u", 4), 140),
    Watermark(130),
    Row(k("v", 1), 150),
    Eof(),
]


@pytest.mark.parametrize("place", range(len(SCRIPT)))
def test_a_crash_anywhere_is_not_seen_in_the_output(place):
    undisturbed = keyed_harness(Session(), key=by_k).run(SCRIPT)
    crashed = keyed_harness(Session(), key=by_k).run([*SCRIPT[:place], Crash(), *SCRIPT[place:]])
    assert crashed.timestamped == undisturbed.timestamped
    assert len(undisturbed.output) == 4


def test_timers_that_came_due_while_nothing_ran_fire_after_the_restore():
    h = keyed_harness(Heartbeat(), key=by_k)
    h.process(k("a"))
    h.snapshot()
    h.advance_processing_time("1s")
    h.crash()
    assert h.output == [("a", 1000)]
    h.run([Wait("1s")])
    assert h.output == [("a", 1000), ("a", 2000)]


def test_a_snapshot_is_restored_by_more_and_by_fewer_subtasks():
    keys = [f"key-{i}" for i in range(40)]
    h = keyed_harness(Count(), key=by_k)
    h.process_all([k(key) for key in keys])
    wide = h.restored(parallelism=3)
    assert wide.output == []
    assert wide.state("seen") == dict.fromkeys(keys, 1)
    wide.process_all([k(key) for key in keys])
    assert sorted(wide.output) == sorted((key, 2) for key in keys)
    assert all(wide.output_of(subtask) for subtask in range(3))
    narrow = wide.restored(parallelism=2)
    narrow.process_all([k(key) for key in keys])
    assert sorted(narrow.output) == sorted((key, 3) for key in keys)


def test_timers_move_with_their_keys():
    h = keyed_harness(Session(), key=by_k)
    for i in range(20):
        h.process(k(f"u{i}", i), timestamp=100)
    h.watermark(50)
    wide = h.restored(parallelism=3)
    wide.watermark(200)
    assert sorted(wide.output) == sorted((f"u{i}", 110, i) for i in range(20))


def test_a_snapshot_outlives_the_test_in_a_file(tmp_path):
    h = keyed_harness(Count(), key=by_k)
    h.process(k("a"))
    h.snapshot().save(tmp_path / "count-1.0.snapshot")

    class CountTwice(Count):
        def process_element(self, value, ctx):
            yield from super().process_element(value, ctx)
            yield from super().process_element(value, ctx)

    later = h.restored(Snapshot.load(tmp_path / "count-1.0.snapshot"), function=CountTwice())
    later.process(k("a"))
    assert later.output == [("a", 2), ("a", 3)]


def test_state_whose_type_changed_is_refused_as_in_a_job():
    h = keyed_harness(Count(), key=by_k)
    h.process(k("a"))

    class CountInWords(Count):
        def open(self, ctx):
            self.seen = ctx.get_state(ValueStateDescriptor("seen", str))

    with pytest.raises(SnapshotMismatch, match="seen"):
        h.restored(function=CountInWords())


class Mean:
    def create_accumulator(self):
        return (0, 0)

    def add(self, value, accumulator):
        return (accumulator[0] + value, accumulator[1] + 1)

    def get_result(self, accumulator):
        return accumulator[0] / accumulator[1]

    def merge(self, a, b):
        return (a[0] + b[0], a[1] + b[1])


class EveryKind(KeyedProcessFunction):
    def open(self, ctx):
        self.map = ctx.get_map_state(MapStateDescriptor("map", str, int))
        self.sum = ctx.get_reducing_state(ReducingStateDescriptor("sum", lambda a, b: a + b, int))
        self.mean = ctx.get_aggregating_state(AggregatingStateDescriptor("mean", Mean(), tuple[int, int]))

    def process_element(self, value, ctx, out):
        self.map.put(str(value["n"]), value["n"])
        self.sum.add(value["n"])
        self.mean.add(value["n"])
        out((self.sum.get(), self.mean.get(), sorted(self.map)))


def test_every_kind_of_state_is_restored():
    h = keyed_harness(EveryKind(), key=by_k)
    h.process(k("a", 2))
    h.snapshot()
    h.crash()
    h.process(k("a", 4))
    assert h.output == [(2, 2.0, ["2"]), (6, 3.0, ["2", "4"])]
    assert h.state("map") == {"a": {"2": 2, "4": 4}}
    assert h.state(ReducingStateDescriptor("sum", max, int)) == {"a": 6}


class Latest(MapFunction):
    def open(self, ctx):
        self.last = ctx.get_state(ValueStateDescriptor("last", int))

    def map(self, value):
        before = self.last.value()
        self.last.update(value["n"])
        return before, value["n"]


class New(FlatMapFunction):
    def open(self, ctx):
        self.known = ctx.get_state(ValueStateDescriptor("known", bool))

    def flat_map(self, value):
        if not self.known.value():
            self.known.update(True)
            yield value["k"]


class Largest(ReduceFunction):
    def reduce(self, value1, value2):
        return max(value1, value2, key=lambda v: v["n"])


def test_row_wise_functions_keep_state_by_key_as_well():
    h = keyed_harness(Latest(), key=by_k)
    h.run([k("a", 1), Checkpoint(), k("a", 2), Crash(), k("a", 3)])
    assert h.output == [(None, 1), (1, 2), (2, 3)]
    assert keyed_harness(New(), key=by_k).run([k("a"), k("b"), k("a")]).output == ["a", "b"]
    assert keyed_harness(Largest(), key=by_k).run([k("a", 2), k("a", 1)]).output == [k("a", 2), k("a", 2)]


class Failing(Count):
    def process_element(self, value, ctx):
        yield 1 // value["n"]


def test_an_exception_of_the_function_comes_out_as_it_is():
    h = keyed_harness(Failing(), key=by_k)
    with pytest.raises(ZeroDivisionError):
        h.process(k("a", 0))


class Closing(Count):
    closed = False

    def close(self):
        self.closed = True


def test_a_harness_closes_its_functions_and_a_crash_does_not():
    with keyed_harness(Closing(), key=by_k) as h:
        crashed = h.function
        h.crash()
        inside = h.function
        assert not inside.closed
    assert inside.closed
    assert not crashed.closed


def test_a_wrong_subject_is_named():
    with pytest.raises(GraphError, match=r"got the class Count; make an instance: Count\(\)"):
        keyed_harness(Count, key=by_k)
    with pytest.raises(GraphError, match="a plain callable is tested by calling it"):
        keyed_harness(lambda v: v, key=by_k)
    with pytest.raises(UserError, match=r"asked for no keyed state 'sen'.*it has 'seen'"):
        keyed_harness(Count(), key=by_k).state("sen")
    with pytest.raises(UserError, match="2 values and 1 timestamps"):
        keyed_harness(Count(), key=by_k).process_all([k("a"), k("b")], [1])


def test_the_clock_may_go_on_after_the_input_has_ended_but_nothing_fires():
    class Later(KeyedProcessFunction):
        def process_element(self, value, ctx):
            ctx.timer_service().register_processing_time_timer(1_000)

        def on_timer(self, timestamp, ctx):
            yield timestamp

    h = keyed_harness(Later(), key=by_k)
    h.process(k("a"))
    h.end_input()
    h.advance_processing_time("5s")
    assert h.output == []
    assert h.clock.wall_ms() == 5_000

"""A subtask from its deployment to its end: end of input, barriers after it, restores, failures, back pressure."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
import pytest

from tests.support.random_jobs import Branch, ChunkedSource, rows_read
from tests.support.task_harness import TaskHarness
from weir.connectors.collect import CollectSink
from weir.connectors.source import Assignment
from weir.errors import FailureKind
from weir.functions import KeyedProcessFunction, MapFunction, OutputTag, ProcessFunction
from weir.records import MAX_TIMESTAMP, SplitsAssigned
from weir.rpc import codec, messages
from weir.state.descriptors import ValueStateDescriptor
from weir.taskmanager.exchange import credit_windows
from weir.windows.watermark_strategy import WatermarkStrategy

SIDE = OutputTag("side")


class AtTheEnd(KeyedProcessFunction):
    """Emits the count of each key when the input has ended."""

    def open(self, ctx) -> None:
        self.count = ctx.get_state(ValueStateDescriptor("n", int))

    def process_element(self, value, ctx):
        self.count.update((self.count.value() or 0) + 1)
        ctx.timer_service().register_event_time_timer(10**12)

    def on_timer(self, timestamp, ctx):
        yield (ctx.get_current_key(), self.count.value(), ctx.timer_service().current_watermark())


class Job:
    """Source -> map -> keyed count -> two-phase sink, with knobs."""

    def __init__(
        self, rows: Sequence[Any] = range(30), splits: int = 2, function: Any = None, **how: Any
    ) -> None:
        self.rows, self.splits = list(rows), splits
        self.function = function or (lambda row: row)
        self.sink = CollectSink(two_phase=True)
        self.harness = TaskHarness(self.build, **how)

    def build(self, env) -> None:
        source = ChunkedSource(self.rows, num_splits=self.splits, chunk=4)
        mapped = (
            env.from_source(source, name="numbers").uid("numbers").map(self.function).name("Map").uid("map")
        )
        counted = mapped.key_by(lambda row: row % 3).process(AtTheEnd()).uid("count")
        counted.sink_to(self.sink).uid("out")

    @property
    def expected(self) -> list[tuple[int, int, int]]:
        return [(key, len([r for r in self.rows if r % 3 == key]), MAX_TIMESTAMP) for key in range(3)]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_the_end_of_input_fires_all_event_timers_and_every_subtask_ends_once(parallelism: int) -> None:
    job = Job(parallelism=parallelism, workers=2)
    job.harness.run_to_end()
    assert sorted(job.sink.results) == job.expected
    ended = job.harness.of_type(messages.TaskEnded)
    assert len(ended) == len(job.harness.subtasks)


def test_after_its_end_a_subtask_still_acknowledges_as_finished_and_commits() -> None:
    job = Job(parallelism=2)
    harness = job.harness
    harness.run_until(lambda: len(harness.ended) == len(harness.subtasks))
    assert job.sink.results == []
    snapshot = harness.checkpoint()
    assert sorted(job.sink.results) == job.expected
    finished = {
        subtask: ack.finished
        for subtask, ack in snapshot.acks.items()
        if subtask.vertex == harness.vertex("CollectSink")
    }
    assert finished
    assert all(finished.values())
    again = harness.checkpoint()
    assert not any(s.has_commits for ack in again.acks.values() for s in ack.states.values())


@pytest.mark.parametrize("parallelism", [1, 2, 3])
def test_a_job_restored_after_its_end_says_so_again_and_repeats_nothing(parallelism: int) -> None:
    job = Job(parallelism=2)
    harness = job.harness
    harness.run_until(lambda: len(harness.ended) == len(harness.subtasks))
    harness.checkpoint()
    harness.crash(parallelism)
    harness.run_to_end()
    assert sorted(job.sink.results) == job.expected


def test_a_checkpoint_while_some_readers_have_ended_restores_both_kinds() -> None:
    job = Job(rows=range(300), splits=3, parallelism=3)
    harness = job.harness
    reader = harness.vertex("Map")
    harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
    slow = harness.task("Map", 2)
    slow._source._reader._chunk = 1
    harness.run_until(lambda: (reader, 0) in harness.ended and (reader, 2) not in harness.ended)
    snapshot = harness.checkpoint()
    assert {ack.finished for subtask, ack in snapshot.acks.items() if subtask.vertex == reader} == {
        True,
        False,
    }
    harness.crash(3, workers=2)
    harness.run_to_end()
    assert sorted(job.sink.results) == job.expected


def test_an_enumerators_assignment_is_in_exactly_one_of_the_two_snapshots() -> None:
    job = Job(rows=range(40), splits=8)
    harness = job.harness
    branch = Branch("numbers", job.rows, 8, 4, ())
    for _ in range(6):
        number = harness.trigger()
        harness.run_until(lambda number=number: harness.acknowledged(number))
        snapshot = harness.complete(number)
        read = rows_read(snapshot, branch)
        assert read == job.rows[: len(read)]
    assert 0 < len(read) < 40


def failure(job: Job) -> messages.Failure:
    job.harness.expect_failure = True
    job.harness.run_until(lambda: bool(job.harness.failures))
    return job.harness.failures[0]


def test_a_user_function_that_raises_is_reported_with_line_operator_subtask_and_record() -> None:
    def fails(row):
        return row // (row - 17)

    job = Job(function=fails, parallelism=2)
    found = failure(job)
    assert found.kind is FailureKind.USER
    assert found.message.startswith(f"{__file__}:{fails.__code__.co_firstlineno + 1}: ZeroDivisionError")
    assert re.search(
        r"\(in operator 'Map' \(uid map\), record 17, split '\d' before position \d+\)$", found.message
    )
    assert found.operator == "'Map' (uid map)"
    assert found.subtask in {0, 1}
    assert "return row // (row - 17)" in found.traceback
    assert "runtime/weir" not in found.traceback
    assert found.restartable
    assert len(job.harness.failures) == 1
    assert all(not worker.loop.tasks for worker in job.harness.workers)


def test_a_builtin_that_raises_is_the_users_fault_and_placed_at_their_call() -> None:
    found = failure(Job(rows=["1", "x"], function=int))
    assert found.kind is FailureKind.USER
    place, _, _ = found.message.partition(": ")
    assert __file__.endswith(place.rpartition(":")[0])
    assert "ValueError: invalid literal" in found.message
    assert "record 'x'" in found.message


def test_sys_exit_in_a_function_is_a_failure_of_the_job_and_not_of_the_worker() -> None:
    def leaves(row):
        raise SystemExit(3)

    found = failure(Job(function=leaves))
    assert found.kind is FailureKind.USER
    assert found.message.startswith(f"{__file__}:")
    assert "SystemExit: 3" in found.message


def test_a_row_that_cannot_be_sent_to_another_worker_fails_the_task_by_name() -> None:
    job = Job(function=Unsendable, parallelism=2, workers=2)
    found = failure(job)
    assert "cannot pickle" in found.message
    assert "'Map' (uid map)" in found.message
    assert found.kind is FailureKind.USER


class Unsendable(int):
    def __init__(self, _: int) -> None:
        self.lock = threading.Lock()


class OpensBadly(MapFunction):
    def open(self, ctx) -> None:
        raise ConnectionError("no route")

    def map(self, value):
        return value


def test_a_function_that_fails_in_open_is_named_and_nothing_runs() -> None:
    job = Job(function=OpensBadly())
    found = failure(job)
    assert found.message.startswith(f"{__file__}:")
    assert "ConnectionError: no route (in operator 'Map' (uid map))" in found.message
    assert (found.kind, job.harness.ended) == (FailureKind.USER, set())


class Closing(MapFunction):
    """Counts what happens after ``close``."""

    closed: ClassVar[list[str]] = []

    def open(self, ctx) -> None:
        self.is_open = True

    def map(self, value):
        assert self.is_open, "a row after close()"
        return value

    def close(self) -> None:
        self.is_open = False
        Closing.closed.append("close")


def test_a_cancel_closes_functions_and_no_row_follows() -> None:
    Closing.closed = []
    job = Job(rows=range(1000), function=Closing(), parallelism=2)
    harness = job.harness
    harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
    for _ in range(5):
        harness.step()
    harness._tell(messages.CancelTasks(execution=harness.execution))
    harness.settle()
    assert (harness.stopped, harness.failures, Closing.closed) == (1, [], ["close"] * 2)


def test_a_cancel_that_arrives_within_a_round_stops_the_rest_of_the_round() -> None:
    Closing.closed = []
    job = Job(rows=range(1000), function=Closing(), parallelism=2)
    harness = job.harness
    harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
    (worker,) = harness.workers
    first = harness.task("Map")
    worker.loop.tasks.remove(first)
    worker.loop.tasks.insert(0, first)
    step = first.step
    cancel = messages.CancelTasks(execution=harness.execution)

    def interrupted(now: float) -> bool:
        worker.loop.post(lambda: worker.runtime.handle(cancel))
        step(now)
        return True

    first.step = interrupted
    worker.round()
    assert (harness.stopped, harness.failures, len(Closing.closed)) == (1, [], 2)


def test_a_slow_receiver_stops_the_source_and_a_burst_of_one_row_holds_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(credit_windows, "WINDOW_BYTES", 20_000)
    drawn = [0]

    def burst(row):
        for i in range(200_000):
            drawn[0] = i
            yield i

    class Held(MapFunction):
        def map(self, value):
            return value

    sink = CollectSink()

    def build(env) -> None:
        numbers = env.from_source(ChunkedSource([1], num_splits=1, chunk=1)).flat_map(burst)
        numbers.key_by(lambda i: i % 3).map(Held()).name("slow").sink_to(sink)

    harness = TaskHarness(build)
    harness.run_until(lambda: bool(sink.results))
    slow = harness.task("slow")
    slow.step = lambda now: False
    harness.settle()
    stopped_at = drawn[0]
    assert stopped_at < 20_000
    assert slow._gate.queued_bytes() < 500_000
    harness.settle()
    assert drawn[0] == stopped_at
    number = harness.trigger()
    harness.settle()
    assert not harness.acknowledged(number), "the barrier waits behind what was not emitted yet"
    del slow.step
    harness.run_to_end()
    assert sink.results == list(range(200_000))


@pytest.mark.parametrize("workers", [1, 3])
def test_a_side_output_and_a_tree_of_outputs_all_get_rows_barriers_and_the_end(workers: int) -> None:
    sinks = [CollectSink(two_phase=True) for _ in range(3)]

    def build(env) -> None:
        class Split(ProcessFunction):
            def process_element(self, value, ctx):
                if value % 2:
                    ctx.output(SIDE, value)
                yield value

        made = env.from_source(ChunkedSource(list(range(50)), num_splits=3, chunk=4)).process(Split())
        made.sink_to(sinks[0])
        made.rebalance().map(lambda x: -x).sink_to(sinks[1])
        made.get_side_output(SIDE).key_by(lambda x: x % 5).map(lambda x: x).sink_to(sinks[2])

    harness = TaskHarness(build, parallelism=3, workers=workers)
    harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
    harness.checkpoint()
    harness.run_to_end()
    assert sorted(sinks[0].results) == list(range(50))
    assert sorted(sinks[1].results) == list(range(-49, 1))
    assert sorted(sinks[2].results) == list(range(1, 50, 2))


def test_watermarks_pass_to_other_workers_and_fire_timers_before_the_end() -> None:
    fired: list[tuple[int, int]] = []

    class Early(KeyedProcessFunction):
        def process_element(self, value, ctx):
            ctx.timer_service().register_event_time_timer(value + 5)

        def on_timer(self, timestamp, ctx):
            fired.append((timestamp, ctx.timer_service().current_watermark()))

    strategy = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(lambda row, _: row)

    def build(env) -> None:
        source = ChunkedSource(list(range(0, 400, 10)), num_splits=1, chunk=2)
        env.from_source(source, strategy).key_by(lambda row: row % 4).process(Early()).sink_to(CollectSink())

    TaskHarness(build, parallelism=2, workers=2).run_to_end()
    assert len(fired) == 40
    assert all(timestamp <= mark for timestamp, mark in fired)
    assert sum(mark == MAX_TIMESTAMP for _, mark in fired) < 10


def test_a_split_for_a_reader_that_was_told_no_more_is_refused() -> None:
    class Forgetful(ChunkedSource):
        def create_enumerator(self, context):
            inner = super().create_enumerator(context)
            handle = inner.handle_request

            def twice(reader: int) -> list[Assignment]:
                first = handle(reader)
                return [*first, Assignment(reader, [], no_more=True), *first]

            inner.handle_request = twice
            return inner

    sink = CollectSink()

    def build(env) -> None:
        env.from_source(Forgetful([], num_splits=1, chunk=1)).sink_to(sink)

    harness = TaskHarness(build)
    harness.run_until(lambda: len(harness.ended) == len(harness.subtasks))
    split = msgspec.msgpack.encode({"split_id": "9", "position": 0, "end": 0, "size": 0})
    harness.expect_failure = True
    harness.task("CollectSink")._gate.channels[0].put(0, SplitsAssigned([split]), 0)
    harness.run_until(lambda: bool(harness.failures))
    assert "told no_more" in harness.failures[0].message


def test_a_call_that_fails_after_the_tasks_were_cancelled_is_not_a_failure_of_theirs() -> None:
    job = Job()
    harness, (worker,) = job.harness, job.harness.workers
    harness.run_until(lambda: len(harness.running) == len(harness.subtasks))
    worker.inbox.append(codec.encode(messages.CancelTasks(execution=harness.execution)))
    harness.run_until(lambda: harness.stopped == 1)

    def late() -> None:
        raise OSError("an answer from a store that nobody waits for")

    worker.loop.post(late)
    harness.settle()
    assert harness.of_type(messages.TaskFailed) == []

"""Columnar operators beside plain Python: windows out of order, running aggregates, snapshots that are dealt out anew."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

from benchmarks.jobs.bids import bids as benchmark_bids  # noqa: E402
from tests.support import bids_oracle  # noqa: E402
from weir import PrintSink, StreamExecutionEnvironment  # noqa: E402
from weir.columnar.aggregates import Count, Max, Mean, Min, Sum  # noqa: E402
from weir.columnar.expressions import col  # noqa: E402
from weir.connectors.sink import Sink, Writer, WriterContext  # noqa: E402
from weir.errors import GraphError, SnapshotMismatch, UserCodeError  # noqa: E402
from weir.keygroups import key_group, subtask_of  # noqa: E402
from weir.operators.base import OperatorContext, RestoredState  # noqa: E402
from weir.operators.column_windows import WindowAggregateOperator  # noqa: E402
from weir.operators.columns import (  # noqa: E402
    FilterColumnsOperator,
    RunningAggregateOperator,
    ToColumnsOperator,
    ToRowsOperator,
)
from weir.operators.sink import SinkOperator  # noqa: E402
from weir.records import MIN_TIMESTAMP, ColumnBatch, RowBatch, Watermark  # noqa: E402
from weir.taskmanager.exchange.column_codec import ColumnDecoder, ColumnEncoder  # noqa: E402
from weir.taskmanager.exchange.column_outputs import ColumnHashOutput  # noqa: E402

AGGREGATES = (Count(), Sum("x"), Max("x"), Mean("x"))


def context(index: int = 0, parallelism: int = 1) -> OperatorContext:
    return OperatorContext(
        job_id="j",
        job_name="job",
        operator_id="o",
        name="columns",
        uid="columns",
        subtask_index=index,
        parallelism=parallelism,
        max_parallelism=128,
        epoch=1,
        attempt=1,
        keyed=True,
    )


def opened(operator, index: int = 0, parallelism: int = 1, restored: RestoredState | None = None):
    operator.open(context(index, parallelism), restored)
    return operator


def batch(keys, values, stamps=None) -> ColumnBatch:
    data = pa.record_batch({"k": keys, "x": pa.array(values, type=pa.int64())})
    return ColumnBatch(data, None if stamps is None else np.array(stamps, dtype=np.int64))


def rows_of(elements) -> list[dict]:
    return [
        row for element in elements if isinstance(element, ColumnBatch) for row in element.data.to_pylist()
    ]


def expected_windows(rows, size: int, slide: int) -> dict:
    windows = defaultdict(list)
    for key, value, stamp in rows:
        first = stamp - stamp % slide
        for start in range(first - size + slide, first + 1, slide):
            windows[key, start].append(value)
    return {
        at: {"count": len(v), "sum_x": sum(v), "max_x": max(v), "mean_x": sum(v) / len(v)}
        for at, v in windows.items()
    }


def as_windows(found) -> dict:
    windows = {}
    for row in found:
        at = (row["k"], row["window_start"])
        assert at not in windows, f"window {at} fired twice"
        windows[at] = {name: row[name] for name in ("count", "sum_x", "max_x", "mean_x")}
    return windows


def stream(seed: int, rows: int = 400) -> list[tuple[int, int, int]]:
    chance = random.Random(seed)
    return [
        (chance.randrange(20), chance.randrange(-9, 9), max(0, at * 5 + chance.randrange(-30, 30)))
        for at in range(rows)
    ]


@pytest.mark.parametrize(("size", "slide"), [(100, 100), (100, 20), (60, 60)])
@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_windows_give_what_a_loop_gives_with_rows_in_order_and_out_of_it(size, slide, ordered, seed):
    rows = sorted(stream(seed), key=lambda row: row[2]) if ordered else stream(seed)
    operator = opened(WindowAggregateOperator(("k",), AGGREGATES, size, slide))
    found = []
    for at in range(0, len(rows), 37):
        part = rows[at : at + 37]
        operator.process(batch(*zip(*part, strict=True)), 0)
        behind = min(stamp for _, _, stamp in rows[at + 37 :] or [(0, 0, 10**9)]) - 1
        found += rows_of(operator.on_watermark(Watermark(behind)))
    assert as_windows(found) == expected_windows(rows, size, slide)
    assert operator.late_rows == 0


def test_a_late_row_is_dropped_and_counted_and_one_that_is_late_for_some_windows_only_is_not():
    operator = opened(WindowAggregateOperator(("k",), (Count(),), 100, 50))
    operator.process(batch([1], [1], [60]), 0)
    list(operator.on_watermark(Watermark(110)))
    operator.process(batch([1, 1], [1, 1], [49, 60]), 0)
    found = rows_of(operator.on_watermark(Watermark(1000)))
    assert [(row["window_start"], row["count"]) for row in found] == [(50, 2)]
    assert operator.late_rows == 1


def dealt(keys_of_snapshot: list[bytes], index: int, parallelism: int, watermark: int) -> RestoredState:
    return RestoredState(keyed=tuple(keys_of_snapshot), watermark=watermark, old_parallelism=2)


def mine(rows, index: int, parallelism: int):
    return [row for row in rows if subtask_of(key_group(row[0], 128), 128, parallelism) == index]


@pytest.mark.parametrize("parallelism", [1, 3])
def test_windows_go_on_at_another_parallelism_and_none_fires_twice(parallelism):
    rows = stream(7)
    before, after = rows[:200], rows[200:]
    found, blobs = [], []
    for index, watermark in ((0, 300), (1, 700)):  # the subtasks are not equally far
        operator = opened(WindowAggregateOperator(("k",), AGGREGATES, 100, 20), index, 2)
        operator.process(batch(*zip(*mine(before, index, 2), strict=True)), 0)
        found += rows_of(operator.on_watermark(Watermark(watermark)))
        blobs.append(operator.snapshot(1).keyed.encode())
    for index in range(parallelism):
        operator = WindowAggregateOperator(("k",), AGGREGATES, 100, 20)
        opened(operator, index, parallelism, dealt(blobs, index, parallelism, 300))
        operator.process(batch(*zip(*mine(after, index, parallelism), strict=True)), 0)
        found += rows_of(operator.on_watermark(Watermark(10**9)))
    assert as_windows(found) == expected_windows(rows, 100, 20)


@pytest.mark.parametrize("kind", [int, str])
def test_a_running_aggregate_follows_each_row_over_a_restore_at_another_parallelism(kind):
    rows = [(kind(key), value) for key, value, _ in stream(3)]
    seen, blobs = defaultdict(list), []

    def check(operator, part):
        for row in rows_of(operator.process(batch(*zip(*part, strict=True)), 0)):
            seen[row["k"]].append(row["x"])
            assert (row["count"], row["sum_x"]) == (len(seen[row["k"]]), sum(seen[row["k"]]))

    for index in range(2):
        operator = opened(RunningAggregateOperator(("k",), AGGREGATES), index, 2)
        check(operator, mine(rows[:200], index, 2))
        blobs.append(operator.snapshot(1).keyed.encode())
    for index in range(3):
        operator = RunningAggregateOperator(("k",), AGGREGATES)
        opened(operator, index, 3, dealt(blobs, index, 3, MIN_TIMESTAMP))
        check(operator, mine(rows[200:], index, 3))
    assert sum(map(len, seen.values())) == len(rows)


def typed(values, stamp: int) -> ColumnBatch:
    """A batch of one key whose column is of whole numbers or of floats, as the values are."""
    data = pa.record_batch({"k": [1] * len(values), "x": values})
    return ColumnBatch(data, np.full(len(values), stamp, dtype=np.int64))


TYPES = [([3, 1], [0.5, 2.75], [2, 4]), ([0.5, 2.75], [3, 1], [-1.25])]


@pytest.mark.parametrize("batches", TYPES, ids=["whole numbers first", "floats first"])
@pytest.mark.parametrize("restored", [False, True])
def test_a_column_that_changes_between_whole_numbers_and_floats_adds_up_all_of_them(batches, restored):
    aggregates = (Sum("x"), Min("x"), Max("x"), Mean("x"))
    running = opened(RunningAggregateOperator(("k",), aggregates))
    windows = opened(WindowAggregateOperator(("k",), aggregates, 30, 10))
    seen = []
    for number, values in enumerate(batches):
        for row, value in zip(rows_of(running.process(typed(values, 0), 0)), values, strict=True):
            seen.append(value)
            assert (row["sum_x"], row["min_x"], row["max_x"]) == (sum(seen), min(seen), max(seen))
            assert row["mean_x"] == pytest.approx(sum(seen) / len(seen))
        windows.process(typed(values, number * 10), 0)  # each in a pane of its own
        if restored:
            kept = [
                dealt([each.snapshot(1).keyed.encode()], 0, 1, MIN_TIMESTAMP) for each in (running, windows)
            ]
            running = opened(RunningAggregateOperator(("k",), aggregates), restored=kept[0])
            windows = opened(WindowAggregateOperator(("k",), aggregates, 30, 10), restored=kept[1])
    found = {row["window_start"]: row for row in rows_of(windows.on_watermark(Watermark(1000)))}
    assert (found[0]["sum_x"], found[0]["min_x"], found[0]["max_x"]) == (sum(seen), min(seen), max(seen))


def test_batches_without_rows_change_nothing():
    running = opened(RunningAggregateOperator(("k",), AGGREGATES))
    windows = opened(WindowAggregateOperator(("k",), AGGREGATES, 10, 10))
    for operator in (running, windows):
        assert rows_of(operator.process(batch([], [], []), 0)) == []
        list(operator.process(batch([1], [2], [3]), 0))
        assert rows_of(operator.process(batch([], [], []), 0)) == []


def test_numbers_that_do_not_fit_are_refused_with_their_column():
    data = pa.record_batch({"k": [1], "x": pa.array([2**63], type=pa.uint64())})
    operator = opened(RunningAggregateOperator(("k",), (Sum("x"),)))
    with pytest.raises(UserCodeError, match="column 'x' is uint64, and not all of it fits int64"):
        list(operator.process(ColumnBatch(data, None), 0))


class Wire:
    """A channel to another process that only keeps what arrived."""

    def __init__(self) -> None:
        self._encoder, self._decoder = ColumnEncoder(), ColumnDecoder()
        self.arrived: list[ColumnBatch] = []

    def send_rows(self, sent: ColumnBatch) -> None:
        self.arrived.append(self._decoder.decode(self._encoder.encode(sent)))


@pytest.mark.parametrize("parallelism", [2, 9])
def test_bids_that_change_processes_sum_up_as_a_loop_does_over_a_restore(parallelism):
    found, stored = [], None
    for begin in (0, 2000):
        wires = [Wire() for _ in range(parallelism)]
        output = ColumnHashOutput(wires, ["auction"], "sum", "", 128)
        for start in range(begin, begin + 2000, 250):
            output.send(ColumnBatch(benchmark_bids(start, 250, 300)))
        sums = []
        for index, wire in enumerate(wires):
            restored = None if stored is None else dealt(stored, index, parallelism, MIN_TIMESTAMP)
            operator = opened(
                RunningAggregateOperator(("auction",), (Sum("price"),)), index, parallelism, restored
            )
            found += rows_of(each for sent in wire.arrived for each in operator.process(sent, 0))
            sums.append(operator.snapshot(1).keyed.encode())
        stored = sums
        parallelism += 1
    oracle = list(bids_oracle.bids(4000, 300))
    assert sorted((row["auction"], row["sum_price"]) for row in found) == sorted(
        bids_oracle.ANSWERS["sum"](oracle)
    )
    assert {(row["channel"], row["url"]) for row in found} == {(bid.channel, bid.url) for bid in oracle}


def test_one_row_a_key_and_batch_has_the_newest_results():
    operator = opened(RunningAggregateOperator(("k",), (Sum("x"),), by_row=False))
    first = rows_of(operator.process(batch([1, 2, 1], [1, 2, 3]), 0))
    assert sorted((row["k"], row["sum_x"]) for row in first) == [(1, 4), (2, 2)]
    assert rows_of(operator.process(batch([2], [5]), 0)) == [{"k": 2, "sum_x": 7}]


def test_a_snapshot_of_other_aggregates_is_refused_with_both():
    blob = opened(RunningAggregateOperator(("k",), (Count(),))).snapshot(1).keyed.encode()
    operator = opened(RunningAggregateOperator(("k",), (Count(),)))
    list(operator.process(batch([1], [1]), 0))
    blob = operator.snapshot(1).keyed.encode()
    with pytest.raises(SnapshotMismatch, match=r"'sum', 'x'.*its snapshot holds.*'count'"):
        opened(RunningAggregateOperator(("k",), (Sum("x"),)), restored=dealt([blob], 0, 1, MIN_TIMESTAMP))


def test_windows_without_event_times_say_what_is_missing():
    operator = opened(WindowAggregateOperator(("k",), (Count(),), 100, 100))
    with pytest.raises(UserCodeError, match="give the source a timestamp column"):
        list(operator.process(batch([1], [1]), 0))


def test_a_filter_keeps_rows_and_their_times_and_null_is_false():
    operator = opened(FilterColumnsOperator(col("x") > 1))
    (found,) = operator.process(batch([1, 2, 3], [1, None, 3], [10, 20, 30]), 0)
    assert (found.data.to_pylist(), found.timestamps.tolist()) == ([{"k": 3, "x": 3}], [30])
    assert list(operator.process(batch([1], [0]), 0)) == []


@pytest.mark.parametrize("begin", [1, 7, 8, 13])
def test_a_filter_by_a_column_of_a_slice_takes_the_rows_of_the_slice(begin):
    wanted = pa.array([number % 3 == 0 for number in range(40)])
    data = pa.record_batch({"ok": wanted, "n": range(40)}).slice(begin, 20)
    (found,) = opened(FilterColumnsOperator(col("ok"))).process(ColumnBatch(data), 0)
    assert found.data["n"].to_pylist() == [n for n in range(begin, begin + 20) if n % 3 == 0]


def test_rows_for_python_are_tuples_of_the_named_columns_or_dicts_of_all():
    (found,) = opened(ToRowsOperator(("x",))).process(batch([1, 2], [5, None], [7, 8]), 0)
    assert (found.values, found.timestamps) == ([(5,), (None,)], [7, 8])
    (found,) = opened(ToRowsOperator(())).process(batch([1], [5]), 0)
    assert (found.values, found.timestamps) == ([{"k": 1, "x": 5}], None)


@pytest.mark.parametrize("rows", [[(1, "a"), (2, None)], [{"n": 1, "s": "a"}, {"n": 2, "s": None}]])
def test_columns_come_from_tuples_and_dicts(rows):
    schema = pa.schema([("n", pa.int64()), ("s", pa.string())])
    (found,) = opened(ToColumnsOperator(schema)).process(RowBatch(rows, [1, 2]), 0)
    assert found.data.to_pylist() == [{"n": 1, "s": "a"}, {"n": 2, "s": None}]
    assert found.timestamps.tolist() == [1, 2]


def test_a_row_that_does_not_fit_the_schema_is_told():
    with pytest.raises(UserCodeError, match="to_columns"):
        list(opened(ToColumnsOperator(pa.schema([("n", pa.int64())]))).process(RowBatch([("x",)]), 0))


class ColumnsSeen(Sink, Writer):
    """A sink of columns that keeps what it gets."""

    columnar = True
    committable_type = None

    def __init__(self) -> None:
        self.seen: list = []

    def create_writer(self, context: WriterContext) -> ColumnsSeen:
        return self

    def write(self, values, timestamps) -> None:
        self.seen.append((values, timestamps))

    def prepare_commit(self) -> list:
        return []


def test_a_sink_of_columns_gets_the_batch_as_it_is() -> None:
    sink = ColumnsSeen()
    data, stamps = pa.record_batch({"x": [1, 2]}), np.array([5, 6])
    assert list(opened(SinkOperator(sink)).process(ColumnBatch(data, stamps), 0)) == []
    [(values, timestamps)] = sink.seen
    assert values is data
    assert timestamps is stamps


def test_windows_over_windows_keep_the_key_that_is_called_like_their_own_column():
    inner = opened(WindowAggregateOperator(("k",), (Count(),), 10, 10))
    inner.process(batch([1, 1, 2], [0, 0, 0], [3, 14, 15]), 0)
    counted = [each for each in inner.on_watermark(Watermark(59)) if isinstance(each, ColumnBatch)]
    outer = opened(WindowAggregateOperator(("window_start",), (Sum("count"),), 60, 60))
    for each in counted:
        outer.process(each, 0)
    found = rows_of(outer.on_watermark(Watermark(1000)))
    assert sorted((row["window_start"], row["window_end"], row["sum_count"]) for row in found) == [
        (0, 60, 1),
        (10, 60, 2),
    ]


def test_a_result_that_is_called_like_a_column_of_the_window_is_refused():
    env = StreamExecutionEnvironment.get_execution_environment()
    columns = env.from_collection([(1,)]).to_columns(pa.schema([("k", pa.int64())]))
    with pytest.raises(GraphError, match="two columns would be called 'window_end'"):
        columns.key_by("k").window("10s").aggregate(Count(name="window_end"))


def test_rows_and_columns_are_not_mixed_up_at_a_sink() -> None:
    env = StreamExecutionEnvironment.get_execution_environment()
    rows = env.from_collection([(1,)])
    with pytest.raises(GraphError, match=r"of rows got ColumnsSeen, which takes columns; use to_columns"):
        rows.sink_to(ColumnsSeen())
    columns = rows.to_columns(pa.schema([("x", pa.int64())]))
    with pytest.raises(GraphError, match=r"of columns got PrintSink, which takes rows; use to_rows"):
        columns.sink_to(PrintSink())
    columns.sink_to(ColumnsSeen()).uid("out")

from __future__ import annotations

import msgspec
import pytest

from weir.connectors import DataGeneratorSource, EnumeratorContext, ReaderContext
from weir.connectors.datagen import GeneratorSplit, deal_out
from weir.errors import UserCodeError, UserError


class Time:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def reader_of(source, splits=None, time=None):
    reader = source.create_reader(ReaderContext(0, 1, lambda: None, time or Time()))
    reader.add_splits(splits if splits is not None else splits_of(source, 1)[0])
    return reader


def splits_of(source, parallelism):
    enumerator = source.create_enumerator(EnumeratorContext(parallelism))
    answers = [enumerator.handle_request(reader)[0] for reader in range(parallelism)]
    assert all(answer.no_more for answer in answers)
    return [answer.splits for answer in answers]


def drain(reader, max_rows=7):
    rows = []
    while not reader.is_idle():
        rows.extend(reader.fetch(max_rows).values)
    return rows


@pytest.mark.parametrize("count", [0, 1, 2, 999, 1000, 1001, 2500, 3000, 7321])
@pytest.mark.parametrize("num_splits", [1, 2, 3])
@pytest.mark.parametrize("block", [1, 1000])
def test_the_splits_hold_each_row_number_once(count, num_splits, block):
    numbers = [
        split.row_number(position)
        for split in deal_out(count, num_splits, block)
        for position in range(split.length)
    ]
    assert sorted(numbers) == list(range(count))


def test_rows_are_made_of_their_numbers_in_order():
    assert drain(reader_of(DataGeneratorSource(lambda i: i * i, count=20))) == [i * i for i in range(20)]


@pytest.mark.parametrize(
    "source",
    [
        DataGeneratorSource(lambda i: i, count=2345, num_splits=3),
        DataGeneratorSource(
            batch_fn=lambda start, n: list(range(start, start + n)), count=2345, num_splits=3
        ),
    ],
    ids=["row by row", "in batches"],
)
def test_any_position_can_be_read_again(source):
    splits = splits_of(source, 1)[0]
    whole = drain(reader_of(source, splits), max_rows=100)
    assert sorted(whole) == list(range(2345))
    reader = reader_of(source, splits)
    before = [row for _ in range(5) for row in reader.fetch(77).values]
    stored = msgspec.msgpack.encode(reader.snapshot())
    restored = reader_of(source, msgspec.msgpack.decode(stored, type=list[GeneratorSplit]))
    after = drain(restored, max_rows=13)
    assert sorted(before + after) == list(range(2345))


def test_every_reader_gets_its_share_of_the_splits_whoever_asks_first():
    source = DataGeneratorSource(lambda i: i, num_splits=5)
    enumerator = source.create_enumerator(EnumeratorContext(2))
    second = enumerator.handle_request(1)[0]
    restored = source.restore_enumerator(EnumeratorContext(2), enumerator.snapshot())
    first = restored.handle_request(0)[0]
    assert [s.index for s in second.splits] == [1, 3]
    assert [s.index for s in first.splits] == [0, 2, 4]


def test_one_split_a_reader_by_default():
    assert [len(splits) for splits in splits_of(DataGeneratorSource(lambda i: i), 3)] == [1, 1, 1]


def test_without_a_count_it_never_ends():
    reader = reader_of(DataGeneratorSource(lambda i: i))
    assert [len(reader.fetch(500).values) for _ in range(10)] == [500] * 10
    assert not reader.is_idle()


def test_endless_splits_take_turns():
    source = DataGeneratorSource(lambda i: i, num_splits=2)
    reader = reader_of(source, splits_of(source, 1)[0])
    assert [reader.fetch(2).values for _ in range(4)] == [[0, 2], [1, 3], [4, 6], [5, 7]]


def test_timestamps_follow_from_the_row_numbers():
    source = DataGeneratorSource(str, count=4, timestamp_fn=lambda i: i * 1000)
    assert reader_of(source).fetch(3) == (["0", "1", "2"], [0, 1000, 2000], "0")


def test_a_finished_split_is_told_once():
    reader = reader_of(DataGeneratorSource(lambda i: i, count=3))
    reader.fetch(10)
    assert reader.is_idle()
    assert (reader.finished_splits(), reader.finished_splits()) == (["0"], [])
    assert reader.fetch(10) is None
    assert reader.snapshot() == []


@pytest.mark.parametrize("rate", [3, 100, 40_000])
def test_the_rate_is_kept_and_the_next_fetch_is_announced(rate):
    time = Time()
    reader = reader_of(DataGeneratorSource(lambda i: i, rows_per_second=rate), time=time)
    start, rows = time.now, 0
    while time.now < start + 10:
        fetched = reader.fetch(500)
        if fetched is None:
            assert reader.next_fetch_at() > time.now
            time.now = reader.next_fetch_at()
        else:
            rows += len(fetched.values)
    assert rows == pytest.approx(10 * rate, abs=max(1, rate * 0.02))


def test_the_splits_of_all_readers_share_the_rate():
    time = Time()
    source = DataGeneratorSource(batch_fn=lambda start, n: [start] * n, rows_per_second=1000, num_splits=4)
    reader = reader_of(source, splits_of(source, 2)[0], time)
    rows = 0
    for _ in range(10_000):
        time.now += 0.001
        while (fetched := reader.fetch(100)) is not None:
            rows += len(fetched.values)
    assert rows == pytest.approx(5000, abs=50)


def test_after_a_stall_at_most_a_second_of_rows_is_made_up_for():
    time = Time()
    reader = reader_of(DataGeneratorSource(lambda i: i, rows_per_second=100), time=time)
    while reader.fetch(1000) is not None:
        pass
    time.now += 60
    rows = 0
    while (fetched := reader.fetch(1000)) is not None:
        rows += len(fetched.values)
    assert 100 <= rows <= 102


def test_a_generator_that_raises_is_named_with_its_row():
    reader = reader_of(DataGeneratorSource(lambda i: 1 // (5 - i), count=10))
    with pytest.raises(UserCodeError, match=r"at row 5: ZeroDivisionError"):
        reader.fetch(10)
    assert reader.snapshot()[0].position == 0


def ends_at_five(i):
    """As ``next`` of an iterator that has come to its end."""
    if i == 5:
        raise StopIteration
    return i


@pytest.mark.parametrize(
    ("source", "function"),
    [
        (DataGeneratorSource(ends_at_five, count=10), "the generator function"),
        (DataGeneratorSource(str, count=10, timestamp_fn=ends_at_five), "timestamp_fn"),
    ],
)
def test_a_function_that_raises_stop_iteration_loses_no_rows_silently(source, function):
    reader = reader_of(source)
    with pytest.raises(UserCodeError, match=rf"{function} raised StopIteration at row 5"):
        reader.fetch(10)
    assert reader.snapshot()[0].position == 0


@pytest.mark.parametrize(("made", "got"), [(lambda s, n: [1], "1 rows"), (lambda s, n: None, "a NoneType")])
def test_a_batch_of_the_wrong_shape_is_refused(made, got):
    with pytest.raises(UserCodeError, match=rf"batch_fn\(0, 4\) returned {got}; .* list of 4 rows"):
        reader_of(DataGeneratorSource(batch_fn=made, count=10)).fetch(4)


def test_bad_arguments_of_a_generator_are_named():
    with pytest.raises(UserError, match="either generator_fn or batch_fn"):
        DataGeneratorSource()
    with pytest.raises(UserError, match="rows_per_second=0"):
        DataGeneratorSource(lambda i: i, rows_per_second=0)
    with pytest.raises(UserError, match="count=-1"):
        DataGeneratorSource(lambda i: i, count=-1)

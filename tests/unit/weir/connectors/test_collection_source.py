from __future__ import annotations

import msgspec
import pytest

from weir.connectors import CollectionSource, EnumeratorContext, ReaderContext
from weir.connectors.collection import CollectionSplit
from weir.errors import UserError

ONE = EnumeratorContext(parallelism=1)
READER = ReaderContext(0, 1, lambda: None, lambda: 0.0)


def splits_of(source, parallelism=1):
    enumerator = source.create_enumerator(EnumeratorContext(parallelism))
    found = []
    while True:
        (assignment,) = enumerator.handle_request(0)
        found.extend(assignment.splits)
        if assignment.no_more:
            return found


def read_all(reader, max_rows=3):
    rows = []
    while not reader.is_idle():
        rows.extend(reader.fetch(max_rows).values)
    return rows


def test_one_split_by_default_keeps_the_order_of_the_list():
    source = CollectionSource(range(10))
    splits = splits_of(source)
    assert len(splits) == 1
    reader = source.create_reader(READER)
    reader.add_splits(splits)
    assert read_all(reader) == list(range(10))
    assert reader.finished_splits() == ["0"]
    assert reader.finished_splits() == []


def test_splits_are_contiguous_and_cover_the_list_once():
    splits = splits_of(CollectionSource(range(10), num_splits=3))
    assert [(s.position, s.end) for s in splits] == [(0, 3), (3, 6), (6, 10)]


def test_more_splits_than_rows_give_one_split_a_row():
    assert len(splits_of(CollectionSource([1, 2], num_splits=5))) == 2


def test_an_empty_list_gives_a_split_that_is_finished_at_once():
    source = CollectionSource([])
    reader = source.create_reader(READER)
    reader.add_splits(splits_of(source))
    assert reader.is_idle()
    assert reader.fetch(10) is None
    assert reader.finished_splits() == ["0"]


def test_a_snapshot_continues_with_the_next_row_in_each_split():
    source = CollectionSource(range(10), num_splits=2)
    reader = source.create_reader(READER)
    reader.add_splits(splits_of(source))
    assert reader.fetch(3).values == [0, 1, 2]
    stored = msgspec.msgpack.encode(reader.snapshot())
    again = source.create_reader(READER)
    again.add_splits(msgspec.msgpack.decode(stored, type=list[CollectionSplit]))
    assert read_all(again) == list(range(3, 10))
    assert read_all(reader) == list(range(3, 10))


def test_timestamps_go_with_their_rows():
    source = CollectionSource(["a", "b", "c"], timestamps=[1, 2, 3])
    reader = source.create_reader(READER)
    reader.add_splits(splits_of(source))
    assert reader.fetch(2) == (["a", "b"], [1, 2], "0")
    assert reader.fetch(2) == (["c"], [3], "0")


def test_rows_are_told_apart_by_their_split():
    source = CollectionSource(range(4), num_splits=2)
    reader = source.create_reader(READER)
    reader.add_splits(splits_of(source))
    assert [reader.fetch(9).split_id, reader.fetch(9).split_id] == ["0", "1"]


def test_the_enumerator_state_holds_only_splits_that_nobody_has():
    source = CollectionSource(range(9), num_splits=3)
    enumerator = source.create_enumerator(ONE)
    enumerator.handle_request(0)
    restored = source.restore_enumerator(ONE, enumerator.snapshot())
    first, second = restored.handle_request(0)[0], restored.handle_request(0)[0]
    assert [s.split_id for s in (*first.splits, *second.splits)] == ["1", "2"]
    assert (first.no_more, second.no_more) == (False, True)


def test_splits_that_come_back_are_given_out_again():
    source = CollectionSource(range(9), num_splits=3)
    splits = splits_of(source)
    enumerator = source.restore_enumerator(ONE, source.restore_enumerator(ONE, b"\x90").snapshot())
    assert enumerator.add_splits_back(splits[1:], reader=1) == []
    assert enumerator.handle_request(0)[0].splits == [splits[1]]


def test_a_list_that_changed_since_the_snapshot_is_refused_with_both_sizes():
    reader = CollectionSource([1, 2, 3]).create_reader(READER)
    with pytest.raises(UserError, match=r"has 3 values, but had 5"):
        reader.add_splits([CollectionSplit("0", 1, 5, 5)])


def test_bad_arguments_are_named():
    with pytest.raises(UserError, match="2 values and 1 timestamps"):
        CollectionSource([1, 2], timestamps=[1])
    with pytest.raises(UserError, match="num_splits=0"):
        CollectionSource([1, 2], num_splits=0)

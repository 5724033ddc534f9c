"""Plain rows: which are, what is written of them, how keys are numbered, and when that begins anew or ends."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from weir.records import RowBatch
from weir.taskmanager.exchange import row_codec
from weir.taskmanager.exchange.row_codec import RowDecoder, RowEncoder


class Color(enum.IntEnum):
    RED = 1


class Pair(NamedTuple):
    x: int
    y: int


@pytest.fixture
def few_numbers(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(row_codec, "MOST_NUMBERED", 100)
    return 100


def keyed(keys: list[str]) -> RowBatch:
    return RowBatch([(key, number) for number, key in enumerate(keys)], None, keys)


def plain(payload: bytes) -> bool:
    return payload[0] != row_codec._PICKLE_MARK


def carried(batches: Iterator[RowBatch] | list[RowBatch]) -> list[int]:
    """The sizes of the payloads of batches that all come out as they went in."""
    encoder, decoder, sizes = RowEncoder(), RowDecoder(), []
    for batch in batches:
        payload = encoder.encode(batch)
        sizes.append(len(payload))
        got = decoder.decode(payload)
        assert (got.values, got.timestamps, got.keys) == (batch.values, batch.timestamps, batch.keys)
    return sizes


@pytest.mark.parametrize(
    "values",
    [
        [("a", 1)],
        [(1.5, None, b"x", True)],
        [1, 2],
        ["a"],
        [None],
        [2**70, 1],
        [(2**70,)],
        [("a", 1)] * 2000,
        ["\ud800", "a"],
        [("a", True), ("b", 1)],
        [(1, "a", 2.5)],
        [(1, "a", 2.5), (None, b"a", True)],
        [(2**64, "a", -0.0)],
        [(1, "\ud800", 2)],
        [tuple(range(33))],
    ],
    ids=repr,
)
def test_plain_rows_are_no_pickle(values: list[Any]) -> None:
    assert plain(RowEncoder().encode(RowBatch(values)))
    carried([RowBatch(values)])


@pytest.mark.parametrize(
    "values",
    [
        [()],
        [(1,), (1, 2)],
        [(1, 2), (1, 2, 3)],
        [("a", [1])],
        [{"a": 1}],
        [1, [2]],
        [("a", 1), "a"],
        [],
        [(1, 2, 3), (1, 2), (1, 2, 3, 4)],
        [(1, 2, [3])],
        [(1, 2, Color.RED)],
        [(1, 2, Pair(3, 4))],
    ],
    ids=repr,
)
def test_others_are_one_pickle(values: list[Any]) -> None:
    assert not plain(RowEncoder().encode(RowBatch(values)))
    carried([RowBatch(values)])


def test_an_object_that_a_row_holds_twice_is_one_object_at_the_other_end() -> None:
    shared: list[int] = []
    ((first, second),) = RowDecoder().decode(RowEncoder().encode(RowBatch([(shared, shared)]))).values
    assert first is second


def test_after_rows_that_are_not_plain_no_other_are_looked_at_for_a_while() -> None:
    encoder = RowEncoder()
    encoder.encode(RowBatch([{}]))
    looked = [plain(encoder.encode(RowBatch([1]))) for _ in range(row_codec.PATIENCE + 1)]
    assert looked == [False] * row_codec.PATIENCE + [True]


def test_a_key_is_written_once() -> None:
    keys = [f"customer-{number}" for number in range(50)]
    first, *others = carried([keyed(keys)] * 4)
    assert max(others) < first / 2


def test_whole_numbers_that_are_keys_are_written_once() -> None:
    rows = [(number, "a") for number in range(100)]
    beside, alone = carried([RowBatch(rows, None, [number for number, _ in rows]), RowBatch(rows)])
    assert beside < alone + 100


@pytest.mark.parametrize("field", [0, 2, 3])
def test_keys_that_wide_rows_have_are_written_once(field: int) -> None:
    rows = [(number, f"text {number}", -number, 10**6 + number) for number in range(100)]
    beside, alone = carried([RowBatch(rows, None, [row[field] for row in rows]), RowBatch(rows)])
    assert beside < alone + 10


def test_text_keys_that_are_not_numbered_any_more_are_written_once_too(few_numbers: int) -> None:
    rows = [(0, f"{number:040}", number) for number in range(1000)]
    keys = [text for _, text, _ in rows]
    batches = [RowBatch(rows[at : at + 50], None, keys[at : at + 50]) for at in range(0, 1000, 50)]
    sizes = carried([*batches, RowBatch(rows[-50:])])
    assert sizes[-2] < sizes[-1] + 10


def test_a_zero_keeps_its_sign_as_a_key_beside_the_field_that_it_equals() -> None:
    got = RowDecoder().decode(RowEncoder().encode(RowBatch([(0.0, 1, "a")], None, [-0.0])))
    assert math.copysign(1, (got.keys or [0.0])[0]) == -1


def test_keys_that_only_equal_a_column_keep_their_type() -> None:
    encoder, decoder = RowEncoder(), RowDecoder()
    got = decoder.decode(encoder.encode(RowBatch([(1, "a"), (0, "b")], None, [True, False])))
    assert [type(key) for key in got.keys or ()] == [bool, bool]
    assert [type(number) for number, _ in got.values] == [int, int]
    got = decoder.decode(encoder.encode(RowBatch([(1, "a", 3), (0, "b", 3)], None, [True, False])))
    assert [type(key) for key in got.keys or ()] == [bool, bool]


def test_numbering_begins_anew_when_there_are_too_many_keys(few_numbers: int) -> None:
    sizes = carried(keyed([f"{turn}-{n}" for n in range(40)] * 10) for turn in range(8))
    assert sizes[-1] <= sizes[0] + 8, "still numbered"


def test_keys_that_hardly_repeat_are_not_numbered_for_long(few_numbers: int) -> None:
    encoder, decoder = RowEncoder(), RowDecoder()
    for turn in range(8):
        batch = keyed([f"{turn}-{n}" for n in range(60)])
        assert decoder.decode(encoder.encode(batch)).keys == batch.keys
    assert encoder._numbers is None


def test_times_beyond_64_bits_are_carried() -> None:
    carried([RowBatch([1], [2**64])])


def test_keys_that_are_no_text_are_carried_beside_their_rows() -> None:
    carried(
        [RowBatch([(1, "a")], [5], [1]), RowBatch([(1, "a")], [5], [("a", 1)]), RowBatch(["a"], [5], ["a"])]
    )

"""Whole columns hash as each of their values does, so columns and rows of one key meet in one subtask."""

from __future__ import annotations

import random

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

from weir.columnar.hashing import hash_integers, subtasks  # noqa: E402
from weir.columnar.keying import row_hashes  # noqa: E402
from weir.errors import UserCodeError  # noqa: E402
from weir.keygroups import KeyRouter, stable_hash  # noqa: E402

EDGES = [0, 1, -1, 127, 128, 255, 256, 2**31, -(2**31), 2**63 - 1, -(2**63)]


def test_integers_hash_as_the_row_path_hashes_them():
    chance = random.Random(1)
    keys = EDGES + [chance.randrange(-(2**63), 2**63) for _ in range(500)]
    assert hash_integers(np.array(keys, dtype=np.int64)).tolist() == [stable_hash(key) for key in keys]


def test_small_integers_whose_leading_bytes_are_the_same_hash_the_same_way():
    keys = list(range(300))
    assert hash_integers(np.array(keys, dtype=np.int64)).tolist() == [stable_hash(key) for key in keys]


@pytest.mark.parametrize(
    "column",
    [
        ["a", "b", "", "a"],
        [1.5, -0.0, 0.0, 2.0],
        [True, False, True, True],
        [b"x", b"", b"y", b"x"],
    ],
    ids=["text", "float", "bool", "bytes"],
)
def test_other_columns_hash_as_the_row_path_hashes_their_values(column):
    found = row_hashes(pa.record_batch({"k": column}), ["k"])
    assert found.tolist() == [stable_hash(key) for key in column]


def test_keys_of_several_columns_hash_as_tuples():
    data = pa.record_batch({"a": [1, 2, 1, 2], "b": ["x", "x", "y", "x"]})
    assert row_hashes(data, ["a", "b"]).tolist() == [
        stable_hash(key) for key in zip([1, 2, 1, 2], ["x", "x", "y", "x"], strict=True)
    ]


def test_rows_and_columns_of_a_key_go_to_the_same_subtask():
    keys = list(range(-50, 50))
    targets = subtasks(hash_integers(np.array(keys, dtype=np.int64)), 128, 7)
    assert targets.tolist() == KeyRouter(128, 7).route(keys)


def test_a_dictionary_column_hashes_as_its_values():
    column = pa.array(["x", "y", "x"]).dictionary_encode()
    assert row_hashes(pa.record_batch({"k": column}), ["k"]).tolist() == [stable_hash(k) for k in "xyx"]


def test_a_null_is_no_key_and_its_row_is_named():
    with pytest.raises(UserCodeError, match=r"column 'k' is null in row 1 of a batch"):
        row_hashes(pa.record_batch({"k": [1, None]}), ["k"])


def test_a_missing_key_column_is_refused_with_those_that_are_there():
    with pytest.raises(UserCodeError, match=r"there is no column 'j'; there are k, x"):
        row_hashes(pa.record_batch({"k": [1], "x": [2]}), ["j"])

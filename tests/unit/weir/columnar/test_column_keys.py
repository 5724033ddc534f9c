"""Slots and hashes of key columns are those of the rows' keys, whatever Arrow holds beside them; what is no key is refused."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

from weir.columnar.keying import KeySlots, row_hashes  # noqa: E402
from weir.errors import UserCodeError  # noqa: E402
from weir.keygroups import stable_hash  # noqa: E402

WORDS = [f"word {number}" for number in range(10)]


def by_dictionary(codes, values):
    return pa.DictionaryArray.from_arrays(pa.array(codes, type=pa.int32()), pa.array(values))


def test_a_dictionary_makes_keys_only_of_what_its_rows_hold():
    slots = KeySlots(["k"])
    data = pa.record_batch({"k": by_dictionary([7, 3, 7], WORDS)})
    assert slots.slots(data).tolist() in ([0, 1, 0], [1, 0, 1])
    assert sorted(slots.columns()[0].to_pylist()) == ["word 3", "word 7"]
    assert row_hashes(data, ["k"]).tolist() == [stable_hash(WORDS[code]) for code in (7, 3, 7)]


def test_keys_of_many_columns_stay_apart_however_many_values_each_has():
    rows, names = 70_000, ["a", "b", "c", "d", "e"]
    parts = [(np.arange(rows) * step + 1) % 1_000_003 for step in (1, 7, 11, 13, 17)]
    data = pa.record_batch(dict(zip(names, parts, strict=True)))
    slots = KeySlots(names)
    found = slots.slots(data)
    assert sorted(found.tolist()) == list(range(rows))
    keys = list(zip(*(part.tolist() for part in parts), strict=True))
    known = list(zip(*(column.to_pylist() for column in slots.columns(found)), strict=True))
    assert known == keys
    assert row_hashes(data, names).tolist()[::1000] == [stable_hash(key) for key in keys[::1000]]


def test_a_null_in_the_values_of_a_dictionary_is_refused_where_a_row_has_it():
    slots = KeySlots(["k"])
    assert slots.slots(pa.record_batch({"k": by_dictionary([0, 0], ["a", None])})).tolist() == [0, 0]
    with pytest.raises(UserCodeError, match="column 'k' is null in row 1"):
        slots.slots(pa.record_batch({"k": by_dictionary([0, 1], ["a", None])}))


@pytest.mark.parametrize("names", [["k"], ["n", "k"]], ids=["alone", "with another"])
@pytest.mark.parametrize(
    "ask", [lambda data, names: KeySlots(names).slots(data), row_hashes], ids=["slots", "hashes"]
)
def test_nan_is_refused_also_where_nothing_is_routed(names, ask):
    data = pa.record_batch({"k": [1.5, float("nan")], "n": [1, 2]})
    with pytest.raises(UserCodeError, match=r"key_by\(.*'k'\): NaN cannot be a key"):
        ask(data, names)

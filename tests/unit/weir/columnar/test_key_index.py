"""The key index gives each key one slot for ever, whatever keys come together."""

from __future__ import annotations

import random

import pytest

np = pytest.importorskip("numpy")

from weir.columnar.key_index import IntegerKeyIndex, ObjectKeyIndex  # noqa: E402


@pytest.mark.parametrize("reach", [3, 500, 10**6, 2**62], ids=["few", "hundreds", "many", "wide"])
def test_each_integer_key_has_one_slot_for_ever(reach):
    index, known, chance = IntegerKeyIndex(), {}, random.Random(reach)
    for rows in (1, 2, 100, 1000, 3000):
        keys = [chance.randrange(-reach, reach) for _ in range(rows)]
        for key, slot in zip(keys, index.slots(np.array(keys, dtype=np.int64)).tolist(), strict=True):
            assert known.setdefault(key, slot) == slot
    assert sorted(known.values()) == list(range(len(index)))
    assert index.keys.tolist() == sorted(known, key=known.__getitem__)


def test_keys_that_come_to_fill_their_range_keep_their_slots_as_do_far_ones_among_them():
    index, known, chance = IntegerKeyIndex(), {}, random.Random(3)
    keys = [2 * number for number in range(60_000)]
    chance.shuffle(keys)
    batches = [keys[at : at + 3000] + keys[:50] for at in range(0, len(keys), 3000)]
    batches.insert(15, [2**61, keys[0], -(2**61)])
    for batch in (*batches, keys):
        for key, slot in zip(batch, index.slots(np.array(batch, dtype=np.int64)).tolist(), strict=True):
            assert known.setdefault(key, slot) == slot
    assert sorted(known.values()) == list(range(len(index)))
    assert index.keys.tolist() == sorted(known, key=known.__getitem__)


def test_keys_that_collide_in_the_first_cell_are_told_apart():
    index = IntegerKeyIndex()
    keys = np.arange(5000, dtype=np.int64)  # more than half of the first cells
    assert sorted(index.slots(keys).tolist()) == list(range(5000))
    assert index.keys[index.slots(keys)].tolist() == keys.tolist()


def test_an_empty_batch_has_no_slots():
    assert IntegerKeyIndex().slots(np.empty(0, dtype=np.int64)).tolist() == []


def test_other_keys_get_slots_in_the_order_of_their_coming():
    index = ObjectKeyIndex()
    assert index.slots(["b", "a"]).tolist() == [0, 1]
    assert index.slots(["a", "c"]).tolist() == [1, 2]
    assert index.keys == ["b", "a", "c"]


def test_keys_that_lie_near_each_other_keep_their_slots_when_far_ones_come():
    index = IntegerKeyIndex()
    near = np.array([5, 3, 5, -40, 900], dtype=np.int64)
    before = index.slots(near)
    assert index.slots(np.array([-2000, 5], dtype=np.int64)).tolist() == [4, before[0]]
    assert index.slots(np.array([2**62, 3, -(2**62), 2**62], dtype=np.int64))[1] == before[1]
    assert index.slots(near).tolist() == before.tolist()
    assert len(index) == 7
    assert sorted(index.keys.tolist()) == sorted([5, 3, -40, 900, -2000, 2**62, -(2**62)])


@pytest.mark.parametrize("key", [7, 2**63 - 1, -(2**63)])
def test_a_batch_of_one_key_gives_its_slot_for_every_row(key):
    index = IntegerKeyIndex()
    assert index.slots(np.full(5, key, dtype=np.int64)).tolist() == [0] * 5
    assert index.slots(np.full(1, key, dtype=np.int64)).tolist() == [0]
    assert index.keys.tolist() == [key]

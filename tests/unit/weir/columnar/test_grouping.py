"""Rows are grouped by slot in their own order, whichever way the processor sorts faster."""

from __future__ import annotations

import pytest

np = pytest.importorskip("numpy")

from weir.columnar.grouping import MAX_ROWS, Grouper, sorted_by_radix, sorted_by_vectors  # noqa: E402

DRAWS = np.random.default_rng(7)


@pytest.mark.parametrize("count", [1, 2, 255, 4096, MAX_ROWS])
@pytest.mark.parametrize("distinct", [1, 7, MAX_ROWS])
def test_both_ways_to_sort_give_the_same(count: int, distinct: int) -> None:
    representatives = DRAWS.integers(0, distinct, count).astype(np.uint16)
    found = [sort(representatives) for sort in (sorted_by_radix, sorted_by_vectors)]
    for order, starts in found:
        assert (order.dtype, starts.dtype) == (np.int64, np.int64)
    assert np.array_equal(found[0][0], found[1][0])
    assert np.array_equal(found[0][1], found[1][1])


@pytest.mark.parametrize("slots", [1, 50, 3000, 100_000])
def test_groups_have_the_rows_of_a_slot_in_their_order(slots: int) -> None:
    batch = DRAWS.integers(0, slots, 3000)
    groups = Grouper().group(batch, slots)
    assert sorted(groups.slots.tolist()) == sorted(set(batch.tolist()))
    for slot, start, length in zip(groups.slots, groups.starts, groups.lengths, strict=True):
        rows = groups.order[start : start + length]
        assert rows.tolist() == np.flatnonzero(batch == slot).tolist()

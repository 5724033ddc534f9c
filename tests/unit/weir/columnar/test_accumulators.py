"""Accumulators over batches give what a loop over the rows gives, in any order of slots, with nulls and without."""

from __future__ import annotations

import random
from collections import defaultdict

import pytest

np = pytest.importorskip("numpy")

from weir.columnar.accumulators import Accumulator, Input  # noqa: E402
from weir.columnar.aggregates import Aggregate, Count, Max, Mean, Min, Sum  # noqa: E402
from weir.columnar.grouping import Grouper  # noqa: E402

AGGREGATES = [Count(), Count("x"), Sum("x"), Min("x"), Max("x"), Mean("x")]


def expected(aggregate: Aggregate, seen: list[float | None]) -> float | None:
    values = [value for value in seen if value is not None]
    if aggregate.kind == "count":
        return len(values) if aggregate.column else len(seen)
    if not values:
        return None
    total = values[0]
    for value in values[1:]:
        total += value
    return {"sum": total, "min": min(values), "max": max(values), "mean": total / len(values)}[aggregate.kind]


def batches(kind: type, nulls: bool, slots: int, seed: int):
    chance = random.Random(seed)
    for rows in (1, 2, 50, 300):
        where = [chance.randrange(slots) for _ in range(rows)]
        values = [
            None if nulls and chance.random() < 0.3 else kind(chance.randrange(-1000, 1000)) for _ in where
        ]
        yield where, values


def as_input(values: list, kind: type) -> Input:
    valid = np.array([value is not None for value in values])
    column = np.array([kind(0) if value is None else value for value in values], dtype=kind)
    return Input(column, None if valid.all() else valid)


def shown(result) -> list:
    values, there = result
    return [
        value if there is None or ok else None
        for value, ok in zip(values.tolist(), [True] * len(values) if there is None else there, strict=True)
    ]


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda each: each.result)
@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("nulls", [False, True], ids=["full", "nulls"])
@pytest.mark.parametrize("slots", [1, 7, 100])
def test_the_result_after_each_row_is_that_of_a_loop(aggregate, kind, nulls, slots):
    accumulator, grouper, seen = Accumulator(aggregate, np.dtype(kind)), Grouper(), defaultdict(list)
    accumulator.reserve(slots)
    for where, values in batches(kind, nulls, slots, seed=slots):
        groups = grouper.group(np.array(where), slots)
        column = as_input(values, kind) if aggregate.column else None
        found = shown(accumulator.running(groups, column))
        by_row = dict(zip(groups.order.tolist(), found, strict=True))
        for row, (slot, value) in enumerate(zip(where, values, strict=True)):
            seen[slot].append(value)
            assert by_row[row] == expected(aggregate, seen[slot]), (row, slot)


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda each: each.result)
@pytest.mark.parametrize("kind", [int, float])
def test_panes_that_are_merged_give_what_all_rows_give(aggregate, kind):
    whole, seen = Accumulator(aggregate, np.dtype(kind)), defaultdict(list)
    whole.reserve(5)
    for where, values in batches(kind, True, 5, seed=3):
        pane = Accumulator(aggregate, np.dtype(kind))
        pane.reserve(5)
        pane.add(np.array(where), as_input(values, kind) if aggregate.column else None)
        whole.merge(np.arange(5), pane, np.arange(5))
        for slot, value in zip(where, values, strict=True):
            seen[slot].append(value)
    assert shown(whole.results(np.arange(5))) == [expected(aggregate, seen[slot]) for slot in range(5)]
    whole.clear(np.array([2]))
    assert shown(whole.results(np.array([2]))) == [expected(aggregate, [])]


def test_a_small_float_is_not_lost_beside_a_large_one_of_another_key():
    accumulator = Accumulator(Sum("x"), np.dtype(float))
    accumulator.reserve(2)
    groups = Grouper().group(np.array([0, 1, 0, 1]), 2)
    found = shown(accumulator.running(groups, Input(np.array([1e18, 1e-3, 1e18, 1e-3]))))
    assert sorted(found) == [0.001, 0.002, 1e18, 2e18]


def test_whole_numbers_wrap_at_64_bits_as_in_arrow():
    accumulator = Accumulator(Sum("x"), np.dtype(np.int64))
    accumulator.reserve(1)
    groups = Grouper().group(np.array([0, 0]), 1)
    found = shown(accumulator.running(groups, Input(np.array([2**63 - 1, 1]))))
    assert found == [2**63 - 1, -(2**63)]


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=repr)
@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("nulls", [False, True])
def test_a_batch_of_one_slot_is_folded_as_its_rows_are(aggregate, kind, nulls):
    accumulator, seen = Accumulator(aggregate, np.dtype(kind)), []
    accumulator.reserve(3)
    for _, values in batches(kind, nulls, 1, seed=5):
        column = as_input(values, kind) if aggregate.column else None
        accumulator.add(np.broadcast_to(np.int64(2), len(values)), column)
        seen += values
    assert shown(accumulator.results(np.array([2]))) == [expected(aggregate, seen)]

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


def slots_of(keys: list[int], known: dict[int, int]):
    """As an index gives them: each slot below their number has been seen."""
    return np.array([known.setdefault(key, len(known)) for key in keys])


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda each: each.result)
@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("nulls", [False, True], ids=["full", "nulls"])
@pytest.mark.parametrize("keys", [1, 7, 100, 1000])
def test_the_result_after_each_row_is_that_of_a_loop(aggregate, kind, nulls, keys):
    accumulator, grouper, seen, known = (
        Accumulator(aggregate, np.dtype(kind)),
        Grouper(),
        defaultdict(list),
        {},
    )
    for where, values in batches(kind, nulls, keys, seed=keys):
        slots = slots_of(where, known)
        accumulator.reserve(len(known))
        groups = grouper.group(slots, len(known))
        column = as_input(values, kind) if aggregate.column else None
        found = accumulator.running(groups, column)
        by_row = shown(tuple(None if each is None else groups.by_row(each) for each in found))
        for row, (key, value) in enumerate(zip(where, values, strict=True)):
            seen[key].append(value)
            assert by_row[row] == expected(aggregate, seen[key]), (row, key)
    assert shown(accumulator.results(np.arange(len(known)))) == [
        expected(aggregate, seen[key]) for key in known
    ]


@pytest.mark.parametrize("aggregate", AGGREGATES, ids=lambda each: each.result)
@pytest.mark.parametrize("kind", [int, float])
@pytest.mark.parametrize("nulls", [False, True], ids=["full", "nulls"])
@pytest.mark.parametrize("first", ["rows", "what was stored"])
def test_what_others_stored_is_folded_in_before_rows_and_after(aggregate, kind, nulls, first):
    whole, seen, known = Accumulator(aggregate, np.dtype(kind)), defaultdict(list), {}

    def add(where, values):
        slots = slots_of(where, known)
        whole.reserve(len(known))
        whole.add(slots, as_input(values, kind) if aggregate.column else None)

    def restore(where, values):
        others: dict[int, int] = {}
        pane = Accumulator(aggregate, np.dtype(kind))
        slots = slots_of(where, others)
        pane.reserve(len(others))
        pane.add(slots, as_input(values, kind) if aggregate.column else None)
        stored = {name: fold.array[: len(others)].copy() for name, fold in pane.folds.items()}
        slots = slots_of(list(others), known)
        whole.reserve(len(known))
        whole.restore(slots, stored)

    calls = [add, restore, restore, add] if first == "rows" else [restore, add, restore, add]
    for call, (where, values) in zip(calls, batches(kind, nulls, 9, seed=3), strict=True):
        call(where, values)
        for key, value in zip(where, values, strict=True):
            seen[key].append(value)
        expect = [expected(aggregate, seen[key]) for key in known]
        assert shown(whole.results(np.arange(len(known)))) == expect


def test_a_key_of_nothing_but_nulls_has_no_sum_among_keys_that_have():
    accumulator = Accumulator(Sum("x"), np.dtype(np.int64))
    accumulator.reserve(2)
    accumulator.add(np.array([0, 1]), as_input([4, 5], int))
    accumulator.reserve(3)
    accumulator.add(np.array([2, 0]), as_input([None, 6], int))
    assert shown(accumulator.results(np.arange(3))) == [10, 5, None]
    assert accumulator.folds["count"].array[:3].tolist() == [2, 1, 0]


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


def test_the_mean_of_large_whole_numbers_is_among_them_also_on_from_whole_sums_of_an_older_snapshot():
    accumulator = Accumulator(Mean("x"), np.dtype(np.int64))
    accumulator.reserve(1)
    accumulator.restore(np.array([0]), {"count": np.array([1]), "value": np.array([2**62])})
    accumulator.add(np.array([0, 0, 0]), Input(np.array([2**62] * 3)))
    groups = Grouper().group(np.array([0, 0, 0, 0]), 1)
    assert shown(accumulator.running(groups, Input(np.array([2**62] * 4)))) == [2.0**62] * 4
    assert shown(accumulator.results(np.array([0]))) == [2.0**62]


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

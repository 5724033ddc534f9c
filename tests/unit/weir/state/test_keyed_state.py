"""Keyed handles and the registration of descriptors."""

import pytest

from weir.errors import SerializationError, StateAccessError
from weir.state import (
    NO_KEY,
    AggregatingStateDescriptor,
    KeyCell,
    KeyedStateStore,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)


class Mean:
    def create_accumulator(self):
        return (0, 0)

    def add(self, value, accumulator):
        return accumulator[0] + value, accumulator[1] + 1

    def get_result(self, accumulator):
        return accumulator[0] / accumulator[1]

    def merge(self, a, b):
        return a[0] + b[0], a[1] + b[1]


@pytest.fixture
def cell():
    return KeyCell()


@pytest.fixture
def store(cell):
    return KeyedStateStore(cell, 128, range(128), "count")


def test_each_key_has_its_own_value(cell, store):
    seen = store.get_state(ValueStateDescriptor("seen", int))
    cell.key = "a"
    assert seen.value() is None
    seen.update(1)
    cell.key = "b"
    assert seen.value() is None
    seen.update(2)
    cell.key = "a"
    assert seen.value() == 1
    seen.clear()
    seen.clear()
    assert seen.value() is None
    cell.key = "b"
    assert seen.value() == 2


@pytest.mark.parametrize("declared", [int, list[int]], ids=["immutable", "isolated"])
@pytest.mark.parametrize("small", [100, 0], ids=["in its base", "standing still"])
def test_a_value_updated_to_none_takes_its_key_along(cell, store, declared, small):
    store.small = small
    state = store.get_state(ValueStateDescriptor("seen", declared))
    for cell.key in "abc":
        state.update(declared())
    begun = store.begin_snapshot()
    for cell.key in "abd":
        state.update(None)
        assert state.value() is None
    begun.encode()
    begun.release()
    assert [key for key, _ in store._registered["seen"].table.now().entries()] == ["c"]
    cell.key = NO_KEY
    with pytest.raises(StateAccessError, match="'seen' of operator count was used without a key"):
        state.update(None)


def test_a_list_grows_is_replaced_and_is_cleared(cell, store):
    state = store.get_state(ListStateDescriptor("items", int))
    cell.key = "a"
    assert state.get() == []
    state.add_all([])
    state.add(1)
    state.add_all(iter([2, 3]))
    assert list(state) == state.get() == [1, 2, 3]
    cell.key = "b"
    state.add_all([9])
    assert state.get() == [9]
    cell.key = "a"
    state.update([7])
    assert state.get() == [7]
    state.update([])
    assert state.get() == []
    state.add(1)
    state.clear()
    assert state.get() == []


def test_what_a_list_gives_out_and_takes_in_is_a_copy(cell, store):
    state = store.get_state(ListStateDescriptor("items"))
    cell.key = "a"
    given = [1]
    state.update(given)
    given.append(2)
    state.get().append(3)
    for item in state:
        state.add(item)
    assert state.get() == [1, 1]


def test_a_map_has_the_methods_of_pyflink_and_of_a_mapping(cell, store):
    state = store.get_state(MapStateDescriptor("prices", str, int))
    cell.key = "a"
    assert state.is_empty()
    assert state.get("x") is None
    assert state["x"] is None
    state.remove("x")
    state.put_all({})
    assert state.is_empty()
    state.put("x", 1)
    state["y"] = 2
    state.put_all({"z": 3})
    assert (state.get("x"), state["y"], state.contains("z"), "w" in state) == (1, 2, True, False)
    assert list(state) == list(state.keys()) == ["x", "y", "z"]
    assert list(state.values()) == [1, 2, 3]
    assert list(state.items()) == [("x", 1), ("y", 2), ("z", 3)]
    for key in state:
        del state[key]
    assert state.is_empty()
    state.put_all({"q": 1})
    cell.key = "b"
    assert state.is_empty()
    cell.key = "a"
    state.clear()
    assert not state.contains("q")


def test_reducing_state_folds_with_a_callable_or_a_function_object(cell, store):
    class Larger:
        def reduce(self, value1, value2):
            return max(value1, value2)

    total = store.get_state(ReducingStateDescriptor("total", lambda a, b: a + b, int))
    largest = store.get_state(ReducingStateDescriptor("largest", Larger(), int))
    cell.key = "a"
    assert total.get() is None
    for value in (3, 5, 4):
        total.add(value)
        largest.add(value)
    assert (total.get(), largest.get()) == (12, 5)
    total.clear()
    total.add(1)
    assert total.get() == 1


def test_a_reduction_to_none_is_a_value(cell, store):
    calls = []
    state = store.get_state(ReducingStateDescriptor("odd", lambda a, b: calls.append((a, b))))
    cell.key = "a"
    for value in (1, 2, 3):
        state.add(value)
    assert calls == [(1, 2), (None, 3)]


def test_aggregating_state_keeps_an_accumulator(cell, store):
    mean = store.get_state(AggregatingStateDescriptor("mean", Mean(), tuple[int, int]))
    cell.key = "a"
    assert mean.get() is None
    mean.add(1)
    mean.add(4)
    assert mean.get() == 2.5
    mean.clear()
    assert mean.get() is None


def test_every_access_without_a_key_names_the_state_and_the_operator(cell, store):
    value = store.get_state(ValueStateDescriptor("value"))
    items = store.get_state(ListStateDescriptor("items"))
    entries = store.get_state(MapStateDescriptor("entries"))
    total = store.get_state(ReducingStateDescriptor("total", lambda a, b: a + b))
    mean = store.get_state(AggregatingStateDescriptor("mean", Mean()))
    accesses = {
        "value": [value.value, lambda: value.update(1), value.clear],
        "items": [
            items.get,
            lambda: items.add(1),
            lambda: items.add_all([1]),
            lambda: items.update([1]),
            lambda: items.update([]),
            items.clear,
            lambda: list(items),
        ],
        "entries": [
            lambda: entries.get(1),
            lambda: entries.put(1, 1),
            lambda: entries.put_all({1: 1}),
            lambda: entries.remove(1),
            lambda: entries.contains(1),
            entries.keys,
            entries.values,
            entries.items,
            entries.is_empty,
            entries.clear,
            lambda: entries[1],
        ],
        "total": [total.get, lambda: total.add(1), total.clear],
        "mean": [mean.get, lambda: mean.add(1), mean.clear],
    }
    for filled in (False, True):
        for name, calls in accesses.items():
            for call in calls:
                with pytest.raises(
                    StateAccessError, match=rf"state '{name}' of operator count was used without a key"
                ):
                    call()
        cell.key = "a"
        for state in (value, items, entries, total, mean):
            state.table["a"] = [1] if state is items else {1: 1} if state is entries else 1
        cell.key = NO_KEY
        assert filled or value.table


def test_the_same_descriptor_gives_the_same_handle(store):
    seen = store.get_state(ValueStateDescriptor("seen", int))
    assert store.get_state(ValueStateDescriptor("seen", int)) is seen
    store.freeze_registration()
    assert store.get_state(ValueStateDescriptor("seen", int)) is seen


@pytest.mark.parametrize(
    "other",
    [ValueStateDescriptor("seen", str), ValueStateDescriptor("seen"), ListStateDescriptor("seen", int)],
    ids=repr,
)
def test_one_name_for_two_states_is_refused_with_both(store, other):
    store.get_state(ValueStateDescriptor("seen", int))
    with pytest.raises(
        StateAccessError, match=r"count declares state 'seen' twice: .*TypedSerializer\(int\)"
    ) as refused:
        store.get_state(other)
    assert repr(other) in str(refused.value)


def test_a_new_state_after_open_is_refused(store):
    store.freeze_registration()
    with pytest.raises(StateAccessError, match=r"state 'seen' of operator count .* get state in open\(\)"):
        store.get_state(ValueStateDescriptor("seen"))


def test_a_snapshot_names_state_key_and_type_of_a_value_that_does_not_fit(cell, store):
    seen = store.get_state(ValueStateDescriptor("seen", int))
    for cell.key in range(100):
        seen.update(cell.key if cell.key != 42 else "no")
    with pytest.raises(
        SerializationError, match=r"state 'seen' of operator count, key 42: .*declared int, got str: 'no'"
    ):
        store.snapshot()


def test_a_snapshot_names_a_key_that_cannot_be_stored(cell, store):
    import fractions

    seen = store.get_state(ValueStateDescriptor("seen", int))
    cell.key = fractions.Fraction(1, 2)
    seen.update(1)
    with pytest.raises(SerializationError, match=r"a key of operator count: Fraction\(1, 2\)"):
        store.snapshot()


@pytest.mark.parametrize("name", ["", " a", "a\n", "x" * 256, 7, None], ids=repr)
def test_a_bad_name_is_refused(name):
    with pytest.raises(StateAccessError, match=r"state"):
        ValueStateDescriptor(name)


def test_descriptors_need_their_functions():
    with pytest.raises(StateAccessError, match=r"reducing state 'a' needs a callable"):
        ReducingStateDescriptor("a", 3)
    with pytest.raises(
        StateAccessError, match=r"aggregating state 'a' .* has no create_accumulator, get_result, merge"
    ):
        AggregatingStateDescriptor("a", set())


def test_descriptors_with_equal_types_are_equal():
    assert MapStateDescriptor("m", str, int) == MapStateDescriptor("m", str, int)
    assert MapStateDescriptor("m", str, int) != MapStateDescriptor("m", str, str)
    assert ListStateDescriptor("m", int) != ValueStateDescriptor("m", int)
    assert len({MapStateDescriptor("m", str, int), MapStateDescriptor("m", str, int)}) == 1

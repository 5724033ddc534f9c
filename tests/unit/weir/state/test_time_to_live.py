"""State with a time to live on the heap; the same cases run on RocksDB in tests/integration/test_backends_agree.py."""

from datetime import timedelta

import pytest

from tests.support.mortal_state import CASES, KINDS, World, held_by, keys_in
from weir import StateTtlConfig
from weir.errors import StateAccessError
from weir.state import KeyedStateStore, ListStateDescriptor, OperatorStateStore, ValueStateDescriptor


def on_the_heap(cell, clock):
    return KeyedStateStore(cell, 128, range(128), "op", clock=clock)


def standing_still(cell, clock):
    store = on_the_heap(cell, clock)
    store.small = 0
    return store


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
@pytest.mark.parametrize("open_store", [on_the_heap, standing_still])
def test_state_that_expires(open_store, case, kind):
    case(World(open_store, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_snapshot_meets_of_a_large_table_is_swept_after_it(kind):
    world = World(standing_still, kind)
    state = world.start(StateTtlConfig("10s"))
    for world.cell.key in range(2000):
        world.write(state)
    world.ms += 5_000
    for world.cell.key in range(10):
        world.write(state)
    world.ms += 5_000
    for _ in range(2):
        begun = world.store.begin_snapshot()
        assert keys_in(begun.encode()) == 10
        world.cell.key = 500
        world.write(state)
        begun.release()
        for _ in range(8):
            world.store.tend()
        assert held_by(world.store) == {*range(10), 500}
        world.cell.key = 500
        state.clear()


@pytest.mark.parametrize("kind", ["list", "map"])
@pytest.mark.parametrize("open_store", [on_the_heap, standing_still])
def test_single_elements_and_entries_are_swept(open_store, kind):
    world = World(open_store, kind)
    state = world.start(StateTtlConfig("10s"))
    add = state.add if kind == "list" else lambda n: state.put(str(n), n)
    for world.cell.key in range(10):
        add(1)
    world.ms += 5_000
    for world.cell.key in range(10):
        add(2)
    world.ms += 6_000
    for _ in range(4):
        world.store.tend()
    assert [len(kept) for _, kept in world.store._registered["s"].table.now().entries()] == [1] * 10


def test_a_walk_through_a_large_table_ends_where_a_snapshot_begins_and_loses_nothing():
    world = World(standing_still, "value")
    state = world.start(StateTtlConfig("10s"))
    for world.cell.key in range(2000):
        world.write(state)
    world.ms += 20_000
    assert not world.store.tend()
    world.cell.key = 1900
    world.write(state)
    begun = world.store.begin_snapshot()
    assert keys_in(begun.encode()) == 1
    begun.release()
    for _ in range(20):
        world.store.tend()
    assert held_by(world.store) == {1900}
    assert world.read(state) == world.seen


@pytest.mark.parametrize("ttl", [0, "0s", timedelta(0), "soon"])
def test_no_duration_above_zero_is_refused_with_what_was_given(ttl):
    with pytest.raises(StateAccessError, match="time to live"):
        StateTtlConfig(ttl)


def test_operator_state_has_no_time_to_live():
    descriptor = ListStateDescriptor("offsets", int)
    descriptor.enable_time_to_live(StateTtlConfig("1h"))
    with pytest.raises(
        StateAccessError, match="'offsets' of operator op has a time to live, which is for state by key"
    ):
        OperatorStateStore("op").get_list_state(descriptor)


def test_another_time_to_live_under_the_same_name_is_another_declaration():
    store = on_the_heap(World(on_the_heap, "value").cell, None)
    store.get_state(ValueStateDescriptor("seen", int))
    other = ValueStateDescriptor("seen", int)
    other.enable_time_to_live(StateTtlConfig("1h"))
    with pytest.raises(StateAccessError, match="declares state 'seen' twice"):
        store.get_state(other)

"""Operator state: split, union and broadcast over rescales; what nobody claims."""

import pytest

from weir.errors import SerializationError, SnapshotCorrupt, SnapshotMismatch, StateAccessError
from weir.state import KeyCell, KeyedStateStore, ListStateDescriptor, MapStateDescriptor, OperatorStateStore
from weir.state.rescale import OperatorFiles, assign_keyed, assign_operator

OFFSETS = ListStateDescriptor("offsets", tuple[str, int])
RULES = MapStateDescriptor("rules", str, int)


def store_of(blobs=(), index=0, parallelism=1, own_only=False):
    store = OperatorStateStore("source")
    store.restore(list(blobs), index, parallelism, own_only)
    return store


def lists(count, size=3, get=OperatorStateStore.get_list_state):
    blobs = []
    for number in range(count):
        store = OperatorStateStore("source")
        get(store, OFFSETS).add_all((f"file-{number}", offset) for offset in range(size))
        blobs.append(store.snapshot())
    return blobs


def test_a_list_state_is_one_list_of_the_instance():
    state = OperatorStateStore("source").get_list_state(OFFSETS)
    state.add(("a", 1))
    state.add_all([("b", 2)])
    state.get().clear()
    assert list(state) == [("a", 1), ("b", 2)]
    state.update([("c", 3)])
    assert state.get() == [("c", 3)]
    state.clear()
    assert state.get() == []


def test_split_lists_are_dealt_evenly_and_completely():
    blobs = lists(3)
    for parallelism in (1, 2, 4, 10):
        parts = [store_of(blobs, i, parallelism).get_list_state(OFFSETS).get() for i in range(parallelism)]
        assert sorted(item for part in parts for item in part) == [
            (f"file-{n}", o) for n in range(3) for o in range(3)
        ]
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_without_a_rescale_each_instance_keeps_its_own_list():
    blobs = lists(3)
    for index, blob in enumerate(blobs):
        state = store_of([blob], index, 3, own_only=True).get_list_state(OFFSETS)
        assert state.get() == [(f"file-{index}", offset) for offset in range(3)]


def test_union_lists_go_to_everybody():
    blobs = lists(2, get=OperatorStateStore.get_union_list_state)
    for index in range(3):
        assert len(store_of(blobs, index, 3).get_union_list_state(OFFSETS).get()) == 6


def test_a_broadcast_map_is_equal_everywhere_after_a_rescale():
    blobs = []
    for _ in range(2):
        store = OperatorStateStore("rules")
        state = store.get_broadcast_state(RULES)
        state.put("a", 1)
        state.put_all({"b": 2})
        blobs.append(store.snapshot())
    for index in range(3):
        assert list(store_of(blobs, index, 3).get_broadcast_state(RULES).items()) == [("a", 1), ("b", 2)]


def test_a_broadcast_map_has_the_methods_of_map_state():
    state = OperatorStateStore("rules").get_broadcast_state(RULES)
    assert state.is_empty()
    state["a"] = 1
    state.put("b", 2)
    state.remove("b")
    state.remove("b")
    assert ("a" in state, state["a"], state.get("b"), state.contains("b")) == (True, 1, None, False)
    assert (list(state), list(state.keys()), list(state.values())) == (["a"], ["a"], [1])
    state.clear()
    assert state.is_empty()


def test_the_read_only_side_sees_every_write_and_cannot_write():
    store = OperatorStateStore("rules")
    reader = store.get_broadcast_state(RULES, read_only=True)
    store.get_broadcast_state(RULES).put("a", 1)
    assert dict(reader.items()) == {"a": 1}
    for write in (
        lambda: reader.put("a", 2),
        lambda: reader.put_all({"a": 2}),
        lambda: reader.remove("a"),
        reader.clear,
        lambda: reader.__setitem__("a", 2),
    ):
        with pytest.raises(StateAccessError, match=r"broadcast state 'rules' .* process_broadcast_element"):
            write()
    assert reader.get("a") == 1


def test_an_empty_store_has_no_snapshot():
    store = OperatorStateStore("source")
    assert store.snapshot() is None
    store.get_list_state(OFFSETS)
    store.get_broadcast_state(RULES)
    assert store.snapshot() is None


def test_only_split_lists_allow_to_read_the_own_file_alone():
    store = OperatorStateStore("source")
    assert store.split_only
    store.get_list_state(OFFSETS)
    assert store.split_only
    store.get_broadcast_state(RULES)
    assert not store.split_only
    assert not store_of(lists(2, get=OperatorStateStore.get_union_list_state), 0, 2).split_only
    assert assign_operator(4, 4, 2, split_only=True) == OperatorFiles([2], own_only=True)
    assert assign_operator(4, 4, 2, split_only=False) == OperatorFiles([0, 1, 2, 3], own_only=False)
    assert assign_operator(2, 3, 2, split_only=True) == OperatorFiles([0, 1], own_only=False)


def test_keyed_files_are_read_by_whom_they_overlap():
    old = [(0, 42), (43, 85), (86, 127)]
    assert assign_keyed(old, range(64)) == [0, 1]
    assert assign_keyed(old, range(64, 128)) == [1, 2]
    assert assign_keyed(old, range(43, 86)) == [1]
    assert assign_keyed(old, range(128)) == [0, 1, 2]
    assert assign_keyed(old, range(42, 44)) == [0, 1]
    assert assign_keyed([], range(128)) == []


@pytest.mark.parametrize(
    ("get", "total"), [(OperatorStateStore.get_list_state, 6), (OperatorStateStore.get_union_list_state, 6)]
)
def test_unclaimed_lists_are_carried_without_being_lost_or_multiplied(get, total):
    blobs = lists(2, get=get)
    for parallelism in (3, 5, 2, 1):
        stores = [store_of(blobs, index, parallelism) for index in range(parallelism)]
        assert all(store.unclaimed() == ["offsets"] for store in stores)
        blobs = [blob for store in stores if (blob := store.snapshot()) is not None]
    assert len(get(store_of(blobs), OFFSETS).get()) == total


def test_an_unclaimed_broadcast_map_is_carried():
    store = OperatorStateStore("rules")
    store.get_broadcast_state(RULES).put("a", 1)
    carried = [store_of([store.snapshot()], index, 2).snapshot() for index in range(2)]
    assert dict(store_of(carried, 1, 2).get_broadcast_state(RULES).items()) == {"a": 1}


def test_state_asked_for_before_the_restore_is_filled_too():
    store = OperatorStateStore("source")
    state = store.get_list_state(OFFSETS)
    store.restore(lists(1), 0, 1)
    assert len(state.get()) == 3
    assert store.unclaimed() == []


def test_one_name_for_two_modes_is_refused():
    store = OperatorStateStore("source")
    handle = store.get_list_state(OFFSETS)
    assert store.get_list_state(ListStateDescriptor("offsets", tuple[str, int])) is handle
    with pytest.raises(
        StateAccessError, match=r"source declares operator state 'offsets' twice: split-list .* union-list"
    ):
        store.get_union_list_state(OFFSETS)
    with pytest.raises(StateAccessError, match=r"twice"):
        store.get_list_state(ListStateDescriptor("offsets", int))


def test_another_mode_or_type_at_a_restore_is_refused():
    with pytest.raises(
        SnapshotMismatch, match=r"'offsets' of source was written as split-list .* asked for as union-list"
    ):
        store_of(lists(1)).get_union_list_state(OFFSETS)
    with pytest.raises(SnapshotMismatch, match=r"operator state 'offsets' .*tuple\[str, int\].*str"):
        store_of(lists(1)).get_list_state(ListStateDescriptor("offsets", str))


def test_a_value_that_does_not_fit_names_the_state():
    store = OperatorStateStore("source")
    store.get_list_state(OFFSETS).add(("a", "b"))
    with pytest.raises(
        SerializationError, match=r"operator state 'offsets' of operator source: value\[1\]: declared int"
    ):
        store.snapshot()


def test_a_file_of_keyed_state_is_refused():
    data = KeyedStateStore(KeyCell(), 128, range(128), "count").snapshot()
    with pytest.raises(
        SnapshotCorrupt, match=r"expected a file of operator state, got keyed state of 'count'"
    ):
        store_of([data])

"""Increments of a RocksDB state: what is stored again, and what comes back under other types, classes and key groups."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.keyed_model import Shelf
from weir import StateTtlConfig
from weir.config import StateBackendOptions, StateBackendType
from weir.errors import SnapshotCorrupt, SnapshotMismatch
from weir.state import (
    KeyCell,
    KeyedStateStore,
    ListStateDescriptor,
    MapStateDescriptor,
    ValueStateDescriptor,
)
from weir.state.backend import backend_for
from weir.state.keyed_place import KeyedPlace
from weir.state.native import KeyedState, NativeKeyed
from weir.state.rocksdb.database import Database
from weir.state.rocksdb.store import SLICE, RocksDBKeyedState

Open = Callable[..., RocksDBKeyedState]


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Open]:
    options = StateBackendOptions(StateBackendType.ROCKSDB, local_directory=str(tmp_path), memory=16 * 2**20)
    backend = backend_for(options)
    opened: list[Any] = []

    def open_one(*restored: KeyedState, groups: range = range(128), subtask: int = 0) -> Any:
        store = backend.open(KeyCell(), KeyedPlace("op", "ab" * 16, subtask, 128, groups))
        opened.append(store)
        store.restore(restored)
        return store

    yield open_one
    for store in opened:
        store.close()
    assert [path for path in tmp_path.rglob("*") if path.is_dir()] == [], "nothing is left on the disk"


def put(store: Any, descriptor: Any, values: dict[Any, Any]) -> None:
    handle = store.get_state(descriptor)
    for key, value in values.items():
        store._cell.key = key
        handle.update(value)


def got(store: Any, descriptor: Any, keys: Any) -> dict[Any, Any]:
    handle = store.get_state(descriptor)
    found = {}
    for key in keys:
        store._cell.key = key
        found[key] = handle.get() if hasattr(handle, "get") else handle.value()
    return found


def taken(store: Any, shelf: Shelf, *, drained: bool = True, own: bool = True) -> NativeKeyed:
    if drained:
        store._pressed = True  # everything, not only what rests
        store._weigh = store._press = lambda: None
        while store.tend():
            pass
    begun = store.begin_snapshot()
    try:
        return shelf.increment(begun, own=own)
    finally:
        begun.release()


COUNT = ValueStateDescriptor("count", int)
TEXT = ValueStateDescriptor("text", str)


def test_a_file_is_stored_once_and_only_what_is_new_is_stored_again(open_store: Open) -> None:
    shelf, store = Shelf(), open_store()
    put(store, TEXT, {number: f"{number:04}" * 50 for number in range(5000)})
    first = taken(store, shelf)
    whole = sum(map(len, shelf.files.values()))
    second = taken(store, shelf)
    assert second.shared == first.shared
    put(store, TEXT, {number: f"{number:04}" * 51 for number in range(0, 5000, 100)})
    third = taken(store, shelf)
    assert set(first.shared) < set(third.shared)
    again = sum(map(len, shelf.files.values())) - whole + len(third.data)
    assert again < whole / 20
    restored = open_store(third)
    assert got(restored, TEXT, [100, 101]) == {100: "0100" * 51, 101: "0101" * 50}


def test_what_was_restored_from_the_jobs_own_folder_is_not_stored_again_and_what_is_anothers_is(
    open_store: Open,
) -> None:
    shelf, store = Shelf(), open_store()
    put(store, TEXT, {number: str(number) * 50 for number in range(2000)})
    first = taken(store, shelf)
    for own in (True, False):
        restored = open_store(dataclasses.replace(first, own=own))
        restored.get_state(TEXT)
        restored.freeze_registration()
        assert (taken(restored, shelf).shared == first.shared) is own


def test_changes_that_are_not_in_the_database_yet_go_with_the_checkpoint(open_store: Open) -> None:
    shelf, store = Shelf(), open_store()
    items = ListStateDescriptor("items", int)
    entries = MapStateDescriptor("entries", str, int)
    put(store, items, {"a": [1, 2], "b": [3]})
    lists, maps = store.get_state(items), store.get_state(entries)
    store._cell.key = "a"
    maps.put_all({"x": 1, "y": 2})
    taken(store, shelf)
    lists.add(4)
    maps.remove("x")
    maps.put("z", 3)
    store._cell.key = "b"
    lists.clear()
    increment = taken(store, shelf, drained=False)
    lists.add(5)
    for groups in ((range(128),), (range(50), range(50, 128))):
        stores = [open_store(increment, groups=part) for part in groups]
        found = [got(each, items, ["a", "b"]) for each in stores]
        assert [[each[key] for each in found if each[key]] for key in ("a", "b")] == [[[1, 2, 4]], []]
        of_maps = [dict(each.get_state(entries).items()) for each in stores if got(each, items, ["a"])["a"]]
        assert of_maps == [{"y": 2, "z": 3}]


def test_what_changed_is_stored_once_in_a_table_unless_an_older_snapshot_is_yet_to_read_the_database(
    open_store: Open,
) -> None:
    shelf, store = Shelf(), open_store()
    entries = MapStateDescriptor("entries", str, str)
    put(store, TEXT, {number: f"{number:04}" * 50 for number in range(2000)})
    maps = store.get_state(entries)
    for number in range(100):
        store._cell.key = number
        maps.put("x", "old")
    older = store.begin_snapshot()
    put(store, TEXT, dict.fromkeys(range(1000), "new"))
    store._cell.key = 5
    maps.clear()
    maps.put("y", "new")
    beside = taken(store, shelf, drained=False)
    assert len(beside.data) > 1000 * len("new"), "the older one may not see it"
    first = shelf.increment(older)
    older.release()
    last = taken(store, shelf, drained=False)
    assert len(last.data) < len(beside.data) / 2
    store.tend()
    assert not any(registered.table.layers for registered in store.registered.values())
    expected = {5: {"y": "new"}, 6: {"x": "old"}}
    for increment, text, of_maps in (
        (first, "0000" * 50, {5: {"x": "old"}, 6: {"x": "old"}}),
        (beside, "new", expected),
        (last, "new", expected),
    ):
        for groups in ((range(128),), (range(50), range(50, 128))):
            stores = [open_store(increment, groups=part) for part in groups]
            assert [found for each in stores if (found := got(each, TEXT, [0])[0])] == [text]
            assert [found for each in stores if (found := got(each, TEXT, [1999])[1999])] == ["1999" * 50]
            for key, wanted in of_maps.items():
                found_maps = []
                for each in stores:
                    handle = each.get_state(entries)
                    each._cell.key = key
                    found_maps.append(dict(handle.items()))
                assert [found for found in found_maps if found] == [wanted]


@pytest.mark.parametrize("drained", [True, False], ids=["drained", "by the increment"])
def test_a_map_of_one_key_is_written_in_slices(
    open_store: Open, monkeypatch: pytest.MonkeyPatch, drained: bool
) -> None:
    shelf, store = Shelf(), open_store()
    maps = store.get_state(MapStateDescriptor("entries", int, str))
    store._cell.key = "a"
    maps.put_all(dict.fromkeys(range(1000, 3000), "old"))
    taken(store, shelf)
    written: list[int] = []
    write = Database.write

    def watched(database: Database, puts: Collection[Any], deletes: Any = ()) -> None:
        written.append(len(puts))
        write(database, puts, deletes)

    monkeypatch.setattr(Database, "write", watched)
    maps.clear()
    maps.put_all(dict.fromkeys(range(2000), "new"))
    increment = taken(store, shelf, drained=drained)
    assert sum(written) == 2000
    assert max(written) <= SLICE
    restored = open_store(increment)
    restored._cell.key = "a"
    for each in (store, restored):
        found = each.get_state(MapStateDescriptor("entries", int, str))
        assert dict(found.items()) == dict.fromkeys(range(2000), "new")


def test_large_values_that_come_after_a_quiet_time_do_not_pile_up(open_store: Open) -> None:
    store, size = open_store(), 100_000
    maps = store.get_state(MapStateDescriptor("entries", int, bytes))
    store.tend()
    store._cell.key = "a"
    maps.put_all({number: bytes(size) for number in range(200)})
    while store.tend():
        pass
    [registered] = store.registered.values()
    assert registered.table.changes() * size <= 8 * 2**20, "half of the memory is for what waits"
    assert registered.table.capacity * size <= 8 * 2**20, "and half for what is cached"
    assert dict(maps.items()) == {number: bytes(size) for number in range(200)}


@dataclasses.dataclass
class Order:
    id: int
    price: float


Earlier = Order


def later() -> type:
    return dataclasses.make_dataclass("Order", [("id", int), ("note", str, "none")], namespace={})


def test_a_record_that_gained_and_lost_fields_is_written_anew(open_store: Open) -> None:
    shelf, store = Shelf(), open_store()
    put(store, ValueStateDescriptor("order", Earlier), {number: Earlier(number, 0.5) for number in range(50)})
    now = later()
    increment = taken(store, shelf)
    restored = open_store(increment)
    assert got(restored, ValueStateDescriptor("order", now), range(50)) == {n: now(n) for n in range(50)}
    # A field that was lost does not come back with what it once held.
    again = open_store(taken(restored, shelf))
    back = dataclasses.make_dataclass("Order", [("id", int), ("note", str, "none"), ("price", float, -1.0)])
    assert got(again, ValueStateDescriptor("order", back), [7]) == {7: back(7, "none", -1.0)}


def test_a_changed_type_or_kind_is_refused_with_both(open_store: Open) -> None:
    shelf, store = Shelf(), open_store()
    put(store, COUNT, {"a": 1})
    increment = taken(store, shelf)
    with pytest.raises(
        SnapshotMismatch, match=r"state 'count' of operator op .* as int and is now declared as str"
    ):
        open_store(increment).get_state(ValueStateDescriptor("count", str))
    with pytest.raises(SnapshotMismatch, match=r"written as value state and is now declared as list state"):
        open_store(increment).get_state(ListStateDescriptor("count", int))


def test_a_time_to_live_may_come_and_go(open_store: Open) -> None:
    shelf, store = Shelf(), open_store()
    put(store, COUNT, {"a": 1})
    mortal = ValueStateDescriptor("count", int)
    mortal.enable_time_to_live(StateTtlConfig("1h"))
    restored = open_store(taken(store, shelf))
    assert got(restored, mortal, ["a"]) == {"a": 1}
    assert got(open_store(taken(restored, shelf)), COUNT, ["a"]) == {"a": 1}


def test_state_that_nobody_claims_is_carried_and_every_backend_reads_it_from_a_savepoint(
    open_store: Open,
) -> None:
    shelf, store = Shelf(), open_store()
    items, entries = ListStateDescriptor("items"), MapStateDescriptor("entries", int, Order)
    put(store, COUNT, {"a": 1})
    put(store, items, {"a": [1], "b": ["x"]})
    store._cell.key = "a"
    store.get_state(entries).put_all({1: Order(1, 0.5), 2: Order(2, 0.5)})
    increment = taken(store, shelf)
    store.get_state(items).add(2)
    increment = taken(store, shelf)
    without = open_store(increment)
    without.get_state(COUNT)
    assert without.unclaimed() == ["items", "entries"]
    without.freeze_registration()
    blob = without.snapshot()
    heap = KeyedStateStore(KeyCell(), 128, range(128), "op")
    heap.restore([blob])
    assert got(heap, items, ["a", "b"]) == {"a": [1, 2], "b": ["x"]}
    heap._cell.key = "a"
    assert dict(heap.get_state(entries).items()) == {1: Order(1, 0.5), 2: Order(2, 0.5)}
    later_on = open_store(taken(without, shelf))
    assert got(later_on, items, ["a"]) == {"a": [1, 2]}


class Color(enum.Enum):
    RED = 1


def test_keys_of_a_class_that_is_spelled_otherwise_now_are_refused_and_not_lost(
    open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, store = Shelf(), open_store()
    put(store, COUNT, {Color.RED: 1})
    increment = taken(store, shelf)
    assert got(open_store(increment), COUNT, [Color.RED]) == {Color.RED: 1}
    monkeypatch.delitem(globals(), "Color")
    with pytest.raises(SnapshotMismatch, match="keys of state 'count' of operator op cannot be decoded"):
        open_store(increment).get_state(COUNT)


def test_a_heap_refuses_an_increment_with_what_to_do(open_store: Open) -> None:
    store = open_store()
    put(store, COUNT, {"a": 1})
    heap = KeyedStateStore(KeyCell(), 128, range(128), "op")
    with pytest.raises(
        SnapshotMismatch, match=r"set stateBackend.type: RocksDB, or go on from a canonical savepoint"
    ):
        heap.restore([taken(store, Shelf())])


def test_a_state_file_that_does_not_fit_its_files_is_refused(open_store: Open) -> None:
    shelf, store = Shelf(), open_store()
    put(store, COUNT, {"a": 1})
    increment = taken(store, shelf)
    with pytest.raises(SnapshotCorrupt, match="names 0 shared files where its state file has 1"):
        open_store(dataclasses.replace(increment, shared=()))
    with pytest.raises(SnapshotCorrupt, match="expected state in files of RocksDB, got keyed state"):
        open_store(dataclasses.replace(increment, data=store.snapshot()))
    with pytest.raises(SnapshotMismatch, match=r"has max parallelism 128, the job asks for 64"):
        other = RocksDBKeyedState(
            KeyCell(), 64, range(64), "op", store.database.beside("other"), store._budget
        )
        try:
            other.restore([increment])
        finally:
            other.close()

"""Snapshots of keyed state: frozen views, restoring, rescaling, and what nobody claims."""

import dataclasses
import enum
import os
from typing import NamedTuple

import pytest

from weir.errors import SnapshotCorrupt, SnapshotMismatch
from weir.keygroups import key_group_range
from weir.serde import PickleSerializer
from weir.state import (
    KeyCell,
    KeyedStateStore,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateKind,
    ValueStateDescriptor,
    standing,
    statefile,
)
from weir.state.heap_snapshot import HeapSnapshot
from weir.state.standing import StandingTable

SEEN = ValueStateDescriptor("seen", int)


def store_of(parallelism=1, index=0, blobs=(), max_parallelism=128, key_type=None):
    store = KeyedStateStore(
        KeyCell(), max_parallelism, key_group_range(max_parallelism, parallelism, index), "count", key_type
    )
    store.restore(blobs)
    return store


def filled(keys, descriptor=SEEN, store=None):
    store = store or store_of()
    table = table_of(store, descriptor)
    table.update({key: index for index, key in enumerate(keys)})
    return store


def table_of(store, descriptor=SEEN):
    store.get_state(descriptor)
    return store.table_of(descriptor)


def test_all_kinds_survive_a_restore():
    store = store_of()
    cell = store._cell
    states = [
        ValueStateDescriptor("value"),
        ListStateDescriptor("items", str),
        MapStateDescriptor("entries", tuple[int, int], float),
        ReducingStateDescriptor("total", lambda a, b: a + b, int),
    ]
    value, items, entries, total = map(store.get_state, states)
    for cell.key in (1, "a", (1, "a"), None):
        value.update({"deep": (cell.key, {1})})
        items.add_all(["x", "y"])
        entries.put((1, 2), 0.5)
        total.add(3)
        total.add(4)
    again = store_of(blobs=[store.snapshot()])
    for descriptor in states:
        assert table_of(again, descriptor) == table_of(store, descriptor)
        assert list(table_of(again, descriptor)) == [1, "a", (1, "a"), None]


def test_changes_after_a_snapshot_do_not_reach_it():
    store = store_of()
    value, items = (
        store.get_state(ValueStateDescriptor("value")),
        store.get_state(ListStateDescriptor("items")),
    )
    store._cell.key = "a"
    mutable = [1]
    value.update(mutable)
    items.add(1)
    data = store.snapshot()
    mutable.append(2)
    items.add(2)
    again = store_of(blobs=[data])
    again_value, again_items = (
        again.get_state(ValueStateDescriptor("value")),
        again.get_state(ListStateDescriptor("items")),
    )
    again._cell.key = "a"
    assert (again_value.value(), again_items.get()) == ([1], [1])


def test_a_value_changed_in_place_and_updated_is_in_the_next_snapshot():
    store = store_of()
    value = store.get_state(ValueStateDescriptor("value", list[int]))
    store._cell.key = "a"
    value.update([1])
    for _ in range(2):
        current = value.value()
        current.append(len(current) + 1)
        value.update(current)
        assert table_of(store_of(blobs=[store.snapshot()]), ValueStateDescriptor("value", list[int])) == {
            "a": current
        }


def test_a_value_updated_to_none_is_absent_after_a_restore():
    store = filled(["a", "b"])
    store._cell.key = "a"
    store.get_state(SEEN).update(None)
    assert table_of(store_of(blobs=[store.snapshot()])) == {"b": 1}


def test_state_asked_for_before_the_restore_is_filled_too():
    data = filled(["a"]).snapshot()
    store = store_of()
    store.get_state(SEEN)
    store.restore([data])
    assert table_of(store) == {"a": 0}


def test_an_empty_store_has_a_snapshot():
    assert table_of(store_of(blobs=[store_of().snapshot()])) == {}


def test_many_keys_are_cut_into_chunks():
    keys = list(range(40_000))
    store = filled(keys)
    store.small = len(keys)
    data = store.snapshot()
    (section,) = statefile.read(data)[1]
    assert [chunk.entries for chunk in section.chunks] == [16384, 16384, 7232]
    assert table_of(store_of(blobs=[data])) == dict(zip(keys, keys, strict=True))


def test_a_large_table_is_written_in_small_pieces_while_it_changes():
    descriptor = ValueStateDescriptor("text", str)
    store = filled([], descriptor)
    texts = {key: f"{key}" * 20 for key in range(40_000)}
    table_of(store, descriptor).update(texts)
    begun = store.begin_snapshot()
    pieces = []
    for piece in begun.pieces():
        pieces.append(piece)
        assert not store.tend(), "nothing is merged while it is read"
        table = store.values_of(descriptor, ())
        table[len(pieces)] = "changed"
        table[-len(pieces)] = "new"
        store._cell.key = 20_000 + len(pieces)
        store.get_state(descriptor).clear()
    begun.release()
    assert max(map(len, pieces)) < 128 * 1024
    assert table_of(store_of(blobs=[b"".join(pieces)]), descriptor) == texts
    while store.tend():
        pass
    changed = dict.fromkeys(range(1, len(pieces) + 1), "changed") | {
        -n: "new" for n in range(1, len(pieces) + 1)
    }
    left = {key: text for key, text in texts.items() if not 20_000 < key <= 20_000 + len(pieces)}
    assert table_of(store, descriptor) == left | changed


def test_many_timers_are_written_in_small_pieces_while_they_fire():
    store = store_of()
    for key in range(40_000):
        store.event_timers.register(key, key // 3)
    timers = sorted(zip(*store.event_timers.columns(), strict=True))
    begun = store.begin_snapshot()
    fired = list(store.event_timers.pop_due(10_000))
    assert len(fired) == 10_001
    pieces = list(begun.pieces())
    begun.release()
    assert max(map(len, pieces)) < 128 * 1024
    again = store_of(blobs=[b"".join(pieces)])
    assert sorted(zip(*again.event_timers.columns(), strict=True)) == timers
    while store.tend():
        pass
    assert len(store.event_timers) == 40_000 - 30_003


def test_too_many_snapshots_at_once_are_encoded_at_once():
    store = filled(range(20_000))
    begun = []
    for number in range(20):
        begun.append(store.begin_snapshot())
        store.values_of(SEEN, ())[number] = -1
    for number, each in enumerate(reversed(begun)):
        found = table_of(store_of(blobs=[each.encode()]))
        assert sum(value == -1 for value in found.values()) == 19 - number
        each.release()
    assert table_of(store)[19] == -1


@pytest.mark.parametrize(
    "key_of", [int, lambda n: f"key {n}", lambda n: (n, "t")], ids=["int", "str", "tuple"]
)
def test_where_a_snapshot_always_follows_the_other_changes_are_brought_back_beside_them(key_of):
    store = filled(map(key_of, range(1000)))
    store.small, store.slice = 0, 8
    handle = store.get_state(SEEN)
    expected = {key_of(n): n for n in range(1000)}
    begun = store.begin_snapshot()
    for turn in range(1, 30):
        assert isinstance(begun, HeapSnapshot), "nothing is encoded at once"
        then = dict(expected)
        pieces = begun.pieces()
        read: list[bytes] = []
        while sum(map(len, read)) < 1000:  # the first of the keys
            read.append(next(pieces))
        for n in range(turn, 1000, 30):
            store._cell.key = key_of(n)
            handle.update(turn)
            expected[key_of(n)] = turn
        for store._cell.key in map(key_of, (turn * 3, turn * 3 - 1, 1000 + turn // 2)):
            handle.clear()
            expected.pop(store._cell.key, None)
        for store._cell.key in map(key_of, (1000 + turn, turn * 2)):
            handle.update(-turn)
            expected[store._cell.key] = -turn
        for _ in range(20):
            assert not store.tend()
        assert {key: store.values_of(SEEN, ())[key] for key in expected} == expected
        data = b"".join([*read, *pieces])
        begun.release()
        begun = store.begin_snapshot()
        assert table_of(store_of(blobs=[data])) == then
    begun.release()
    while store.tend():
        pass
    assert table_of(store) == expected


def test_keys_may_come_to_what_is_gathered_while_a_reader_goes_through_it(monkeypatch):
    monkeypatch.setattr(standing, "_LOOKED_AT", 1)
    table = StandingTable()
    table.base.update({n: n for n in range(3)})
    first = table.cut()
    table.front.update(a=1, b=1, c=1)
    second = table.cut()
    first.over = True
    table.merge_beside(100)
    table.front["d"] = 1
    second.over = True
    third = table.cut()
    entries = third.parts(lambda: 1)
    read = dict(zip(*next(entries), strict=True))
    while "a" not in read:
        read.update(zip(*next(entries), strict=True))
    table.merge_beside(100)
    for part in entries:
        read.update(zip(*part, strict=True))
    assert read == {0: 0, 1: 1, 2: 2, "a": 1, "b": 1, "c": 1, "d": 1}


def test_what_is_brought_back_beside_a_snapshot_is_copied_before_it_changes_in_place():
    descriptor = ListStateDescriptor("items", int)
    store = filled([], descriptor)
    store.small = 0
    items = store.get_state(descriptor)
    for store._cell.key in range(100):
        items.add(1)
    first = store.begin_snapshot()
    store._cell.key = 7
    items.add(2)
    first.release()
    store.slice = 0
    second = store.begin_snapshot()
    store.slice = 8
    pieces = second.pieces()
    read = [next(pieces) for _ in range(3)]
    store.tend()
    items.add(3)
    store.tend()
    assert table_of(store_of(blobs=[b"".join([*read, *pieces])]), descriptor)[7] == [1, 2]
    assert items.get() == [1, 2, 3]
    second.release()


class Counted:
    """Says when it is freed."""

    freed = 0

    def __deepcopy__(self, memo):
        return Counted()

    def __del__(self):
        Counted.freed += 1


@pytest.mark.parametrize("standing_still", [False, True], ids=["whole", "standing still"])
@pytest.mark.parametrize(
    "descriptor", [ListStateDescriptor("many"), MapStateDescriptor("many")], ids=["list", "map"]
)
def test_a_large_list_or_map_that_is_cleared_is_freed_in_slices(descriptor, standing_still):
    store = store_of()
    store.small, store.slice = 0, 16
    state = store.get_state(descriptor)
    store._cell.key = "a"
    if descriptor.kind is StateKind.LIST:
        state.add_all([1])
    else:
        state.put(0, 1)
    table = store.table_of(descriptor)
    many = [Counted() for _ in range(40_000)]
    table["a"] = many if descriptor.kind is StateKind.LIST else dict(enumerate(many))
    del many, table
    begun = store.begin_snapshot() if standing_still else None
    Counted.freed = 0
    state.clear()
    assert not list(state)
    if begun is not None:
        begun.release()
    del begun
    known, slices = Counted.freed, 0
    assert known == 0
    while store.tend():
        assert Counted.freed - known <= 16 * 8
        known, slices = Counted.freed, slices + 1
    assert Counted.freed == 40_000
    assert slices > 300


def test_the_timers_of_a_moment_that_fired_are_freed_in_slices():
    store = store_of()
    store.slice = 16
    store.event_timers.register_all(range(40_000), 5)
    ((_, keys),) = store.event_timers.pop_due(5)
    assert len(keys) == 40_000
    assert len(store.event_timers) == 0
    slices = 0
    while store.tend():
        slices += 1
    assert slices > 300


def test_long_lists_are_cut_by_their_elements():
    descriptor = ListStateDescriptor("items", int)
    store = store_of()
    store.small = 50_000
    table = table_of(store, descriptor)
    table.update({"a": [1] * 10_000, "b": [2] * 10_000, "c": [3], "d": [4] * 20_000})
    data = store.snapshot()
    assert [chunk.entries for chunk in statefile.read(data)[1][0].chunks] == [1, 2, 1]
    assert table_of(store_of(blobs=[data]), descriptor) == table


def test_a_rescale_gives_each_key_to_one_subtask():
    keys = [*range(500), *(f"k{index}" for index in range(500)), *((index, "t") for index in range(500))]
    data = filled(keys).snapshot()
    for parallelism in (2, 3, 7):
        tables = [table_of(store_of(parallelism, index, [data])) for index in range(parallelism)]
        assert all(tables)
        assert sum(map(len, tables)) == len(keys)
        assert {key: value for table in tables for key, value in table.items()} == {
            k: i for i, k in enumerate(keys)
        }


def test_timers_are_dealt_with_their_keys_and_keep_their_order():
    store = store_of()
    for key in range(100):
        store.event_timers.register(key, key % 7)
        store.processing_timers.register(key, 5)
    data = store.snapshot()
    again = store_of(blobs=[data])
    assert again.event_timers.columns() == store.event_timers.columns()
    assert again.processing_timers.columns() == store.processing_timers.columns()
    parts = [store_of(3, index, [data]) for index in range(3)]
    assert sorted(key for part in parts for key in part.processing_timers.columns()[0]) == list(range(100))
    merged = store_of(blobs=[part.snapshot() for part in parts])
    assert sorted(zip(*merged.event_timers.columns(), strict=True)) == sorted(
        zip(*store.event_timers.columns(), strict=True)
    )


def test_a_snapshot_during_firing_holds_what_was_not_handed_out():
    store = store_of()
    for key, timestamp in (("a", 1), ("b", 2), ("c", 3)):
        store.event_timers.register(key, timestamp)
    firing = store.event_timers.pop_due(10)
    next(firing)
    assert store_of(blobs=[store.snapshot()]).event_timers.columns() == (["b", "c"], [2, 3])


def test_unclaimed_state_is_carried_along_through_rescales():
    store = filled(range(1000))
    filled([f"k{index}" for index in range(1000)], ValueStateDescriptor("other"), store)
    blobs = [store.snapshot()]
    for parallelism in (3, 2, 5, 1):
        stores = [store_of(parallelism, index, blobs) for index in range(parallelism)]
        assert all(store.unclaimed() == ["seen", "other"] for store in stores)
        blobs = [store.snapshot() for store in stores]
    again = store_of(blobs=blobs)
    assert table_of(again) == {key: key for key in range(1000)}
    assert again.unclaimed() == ["other"]
    assert len(table_of(again, ValueStateDescriptor("other"))) == 1000
    assert again.unclaimed() == []


def test_carrying_along_does_not_copy_what_no_key_needs():
    data = filled([7]).snapshot()
    carried = [store_of(128, index, [data]).snapshot() for index in range(128)]
    assert sum(len(statefile.read(blob)[1]) for blob in carried) == 1


def test_another_type_is_refused_naming_state_and_both_types():
    data = filled(["a"]).snapshot()
    with pytest.raises(
        SnapshotMismatch, match=r"state 'seen' of operator count cannot be restored: .*int.*str"
    ):
        table_of(store_of(blobs=[data]), ValueStateDescriptor("seen", str))


def test_another_kind_is_refused_naming_both():
    data = filled(["a"]).snapshot()
    with pytest.raises(
        SnapshotMismatch, match=r"state 'seen' .* written as value state .* declared as list state"
    ):
        table_of(store_of(blobs=[data]), ListStateDescriptor("seen", int))


def test_another_type_of_map_keys_is_refused():
    store = store_of()
    store.get_state(MapStateDescriptor("m", int, int))
    with pytest.raises(SnapshotMismatch, match=r"map keys of state 'm' .*int.*str"):
        store_of(blobs=[store.snapshot()]).get_state(MapStateDescriptor("m", str, int))


def test_another_max_parallelism_is_refused_with_both_values():
    with pytest.raises(SnapshotMismatch, match=r"max parallelism 128, the job asks for 64; keep 128"):
        store_of(max_parallelism=64, blobs=[filled(["a"]).snapshot()])


def test_a_file_of_operator_state_is_refused():
    data = statefile.write(statefile.FileHeader(content="operator", operator="x"), [])
    with pytest.raises(SnapshotCorrupt, match=r"expected a file of keyed state, got operator state of 'x'"):
        store_of(blobs=[data])


def test_a_key_in_two_files_is_refused():
    data = filled(["a"]).snapshot()
    with pytest.raises(SnapshotCorrupt, match=r"hold 1 keys twice"):
        table_of(store_of(blobs=[data, data]))


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Route(NamedTuple):
    origin: str
    carrier: str


@dataclasses.dataclass(frozen=True)
class Sensor:
    room: str
    number: int


@pytest.mark.parametrize(
    ("key_type", "keys"),
    [
        (Color, list(Color)),
        (Route, [Route("JFK", "AA"), Route("LGA", "UA")]),
        (Sensor, [Sensor("a", 1), Sensor("b", 2)]),
        (int, list(range(50))),
    ],
    ids=str,
)
@pytest.mark.parametrize("declared", [True, False])
def test_keys_of_a_class_come_back_as_that_class_declared_or_not(key_type, keys, declared):
    expected = key_type
    key_type = key_type if declared else None
    data = filled(keys, store=store_of(key_type=key_type)).snapshot()
    tables = [table_of(store_of(2, index, [data], key_type=key_type)) for index in range(2)]
    restored = [key for table in tables for key in table]
    assert sorted(restored, key=repr) == sorted(keys, key=repr)
    assert {type(key) for key in restored} == {expected}


def test_another_type_of_the_current_key_is_refused():
    data = filled([1], store=store_of(key_type=int)).snapshot()
    with pytest.raises(SnapshotMismatch, match=r"current key of state 'seen' .*int.*str"):
        table_of(store_of(key_type=str, blobs=[data]))


def test_keys_whose_hash_changed_are_refused_and_not_lost():
    @dataclasses.dataclass(frozen=True)
    class Key:
        a: int
        b: int

    old = Key
    keys = [old(index, -index) for index in range(100)]
    stores = [store_of(4, index, key_type=old) for index in range(4)]
    everything = filled(keys, store=store_of(key_type=old)).snapshot()
    blob = store_of(4, 0, [everything], key_type=old)
    table_of(blob)
    data = blob.snapshot()

    @dataclasses.dataclass(frozen=True)
    class Key:
        b: int
        a: int

    assert len(stores) == 4
    with pytest.raises(
        SnapshotMismatch, match=r"was in key groups 0 to 31 and now hashes to .* Key that make the key"
    ):
        table_of(store_of(4, 0, [data], key_type=Key))


class Gadget:
    """Runs code when it is unpickled."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.usefixtures("pickle_key")
@pytest.mark.parametrize("now", [None, object, int, str], ids=str)
def test_a_pickle_in_a_snapshot_is_never_read_where_the_program_does_not_say_so(tmp_path, now):
    proof = tmp_path / "ran"
    store = store_of()
    pickled = ValueStateDescriptor("seen", PickleSerializer())
    table_of(store, pickled)["a"] = Gadget(str(proof))  # "update" would copy it, and so run it
    blob = store.snapshot()
    carried = store_of(blobs=[blob]).snapshot()
    again = store_of(blobs=[carried])
    with pytest.raises(SnapshotMismatch, match="was written as pickled values"):
        again.get_state(ValueStateDescriptor("seen", now))
    assert not proof.exists()
    store_of(blobs=[carried]).get_state(pickled)
    assert proof.exists(), "the gadget works where it is let"

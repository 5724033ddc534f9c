"""A keyed operator over crashes, rescales and changes of the backend, beside one plain dict for each kind of state.

The program is data (``steps``), so that hypothesis can shrink it; ``Bench`` runs it on stores that a backend makes and compares
every read, and at restarts everything, with the dicts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from itertools import islice
from typing import Any

from hypothesis import strategies as st

from weir import StateTtlConfig
from weir.keygroups import KeyRouter, key_group_range
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
from weir.state.heap_snapshot import HeapSnapshot
from weir.state.layered.flat import ABSENT
from weir.state.native import IncrementalSnapshot, KeyedState, NativeKeyed
from weir.state.registration import KeyedStates
from weir.state.rescale import assign_keyed
from weir.state.snapshot import StateHandle, object_handle

MAX_PARALLELISM = 12


class Mean:
    """An aggregate whose accumulator is changed in place."""

    def create_accumulator(self) -> list[int]:
        return [0, 0]

    def add(self, value: int, accumulator: list[int]) -> list[int]:
        accumulator[0] += value
        accumulator[1] += 1
        return accumulator

    def get_result(self, accumulator: list[int]) -> float:
        return accumulator[0] / accumulator[1]

    def merge(self, a: list[int], b: list[int]) -> list[int]:
        return [a[0] + b[0], a[1] + b[1]]


VALUE = ValueStateDescriptor("value")
ITEMS = ListStateDescriptor("items", int)
ENTRIES = MapStateDescriptor("entries", str)
TOTAL = ReducingStateDescriptor("total", lambda a, b: a + b, int)
MEAN = AggregatingStateDescriptor("mean", Mean(), list[int])
DESCRIPTORS: tuple[Any, ...] = (VALUE, ITEMS, ENTRIES, TOTAL, MEAN)
#: Of the same states with a time to live, which a test is too short for.
MORTAL: tuple[Any, ...] = tuple(copy(descriptor) for descriptor in DESCRIPTORS)
for _descriptor in MORTAL:
    _descriptor.enable_time_to_live(StateTtlConfig("1d"))
KINDS = ("value", "items", "entries", "total", "mean")
_OF_OPERATORS = ("fold in place", "take", "change in place")

keys = st.one_of(
    st.integers(-2, 8),
    st.sampled_from(["a", "b", "żółw", b"x", None, 2.5, True]),
    st.tuples(st.integers(0, 2), st.just("t")),
)
small = st.integers(0, 3)
values = st.one_of(st.none(), small, st.lists(small, max_size=2), st.tuples(small), st.just({"a": [1]}))


def steps(backends: Sequence[str]) -> st.SearchStrategy[tuple[str, Any, Any]]:
    """Single steps of a program; restarts choose among ``backends``."""
    place = st.tuples(st.integers(1, MAX_PARALLELISM), st.sampled_from(backends))
    return st.one_of(
        st.tuples(st.just("update"), keys, values),
        st.tuples(st.just("change and update"), keys, small),
        st.tuples(st.just("change without update"), keys, small),
        st.tuples(st.just("clear"), keys, st.sampled_from(KINDS)),
        st.tuples(st.just("add"), keys, small),
        st.tuples(st.just("add all"), keys, st.lists(small, max_size=3)),
        st.tuples(st.just("replace"), keys, st.lists(small, max_size=3)),
        st.tuples(st.just("put"), keys, st.tuples(st.sampled_from("xyz"), values)),
        st.tuples(st.just("remove"), keys, st.sampled_from("xyz")),
        st.tuples(st.just("reduce"), keys, small),
        st.tuples(st.just("aggregate"), keys, small),
        st.tuples(st.just("fold in place"), keys, st.tuples(st.sampled_from("xyz"), small)),
        st.tuples(st.just("take"), keys, st.sampled_from("xyz")),
        st.tuples(st.just("change in place"), keys, small),
        st.tuples(st.just("register"), keys, st.integers(0, 20)),
        st.tuples(st.just("delete"), keys, st.integers(0, 20)),
        st.tuples(st.just("fire"), st.none(), st.integers(0, 20)),
        st.tuples(st.just("begin snapshot"), st.none(), st.none()),
        st.tuples(st.just("write some of a snapshot"), st.none(), st.integers(1, 6)),
        st.tuples(st.just("end snapshot"), st.none(), st.integers(0, 3)),
        st.tuples(st.just("abort snapshot"), st.none(), st.integers(0, 3)),
        st.tuples(st.just("tend"), st.none(), st.integers(1, 4)),
        st.tuples(st.just("foresee"), st.none(), st.lists(keys, min_size=1, max_size=4)),
        st.tuples(st.just("restart"), st.none(), place),
        st.tuples(st.just("restart without claiming"), st.none(), place),
    )


Open = Callable[[str, KeyCell, range], KeyedStates]


def open_heap(_backend: str, cell: KeyCell, groups: range) -> KeyedStates:
    return KeyedStateStore(cell, MAX_PARALLELISM, groups, "model")


def open_standing_heap(backend: str, cell: KeyCell, groups: range) -> KeyedStates:
    """Every table that is not empty stands still for snapshots, and takes changes back by twos."""
    store = open_heap(backend, cell, groups)
    store.small, store.slice = 0, 2
    return store


def contents(blobs: Sequence[bytes]) -> tuple[list[dict[Any, Any]], set[tuple[Any, int]]]:
    """What state files hold, by kind, and their timers; read by the heap."""
    store = KeyedStateStore(KeyCell(), MAX_PARALLELISM, range(MAX_PARALLELISM), "model")
    store.restore(blobs)
    tables = []
    for descriptor in DESCRIPTORS:
        store.get_state(descriptor)
        tables.append(dict(store.table_of(descriptor)))
    timers = list(zip(*store.event_timers.columns(), strict=True))
    assert len(timers) == len(set(timers))
    return tables, set(timers)


class Shelf:
    """Where the shared files of increments are stored."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def increment(self, begun: IncrementalSnapshot, *, own: bool = True) -> NativeKeyed:
        def upload(name: str, data: bytes) -> StateHandle:
            path = f"shared/{len(self.files)}/{name}"
            self.files[path] = data
            return object_handle(path, data)

        found = begun.increment(upload)
        return NativeKeyed(b"".join(found.pieces), found.shared, lambda handle: self.files[handle.path], own)


class _Begun:
    """A snapshot of all stores that has not ended, and what must be in it."""

    def __init__(self, stores: list[KeyedStates], tables: list[dict[Any, Any]], timers: set[Any]) -> None:
        self.snapshots: list[Any] = [store.begin_snapshot() for store in stores]
        self.tables = tables
        self.timers = timers
        #: Of snapshots on the heap: what is yet to be written, and what is.
        self._left = [one.pieces() if isinstance(one, HeapSnapshot) else None for one in self.snapshots]
        self._written: list[list[bytes]] = [[] for _ in self.snapshots]

    def write(self, pieces: int) -> None:
        for left, written in zip(self._left, self._written, strict=True):
            if left is not None:
                written.extend(islice(left, pieces))

    def taken(self, index: int, take: Callable[[Any], KeyedState]) -> KeyedState:
        left = self._left[index]
        return take(self.snapshots[index]) if left is None else b"".join([*self._written[index], *left])

    def release(self) -> None:
        for snapshot in self.snapshots:
            snapshot.release()


class Bench:
    """The stores of an operator, and what they must say."""

    def __init__(
        self,
        parallelism: int,
        backend: str,
        open_store: Open = open_heap,
        shelf: Shelf | None = None,
        *,
        mortal: bool = False,
    ) -> None:
        """``shelf``: snapshots are increments wherever a backend has them, and their files lie there. ``mortal``: all state has a
        time to live.
        """
        self._shelf = shelf
        self._descriptors = MORTAL if mortal else DESCRIPTORS
        self.tables: list[dict[Any, Any]] = [{} for _ in DESCRIPTORS]
        self.timers: set[tuple[Any, int]] = set()
        self._open = open_store
        self._begun: list[_Begun] = []
        self.stores: list[KeyedStates] = []
        self._start([], [], parallelism, backend)
        self._claim()

    def run(self, program: Sequence[tuple[str, Any, Any]]) -> None:
        try:
            for action, key, argument in program:
                self._apply(action, key, argument)
            while self._begun:
                self._end_snapshot(None)
            self._compare([store.snapshot() for store in self.stores], self._expected(), self.timers)
        finally:
            self.close()

    def close(self) -> None:
        for store in self.stores:
            store.close()
        self.stores = []

    def _taken(self, begun: Any) -> KeyedState:
        """What a snapshot gives."""
        if self._shelf is not None and isinstance(begun, IncrementalSnapshot):
            return self._shelf.increment(begun)
        return begun.encode()

    def _portable(self, state: KeyedState, groups: range) -> bytes:
        """As a state file, by way of a store that claims nothing of it."""
        if isinstance(state, bytes):
            return state
        store = self._open("rocksdb", KeyCell(), groups)
        try:
            store.restore([state])
            store.freeze_registration()
            return store.snapshot()
        finally:
            store.close()

    def _start(
        self, blobs: list[KeyedState], old: list[tuple[int, int]], parallelism: int, backend: str
    ) -> None:
        self.close()
        self._router = KeyRouter(MAX_PARALLELISM, parallelism)
        self._ranges = [key_group_range(MAX_PARALLELISM, parallelism, index) for index in range(parallelism)]
        self._cells = [KeyCell() for _ in self._ranges]
        for cell, groups in zip(self._cells, self._ranges, strict=True):
            store = self._open(backend, cell, groups)
            store.restore(blobs[index] for index in assign_keyed(old, groups))
            self.stores.append(store)

    def _claim(self) -> None:
        self._handles = [
            [store.get_state(descriptor) for descriptor in self._descriptors] for store in self.stores
        ]
        for store in self.stores:
            store.freeze_registration()

    def _restart(self, parallelism: int, backend: str) -> None:
        begun = [store.begin_snapshot() for store in self.stores]
        blobs = [self._taken(one) if backend == "rocksdb" else one.encode() for one in begun]
        for one in begun:
            one.release()
        self._begun.clear()
        self._start(blobs, [(groups[0], groups[-1]) for groups in self._ranges], parallelism, backend)

    def _at(self, key: Any) -> tuple[Any, list[Any]]:
        index = self._router[key]
        for cell in self._cells:
            cell.key = NO_KEY
        self._cells[index].key = key
        return self.stores[index], self._handles[index]

    def _expected(self) -> list[dict[Any, Any]]:
        """By kind; empty lists and maps are no state, and neither is the value ``None``."""
        value, items, entries, total, mean = self.tables
        return [
            {key: found for key, found in value.items() if found is not None},
            {key: list(found) for key, found in items.items() if found},
            {key: dict(found) for key, found in entries.items() if found},
            dict(total),
            {key: list(found) for key, found in mean.items()},
        ]

    @staticmethod
    def _compare(blobs: list[bytes], tables: list[dict[Any, Any]], timers: set[tuple[Any, int]]) -> None:
        found, found_timers = contents(blobs)
        assert found == tables
        assert found_timers == timers

    def _end_snapshot(self, number: int | None) -> None:
        begun = self._begun.pop((number or 0) % len(self._begun))
        taken = [begun.taken(index, self._taken) for index in range(len(self.stores))]
        begun.release()
        blobs = [self._portable(*each) for each in zip(taken, self._ranges, strict=True)]
        self._compare(blobs, begun.tables, begun.timers)

    def _apply(self, action: str, key: Any, argument: Any) -> None:
        match action:
            case "restart" | "restart without claiming":
                self._restart(*argument)
                if action != "restart":
                    self._restart(argument[0] % MAX_PARALLELISM + 1, argument[1])
                self._claim()
            case "fire":
                self._fire(argument)
            case "begin snapshot":
                self._begun.append(_Begun(self.stores, self._expected(), set(self.timers)))
            case "write some of a snapshot":
                for begun in self._begun:
                    begun.write(argument)
            case "end snapshot":
                if self._begun:
                    self._end_snapshot(argument)
            case "abort snapshot":
                if self._begun:
                    self._begun.pop((argument or 0) % len(self._begun)).release()
            case "tend":
                for _ in range(argument):
                    for store in self.stores:
                        store.tend()
            case "foresee":
                for index, store in enumerate(self.stores):
                    store.foresee([each for each in argument if self._router[each] == index])
            case _:
                store, handles = self._at(key)
                self._change(action, key, argument, store, handles)
                self._read(key, handles)

    def _fire(self, until: int) -> None:
        fired = [
            (timer, timestamp)
            for store in self.stores
            for timestamp, due in store.event_timers.pop_due(until)
            for timer in due
        ]
        assert len(fired) == len(set(fired))
        assert set(fired) == {timer for timer in self.timers if timer[1] <= until}
        self.timers -= set(fired)

    def _change(self, action: str, key: Any, argument: Any, store: Any, handles: list[Any]) -> None:
        value, items, entries, total, mean = handles
        of_value, of_items, of_entries, of_total, of_mean = self.tables
        if action in _OF_OPERATORS and self._descriptors is MORTAL:
            return  # they have none that dies
        match action:
            case "update":
                value.update(argument)
                of_value[key] = argument
            case "change and update" | "change without update":
                current = value.value()
                if isinstance(current, list):
                    current.append(argument)
                    if action == "change and update":
                        value.update(current)
                        of_value[key] = list(current)
            case "clear":
                number = KINDS.index(argument)
                handles[number].clear()
                self.tables[number].pop(key, None)
            case "add":
                items.add(argument)
                of_items.setdefault(key, []).append(argument)
            case "add all":
                items.add_all(argument)
                of_items.setdefault(key, []).extend(argument)
            case "replace":
                items.update(argument)
                of_items[key] = list(argument)
            case "put":
                entries.put(*argument)
                of_entries.setdefault(key, {})[argument[0]] = argument[1]
            case "remove":
                entries.remove(argument)
                of_entries.get(key, {}).pop(argument, None)
            case "reduce":
                total.add(argument)
                of_total[key] = of_total.get(key, 0) + argument
            case "aggregate":
                mean.add(argument)
                summed, count = of_mean.get(key, [0, 0])
                of_mean[key] = [summed + argument, count + 1]
            case "fold in place":
                entry, more = argument
                known = store.load_entries(ENTRIES, entry, [key])
                if isinstance(known.get(key), list):
                    known[key].append(more)
                    of_entries[key] = {**of_entries[key], entry: [*of_entries[key][entry], more]}
                else:
                    known[key] = more
                    of_entries.setdefault(key, {})[entry] = more
                store.store_entries(ENTRIES, entry, known)
            case "take":
                taken = store.take_entries(ENTRIES, argument, [key])
                there = {key: of_entries[key].pop(argument)} if argument in of_entries.get(key, {}) else {}
                assert taken == there
            case "change in place":
                table = store.values_of(VALUE, [key])
                current = table.get(key, ABSENT)
                if isinstance(current, list):
                    current.append(argument)
                    table[key] = current
                    of_value[key] = [*of_value[key], argument]
                    store.note_written(VALUE, [key])
            case "register":
                store.event_timers.register(key, argument)
                self.timers.add((key, argument))
            case "delete":
                store.event_timers.delete(key, argument)
                self.timers.discard((key, argument))

    def _read(self, key: Any, handles: list[Any]) -> None:
        value, items, entries, total, mean = handles
        of_value, of_items, of_entries, of_total, of_mean = (table.get(key) for table in self.tables)
        assert value.value() == of_value
        assert items.get() == (of_items or [])
        assert dict(entries.items()) == (of_entries or {})
        assert set(entries.keys()) == set(of_entries or {})
        assert entries.is_empty() is not bool(of_entries)
        for name in "xyz":
            assert entries.contains(name) is (name in (of_entries or {}))
            assert entries.get(name) == (of_entries or {}).get(name)
        assert total.get() == of_total
        assert mean.get() == (None if of_mean is None else of_mean[0] / of_mean[1])

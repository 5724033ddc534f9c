"""A keyed store over crashes and rescales against one plain dict: every key exactly once, nothing else."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from weir.keygroups import KeyRouter, key_group_range
from weir.state import (
    NO_KEY,
    KeyCell,
    KeyedStateStore,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from weir.state.rescale import assign_keyed

MAX_PARALLELISM = 12
VALUE = ValueStateDescriptor("value")
ITEMS = ListStateDescriptor("items", int)
ENTRIES = MapStateDescriptor("entries", str)
TOTAL = ReducingStateDescriptor("total", lambda a, b: a + b, int)
DESCRIPTORS = (VALUE, ITEMS, ENTRIES, TOTAL)

keys = st.one_of(
    st.integers(-2, 8),
    st.sampled_from(["a", "b", "żółw", b"x", None, 2.5, True]),
    st.tuples(st.integers(0, 2), st.just("t")),
)
parallelisms = st.integers(1, MAX_PARALLELISM)
small = st.integers(0, 3)
steps = st.one_of(
    st.tuples(
        st.just("update"), keys, st.one_of(st.none(), small, st.lists(small, max_size=2), st.tuples(small))
    ),
    st.tuples(st.just("append in place"), keys, small),
    st.tuples(st.just("clear"), keys, st.sampled_from(["value", "items", "entries", "total"])),
    st.tuples(st.just("add"), keys, small),
    st.tuples(st.just("put"), keys, st.tuples(st.sampled_from("xyz"), small)),
    st.tuples(st.just("remove"), keys, st.sampled_from("xyz")),
    st.tuples(st.just("reduce"), keys, small),
    st.tuples(st.just("register"), keys, st.integers(0, 20)),
    st.tuples(st.just("delete"), keys, st.integers(0, 20)),
    st.tuples(st.just("fire"), st.none(), st.integers(0, 20)),
    st.tuples(st.just("restart"), st.none(), parallelisms),
    st.tuples(st.just("restart without claiming"), st.none(), parallelisms),
)


class Cluster:
    """One keyed operator at some parallelism; a restart goes through snapshots and the assignment rules."""

    def __init__(self, parallelism: int) -> None:
        self.start([], [], parallelism)
        self.claim()

    def start(self, blobs: list[bytes], old_ranges: list[tuple[int, int]], parallelism: int) -> None:
        self.router = KeyRouter(MAX_PARALLELISM, parallelism)
        self.ranges = [key_group_range(MAX_PARALLELISM, parallelism, index) for index in range(parallelism)]
        self.cells = [KeyCell() for _ in self.ranges]
        self.stores = []
        for cell, groups in zip(self.cells, self.ranges, strict=True):
            store = KeyedStateStore(cell, MAX_PARALLELISM, groups, "model")
            store.restore(blobs[index] for index in assign_keyed(old_ranges, groups))
            self.stores.append(store)

    def claim(self) -> None:
        self.handles = [[store.get_state(descriptor) for descriptor in DESCRIPTORS] for store in self.stores]
        for store in self.stores:
            store.freeze_registration()

    def restart(self, parallelism: int) -> None:
        blobs = [store.snapshot() for store in self.stores]
        self.start(blobs, [(groups[0], groups[-1]) for groups in self.ranges], parallelism)

    def at(self, key: Any) -> tuple[Any, list[Any]]:
        index = self.router[key]
        for cell in self.cells:
            cell.key = NO_KEY
        self.cells[index].key = key
        return self.stores[index], self.handles[index]

    def tables(self, number: int) -> dict[Any, Any]:
        merged: dict[Any, Any] = {}
        for store in self.stores:
            table = store.table_of(DESCRIPTORS[number])
            assert not merged.keys() & table.keys()
            merged |= table
        return {key: value for key, value in merged.items() if value is not None}


class Model:
    def __init__(self) -> None:
        self.tables: list[dict[Any, Any]] = [{}, {}, {}, {}]
        self.timers: set[tuple[Any, int]] = set()


def apply(model: Model, cluster: Cluster, action: str, key: Any, argument: Any) -> None:
    if action.startswith("restart"):
        cluster.restart(argument)
        if action.endswith("claiming"):
            cluster.restart(argument % MAX_PARALLELISM + 1)
        cluster.claim()
        return
    if action == "fire":
        fired = [
            (timer, timestamp)
            for store in cluster.stores
            for timestamp, due in store.event_timers.pop_due(argument)
            for timer in due
        ]
        assert len(fired) == len(set(fired))
        assert set(fired) == {timer for timer in model.timers if timer[1] <= argument}
        model.timers -= set(fired)
        return
    store, (value, items, entries, total) = cluster.at(key)
    values, lists, maps, totals = model.tables
    match action:
        case "update":
            value.update(argument)
            values[key] = argument
        case "append in place":
            current = value.value()
            assert current == values.get(key)
            if isinstance(current, list):
                current.append(argument)
                value.update(current)
                values[key] = list(current)
        case "clear":
            number = ["value", "items", "entries", "total"].index(argument)
            [value, items, entries, total][number].clear()
            model.tables[number].pop(key, None)
        case "add":
            items.add(argument)
            lists.setdefault(key, []).append(argument)
        case "put":
            entries.put(*argument)
            maps.setdefault(key, {})[argument[0]] = argument[1]
        case "remove":
            entries.remove(argument)
            maps.get(key, {}).pop(argument, None)
            if not maps.get(key, True):
                del maps[key]
        case "reduce":
            total.add(argument)
            totals[key] = totals.get(key, 0) + argument
        case "register":
            store.event_timers.register(key, argument)
            model.timers.add((key, argument))
        case "delete":
            store.event_timers.delete(key, argument)
            model.timers.discard((key, argument))


@given(parallelisms, st.lists(steps, max_size=40))
def test_any_program_over_any_rescales_equals_one_dict(parallelism, program):
    model, cluster = Model(), Cluster(parallelism)
    for action, key, argument in [*program, ("restart", None, parallelism)]:
        apply(model, cluster, action, key, argument)
        for number, table in enumerate(model.tables):
            assert cluster.tables(number) == {key: value for key, value in table.items() if value is not None}
        timers = [
            timer for store in cluster.stores for timer in zip(*store.event_timers.columns(), strict=True)
        ]
        assert len(timers) == len(set(timers))
        assert set(timers) == model.timers

"""Two snapshots of random state, at any parallelism, differ exactly where the dicts that they were made of do."""

from __future__ import annotations

import enum
import math
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from tests.support.checkpoints import JOB
from weir.checkpoint.metadata import FORMAT_VERSION, OperatorState, SnapshotKind, SnapshotMetadata
from weir.checkpoint.store import LoadedSnapshot
from weir.ids import AttemptId, CheckpointId, Epoch, operator_id_of_uid
from weir.keygroups import KeyRouter, key_group_range
from weir.state import KeyCell, KeyedStateStore, ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor
from weir.state.snapshot import OperatorSubtaskState, inline_handle
from weir.state_reader.differences import compare
from weir.storage import MemoryStorage


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Route(NamedTuple):
    origin: str
    number: int


VALUE = ValueStateDescriptor("value", dict[str, int])
ITEMS = ListStateDescriptor("items")
ENTRIES = MapStateDescriptor("entries", str, float)
keys = st.sampled_from(["a", "b", 3, (1, "t"), None, Color.RED, Color.BLUE, Route("VIE", 1)])
states = st.fixed_dictionaries(
    {
        "value": st.dictionaries(keys, st.dictionaries(st.sampled_from("xy"), st.integers(0, 2))),
        "items": st.dictionaries(keys, st.lists(st.integers(0, 2), min_size=1, max_size=3)),
        "entries": st.dictionaries(keys, st.dictionaries(st.sampled_from("xy"), st.floats(), min_size=1)),
        "timers": st.sets(st.tuples(keys, st.integers(0, 3))),
    }
)


def snapshot(state: dict[str, Any], parallelism: int) -> LoadedSnapshot:
    router = KeyRouter(128, parallelism)
    cells = [KeyCell() for _ in range(parallelism)]
    ranges = [key_group_range(128, parallelism, index) for index in range(parallelism)]
    stores = [KeyedStateStore(cell, 128, groups, "op") for cell, groups in zip(cells, ranges, strict=True)]
    for store in stores:
        for descriptor in (VALUE, ITEMS, ENTRIES):
            store.get_state(descriptor)
    for descriptor in (VALUE, ITEMS, ENTRIES):
        for key, value in state[descriptor.name].items():
            stores[router[key]].table_of(descriptor)[key] = value
    for key, at in state["timers"]:
        stores[router[key]].event_timers.register(key, at)
    subtasks = tuple(
        OperatorSubtaskState(
            subtask=index, keyed=inline_handle(store.snapshot()), key_groups=(groups[0], groups[-1])
        )
        for index, (store, groups) in enumerate(zip(stores, ranges, strict=True))
    )
    operator = OperatorState(
        operator_id=operator_id_of_uid("op"),
        uid="op",
        name="op",
        parallelism=parallelism,
        max_parallelism=128,
        subtasks=subtasks,
    )
    metadata = SnapshotMetadata(
        format_version=FORMAT_VERSION,
        job_id=JOB,
        kind=SnapshotKind.SAVEPOINT,
        checkpoint_id=CheckpointId(1),
        epoch=Epoch(1),
        attempt=AttemptId(1),
        triggered_ms=0,
        operators=(operator,),
    )
    return LoadedSnapshot("memory://x", metadata, "", MemoryStorage())


def told(key: Any) -> Any:
    """A key as it is told without its class."""
    if isinstance(key, Color):
        return f"Color.{key.name}"
    return f"Route(origin={key.origin!r}, number={key.number})" if isinstance(key, Route) else key


def places(state: dict[str, Any]) -> dict[str, dict[Any, Any]]:
    entries = {
        (told(key), entry): value for key, found in state["entries"].items() for entry, value in found.items()
    }
    return {
        "value": {told(key): value for key, value in state["value"].items()},
        "items": {told(key): value for key, value in state["items"].items()},
        "entries": entries,
        "event-time timers": {(told(key), at): True for key, at in state["timers"]},
    }


def same(old: Any, new: Any) -> bool:
    """As Python compares, so a dict has no order; only NaN, which is equal to nothing, is the same as NaN."""
    both = isinstance(old, float) and isinstance(new, float)
    return bool(old == new) or (both and math.isnan(old) and math.isnan(new))


@given(states, states, st.integers(1, 3), st.integers(1, 3))
def test_exactly_what_is_different_is_told(before, after, old_parallelism, new_parallelism):
    found = compare(snapshot(before, old_parallelism), snapshot(after, new_parallelism), limit=1000)
    was, now = places(before), places(after)
    expected = {}
    for name in was:
        old, new = was[name], now[name]
        changed = {
            (
                repr(place),
                repr(old[place]) if place in old else None,
                repr(new[place]) if place in new else None,
            )
            for place in old.keys() | new.keys()
            if place not in old or place not in new or not same(old[place], new[place])
        }
        if changed:
            expected[name] = changed
    states_found = [state for operator in found.operators for state in operator.states]
    assert {s.name: {(c.key, c.before, c.after) for c in s.changes} for s in states_found} == expected
    for state in states_found:
        assert state.added + state.removed + state.changed == len(state.changes)
    assert bool(found.operators) == bool(expected or old_parallelism != new_parallelism)

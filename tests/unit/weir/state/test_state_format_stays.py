"""Files of format version 1 stay readable: the golden file was written once and is restored here.

A difference means that users' snapshots would not restore, or restore as something else. Rewrite the golden
file only together with a new format version, and keep the old one under ``tests/compat`` by then.
"""

import base64
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from weir.state import (
    KeyCell,
    KeyedStateStore,
    ListStateDescriptor,
    MapStateDescriptor,
    OperatorStateStore,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)

GOLDEN = Path(__file__).parents[3] / "golden"
KEYED = [
    ValueStateDescriptor("untyped"),
    ValueStateDescriptor("typed", int),
    ListStateDescriptor("items", tuple[int, str]),
    MapStateDescriptor("entries", str, float),
    ReducingStateDescriptor("total", lambda a, b: a + b, int),
]
KEYS = [1, "a", None, ("a", 2), b"x", 2**70, datetime(2024, 2, 29, tzinfo=UTC)]


def keyed_store() -> KeyedStateStore:
    cell = KeyCell()
    store = KeyedStateStore(cell, 128, range(128), "golden")
    untyped, typed, items, entries, total = (store.get_state(descriptor) for descriptor in KEYED)
    for number, cell.key in enumerate(KEYS):
        untyped.update([None, True, -1, 2.5, "ż", b"b", (1, [2]), {3: 4}, Decimal("1.50"), 2**90][number:])
        typed.update(number)
        items.add_all([(number, "x"), (-number, "y")])
        entries.put("k", number / 2)
        total.add(number)
        store.event_timers.register(cell.key, 1000 + number % 2)
        store.processing_timers.register(cell.key, 5)
    return store


def operator_store() -> OperatorStateStore:
    store = OperatorStateStore("golden")
    store.get_list_state(ListStateDescriptor("split")).add_all([1, ("a", 2)])
    store.get_union_list_state(ListStateDescriptor("union", str)).add("u")
    store.get_broadcast_state(MapStateDescriptor("rules", str, int)).put_all({"a": 1, "b": 2})
    return store


def written(name: str) -> bytes:
    return base64.b64decode((GOLDEN / name).read_text())


def text(data: bytes) -> str:
    return "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 100)) + "\n"


def test_a_keyed_file_of_version_1_restores(golden: Callable[[str, str], None]) -> None:
    expected = keyed_store()
    golden("state/keyed-v1.txt", text(expected.snapshot()))
    store = KeyedStateStore(KeyCell(), 128, range(128), "golden")
    store.restore([written("state/keyed-v1.txt")])
    for descriptor in KEYED:
        store.get_state(descriptor)
        assert store.table_of(descriptor) == expected.table_of(descriptor)
    assert store.event_timers.columns() == expected.event_timers.columns()
    assert store.processing_timers.columns() == expected.processing_timers.columns()


def test_an_operator_file_of_version_1_restores(golden: Callable[[str, str], None]) -> None:
    data = operator_store().snapshot()
    assert data is not None
    golden("state/operator-v1.txt", text(data))
    store = OperatorStateStore("golden")
    store.restore([written("state/operator-v1.txt")], 0, 1)
    assert store.get_list_state(ListStateDescriptor("split")).get() == [1, ("a", 2)]
    assert store.get_union_list_state(ListStateDescriptor("union", str)).get() == ["u"]
    assert dict(store.get_broadcast_state(MapStateDescriptor("rules", str, int)).items()) == {"a": 1, "b": 2}

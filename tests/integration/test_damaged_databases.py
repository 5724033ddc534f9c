"""A byte of a table file of RocksDB is flipped on the worker's disk: whoever scans it says so and names the file, never a short result.

Scorecard row R11. The bytes lie in tables that a fresh database opened and has not read, so that no cache stands before them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.keyed_model import Shelf
from weir import StateTtlConfig
from weir.config import StateBackendOptions, StateBackendType
from weir.errors import StateDamaged
from weir.state import KeyCell, ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor
from weir.state.backend import KeyedPlace, backend_for
from weir.state.native import KeyedState, NativeKeyed

Open = Callable[..., Any]
KEYS = 1000
NAMED = r"cannot scan the state database .*Corruption.*\.sst"


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Open]:
    backend = backend_for(
        StateBackendOptions(StateBackendType.ROCKSDB, local_directory=str(tmp_path), memory=16 * 2**20)
    )
    opened: list[Any] = []

    def open_one(*restored: KeyedState, groups: range = range(128)) -> Any:
        store = backend.open(KeyCell(), KeyedPlace("op", "ab" * 16, 0, 128, groups))
        opened.append(store)
        store.restore(restored)
        return store

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], NativeKeyed]:
    """State of all kinds that lies in one table file."""
    folder = str(tmp_path_factory.mktemp("made"))
    options = StateBackendOptions(StateBackendType.ROCKSDB, local_directory=folder, memory=16 * 2**20)

    @functools.cache
    def made(mortal: bool) -> NativeKeyed:
        store: Any = backend_for(options).open(KeyCell(), KeyedPlace("op", "ab" * 16, 0, 128, range(128)))
        value, items, entries = map(store.get_state, states(mortal=mortal))
        for key in range(KEYS):
            store._cell.key = key
            value.update(f"{key:05}" * 20)
            items.add_all([key, key + 1])
            entries.put(key, f"{key:05}" * 10)
        store._pressed, store._weigh = True, lambda: None  # everything is drained, not only what rests
        for each in store.registered.values():
            while store._drain(each):
                pass
        store.database.flush()
        store.database.compact()
        begun = store.begin_snapshot()
        taken = Shelf().increment(begun)
        begun.release()
        store.close()
        assert len(taken.shared) == 1, "what is damaged is nowhere else"
        return taken

    return made


def states(*, mortal: bool = False) -> tuple[Any, Any, Any]:
    found = ValueStateDescriptor("v", str), ListStateDescriptor("l", int), MapStateDescriptor("m", int, str)
    if mortal:
        for each in found:
            each.enable_time_to_live(StateTtlConfig("1h"))
    return found


def flip(data: bytes, share: float) -> bytes:
    at = int(len(data) * share)
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def damage(store: Any, share: float) -> None:
    (table,) = Path(store.database.folder).glob("*.sst")
    with table.open("r+b") as file:  # in place: the database holds it open
        damaged = flip(file.read(), share)
        file.seek(0)
        file.write(damaged)


def test_a_batch_of_damaged_state_is_not_read_as_absent(
    open_store: Open, make: Callable[[bool], NativeKeyed]
) -> None:
    store = open_store(make(False))
    value, *_ = map(store.get_state, states())
    store.freeze_registration()
    damage(store, 0.1)
    for absent in range(-KEYS, 0):
        store._cell.key = absent
        value.value()  # none is cached, so that the next batch is read together
    with pytest.raises(StateDamaged, match=r"cannot read the state database .*Corruption.*\.sst"):
        store.foresee(list(range(KEYS)))


#: Where in the table: among the values, the lists, the maps' entries.
EACH = pytest.mark.parametrize("share", [0.1, 0.4, 0.7])


@EACH
def test_a_savepoint_of_damaged_state_fails_and_names_the_file(
    open_store: Open, make: Callable[[bool], NativeKeyed], share: float
) -> None:
    store = open_store(make(False))
    for each in states():
        store.get_state(each)
    store.freeze_registration()
    damage(store, share)
    with pytest.raises(StateDamaged, match=NAMED):
        store.snapshot()


@EACH
def test_a_rescale_of_damaged_state_fails_or_has_all_of_its_half(
    open_store: Open, make: Callable[[bool], NativeKeyed], share: float
) -> None:
    taken = make(False)
    damaged = replace(taken, read=lambda handle: flip(taken.read(handle), share))  # after it was verified
    failed = []
    for groups in (range(64), range(64, 128)):
        try:
            found = counted(open_store(damaged, groups=groups))
        except StateDamaged as error:
            failed.append(str(error))
        else:
            assert found == counted(open_store(taken, groups=groups))
    assert failed
    assert all(".sst" in each for each in failed)


@EACH
def test_the_search_for_what_has_expired_fails_at_damage(
    open_store: Open, make: Callable[[bool], NativeKeyed], share: float
) -> None:
    store = open_store(make(True))
    for each in states(mortal=True):
        store.get_state(each)
    store.freeze_registration()
    damage(store, share)
    with pytest.raises(StateDamaged, match=NAMED):
        for _ in range(10 * KEYS):
            store.tend()


def counted(store: Any) -> dict[int, Any]:
    value, items, entries = map(store.get_state, states())
    found = {}
    for key in range(KEYS):
        store._cell.key = key
        found[key] = value.value(), items.get(), dict(entries.items())
    return found

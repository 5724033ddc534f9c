"""Full snapshots of RocksDB state that would not fit into memory: they go to storage in pieces, and come back by way of the local disk."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from weir import keygroups
from weir.config import StateBackendOptions, StateBackendType
from weir.graph.physical import ChainedOperator
from weir.ids import AttemptId, Epoch, JobId, OperatorId
from weir.operators.base import OperatorSnapshot
from weir.rpc import messages
from weir.state import KeyCell, KeyedStateStore, ListStateDescriptor, MapStateDescriptor, ValueStateDescriptor
from weir.state.backend import KeyedPlace, StateBackend, backend_for, local_folder
from weir.state.snapshot import OperatorSubtaskState
from weir.state.spooled import SpooledFile
from weir.storage import LocalStorage
from weir.taskmanager.snapshots import SnapshotReader, SnapshotWriter

MB = 2**20
OPERATOR = ChainedOperator(node=1, operator_id=OperatorId("0f" * 16), name="keep", uid="keep", upstream=None)
EXECUTION = messages.Execution(JobId("a" * 32), Epoch(1), AttemptId(1))
VALUE = ValueStateDescriptor("value", bytes)
ITEMS = ListStateDescriptor("items", bytes)
ENTRIES = MapStateDescriptor("entries", int, bytes)
KEYS = 1000


@pytest.fixture
def options(tmp_path: Path) -> StateBackendOptions:
    return StateBackendOptions(
        StateBackendType.ROCKSDB, local_directory=str(tmp_path / "local"), memory=16 * MB
    )


@pytest.fixture
def open_store(options: StateBackendOptions) -> Iterator[Callable[..., Any]]:
    backend: StateBackend = backend_for(options)
    opened: list[Any] = []

    def open_one(groups: range = range(128)) -> Any:
        opened.append(backend.open(KeyCell(), KeyedPlace("keep", "0f" * 16, 0, 128, groups)))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


def fill(store: Any) -> None:
    """About 60 MB."""
    value, items, entries = map(store.get_state, (VALUE, ITEMS, ENTRIES))
    for key in range(KEYS):
        store._cell.key = key
        value.update(bytes([key % 256]) * 20_000)
        items.add_all([bytes([key % 256])] * 3 + [b"x" * 20_000])
        entries.put_all({1: b"y" * 10_000, key: b"z" * 10_000})
        if key % 50 == 0:
            while store.tend():
                pass


def check(store: Any, owned: Callable[[int], bool] = lambda key: True) -> None:
    value, items, entries = map(store.get_state, (VALUE, ITEMS, ENTRIES))
    for key in range(KEYS):
        store._cell.key = key
        if not owned(key):
            assert value.value() is None
            continue
        assert value.value() == bytes([key % 256]) * 20_000
        assert [len(item) for item in items.get()] == [1, 1, 1, 20_000]
        assert sorted(entries.items()) == sorted({1: b"y" * 10_000, key: b"z" * 10_000}.items())


def persisted(store: Any, job: LocalStorage) -> OperatorSubtaskState:
    begun = store.begin_snapshot()
    writer = SnapshotWriter(job, StateBackendType.ROCKSDB)
    try:
        states = writer.persist(
            EXECUTION,
            1,
            0,
            [(OPERATOR, OperatorSnapshot(keyed=begun))],
            key_groups=(0, 127),
            finished=False,
            watermark=0,
        )
    finally:
        begun.release()
    return states[OPERATOR.operator_id]


def read_back(state: OperatorSubtaskState, job: LocalStorage, spool: str | None) -> tuple[Any, ...]:
    restored = messages.RestoredOperator(
        operator_id=OPERATOR.operator_id, old_parallelism=1, states=(state,), own_only=True
    )
    return SnapshotReader(job, spool=spool).read(restored).keyed


def test_neither_writing_nor_restoring_holds_more_than_some_chunks_and_everything_is_there(
    tmp_path: Path, options: StateBackendOptions, open_store: Callable[..., Any]
) -> None:
    job, store = LocalStorage(tmp_path / "job"), open_store()
    fill(store)
    tracemalloc.start()
    try:
        state = persisted(store, job)
        _, writing = tracemalloc.get_traced_memory()
        store.close()
        assert state.keyed is not None
        assert state.keyed.size > 55 * MB
        tracemalloc.reset_peak()
        (file,) = read_back(state, job, local_folder(options))
        assert isinstance(file, SpooledFile)
        again = open_store()
        again.restore([file])
        for each in (VALUE, ITEMS, ENTRIES):
            again.get_state(each)
        _, restoring = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A part or some chunks, with what they are decoded into, and the changes that are not in the database: less the larger the state.
    assert max(writing, restoring) < state.keyed.size * 0.8, (writing, restoring)
    check(again)


def test_every_backend_reads_it_and_a_rescale_cuts_it(
    tmp_path: Path, options: StateBackendOptions, open_store: Callable[..., Any]
) -> None:
    job, store = LocalStorage(tmp_path / "job"), open_store()
    fill(store)
    state = persisted(store, job)
    heap = KeyedStateStore(KeyCell(), 128, range(128), "keep")
    heap.restore(read_back(state, job, None))
    check(heap)

    for groups in (range(40), range(40, 128)):
        part = open_store(groups)
        part.restore(read_back(state, job, local_folder(options)))
        check(part, lambda key, groups=groups: keygroups.key_group(key, 128) in groups)
        part.close()


def test_rows_that_come_faster_than_slices_are_written_do_not_pile_up_in_memory(
    open_store: Callable[..., Any],
) -> None:
    store = open_store()
    value = store.get_state(VALUE)
    for key in range(20_000):
        store._cell.key = key
        value.update(bytes(4000))
        if key % 2000 == 1999:  # a batch, and a slice of draining
            store.tend()
            table = store.registered["value"].table
            assert table.changes() * 4000 < 8 * MB, (
                "half of 8 MB, and no more than a batch or a snapshot adds"
            )
            assert len(table.layers) <= 2


def test_rows_wait_for_a_snapshot_that_holds_the_database_when_too_much_waits(
    open_store: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    value = store.get_state(VALUE)
    begun = store.begin_snapshot()
    letting_go: list[str] = []

    def wait(timeout: float) -> bool:
        assert store.held
        letting_go.append("waited")
        begun.release()
        return not store.held

    monkeypatch.setattr(store.held, "wait", wait)
    for key in range(4000):
        store._cell.key = key
        value.update(bytes(4000))
        if key % 500 == 499:
            store.tend()
    assert letting_go == ["waited"], "once, and not before far too much did"
    assert store.registered["value"].table.changes() * 4000 < 8 * MB

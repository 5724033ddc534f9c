"""The same program of state gives the same results on every backend, before and after restores, rescales and changes of it.

Scorecard rows A13 and B6.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support import mortal_state
from tests.support.keyed_model import MAX_PARALLELISM, Bench, Shelf, open_heap, open_standing_heap, steps
from weir.clock import Clock
from weir.config import StateBackendOptions, StateBackendType
from weir.errors import StateDamaged
from weir.state import KeyCell
from weir.state.backend import StateBackend, backend_for
from weir.state.keyed_place import KeyedPlace
from weir.state.registration import KeyedStates
from weir.state.rocksdb import snapshots as snapshots_of_rocksdb
from weir.state.rocksdb import store as store_of_rocksdb
from weir.state.rocksdb.database import Database, SharedMemory

BACKENDS = ["heap", "rocksdb"]


@pytest.fixture(scope="module", params=[1, 500], autouse=True)
def slices(request: pytest.FixtureRequest) -> Iterator[None]:
    """So many entries are drained, and written for a snapshot, at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_of_rocksdb, "SLICE", request.param)
        patch.setattr(snapshots_of_rocksdb, "_SLICE", request.param)
        yield


@pytest.fixture(scope="module")
def rocksdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StateBackend]:
    folder: Path = tmp_path_factory.mktemp("state")
    yield backend_for(
        StateBackendOptions(StateBackendType.ROCKSDB, local_directory=str(folder), memory=16 * 2**20)
    )
    left = [path for path in folder.glob("*/*") if path.is_dir()]
    assert left == [], "every store removes its database"


def opened(rocksdb: StateBackend, name: str, cell: KeyCell, groups: range, cached: int) -> KeyedStates:
    """``cached`` keys, or more; with one, timers and the tables of the heap stand still for snapshots."""
    if name == "heap":
        return (open_standing_heap if cached == 1 else open_heap)(name, cell, groups)
    store = rocksdb.open(cell, KeyedPlace("model", "ab" * 16, groups.start, MAX_PARALLELISM, groups))
    if cached == 1:
        store.small, store.slice = 0, 2
    return forgetful(store, cached)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 3),
    st.sampled_from(BACKENDS),
    st.lists(steps(BACKENDS), max_size=40),
    st.integers(1, 3),
    st.booleans(),
)
def test_any_program_over_rescales_and_changes_of_the_backend_equals_plain_dicts(
    rocksdb: StateBackend, parallelism: int, backend: str, program: list, cached: int, increments: bool
) -> None:
    def open_store(name: str, cell: KeyCell, groups: range) -> KeyedStates:
        return opened(rocksdb, name, cell, groups, cached)

    small = [
        (action, key, (argument[0] % 4 + 1, argument[1]) if action.startswith("restart") else argument)
        for action, key, argument in program
    ]
    Bench(parallelism, backend, open_store, Shelf() if increments else None).run(small)


#: Two changes to one key, by kind of state.
CHANGES = [
    [("update", 1, [1]), ("change and update", 1, 2)],
    [("update", 1, 1), ("clear", 1, "value")],
    [("add", 1, 1), ("add", 1, 2)],
    [("add all", 1, [1, 2]), ("replace", 1, [3])],
    [("replace", 1, [1, 2]), ("clear", 1, "items")],
    [("put", 1, ("x", 1)), ("put", 1, ("y", 2))],
    [("put", 1, ("x", [1])), ("remove", 1, "x")],
    [("put", 1, ("x", 1)), ("clear", 1, "entries")],
    [("reduce", 1, 1), ("reduce", 1, 2)],
    [("aggregate", 1, 1), ("aggregate", 1, 2)],
    [("register", 1, 5), ("delete", 1, 5)],
]


@pytest.mark.parametrize(("backend", "shelf"), [("heap", None), ("rocksdb", None), ("rocksdb", Shelf())])
@pytest.mark.parametrize("changes", CHANGES, ids=lambda changes: f"{changes[0][0]}-{changes[1][0]}")
def test_a_snapshot_is_of_its_moment_whatever_changes_and_is_drained_before_it_is_written(
    rocksdb: StateBackend, backend: str, shelf: Shelf | None, changes: list
) -> None:
    def open_store(name: str, cell: KeyCell, groups: range) -> KeyedStates:
        return opened(rocksdb, name, cell, groups, cached=1)

    begin, tend, end = ("begin snapshot", None, None), ("tend", None, 3), ("end snapshot", None, None)
    first, second = changes
    program = [first, tend, begin, second, tend, begin, tend, first, tend, end, tend, second, end, tend]
    Bench(1, backend, open_store, shelf).run(
        [*program, begin, tend, tend, first, end, ("restart", None, (2, backend))]
    )


@pytest.mark.parametrize("kind", ["value", "list", "map"])
def test_state_with_a_time_to_live_expires_as_on_the_heap(rocksdb: StateBackend, kind: str) -> None:
    def open_store(cell: KeyCell, clock: Clock) -> KeyedStates:
        return rocksdb.open(cell, KeyedPlace("op", "cd" * 16, 0, 128, range(128), clock))

    for case in mortal_state.CASES:
        world = mortal_state.World(open_store, kind)
        try:
            case(world)
        finally:
            world.close()


def test_a_flipped_byte_is_found_by_every_scan_and_named_and_never_makes_it_shorter(tmp_path: Path) -> None:
    database = Database(str(tmp_path / "db"), SharedMemory.of(16 * 2**20))
    database.write([(b"%06d" % i, b"value of %d" % i) for i in range(20_000)])
    database.flush()
    database.copy_to(str(tmp_path / "copy"))
    database.destroy()
    (file,) = (tmp_path / "copy").glob("*.sst")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    damaged = Database(str(tmp_path / "copy"), SharedMemory.of(16 * 2**20))
    with pytest.raises(StateDamaged, match=rf"Corruption.*{file.name}"):
        list(damaged.scan(b"0", b"9"))
    damaged.destroy()


def forgetful(store: KeyedStates, cached: int) -> KeyedStates:
    """With caches of next to nothing, and everything drained that may be."""
    adopt = store._adopt

    def adopt_small(descriptor):
        handle = adopt(descriptor)
        for registered in store.registered.values():
            registered.table.capacity = cached
        return handle

    store._adopt = adopt_small
    store._weigh = store._press = lambda: None
    store._pressed = cached == 1
    return store

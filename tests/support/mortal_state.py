"""What state with a time to live must do on every backend; each case is given a ``World`` on which time stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from weir import StateTtlConfig
from weir.records import MIN_TIMESTAMP
from weir.state import (
    AggregatingStateDescriptor,
    KeyCell,
    KeyedStateStore,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    ValueStateDescriptor,
)
from weir.state.registration import KeyedStates
from weir.state.rocksdb import records

Update, Visibility, Time = (
    StateTtlConfig.UpdateType,
    StateTtlConfig.StateVisibility,
    StateTtlConfig.TtlTimeCharacteristic,
)


class Cell(KeyCell):
    """With the time of an element, as operators have."""

    __slots__ = ("ts",)

    def __init__(self) -> None:
        super().__init__()
        self.key = "k"
        self.ts: int | None = None


class Sum:
    def create_accumulator(self) -> list[int]:
        return []

    def add(self, value: int, accumulator: list[int]) -> list[int]:
        accumulator.append(value)
        return accumulator

    def get_result(self, accumulator: list[int]) -> int:
        return sum(accumulator)

    def merge(self, a: list[int], b: list[int]) -> list[int]:
        return a + b


KINDS: dict[str, Callable[[], Any]] = {
    "value": lambda: ValueStateDescriptor("s", int),
    "list": lambda: ListStateDescriptor("s", int),
    "map": lambda: MapStateDescriptor("s", str, int),
    "reducing": lambda: ReducingStateDescriptor("s", lambda a, b: a + b, int),
    "aggregating": lambda: AggregatingStateDescriptor("s", Sum(), list[int]),
}
READ: dict[str, Callable[[Any], Any]] = {
    "value": lambda state: state.value(),
    "list": lambda state: state.get() or None,
    "map": lambda state: state.get("x"),
    "reducing": lambda state: state.get(),
    "aggregating": lambda state: state.get(),
}
WRITE: dict[str, Callable[[Any, int], None]] = {
    "value": lambda state, n: state.update(n),
    "list": lambda state, n: state.update([n]),
    "map": lambda state, n: state.put("x", n),
    "reducing": lambda state, n: state.add(n),
    "aggregating": lambda state, n: state.add(n),
}
#: What a read gives after writing 7.
SEEN: dict[str, Any] = {"value": 7, "list": [7], "map": 7, "reducing": 7, "aggregating": 7}

Open = Callable[[KeyCell, Any], KeyedStates]


class World:
    """A store, its one state, and the time."""

    def __init__(self, open_store: Open, kind: str) -> None:
        self.open = open_store
        self.kind = kind
        self.ms = 1_000_000
        #: Milliseconds by which the wall clock was set back.
        self.behind = 0
        self.cell = Cell()
        self.stores: list[KeyedStates] = []

    def wall_ms(self) -> int:
        return self.ms - self.behind

    def monotonic(self) -> float:
        return self.ms / 1000

    def start(self, ttl: StateTtlConfig | None, blobs: list[bytes] | None = None) -> Any:
        descriptor = KINDS[self.kind]()
        if ttl is not None:
            descriptor.enable_time_to_live(ttl)
        store = self.open(self.cell, self)
        self.stores.append(store)
        store.restore(blobs or [])
        return store.get_state(descriptor)

    @property
    def store(self) -> KeyedStates:
        return self.stores[-1]

    def close(self) -> None:
        for store in self.stores:
            store.close()

    def write(self, state: Any) -> None:
        WRITE[self.kind](state, 7)

    def read(self, state: Any) -> Any:
        return READ[self.kind](state)

    @property
    def seen(self) -> Any:
        return SEEN[self.kind]


def keys_in(blob: bytes) -> int:
    """Keys with state in a state file, as the heap finds them."""
    store = KeyedStateStore(KeyCell(), 128, range(128), "look")
    store.restore([blob])
    carried = store._restored.carried()
    return sum(chunk.entries for section in carried for chunk in section.chunks)


def held_by(store: Any) -> set[Any]:
    """Keys that a store still holds, whatever it shows."""
    if isinstance(store, KeyedStateStore):
        return {key for key, _ in store._registered["s"].table.now().entries()}
    (registered,) = store.registered.values()
    found = {records.key_of(*entry) for entry in registered.base._all(range(128), None)}
    return found.union(*registered.table.layers)


def lives_its_time_and_no_longer(world: World) -> None:
    state = world.start(StateTtlConfig("10s"))
    world.write(state)
    world.ms += 9_999
    assert world.read(state) == world.seen
    world.ms += 1
    assert world.read(state) is None
    world.write(state)
    assert world.read(state) == world.seen, "what had expired is not folded in"


def only_a_write_renews_it_by_default(world: World) -> None:
    state = world.start(StateTtlConfig("10s"))
    world.write(state)
    world.ms += 6_000
    assert world.read(state) == world.seen
    world.ms += 6_000
    assert world.read(state) is None


def a_read_renews_it_where_that_is_asked_for(world: World) -> None:
    state = world.start(StateTtlConfig.new_builder("10s").update_ttl_on_read_and_write().build())
    world.write(state)
    for _ in range(3):
        world.ms += 6_000
        assert world.read(state) == world.seen
    world.ms += 10_000
    assert world.read(state) is None


def an_expired_one_may_be_seen_until_it_is_removed(world: World) -> None:
    state = world.start(StateTtlConfig.new_builder("10s").return_expired_if_not_cleaned_up().build())
    world.write(state)
    world.ms += 20_000
    assert world.read(state) == world.seen
    assert world.read(state) is None, "the read removed it"


def snapshots_leave_expired_ones_out(world: World) -> None:
    state = world.start(StateTtlConfig("10s"))
    for world.cell.key in range(10):
        world.write(state)
    world.ms += 5_000
    for world.cell.key in range(4):
        world.write(state)
    assert keys_in(world.store.snapshot()) == 10
    world.ms += 5_000
    assert keys_in(world.store.snapshot()) == 4
    again = world.start(StateTtlConfig("10s"), [world.store.snapshot()])
    world.cell.key = 2
    assert world.read(again) is not None
    world.ms += 5_000
    assert world.read(again) is None, "its time goes on over a restore"


def a_snapshot_leaves_out_what_had_expired_when_it_began(world: World) -> None:
    state = world.start(StateTtlConfig("10s"))
    for world.cell.key in range(4):
        world.write(state)
    begun = world.store.begin_snapshot()
    world.ms += 10_000
    late = world.store.begin_snapshot()
    assert (keys_in(begun.encode()), keys_in(late.encode())) == (4, 0)
    for snapshot in (begun, late):
        snapshot.release()


def sweeps_remove_what_nobody_asks_for(world: World) -> None:
    _sweeps(world.start(StateTtlConfig.new_builder("10s").return_expired_if_not_cleaned_up().build()), world)


def a_clock_that_is_set_back_holds_no_sweep_up(world: World) -> None:
    state = world.start(StateTtlConfig.new_builder("10s").return_expired_if_not_cleaned_up().build())
    _sweeps(state, world)
    world.behind = 86_400_000
    _sweeps(state, world)


def _sweeps(state: Any, world: World) -> None:
    for world.cell.key in range(5):
        world.write(state)
    for _ in range(3):  # what rests is drained, as between checkpoints
        begun = world.store.begin_snapshot()
        begun.encode()
        begun.release()
        world.cell.key = 99
        world.write(state)
        for _ in range(4):
            world.store.tend()
    world.ms += 20_000
    world.write(state)
    for _ in range(8):
        world.store.tend()
        world.ms += 500
    assert held_by(world.store) <= {99}


def event_time_counts_from_the_elements_own_time(world: World) -> None:
    config = StateTtlConfig.new_builder("10s").set_ttl_time_characteristic(Time.EventTime).build()
    state = world.start(config)
    assert world.store.time.watermark == MIN_TIMESTAMP
    world.cell.ts = 50_000
    world.write(state)
    world.ms += 10**9  # the machine's clock says nothing
    world.store.time.watermark = 59_999
    assert world.read(state) == world.seen
    world.store.time.watermark = 60_000
    assert world.read(state) is None


def what_was_there_before_event_time_lives_its_time_from_its_begin_on(world: World) -> None:
    state = world.start(None)
    world.write(state)
    config = StateTtlConfig.new_builder("10s").set_ttl_time_characteristic(Time.EventTime).build()
    state = world.start(config, [world.store.snapshot()])
    world.cell.key = "written without a time"
    world.write(state)
    for world.store.time.watermark, lives in ((50_000, True), (59_999, True), (60_000, False)):
        for world.cell.key in ("k", "written without a time"):
            assert (world.read(state) is not None) == lives
    assert keys_in(world.store.snapshot()) == 0


def a_time_to_live_may_come_go_and_change_over_state_that_exists(world: World) -> None:
    state = world.start(None)
    world.write(state)
    world.ms += 100_000
    state = world.start(StateTtlConfig("10s"), [world.store.snapshot()])
    world.ms += 9_000
    assert world.read(state) == world.seen, "it lives its full time from the restore on"
    state = world.start(StateTtlConfig("1h"), [world.store.snapshot()])
    world.ms += 60_000
    assert world.read(state) == world.seen, "the longer time holds"
    state = world.start(None, [world.store.snapshot()])
    world.ms += 10**10
    assert world.read(state) == world.seen, "it lives for ever"
    state = world.start(StateTtlConfig("1s"), [world.store.snapshot()])
    world.ms += 1_000
    assert world.read(state) is None


CASES: list[Callable[[World], None]] = [
    lives_its_time_and_no_longer,
    only_a_write_renews_it_by_default,
    a_read_renews_it_where_that_is_asked_for,
    an_expired_one_may_be_seen_until_it_is_removed,
    snapshots_leave_expired_ones_out,
    a_snapshot_leaves_out_what_had_expired_when_it_began,
    sweeps_remove_what_nobody_asks_for,
    a_clock_that_is_set_back_holds_no_sweep_up,
    event_time_counts_from_the_elements_own_time,
    what_was_there_before_event_time_lives_its_time_from_its_begin_on,
    a_time_to_live_may_come_go_and_change_over_state_that_exists,
]

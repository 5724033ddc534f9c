"""The keyed state of one operator in RocksDB: registers states, cuts snapshots, drains changes into the database.

A cut makes what changed a layer. A layer is drained once a newer one stands on it, so that keys that change all the time are
written only when they rest; or at once, when too much waits or checkpoints are incremental. While a snapshot copies the database nothing is drained, hence
the database never holds anything newer than the last cut. An increment writes what it cut itself (``weir.state.rocksdb.snapshots``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple

from weir.clock import Clock
from weir.errors import StateAccessError
from weir.state.columns import Codec, codec_for
from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    StateKind,
    ValueStateDescriptor,
)
from weir.state.handles import State
from weir.state.heap import KeyCell
from weir.state.isolation import IMMUTABLE, declares_immutable, isolated
from weir.state.layered import ABSENT, FlatTable, ListTable, MapChange, MapTable, Run
from weir.state.layered import handles as layered
from weir.state.native import KeyedState, NativeKeyed
from weir.state.registration import KeyedSnapshot, KeyedStates
from weir.state.rocksdb import native, records
from weir.state.rocksdb.bases import Base, FlatBase, ListBase, MapBase
from weir.state.rocksdb.database import Database
from weir.state.rocksdb.files import DatabaseFiles
from weir.state.rocksdb.held import Cut, HeldSnapshots
from weir.state.rocksdb.keys import KeySpelling, state_range
from weir.state.rocksdb.native import NativeState
from weir.state.rocksdb.restoring import RestoredDatabase, check_spelling
from weir.state.rocksdb.snapshots import RocksDBSnapshot
from weir.state.sizes import deep_size
from weir.state.statefile import Source

#: Keys, or entries of maps, that one slice of draining writes: about a millisecond and a half.
SLICE: Final = 500
#: Slices that are written between two batches unless far too much waits.
_SLICES_AT_ONCE: Final = 8
#: Slices between two looks at how much memory the cached values take, and values that are looked at.
_WEIGH_EVERY: Final = 64
_WEIGHED: Final = 32
#: Bytes of a cached entry besides key and value: its places in the dicts.
_ENTRY_BYTES: Final = 200
_FIRST_GUESS: Final = 400
#: Entries that are cached, and that may wait, however large they are.
_FEWEST: Final = 32
#: Seconds for which rows wait for a snapshot at once, so that a task that is to end does.
HELD_S: Final = 1.0
#: Seconds between the end of a sweep for what has expired and the next one.
SWEEP_PAUSE: Final = 1.0

Table = FlatTable | ListTable | MapTable


class Registered(NamedTuple):
    """A state of the operator."""

    descriptor: StateDescriptor
    codec: Codec
    base: Base
    table: Table


class CacheBudget:
    """Bytes for decoded values and changes, shared by all operators of a slot."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._stores = 0

    def join(self) -> None:
        """One more operator shares it."""
        self._stores += 1

    @property
    def share(self) -> int:
        """What one operator has."""
        return self._size // max(1, self._stores)


class RocksDBKeyedState(KeyedStates):
    """See the module. ``database`` is this operator's alone."""

    tends = True

    def __init__(
        self,
        cell: KeyCell,
        max_parallelism: int,
        key_groups: range,
        operator_name: str,
        database: Database,
        budget: CacheBudget,
        clock: Clock | None = None,
        on_closed: Callable[[], None] = lambda: None,
        *,
        incremental: bool = False,
    ) -> None:
        """``on_closed`` is called once, when the database is gone. ``incremental``: checkpoints are."""
        super().__init__(cell, max_parallelism, key_groups, operator_name, clock=clock)
        self.database = database
        self._on_closed: Callable[[], None] | None = on_closed
        self.registered: dict[str, Registered] = {}
        self._flat: list[FlatTable] = []
        #: Nothing is drained while snapshots read layers and database.
        self.held = HeldSnapshots()
        self._spelling = KeySpelling(max_parallelism)
        self.files = DatabaseFiles(database)
        self._increments = RestoredDatabase(database, self.files, key_groups, operator_name)
        self._budget = budget
        #: Layers that wait for a newer one: an increment would store them again with each checkpoint until they rest in files.
        self._resting = 0 if incremental else 1
        budget.join()
        self._entry_bytes = _FIRST_GUESS
        #: No value was weighed yet.
        self._guessed = True
        #: Too much waits: everything is drained until next to nothing does, not only what rests.
        self._pressed = False
        #: Entries that waited after the last slice.
        self._left = 0
        self._tended = 0
        self._sweeping: Iterator[None] | None = None
        self._sweep_at = 0.0

    # ---- states ------------------------------------------------------------------------------------------

    def _adopt(self, descriptor: StateDescriptor) -> State:
        base = self._claimed(descriptor)
        table: Table
        match base:
            case FlatBase():
                table = FlatTable(base.load, base.load_all, 0)
                self._flat.append(table)
            case ListBase():
                table = ListTable(base.load, 0)
            case MapBase():
                table = MapTable(base.load, base.load_map, 0)
        registered = Registered(descriptor, codec_for(descriptor), base, table)
        self._fill(registered)
        self.registered[descriptor.name] = registered
        self._share_cache()
        return self._handle(descriptor, table)

    def _claimed(self, descriptor: StateDescriptor) -> Base:
        """The base, which may find records that an increment brought."""
        base = self._base(descriptor, self._increments.number_of(descriptor.kind, descriptor.name))
        found = self._increments.claim(descriptor.kind, descriptor.name, self._signature(descriptor))
        if isinstance(found, NativeState):
            base.attached = found.attached
            if isinstance(base, ListBase):
                base.next_number = found.next_run
            if found.attached:
                where = self.database, self._key_groups, self._operator, descriptor.name
                check_spelling(base, self._spelling, *where)
        elif found is not None:
            self._restored.add_sections([found])
        return base

    def _base(self, descriptor: StateDescriptor, number: int) -> Base:
        label = f"state {descriptor.name!r} of operator {self._operator}"
        where = (self.database, self._spelling, number, descriptor.serializer(), label)
        match descriptor.kind:
            case StateKind.LIST:
                return ListBase(*where)
            case StateKind.MAP:
                return MapBase(*where, descriptor.serializer("key"))
        return FlatBase(*where)

    def _handle(self, descriptor: StateDescriptor, table: Any) -> State:
        where = (self._cell, table, descriptor.name, self._operator)
        if descriptor.ttl is not None and isinstance(table, FlatTable):
            return layered.LayeredIsolatedValueState(*where)  # of pairs
        match descriptor:
            case ValueStateDescriptor():
                declared = getattr(descriptor.serializer(), "type", Any)
                kind = layered.LayeredValueState
                return (
                    kind(*where)
                    if declares_immutable(declared)
                    else layered.LayeredIsolatedValueState(*where)
                )
            case ListStateDescriptor():
                return layered.LayeredListState(*where)
            case MapStateDescriptor():
                return layered.LayeredMapState(*where)
            case ReducingStateDescriptor():
                return layered.LayeredReducingState(*where, descriptor.reduce_fn)
            case AggregatingStateDescriptor():
                return layered.LayeredAggregatingState(*where, descriptor.aggregate_function)
        raise StateAccessError(f"{descriptor!r} is not a descriptor of keyed state")

    def _fill(self, registered: Registered) -> None:
        """Write what was restored for a state into the database."""
        for keys, values in self._take(registered.descriptor, registered.codec):
            for at in range(0, len(keys), SLICE):
                part = zip(keys[at : at + SLICE], values[at : at + SLICE], strict=True)
                write_all(registered.base, list(part))

    def foresee(self, keys: list[Any]) -> None:
        for table in self._flat:
            table.foresee(keys)

    def values_of(self, descriptor: StateDescriptor, keys: Iterable[Any]) -> dict[Any, Any]:
        table = self.registered[descriptor.name].table
        assert isinstance(table, FlatTable)
        young, dirty = table.load_all(keys), table.dirty
        for key in keys:
            value = young[key]
            if value is not ABSENT and value.__class__ not in IMMUTABLE and key not in dirty:
                young[key] = isolated(value)  # a snapshot may hold it
        return young

    def note_written(self, descriptor: StateDescriptor, keys: Iterable[Any]) -> None:
        table = self.registered[descriptor.name].table
        assert isinstance(table, FlatTable)
        young = table.young
        table.dirty.update((key, young[key]) for key in keys)

    def load_entries(self, descriptor: StateDescriptor, entry: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        get = self._maps(descriptor).get
        # Isolated, since a snapshot may hold them.
        return {key: isolated(value) for key in keys if (value := get(key, entry)) is not ABSENT}

    def store_entries(self, descriptor: StateDescriptor, entry: Any, values: dict[Any, Any]) -> None:
        put = self._maps(descriptor).put
        for key, value in values.items():
            put(key, entry, value)

    def take_entries(self, descriptor: StateDescriptor, entry: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        taken = self.load_entries(descriptor, entry, keys)
        self.store_entries(descriptor, entry, dict.fromkeys(taken, ABSENT))
        return taken

    def restored_entries(self, descriptor: StateDescriptor) -> Iterator[tuple[Any, Any]]:
        base = self.registered[descriptor.name].base
        for spelled, record in self.database.scan(*state_range(base.state, self._key_groups)):
            entry = base.entry_of(spelled, record) if isinstance(base, MapBase) else None
            yield records.key_of(spelled, record), entry

    def left_over(self) -> list[str]:
        self._leave_unclaimed()
        return super().left_over()

    def _maps(self, descriptor: StateDescriptor) -> MapTable:
        table = self.registered[descriptor.name].table
        assert isinstance(table, MapTable)
        return table

    def restore(self, blobs: Iterable[KeyedState]) -> None:
        super().restore(blobs)
        for registered in self.registered.values():
            self._fill(registered)

    def _state_files(self, found: Iterable[KeyedState]) -> Iterator[Source]:
        for each in found:
            if isinstance(each, NativeKeyed):
                self._restore_increment(each)
            else:
                yield each

    def _restore_increment(self, increment: NativeKeyed) -> None:
        if self.registered:
            raise StateAccessError(
                f"operator {self._operator} asked for state before an increment was restored"
            )
        file = native.read(increment.data)
        self._restored.check_header(file.header)
        self._increments.add(increment, file)
        self._restored.add_sections(file.others)

    def freeze_registration(self) -> None:
        self._leave_unclaimed()
        super().freeze_registration()

    def _leave_unclaimed(self) -> None:
        if self._increments.unclaimed:
            self._restored.add_sections(self._increments.leave())

    def unclaimed(self) -> list[str]:
        return [*super().unclaimed(), *(name for _, name in self._increments.unclaimed)]

    def native_states(self, runs: dict[str, int]) -> list[NativeState]:
        """What lies in the database, with the numbers of the last runs of lists, by state."""
        return [
            NativeState(
                name,
                found.descriptor.kind,
                self._signature(found.descriptor),
                found.base.state,
                runs.get(name, 0),
                found.base.attached,
            )
            for name, found in self.registered.items()
        ]

    def run_numbers(self) -> dict[str, int]:
        """The numbers of the last runs of lists in the database, by state."""
        bases = ((name, found.base) for name, found in self.registered.items())
        return {name: base.next_number for name, base in bases if isinstance(base, ListBase)}

    # ---- snapshots and draining ----------------------------------------------------------------------------

    def begin_snapshot(self) -> KeyedSnapshot:
        self._leave_unclaimed()
        self._drop_written()
        cuts: dict[str, Cut] = {name: found.table.cut() for name, found in self.registered.items()}
        snapshot = RocksDBSnapshot(self, cuts, self._cut_timers(self.small), self._restored.carried())
        self.held.add(snapshot)
        return snapshot

    def tend(self) -> bool:
        self._tended += 1
        if self._guessed or self._tended % _WEIGH_EVERY == 1:
            self._weigh()
        for registered in self.registered.values():
            registered.table.rotate()
        self._drop_written()
        if self.held and not self._let_go():
            return False
        timers_left = not self._merge_timers(self.slice)
        self._press()
        goal = self._goal()
        more = self._drain_slice()
        while more and self._waiting() > goal:
            more = self._drain_slice()
        self._left = self._waiting()
        if not more:
            self._sweep()
        return more or timers_left

    def _let_go(self) -> bool:
        """Whether snapshots have let go; rows wait for that a while where far too much waits already."""
        return self._waiting() > 2 * self._most and self.held.wait(HELD_S)

    def _drop_written(self) -> None:
        for cuts in self.held.take_written():
            for name, layers in cuts.items():
                table = self.registered[name].table
                assert not isinstance(table, ListTable)
                table.drop(layers)

    def _press(self) -> None:
        """Decide whether too much waits."""
        self._pressed = self._waiting() > (self._most // 8 if self._pressed else self._most)

    def _goal(self) -> int:
        """Entries that may wait after this slice: twice as many as came go, since what waits would never become less, but not too
        many at once. Rows that come faster than slices are written wait for them.
        """
        waiting = self._waiting()
        came = max(0, waiting - self._left)
        return min(self._most, waiting - min(2 * came, _SLICES_AT_ONCE * SLICE))

    @property
    def _most(self) -> int:
        """Entries that may wait: half of the memory is for them."""
        return max(self._budget.share // 2 // self._entry_bytes, _FEWEST)

    def _waiting(self) -> int:
        """Entries that are not in the database."""
        return sum(registered.table.changes() for registered in self.registered.values())

    def _drain_slice(self) -> bool:
        """Whether there was one to write."""
        return any(self._drain(registered) for registered in self.registered.values())

    def _sweep(self) -> None:
        """A slice of the search for records that have expired, of all states whose values do."""
        if self._sweeping is None:
            mortal = [self.registered[name] for name in self.lives]
            if not mortal or self.time.monotonic() < self._sweep_at:
                return
            self._sweeping = self._swept(mortal)
        if next(self._sweeping, self) is self:
            self._sweeping = None
            self._sweep_at = self.time.monotonic() + SWEEP_PAUSE

    def _swept(self, mortal: list[Registered]) -> Iterator[None]:
        for registered in mortal:
            life, base = self.lives[registered.descriptor.name], registered.base
            cursor, stop = state_range(base.state, self._key_groups)
            while part := list(islice(self.database.scan(cursor, stop), SLICE)):
                now = life.now()
                gone = [spelled for spelled, record in part if base.all_expired(record, life, now)]
                self.database.write((), gone)
                cursor = part[-1][0] + b"\x00"
                yield

    def _drain(self, registered: Registered) -> bool:
        table = registered.table
        if self._pressed and not table.layers:
            table.cut()
        if len(table.layers) <= (0 if self._pressed else self._resting):
            return False
        registered.base.write(table.take(SLICE))  # type: ignore[arg-type]  # a base and its table belong together
        return True

    def _weigh(self) -> None:
        """How much the decoded values take, and so how many may be cached."""
        sizes = []
        for registered in self.registered.values():
            for key, value in registered.table.sample(_WEIGHED):
                sizes.append(deep_size(key) + deep_size(value) + _ENTRY_BYTES)
        if sizes:
            self._entry_bytes, self._guessed = sum(sizes) // len(sizes), False
            self._share_cache()

    def _share_cache(self) -> None:
        # Two generations of each table share the other half.
        count = self._budget.share // 4 // self._entry_bytes // max(1, len(self.registered))
        for registered in self.registered.values():
            registered.table.capacity = max(count, _FEWEST)

    def close(self) -> None:
        if self._on_closed is not None:
            self.database.destroy()
            self._on_closed()
            self._on_closed = None


def write_all(base: Base, entries: list[tuple[Any, Any]]) -> None:
    """Whole values, lists or maps of keys that the database does not have yet."""
    match base:
        case FlatBase():
            base.write(entries)
        case ListBase():
            base.write([(key, Run(items, replaces=False)) for key, items in entries])
        case MapBase():
            changes = []
            for key, found in entries:
                change = MapChange(cleared=False)
                change.entries = found
                changes.append((key, change))
            base.write(changes)

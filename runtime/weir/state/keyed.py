"""Keyed state on the heap: flat tables of Python objects, one dict a state. The fastest, as long as it fits into memory.

The backends ``Memory`` and ``FileSystem`` are both this; they differ in where a snapshot goes. Small tables are encoded when a
snapshot begins; large ones stand still until it lets go, and then take back what changed meanwhile, in slices between batches.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, NamedTuple

from weir.clock import Clock
from weir.errors import SnapshotCorrupt, StateAccessError
from weir.state import statefile
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
from weir.state.heap import (
    NO_KEY,
    HeapAggregatingState,
    HeapHandle,
    HeapListState,
    HeapMapState,
    HeapReducingState,
    HeapValueState,
    IsolatedValueState,
    KeyCell,
)
from weir.state.heap_snapshot import HeapSnapshot, Written, is_small
from weir.state.isolation import declares_immutable, isolated
from weir.state.native import KeyedState
from weir.state.registration import EncodedSnapshot, KeyedSnapshot, KeyedStates
from weir.state.standing import StandingTable, Still
from weir.state.statefile import Writing
from weir.state.sweep import Mortal, Sweep
from weir.state.timers import TimerQueue

__all__ = ["NO_KEY", "KeyCell", "KeyedStateStore"]


class _Registered(NamedTuple):
    descriptor: StateDescriptor
    codec: Codec
    table: StandingTable


class KeyedStateStore(KeyedStates):
    """See the module."""

    tends = True

    def __init__(
        self,
        cell: KeyCell,
        max_parallelism: int,
        key_groups: range,
        operator_name: str,
        key_type: Any = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(cell, max_parallelism, key_groups, operator_name, key_type, clock)
        self._sweep = Sweep(self.time)
        self._registered: dict[str, _Registered] = {}
        #: All that may stand still.
        self._standing: list[StandingTable | TimerQueue] = [self.event_timers, self.processing_timers]
        #: Snapshots that read what stands still; they let go from other threads.
        self._held_by: set[HeapSnapshot] = set()
        #: What stands still for the last one.
        self._cuts: list[Still] = []

    def table_of(self, descriptor: StateDescriptor) -> dict[Any, Any]:
        """The table behind a registered state, while no snapshot is being written."""
        self._sweep.let_go()
        self._merge(sys.maxsize)
        table = self._registered[descriptor.name].table
        assert table.whole, "a snapshot has not let go"
        return table.base

    def values_of(self, descriptor: StateDescriptor, keys: Iterable[Any]) -> dict[Any, Any]:
        return self._registered[descriptor.name].table.front

    def note_written(self, descriptor: StateDescriptor, keys: Iterable[Any]) -> None:
        pass

    def load_entries(self, descriptor: StateDescriptor, entry: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        get = self._registered[descriptor.name].table.front.get
        return {key: kept[entry] for key in keys if (kept := get(key)) is not None and entry in kept}

    def store_entries(self, descriptor: StateDescriptor, entry: Any, values: dict[Any, Any]) -> None:
        table = self._registered[descriptor.name].table.front
        get = table.get
        for key, value in values.items():
            kept = get(key)
            if kept is None:
                table[key] = {entry: value}
            else:
                kept[entry] = value

    def take_entries(self, descriptor: StateDescriptor, entry: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        table = self._registered[descriptor.name].table
        get = table.front.get
        taken = {}
        for key in keys:
            kept = get(key)
            if kept is not None and entry in kept:
                taken[key] = kept.pop(entry)
                if not kept:
                    table.remove(key)
        return taken

    def restored_entries(self, descriptor: StateDescriptor) -> Iterator[tuple[Any, Any]]:
        table = self._registered[descriptor.name].table.base
        if descriptor.kind is StateKind.MAP:
            return iter([(key, entry) for key, kept in table.items() for entry in kept])
        return iter([(key, None) for key in table])

    def begin_snapshot(self) -> KeyedSnapshot:
        met = self._sweep.on_snapshot()
        self._merge(self.slice)
        self._cuts = []
        sections = list(self._sections(met))
        if all(isinstance(chunks, list) for _, chunks in sections):
            return EncodedSnapshot(statefile.write(self.header(), sections))
        begun = HeapSnapshot(self.header(), sections, self._cuts, self._held_by.discard)
        self._held_by.add(begun)
        return begun

    def restore(self, blobs: Iterable[KeyedState]) -> None:
        super().restore(blobs)
        for registered in self._registered.values():
            self._fill(registered)

    def _adopt(self, descriptor: StateDescriptor) -> State:
        owned = descriptor.kind is StateKind.LIST or descriptor.kind is StateKind.MAP
        table = StandingTable(_copied(descriptor), owned=owned)
        handle = self._handle(descriptor, table.base)
        table.on_front = partial(handle.use, remove=table.remove) if owned else handle.use
        table.on_front(table.base)
        registered = _Registered(descriptor, codec_for(descriptor), table)
        self._fill(registered)
        self._registered[descriptor.name] = registered
        self._standing.append(table)
        if descriptor.ttl is not None:
            self._sweep.tables[descriptor.name] = Mortal(descriptor.kind, table, self.lives[descriptor.name])
        return handle

    def tend(self) -> bool:
        """A slice of what changed while tables stood still, else of a sweep for what has expired."""
        whole = self._merge(self.slice)
        if self._held_by:
            return False
        if self._sweep.tables and (whole or self._sweep.holds):
            self._sweep.step(self.small)
            return False
        return not whole

    def _merge(self, most: int) -> bool:
        """Bring changes back into tables, of those that somebody reads as far as that goes; whether none are left."""
        held = self._held_by or self._sweep.holds
        if held:
            most = -(-most // 2)  # the encoding thread wants the interpreter as well
        whole = True
        for table in self._standing:
            if not table.whole:
                most = table.merge_beside(most) if held else table.merge(most)
                whole &= table.whole
        return whole

    def _handle(self, descriptor: StateDescriptor, table: dict[Any, Any]) -> HeapHandle:
        where = (self._cell, table, descriptor.name, self._operator)
        if descriptor.ttl is not None and descriptor.kind not in (StateKind.LIST, StateKind.MAP):
            return IsolatedValueState(*where)  # of pairs
        match descriptor:
            case ValueStateDescriptor():
                declared = getattr(descriptor.serializer(), "type", Any)
                return HeapValueState(*where) if declares_immutable(declared) else IsolatedValueState(*where)
            case ListStateDescriptor():
                return HeapListState(*where)
            case MapStateDescriptor():
                return HeapMapState(*where)
            case ReducingStateDescriptor():
                return HeapReducingState(*where, descriptor.reduce_fn)
            case AggregatingStateDescriptor():
                return HeapAggregatingState(*where, descriptor.aggregate_function)
        raise StateAccessError(f"{descriptor!r} is not a descriptor of keyed state")

    def _fill(self, registered: _Registered) -> None:
        """Decode what was restored for a state into its table."""
        descriptor, table = registered.descriptor, registered.table.base
        for keys, values in self._take(descriptor, registered.codec):
            if descriptor.kind is StateKind.LIST or descriptor.kind is StateKind.MAP:
                _join(table, keys, values)
                continue
            expected = len(table) + len(keys)
            table.update(zip(keys, values, strict=True))
            if len(table) != expected:
                raise SnapshotCorrupt(
                    f"state {descriptor.name!r} of operator {self._operator}: the restored files hold "
                    f"{expected - len(table)} keys twice"
                )

    def _sections(self, met: deque[tuple[Mortal, Any]] | None) -> Iterator[Writing]:
        """With a list of chunks where all is encoded, else with what encodes them; that table stands still."""
        yield from self._restored.carried()
        timers = self._cut_timers(self.small)
        self._cuts += [cut for _, cut in timers if isinstance(cut, Still)]
        yield from self.timer_sections(timers)
        for name, (descriptor, codec, table) in self._registered.items():
            written = Written(self, descriptor, codec, self._sweep.tables.get(name))
            header = self.section_header(descriptor)
            if table.crowded or is_small(descriptor.kind, table, self.small):
                yield header, written.at_once(table.now())
            else:
                self._cuts.append(table.cut())
                yield header, written.beside(self._cuts[-1], met)


def _copied(descriptor: StateDescriptor) -> Callable[[Any], Any] | None:
    """How a value is copied that its handle may change in place; ``None``: it changes none."""
    match descriptor.kind:
        case StateKind.VALUE:
            return None
        case StateKind.LIST:
            return list.copy
    # Of a value with a time to live, which is a pair, the handle itself takes a copy.
    return isolated if descriptor.ttl is None or descriptor.kind is StateKind.MAP else None


def _join(table: dict[Any, Any], keys: list[Any], values: list[Any]) -> None:
    """Take lists or maps, which may come in parts: what was carried out of a database is."""
    for key, value in zip(keys, values, strict=True):
        known = table.setdefault(key, value)
        if known is value:
            continue
        if isinstance(known, list):
            known.extend(value)
        else:
            known.update(value)

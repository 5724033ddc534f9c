"""Keyed state on the heap: flat tables of Python objects, one dict a state. The fastest, as long as it fits into memory.

The backends ``Memory`` and ``FileSystem`` are both this; they differ in where a snapshot goes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from weir.clock import Clock
from weir.errors import SnapshotCorrupt, StateAccessError
from weir.state import statefile
from weir.state.columns import Codec, chunked, chunked_entries, codec_for
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
    HeapListState,
    HeapMapState,
    HeapReducingState,
    HeapValueState,
    IsolatedValueState,
    KeyCell,
)
from weir.state.isolation import declares_immutable
from weir.state.native import KeyedState
from weir.state.registration import EncodedSnapshot, KeyedSnapshot, KeyedStates
from weir.state.statefile import Section
from weir.state.sweep import Sweep

__all__ = ["NO_KEY", "KeyCell", "KeyedStateStore"]


class _Registered(NamedTuple):
    descriptor: StateDescriptor
    codec: Codec
    table: dict[Any, Any]


class KeyedStateStore(KeyedStates):
    """See the module."""

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
        self._sweep: Sweep | None = None
        self._registered: dict[str, _Registered] = {}

    def table_of(self, descriptor: StateDescriptor) -> dict[Any, Any]:
        """The table behind a registered state."""
        return self._registered[descriptor.name].table

    def values_of(self, descriptor: StateDescriptor, keys: Iterable[Any]) -> dict[Any, Any]:
        return self._registered[descriptor.name].table

    def note_written(self, descriptor: StateDescriptor, keys: Iterable[Any]) -> None:
        pass

    def load_entries(self, descriptor: StateDescriptor, entry: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        get = self._registered[descriptor.name].table.get
        return {key: kept[entry] for key in keys if (kept := get(key)) is not None and entry in kept}

    def store_entries(self, descriptor: StateDescriptor, entry: Any, values: dict[Any, Any]) -> None:
        table = self._registered[descriptor.name].table
        get = table.get
        for key, value in values.items():
            kept = get(key)
            if kept is None:
                table[key] = {entry: value}
            else:
                kept[entry] = value

    def take_entries(self, descriptor: StateDescriptor, entry: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        table = self._registered[descriptor.name].table
        taken = {}
        for key in keys:
            kept = table.get(key)
            if kept is not None and entry in kept:
                taken[key] = kept.pop(entry)
                if not kept:
                    del table[key]
        return taken

    def begin_snapshot(self) -> KeyedSnapshot:
        return EncodedSnapshot(statefile.write(self.header(), self._sections()))

    def restore(self, blobs: Iterable[KeyedState]) -> None:
        super().restore(blobs)
        for registered in self._registered.values():
            self._fill(registered)

    def _adopt(self, descriptor: StateDescriptor) -> State:
        table: dict[Any, Any] = {}
        handle = self._handle(descriptor, table)
        registered = _Registered(descriptor, codec_for(descriptor), table)
        self._fill(registered)
        self._registered[descriptor.name] = registered
        if descriptor.ttl is not None:
            self.tends = True
        return handle

    def tend(self) -> bool:
        """A slice of a sweep for what has expired; one begins each quarter of a time to live."""
        if self._sweep is None:
            tables = [
                (r.descriptor.kind, r.table, self.lives[n])
                for n, r in self._registered.items()
                if n in self.lives
            ]
            self._sweep = Sweep(tables, self.time)
        self._sweep.step()
        return False

    def _handle(self, descriptor: StateDescriptor, table: dict[Any, Any]) -> State:
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
        descriptor, table = registered.descriptor, registered.table
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

    def _sections(self) -> Iterator[Section]:
        yield from self._restored.carried()
        yield from self.timer_sections(self._timer_columns())
        for descriptor, codec, table in self._registered.values():
            parts = chunked(descriptor.kind, table)
            if descriptor.name in self.lives:
                now = self.lives[descriptor.name].now()
                parts = chunked_entries(descriptor.kind, self.fresh(descriptor, table.items(), now))
            chunks = [self.chunk(descriptor.name, codec, keys, values) for keys, values in parts]
            yield Section(self.section_header(descriptor), chunks)


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

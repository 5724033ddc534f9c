"""State of a key and window (or of a key and all of its windows), as triggers and window functions ask for it while they run.

States are named when they are first used, so the engine keeps them in one map state of its own: by window the states by
name, each as the bytes that its descriptor's serializer makes. So they go with their window, whoever forgets to clear them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from weir.errors import StateAccessError
from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    StateKind,
    ValueStateDescriptor,
)
from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, ValueState
from weir.windows.functions import KeyedStateStore

#: The entry of what all windows of a key share; no window is spelled so.
ALL_WINDOWS = "all"

_encode = msgspec.msgpack.Encoder().encode
_decode_pair = msgspec.msgpack.Decoder(tuple[bytes, bytes]).decode


class WindowStates:
    """All of them, of one operator: ``states`` is its map state, read under the current key."""

    def __init__(self, states: MapState[Any, dict[str, bytes]], label: str) -> None:
        self.states = states
        self.label = label

    def of(self, entry: Any, descriptor: StateDescriptor) -> Any:
        """The handle of a state of one window. Raises ``StateAccessError`` for one with a time to live."""
        if descriptor.ttl is not None:
            raise StateAccessError(
                f"state '{descriptor.name}' of operator {self.label} has a time to live, but state of a window lives as "
                "long as the window; leave the time to live out, or get the state in open()"
            )
        cell = _Cell(self.states, entry, descriptor)
        match descriptor:
            case ValueStateDescriptor():
                return _Value(cell)
            case ListStateDescriptor():
                return _List(cell)
            case MapStateDescriptor():
                return _Map(cell)
            case ReducingStateDescriptor():
                return _Reducing(cell, descriptor)
            case AggregatingStateDescriptor():
                return _Aggregating(cell, descriptor)
        raise StateAccessError(f"{descriptor!r} is not a descriptor of keyed state")

    def clear(self, entry: Any) -> None:
        """A window is gone."""
        self.states.remove(entry)

    def merge(self, entry: Any, others: Iterable[Any], descriptor: StateDescriptor) -> None:
        """Bring what ``others`` hold of a state into that of ``entry``. Raises ``StateAccessError`` if its kind cannot."""
        target = _Cell(self.states, entry, descriptor)
        for other in others:
            source = _Cell(self.states, other, descriptor)
            found, value = source.read(), target.read()
            if found is None:
                continue
            source.write(None)
            if value is None:
                target.write(found)
                continue
            match descriptor:
                case ReducingStateDescriptor():
                    target.write(descriptor.reduce_fn(value, found))
                case AggregatingStateDescriptor():
                    target.write(descriptor.aggregate_function.merge(value, found))
                case ListStateDescriptor():
                    target.write([*value, *found])
                case _:
                    raise StateAccessError(
                        f"state '{descriptor.name}' of operator {self.label} is {descriptor.kind} state, of which two cannot "
                        "be merged; use reducing, aggregating or list state with windows that merge"
                    )


class StateStore(KeyedStateStore):
    """What a window function is handed: the states of one window."""

    def __init__(self, states: WindowStates, entry: Any) -> None:
        self._states = states
        self._entry = entry

    def get_state(self, descriptor: ValueStateDescriptor[Any]) -> Any:
        return self._states.of(self._entry, descriptor)

    def get_list_state(self, descriptor: ListStateDescriptor[Any]) -> Any:
        return self._states.of(self._entry, descriptor)

    def get_map_state(self, descriptor: MapStateDescriptor[Any, Any]) -> Any:
        return self._states.of(self._entry, descriptor)

    def get_reducing_state(self, descriptor: ReducingStateDescriptor[Any]) -> Any:
        return self._states.of(self._entry, descriptor)

    def get_aggregating_state(self, descriptor: AggregatingStateDescriptor[Any, Any, Any]) -> Any:
        return self._states.of(self._entry, descriptor)


class NoWindowState(KeyedStateStore):
    """In place of the states of a window that merges."""

    def __init__(self, label: str) -> None:
        self.label = label

    def _refuse(self, descriptor: StateDescriptor) -> Any:
        raise StateAccessError(
            f"state '{descriptor.name}' of operator {self.label} is asked of window_state(), but windows that merge have no "
            "state of their own; use global_state()"
        )

    get_state = get_list_state = get_map_state = get_reducing_state = get_aggregating_state = _refuse


class _Cell:
    """One state of one window: its value, a list or a dict, or ``None``."""

    __slots__ = ("_descriptor", "_entry", "_states")

    def __init__(self, states: MapState[Any, Any], entry: Any, descriptor: StateDescriptor) -> None:
        self._states = states
        self._entry = entry
        self._descriptor = descriptor

    def read(self) -> Any:
        named = self._states.get(self._entry)
        data = None if named is None else named.get(self._descriptor.name)
        if data is None:
            return None
        values = self._descriptor.declared().decode
        match self._descriptor.kind:
            case StateKind.LIST:
                return values(data)
            case StateKind.MAP:
                keys, below = _decode_pair(data)
                return dict(zip(self._descriptor.declared("key").decode(keys), values(below), strict=True))
        return values(data)[0]

    def write(self, value: Any) -> None:
        named = self._states.get(self._entry) or {}
        if value is None:
            if named.pop(self._descriptor.name, None) is None:
                return
        else:
            named[self._descriptor.name] = self._encoded(value)
        if named:
            self._states.put(self._entry, named)
        else:
            self._states.remove(self._entry)

    def _encoded(self, value: Any) -> bytes:
        values = self._descriptor.declared().encode
        match self._descriptor.kind:
            case StateKind.LIST:
                return values(value)
            case StateKind.MAP:
                keys = self._descriptor.declared("key").encode(list(value))
                return _encode((keys, values(list(value.values()))))
        return values([value])


class _Value(ValueState[Any]):
    __slots__ = ("_cell",)

    def __init__(self, cell: _Cell) -> None:
        self._cell = cell

    def value(self) -> Any:
        return self._cell.read()

    def update(self, value: Any) -> None:
        self._cell.write(value)

    def clear(self) -> None:
        self._cell.write(None)


class _List(ListState[Any]):
    __slots__ = ("_cell",)

    def __init__(self, cell: _Cell) -> None:
        self._cell = cell

    def get(self) -> list[Any]:
        return self._cell.read() or []

    def add(self, value: Any) -> None:
        self._cell.write([*self.get(), value])

    def add_all(self, values: Iterable[Any]) -> None:
        self.update([*self.get(), *values])

    def update(self, values: Iterable[Any]) -> None:
        self._cell.write(list(values) or None)

    def clear(self) -> None:
        self._cell.write(None)


class _Map(MapState[Any, Any]):
    __slots__ = ("_cell",)

    def __init__(self, cell: _Cell) -> None:
        self._cell = cell

    def _entries(self) -> dict[Any, Any]:
        return self._cell.read() or {}

    def get(self, key: Any) -> Any:
        return self._entries().get(key)

    def put(self, key: Any, value: Any) -> None:
        self.put_all({key: value})

    def put_all(self, entries: Mapping[Any, Any]) -> None:
        self._cell.write({**self._entries(), **entries} or None)

    def remove(self, key: Any) -> None:
        entries = self._entries()
        entries.pop(key, None)
        self._cell.write(entries or None)

    def contains(self, key: Any) -> bool:
        return key in self._entries()

    def keys(self) -> Iterable[Any]:
        return list(self._entries())

    def values(self) -> Iterable[Any]:
        return list(self._entries().values())

    def items(self) -> Iterable[tuple[Any, Any]]:
        return list(self._entries().items())

    def is_empty(self) -> bool:
        return not self._entries()

    def clear(self) -> None:
        self._cell.write(None)


class _Reducing(ReducingState[Any]):
    __slots__ = ("_cell", "_reduce")

    def __init__(self, cell: _Cell, descriptor: ReducingStateDescriptor[Any]) -> None:
        self._cell = cell
        self._reduce = descriptor.reduce_fn

    def get(self) -> Any:
        return self._cell.read()

    def add(self, value: Any) -> None:
        current = self._cell.read()
        self._cell.write(value if current is None else self._reduce(current, value))

    def clear(self) -> None:
        self._cell.write(None)


class _Aggregating(AggregatingState[Any, Any]):
    __slots__ = ("_cell", "_function")

    def __init__(self, cell: _Cell, descriptor: AggregatingStateDescriptor[Any, Any, Any]) -> None:
        self._cell = cell
        self._function = descriptor.aggregate_function

    def get(self) -> Any:
        current = self._cell.read()
        return None if current is None else self._function.get_result(current)

    def add(self, value: Any) -> None:
        current = self._cell.read()
        if current is None:
            current = self._function.create_accumulator()
        self._cell.write(self._function.add(value, current))

    def clear(self) -> None:
        self._cell.write(None)

"""Keyed state of one subtask: registers descriptors, hands out handles, snapshots and restores the tables.

Flow: ``restore`` (raw files) -> the function's ``open`` calls ``get_state`` (which decodes what was restored) ->
``freeze_registration`` -> records -> ``snapshot`` at each barrier. The operator loop sets ``cell.key``; handles
(``heap``) and timer queues (``timers``) do the work per record, nothing here is called then. One thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple, TypeVar, overload

from weir import keygroups
from weir.errors import SerializationError, SnapshotCorrupt, StateAccessError
from weir.serde import KeySerializer, Serializer, serializer_for
from weir.state import statefile
from weir.state.columns import Codec, FlatCodec, chunked, codec_for
from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueStateDescriptor,
)
from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, State, ValueState
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
from weir.state.reserved import EVENT_TIMERS, PROCESSING_TIMERS
from weir.state.restored import RestoredSections
from weir.state.statefile import Chunk, Section, SectionHeader
from weir.state.timers import TimerQueue

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
IN = TypeVar("IN")
ACC = TypeVar("ACC")
OUT = TypeVar("OUT")

__all__ = ["NO_KEY", "KeyCell", "KeyedStateStore"]


class _Registered(NamedTuple):
    descriptor: StateDescriptor
    codec: Codec
    table: dict[Any, Any]
    handle: State


class KeyedStateStore:
    """All keyed state and timers of one operator in one subtask.

    ``key_groups`` are the groups that the subtask owns; ``key_type`` declares the type of the keys, which makes
    them compact and checked. Without it, keys are stored with the names of their classes.
    """

    def __init__(
        self,
        cell: KeyCell,
        max_parallelism: int,
        key_groups: range,
        operator_name: str,
        key_type: Any = None,
    ) -> None:
        self.event_timers = TimerQueue()
        self.processing_timers = TimerQueue()
        self._cell = cell
        self._max_parallelism = max_parallelism
        self._key_groups = key_groups
        self._operator = operator_name
        self._key_serializer: Serializer = KeySerializer() if key_type is None else serializer_for(key_type)
        self._registered: dict[str, _Registered] = {}
        self._restored = RestoredSections(max_parallelism, key_groups, self._key_serializer, operator_name)
        self._frozen = False

    @overload
    def get_state(self, descriptor: ValueStateDescriptor[T]) -> ValueState[T]: ...
    @overload
    def get_state(self, descriptor: ListStateDescriptor[T]) -> ListState[T]: ...
    @overload
    def get_state(self, descriptor: MapStateDescriptor[K, V]) -> MapState[K, V]: ...
    @overload
    def get_state(self, descriptor: ReducingStateDescriptor[T]) -> ReducingState[T]: ...
    @overload
    def get_state(
        self, descriptor: AggregatingStateDescriptor[IN, ACC, OUT]
    ) -> AggregatingState[IN, OUT]: ...

    def get_state(self, descriptor: StateDescriptor) -> Any:
        """The handle of a state; the same one for an equal descriptor.

        Raises ``StateAccessError`` for a name that is taken by another kind or type, or new after
        ``freeze_registration``, and ``SnapshotMismatch`` when what was restored has another type.
        """
        name = descriptor.name
        known = self._registered.get(name)
        if known is not None:
            if known.descriptor != descriptor:
                raise StateAccessError(
                    f"operator {self._operator} declares state {name!r} twice: {known.descriptor!r} and "
                    f"{descriptor!r}; give one of them another name"
                )
            return known.handle
        if self._frozen:
            raise StateAccessError(
                f"state {name!r} of operator {self._operator} is asked for while records are processed; "
                "get state in open() and keep the handle"
            )
        table: dict[Any, Any] = {}
        handle = self._handle(descriptor, table)
        registered = _Registered(descriptor, codec_for(descriptor), table, handle)
        self._fill(registered)
        self._registered[name] = registered
        return handle

    def table_of(self, descriptor: StateDescriptor) -> dict[Any, Any]:
        """The table behind a registered state, for operators that loop over keys themselves."""
        return self._registered[descriptor.name].table

    def freeze_registration(self) -> None:
        """From now on ``get_state`` takes known names only; called after ``open()``."""
        self._frozen = True

    def snapshot(self) -> bytes:
        """All state and timers as one state file; later changes of values do not reach it.

        Raises ``SerializationError`` naming state, key and type when a value does not fit its serializer.
        """
        header = statefile.FileHeader(
            content="keyed",
            operator=self._operator,
            hash_version=keygroups.HASH_VERSION,
            max_parallelism=self._max_parallelism,
            first_key_group=self._key_groups.start,
            last_key_group=self._key_groups.stop - 1,
        )
        return statefile.write(header, self._sections())

    def restore(self, blobs: Iterable[bytes]) -> None:
        """Take the state files of the old subtasks whose key groups overlap this subtask's.

        Called before ``open()``. Entries of other subtasks are dropped. Raises ``SnapshotCorrupt`` or
        ``SnapshotMismatch``.
        """
        for blob in blobs:
            self._restored.add(blob)
        for kind, timers in self._timers():
            for keys, timestamps in self._restored.take(kind, "", self._timer_signature(), _TIMESTAMPS):
                for key, timestamp in zip(keys, timestamps, strict=True):
                    timers.register(key, timestamp)
        for registered in self._registered.values():
            self._fill(registered)

    def unclaimed(self) -> list[str]:
        """Names of restored states that no descriptor claimed; they stay in the next snapshot."""
        return self._restored.names()

    def _handle(self, descriptor: StateDescriptor, table: dict[Any, Any]) -> State:
        where = (self._cell, table, descriptor.name, self._operator)
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
        signature = self._signature(descriptor)
        for keys, values in self._restored.take(
            descriptor.kind, descriptor.name, signature, registered.codec
        ):
            expected = len(table) + len(keys)
            table.update(zip(keys, values, strict=True))
            if len(table) != expected:
                raise SnapshotCorrupt(
                    f"state {descriptor.name!r} of operator {self._operator}: the restored files hold "
                    f"{expected - len(table)} keys twice"
                )

    def _sections(self) -> Iterator[Section]:
        step = statefile.CHUNK_ENTRIES
        yield from self._restored.carried()
        for kind, timers in self._timers():
            keys, timestamps = timers.columns()
            chunks = [
                self._chunk(kind, _TIMESTAMPS, keys[at : at + step], timestamps[at : at + step])
                for at in range(0, len(keys), step)
            ]
            if chunks:
                yield Section(SectionHeader("", kind, self._timer_signature()), chunks)
        for descriptor, codec, table, _ in self._registered.values():
            chunks = [
                self._chunk(descriptor.name, codec, keys, values)
                for keys, values in chunked(descriptor.kind, table)
            ]
            yield Section(
                SectionHeader(descriptor.name, descriptor.kind, self._signature(descriptor)), chunks
            )

    def _chunk(self, name: str, codec: Codec, keys: list[Any], values: list[Any]) -> Chunk:
        try:
            encoded_keys = self._key_serializer.encode(keys)
        except SerializationError as error:
            raise SerializationError(f"a key of operator {self._operator}: {error}") from error
        try:
            columns = codec.pack(values)
        except SerializationError as error:
            raise self._located(error, name, codec, keys, values) from error
        groups = self._key_groups
        return Chunk(groups.start, groups.stop - 1, True, len(keys), [encoded_keys, *columns])

    def _located(
        self, error: SerializationError, name: str, codec: Codec, keys: list[Any], values: list[Any]
    ) -> SerializationError:
        """The error with the state's name and the first key whose value does not fit."""
        for key, value in zip(keys, values, strict=True):
            try:
                codec.pack([value])
            except SerializationError as found:
                return SerializationError(
                    f"state {name!r} of operator {self._operator}, key {key!r:.80}: {found}"
                )
        return SerializationError(f"state {name!r} of operator {self._operator}: {error}")

    def _timers(self) -> tuple[tuple[str, TimerQueue], ...]:
        return (EVENT_TIMERS, self.event_timers), (PROCESSING_TIMERS, self.processing_timers)

    def _signature(self, descriptor: StateDescriptor) -> dict[str, Any]:
        return {**descriptor.signature(), "current-key": self._key_serializer.describe()}

    def _timer_signature(self) -> dict[str, Any]:
        return {"current-key": self._key_serializer.describe()}


_TIMESTAMPS: Final = FlatCodec(serializer_for(int))

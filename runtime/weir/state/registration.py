"""What the keyed state of an operator is on every backend: registered descriptors, timers, restored sections, chunks.

Flow: ``restore`` (raw files) -> the function's ``open`` calls ``get_state`` (which takes over what was restored) ->
``freeze_registration`` -> records -> ``begin_snapshot`` at each barrier, ``tend`` between batches. The operator's loop sets
``cell.key``; handles and timer queues do the work per record. One thread, but for what a snapshot does beside it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any, Final, Protocol, TypeAlias, TypeVar, overload

import msgspec

from weir import keygroups
from weir.clock import Clock, SystemClock
from weir.errors import SerializationError, StateAccessError
from weir.serde import Description, KeySerializer, Serializer, serializer_for
from weir.state import statefile
from weir.state.columns import Codec, FlatCodec, codec_for
from weir.state.descriptors import (
    AggregatingStateDescriptor,
    ListStateDescriptor,
    MapStateDescriptor,
    ReducingStateDescriptor,
    StateDescriptor,
    ValueStateDescriptor,
)
from weir.state.handles import AggregatingState, ListState, MapState, ReducingState, State, ValueState
from weir.state.heap import KeyCell
from weir.state.native import KeyedState, state_files
from weir.state.reserved import EVENT_TIMERS, PROCESSING_TIMERS
from weir.state.restored import RestoredSections
from weir.state.standing import MERGED, SMALL, Still
from weir.state.statefile import Chunk, SectionHeader, Writing
from weir.state.timers import TimerQueue, parts
from weir.state.ttl import Lifetime, StateTime, mortal, reading

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")
IN = TypeVar("IN")
ACC = TypeVar("ACC")
OUT = TypeVar("OUT")

#: The timers of one kind at a moment: where they stand still, or parallel lists of keys and timestamps.
TimerCut: TypeAlias = "tuple[str, Still | tuple[list[Any], list[int]]]"
#: Timers of one chunk, if they stand still while it is made.
TIMER_PIECE: Final = 4096
TIMESTAMPS: Final = FlatCodec(serializer_for(int))


class KeyedSnapshot(Protocol):
    """The keyed state of one moment. Its methods are called off the data thread, ``release`` exactly once."""

    def encode(self) -> bytes:
        """All of it as one state file that every backend reads. Raises ``SerializationError``, ``LocalDiskError``."""
        ...

    def release(self) -> None:
        """Nothing more is asked of it."""
        ...


class EncodedSnapshot:
    """A snapshot whose bytes are made."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def encode(self) -> bytes:
        return self._data

    def release(self) -> None:
        """Nothing is held."""


class KeyedStates(ABC):
    """All keyed state and timers of one operator in one subtask.

    ``key_groups`` are the groups that the subtask owns; ``key_type`` declares the type of the keys, which makes
    them compact and checked. Without it, keys are stored with the names of their classes.
    """

    #: Whether :meth:`tend` has work at times.
    tends = False

    def __init__(
        self,
        cell: KeyCell,
        max_parallelism: int,
        key_groups: range,
        operator_name: str,
        key_type: Any = None,
        clock: Clock | None = None,
    ) -> None:
        #: What time it is for state that expires; the operator tells it the watermark.
        self.time = StateTime(cell, clock or SystemClock())
        self.event_timers = TimerQueue()
        self.processing_timers = TimerQueue()
        #: Elements up to which a table or timers are encoded when a snapshot begins; larger ones stand still.
        self.small = SMALL
        #: Changes of what stood still that are brought back between two batches.
        self.slice = MERGED
        self._cell = cell
        self._max_parallelism = max_parallelism
        self._key_groups = key_groups
        self._operator = operator_name
        self._key_serializer: Serializer = KeySerializer() if key_type is None else serializer_for(key_type)
        self._known: dict[str, tuple[StateDescriptor, State]] = {}
        self._restored = RestoredSections(max_parallelism, key_groups, self._key_serializer, operator_name)
        self._frozen = False
        #: By which settings the operator makes its state, for snapshots; ``None``: nobody has to know.
        self.note: dict[str, Any] | None = None
        #: Of the states that expire, by name.
        self.lives: dict[str, Lifetime] = {}

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
        known = self._known.get(name)
        if known is not None:
            if known[0] != descriptor:
                raise StateAccessError(
                    f"operator {self._operator} declares state {name!r} twice: {known[0]!r} and "
                    f"{descriptor!r}; give one of them another name"
                )
            return known[1]
        if self._frozen:
            raise StateAccessError(
                f"state {name!r} of operator {self._operator} is asked for while records are processed; "
                "get state in open() and keep the handle"
            )
        descriptor.check_serializers(f"state {name!r} of operator {self._operator}")
        if descriptor.ttl is not None:
            self.lives[name] = Lifetime(descriptor.ttl, self.time)
        handle = self._adopt(descriptor)
        if descriptor.ttl is not None:
            handle = mortal(descriptor, handle, self.lives[name])
        self._known[name] = descriptor, handle
        return handle

    @abstractmethod
    def _adopt(self, descriptor: StateDescriptor) -> State:
        """Make the state, with what was restored for it, and its handle."""

    def foresee(self, keys: list[Any]) -> None:
        """A batch of rows with these keys comes next: what they will read may be fetched for all of them at once."""

    @abstractmethod
    def values_of(self, descriptor: StateDescriptor, keys: Iterable[Any]) -> dict[Any, Any]:
        """For operators that loop over keys themselves: a table with the values of these keys, as far as they have one.

        It may be written; then :meth:`note_written` has to be told before anything else happens.
        """

    @abstractmethod
    def note_written(self, descriptor: StateDescriptor, keys: Iterable[Any]) -> None:
        """These keys of what ``values_of`` gave were given new values."""

    @abstractmethod
    def load_entries(self, descriptor: StateDescriptor, entry: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        """For operators that fold whole batches into a map state: what these keys have under ``entry``, by key.

        The values may be changed if they are given back by :meth:`store_entries` before anything else happens.
        """

    @abstractmethod
    def store_entries(self, descriptor: StateDescriptor, entry: Any, values: dict[Any, Any]) -> None:
        """Put a value under ``entry`` of each key's map; nobody else holds them."""

    @abstractmethod
    def take_entries(self, descriptor: StateDescriptor, entry: Any, keys: Iterable[Any]) -> dict[Any, Any]:
        """Remove ``entry`` from these keys' maps; what was there, by key, is the caller's own."""

    def freeze_registration(self) -> None:
        """From now on ``get_state`` takes known names only; called after ``open()``."""
        self._frozen = True

    @abstractmethod
    def begin_snapshot(self) -> KeyedSnapshot:
        """The state of this moment; quick, later changes do not reach it."""

    def snapshot(self) -> bytes:
        """The state of this moment as one state file.

        Raises ``SerializationError`` naming state, key and type when a value does not fit its serializer.
        """
        begun = self.begin_snapshot()
        try:
            return begun.encode()
        finally:
            begun.release()

    def restore(self, blobs: Iterable[KeyedState]) -> None:
        """Take what the old subtasks left whose key groups overlap this subtask's.

        Called before ``open()``. Entries of other subtasks are dropped. Raises ``SnapshotCorrupt`` or
        ``SnapshotMismatch``.
        """
        for blob in self._state_files(blobs):
            self._restored.add(blob)
        for kind, timers in self._timers():
            for keys, timestamps in self._restored.take(kind, "", self._timer_signature(), TIMESTAMPS):
                for key, timestamp in zip(keys, timestamps, strict=True):
                    timers.register(key, timestamp)

    def _state_files(self, found: Iterable[KeyedState]) -> Iterator[statefile.Source]:
        """What is restored in the form that every backend reads; a backend takes what is in its own."""
        return state_files(found, self._operator)

    def unclaimed(self) -> list[str]:
        """Names of restored states that no descriptor claimed; they stay in the next snapshot."""
        return self._restored.names()

    @property
    def found_notes(self) -> list[dict[str, Any] | None]:
        """The note of each state file that was restored."""
        return self._restored.notes

    @abstractmethod
    def restored_entries(self, descriptor: StateDescriptor) -> Iterator[tuple[Any, Any]]:
        """Before the first row: each key that has a value, and of a map with the key of each entry. They may be changed meanwhile."""

    def left_over(self) -> list[str]:
        """As :meth:`unclaimed`, of the states that have entries of this subtask; called when all states are claimed."""
        return [section.header.name for section in self._restored.carried()]

    def tend(self) -> bool:
        """A slice of what is to be done besides the records, between two batches; whether there is more of it."""
        return False

    def close(self) -> None:
        """Let go of whatever is held; snapshots that are being written may fail."""

    # ---- state files -------------------------------------------------------------------------------------

    @property
    def key_groups(self) -> range:
        """The groups that the subtask owns."""
        return self._key_groups

    def header(self) -> statefile.FileHeader:
        """How a state file of this operator begins."""
        return statefile.FileHeader(
            content="keyed",
            operator=self._operator,
            hash_version=keygroups.HASH_VERSION,
            max_parallelism=self._max_parallelism,
            first_key_group=self._key_groups.start,
            last_key_group=self._key_groups.stop - 1,
            note=msgspec.UNSET if self.note is None else self.note,
        )

    def _cut_timers(self, small: int) -> list[TimerCut]:
        """All timers, by kind: as columns, or more than ``small`` as they stand still until :meth:`_merge_timers`."""
        return [(kind, timers.cut(small) or timers.columns()) for kind, timers in self._timers()]

    def _merge_timers(self, most: int) -> bool:
        """Bring up to ``most`` changes of timers that nobody reads any more back; whether none are left."""
        for _, timers in self._timers():
            if not timers.whole:
                most = timers.merge(most)
        return all(timers.whole for _, timers in self._timers())

    def timer_sections(self, cut: list[TimerCut]) -> Iterator[Writing]:
        """Sections of timers: with a list of chunks, or of what stands still with what makes them when they are asked for."""
        for kind, found in cut:
            header = SectionHeader("", kind, self._timer_signature())
            if isinstance(found, Still):
                yield header, self._timer_chunks(kind, parts(found, TIMER_PIECE))
            elif found[0]:
                keys, timestamps = found
                columns = (
                    (keys[at : at + statefile.CHUNK_ENTRIES], timestamps[at : at + statefile.CHUNK_ENTRIES])
                    for at in range(0, len(keys), statefile.CHUNK_ENTRIES)
                )
                yield header, list(self._timer_chunks(kind, columns))

    def _timer_chunks(self, kind: str, columns: Iterable[tuple[list[Any], list[int]]]) -> Iterator[Chunk]:
        return (self.chunk(kind, TIMESTAMPS, keys, timestamps) for keys, timestamps in columns)

    def chunk(self, name: str, codec: Codec, keys: list[Any], values: list[Any]) -> Chunk:
        """Some entries of a state. Raises ``SerializationError`` naming state, key and type."""
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

    def _take(self, descriptor: StateDescriptor, codec: Codec) -> Iterator[tuple[list[Any], list[Any]]]:
        """What was restored for a state: lists of keys and of what is kept of them."""
        life = self.lives.get(descriptor.name)

        def reader(written: Description | None) -> Codec:
            return reading(
                descriptor, written, codec, codec_for(descriptor, descriptor.other_serializer()), life
            )

        return self._restored.take(descriptor.kind, descriptor.name, self._signature(descriptor), reader)

    def fresh(
        self, descriptor: StateDescriptor, entries: Iterable[tuple[Any, Any]], now: int
    ) -> Iterator[tuple[Any, Any]]:
        """Keys and what is kept of them, without what has expired at ``now``."""
        life = self.lives[descriptor.name]
        for key, kept in entries:
            remains = life.remains(descriptor.kind, kept, now)
            if remains is not None:
                yield key, remains

    def _signature(self, descriptor: StateDescriptor) -> dict[str, Any]:
        return {**descriptor.signature(), "current-key": self._key_serializer.describe()}

    def section_header(self, descriptor: StateDescriptor) -> SectionHeader:
        """How the section of a state begins."""
        return SectionHeader(descriptor.name, descriptor.kind, self._signature(descriptor))

    def _timer_signature(self) -> dict[str, Any]:
        return {"current-key": self._key_serializer.describe()}

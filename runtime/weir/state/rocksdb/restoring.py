"""Increments on their way back into a database: taken over as it is, or cut by key groups out of others.

What lies in it then waits for its descriptors. One that says what the snapshot says finds its records where they are; for one
that says something else, and for states that nobody claims, they are taken out again, as sections of a state file.
"""

from __future__ import annotations

from itertools import count, islice
from typing import Final

import msgspec

from weir.errors import SerializationError, SnapshotCorrupt, SnapshotMismatch
from weir.serde import Description, Serializer, serializer_from_description
from weir.state.descriptors import StateKind
from weir.state.native import NativeKeyed
from weir.state.rocksdb import keys, native, records
from weir.state.rocksdb.bases import Base, MapBase
from weir.state.rocksdb.database import Database
from weir.state.rocksdb.files import DatabaseFiles, restored_files
from weir.state.rocksdb.keys import KeySpelling
from weir.state.rocksdb.native import NativeFile, NativeState
from weir.state.statefile import Chunk, Section

#: Records that are copied at once.
_SLICE: Final = 5000

#: Of a list whose serializer alone knows its length; a list's codec takes as many elements as there are.
_UNCOUNTED: Final = 2**31 - 1

_encode: Final = msgspec.msgpack.Encoder().encode
_items: Final = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_stamped: Final = msgspec.msgpack.Decoder(tuple[list[int], bytes]).decode


class RestoredDatabase:
    """What increments brought into the database of an operator."""

    def __init__(self, database: Database, files: DatabaseFiles, groups: range, operator: str) -> None:
        self._database = database
        self._files = files
        self._groups = groups
        self._operator = operator
        self._beside = count(1)
        #: By kind and name; what was claimed is gone from here.
        self.unclaimed: dict[tuple[str, str], NativeState] = {}
        #: Of all states that ever were in the database.
        self.numbers: dict[tuple[str, str], int] = {}

    def number_of(self, kind: str, name: str) -> int:
        """By which the keys of a state are spelled."""
        return self.numbers.setdefault((kind, name), 1 + max(self.numbers.values(), default=-1))

    def add(self, increment: NativeKeyed, file: NativeFile) -> None:
        """Raises ``SnapshotCorrupt`` and ``LocalDiskError``."""
        if len(file.shared) != len(increment.shared):
            raise SnapshotCorrupt(
                f"the snapshot of operator {self._operator} names {len(increment.shared)} shared files where its state "
                f"file has {len(file.shared)}"
            )
        header = file.header
        if range(header.first_key_group, header.last_key_group + 1) == self._groups and not self.numbers:
            self._take_over(increment, file)
        else:
            self._cut(increment, file)

    def _take_over(self, increment: NativeKeyed, file: NativeFile) -> None:
        self._database.refill(restored_files(file, increment))
        for chunk in file.changes:
            self._database.write(*native.changes_of(chunk))
        for state in file.states:
            self.numbers[state.kind, state.name] = state.number
            self.unclaimed[state.kind, state.name] = state
        if increment.own:
            self._files.adopt(dict(zip(file.shared, increment.shared, strict=True)))

    def _cut(self, increment: NativeKeyed, file: NativeFile) -> None:
        source = self._database.beside(f"restored-{next(self._beside)}")
        try:
            source.refill(restored_files(file, increment))
            for chunk in file.changes:
                source.write(*native.changes_of(chunk))
            for state in file.states:
                self._copy(source, state)
        finally:
            source.destroy()

    def _copy(self, source: Database, state: NativeState) -> None:
        number = self.number_of(state.kind, state.name)
        found = source.scan(*keys.state_range(state.number, self._groups))
        while part := list(islice(found, _SLICE)):
            self._database.write([(keys.respelled(spelled, number), record) for spelled, record in part])
        known = self.unclaimed.get((state.kind, state.name))
        if known is not None and known.signature != state.signature:
            raise SnapshotCorrupt(
                f"state {state.name!r} of operator {self._operator} has two types in one snapshot"
            )
        self.unclaimed[state.kind, state.name] = NativeState(
            state.name,
            state.kind,
            state.signature,
            number,
            max(state.next_run, known.next_run if known else 0),
            state.attached or (known is not None and known.attached),
        )

    def claim(self, kind: str, name: str, signature: Description) -> NativeState | Section | None:
        """What was restored for a state: its records, if they are of this type, or else a section to be read anew."""
        for other, other_name in self.unclaimed:
            if other_name == name and other != kind:
                raise SnapshotMismatch(
                    f"state {name!r} of operator {self._operator} was written as {other} state and is now declared as "
                    f"{kind} state; keep the kind, or give the new state another name"
                )
        state = self.unclaimed.pop((kind, name), None)
        return state if state is None or state.signature == signature else self._taken_out(state)

    def leave(self) -> list[Section]:
        """Nobody will claim what is left: it is taken out."""
        left, self.unclaimed = self.unclaimed, {}
        return [self._taken_out(state) for state in left.values()]

    def _taken_out(self, state: NativeState) -> Section:
        where = keys.state_range(state.number, self._groups)
        chunks = [self._chunk(state, *found) for found in self._database.scan(*where)]
        self._database.delete_range(*where)
        return Section(state.header, chunks)

    def _chunk(self, state: NativeState, spelled: bytes, record: bytes) -> Chunk:
        """A chunk of one record: its value is a column already, which only its own serializer reads."""
        columns = [self._key_column(state, spelled, record), records.body(record)]
        if state.kind == StateKind.LIST:
            columns.insert(1, _encode([_length(columns[1], state.signature["value"])]))
        elif state.kind == StateKind.MAP:
            columns[1:1] = [_encode([1]), self._entry_column(state, spelled, record)]
        groups = self._groups
        return Chunk(groups.start, groups.stop - 1, True, 1, columns)

    def _key_column(self, state: NativeState, spelled: bytes, record: bytes) -> bytes:
        attached = records.attached_key(record)
        return keys.attached(keys.read(spelled, keys.HEAD_BYTES)) if attached is None else attached

    def _entry_column(self, state: NativeState, spelled: bytes, record: bytes) -> bytes:
        attached = records.attached_entry(record)
        if attached is not None:
            return attached
        entry = keys.read(spelled, keys.skip(spelled, keys.HEAD_BYTES))
        return self._serializer(state, "key").encode([entry])

    def _serializer(self, state: NativeState, role: str) -> Serializer:
        try:
            return serializer_from_description(state.signature[role])
        except SerializationError as error:
            raise SnapshotMismatch(
                f"map keys of state {state.name!r} of operator {self._operator} can be read anew from a savepoint only: "
                f"{error}; keep the state's type, or go on from a savepoint"
            ) from error


def _length(column: bytes, written: Description) -> int:
    """How many values a column has that was written so."""
    match written.get("serializer"):
        case "typed":
            return len(_items(column[2 if column[0] else 1 :]))  # a dynamic column within, or its own
        case "dynamic":
            return len(_items(column[1:]))
        case "stamped":
            return len(_stamped(column)[0])
    return _UNCOUNTED


def check_spelling(
    base: Base, spelling: KeySpelling, database: Database, groups: range, operator: str, name: str
) -> None:
    """Raises ``SnapshotMismatch`` when the classes of keys, or of a map's keys, are spelled otherwise now: nobody would find them."""
    for spelled, record in database.scan(*keys.state_range(base.state, groups)):
        try:
            key = records.key_of(spelled, record)
            now = spelling.prefix(base.state, key)
            if isinstance(base, MapBase):
                now += keys.entry_name(base.entry_of(spelled, record))
        except SerializationError as error:
            raise SnapshotMismatch(
                f"keys of state {name!r} of operator {operator} cannot be decoded: {error}"
            ) from error
        if not spelled.startswith(now):
            raise SnapshotMismatch(
                f"key {key!r:.80} in state {name!r} of operator {operator} is spelled otherwise than when it was written; the "
                "fields or names of the classes that make keys have changed"
            )

"""The bottoms of the layers: what one state reads from the database, writes to it, and tells of itself in whole.

Each base has ``write`` for what a table gives up (``take``), and ``entries`` for a snapshot: everything as of a moment, the
changes that are not in the database laid over what is; or ``changes`` for one that has the database's files: what ``write``
would write. Changes are merged beforehand by ``merged``, since layers go on.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from weir.errors import SerializationError, SnapshotMismatch
from weir.serde import Serializer, decode_each, encode_each
from weir.state.layered import ABSENT, MapChange, Run
from weir.state.rocksdb import keys, records
from weir.state.rocksdb.database import Database
from weir.state.rocksdb.keys import KeySpelling
from weir.state.rocksdb.native import Changes
from weir.state.ttl import Lifetime

#: Behind everything that begins with a key's spelling.
_BEHIND: Final = b"\xff"


class _Base:
    def __init__(
        self, database: Database, spelling: KeySpelling, state: int, values: Serializer, label: str
    ) -> None:
        """``label`` names the state in messages."""
        self.state = state
        #: Whether a record was written that carries its key, or a map's.
        self.attached = False
        self._database = database
        self._spelling = spelling
        self._values = values
        self._label = label

    def _decode(self, record: bytes) -> list[Any]:
        try:
            return self._values.decode(records.body(record))
        except (SerializationError, ValueError) as error:
            raise self._unreadable(error) from error

    def _decode_each(self, found: list[bytes]) -> list[Any]:
        """The value of each record, all of which have one."""
        try:
            return decode_each(self._values, list(map(records.body, found)))
        except (SerializationError, ValueError) as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: Exception) -> SnapshotMismatch:
        return SnapshotMismatch(f"{self._label} cannot be decoded: {error}")

    @staticmethod
    def slices(merged: dict[Any, Any], most: int) -> Iterator[list[tuple[Any, Any]]]:
        """Of what ``merged`` gave, to be written one after the other: of up to ``most`` keys."""
        left = iter(merged.items())
        while taken := list(islice(left, most)):
            yield taken

    def all_expired(self, record: bytes, life: Lifetime, now: int) -> bool:
        """Whether nothing in a record, of state with stamps, is fresh any more."""
        return not any(life.is_fresh(pair, now) for pair in self._decode(record))

    def _encode_each(self, found: list[Any], of: list[Any]) -> list[bytes]:
        """``of``: the keys of the values, for the message."""
        try:
            return encode_each(self._values, found)
        except SerializationError:
            for key, value in zip(of, found, strict=True):
                try:
                    self._values.encode([value])
                except SerializationError as error:
                    raise SerializationError(f"{self._label}, key {key!r:.80}: {error}") from error
            raise

    def _all(self, groups: range, view: Any) -> Iterator[tuple[bytes, bytes]]:
        return self._database.scan(*keys.state_range(self.state, groups), view)

    def _under(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        return list(self._database.scan(prefix, prefix + _BEHIND))

    def _head(self, head: bytes) -> bytes:
        if head[0]:
            self.attached = True
        return head


class FlatBase(_Base):
    """One record per key."""

    def load(self, key: Any) -> Any:
        record = self._database.get(self._spelling.prefix(self.state, key))
        return ABSENT if record is None else self._decode(record)[0]

    def load_all(self, wanted: list[Any]) -> list[Any]:
        """As :meth:`load`, of many keys at once."""
        found = self._database.get_all(self._spelling.prefixes(self.state, wanted))
        values = iter(self._decode_each([record for record in found if record is not None]))
        return [ABSENT if record is None else next(values) for record in found]

    def write(self, taken: list[tuple[Any, Any]]) -> None:
        self._database.write(*self.changes(taken))

    def changes(self, taken: list[tuple[Any, Any]]) -> Changes:
        present = [key for key, value in taken if value is not ABSENT]
        bodies = self._encode_each([value for _, value in taken if value is not ABSENT], present)
        plain, plain_head = keys.PLAIN, records.PLAIN_HEAD
        found = [
            (plain_head if key.__class__ in plain else self._head(records.head(key))) + body
            for key, body in zip(present, bodies, strict=True)
        ]
        spell = self._spelling.prefixes
        puts = list(zip(spell(self.state, present), found, strict=True))
        return puts, spell(self.state, [key for key, value in taken if value is ABSENT])

    @staticmethod
    def merged(layers: tuple[dict[Any, Any], ...]) -> dict[Any, Any]:
        """One layer that says what all of them say."""
        found: dict[Any, Any] = {}
        for layer in layers:
            found.update(layer)
        return found

    def entries(self, changes: dict[Any, Any], groups: range, view: Any) -> Iterator[tuple[Any, Any]]:
        yield from ((key, value) for key, value in changes.items() if value is not ABSENT)
        for spelled, record in self._all(groups, view):
            key = records.key_of(spelled, record)
            if key not in changes:
                yield key, self._decode(record)[0]


class ListBase(_Base):
    """A record for each run of elements, numbered in the order of their writing over all keys."""

    #: The number of the last run.
    next_number = 0

    def load(self, key: Any) -> list[Any]:
        found = self._under(self._spelling.prefix(self.state, key))
        return [item for _, record in found for item in self._decode(record)]

    def write(self, taken: list[tuple[Any, Run]]) -> None:
        changes = self.changes(taken)
        self.next_number += len(changes[0])
        self._database.write(*changes)

    def changes(self, taken: list[tuple[Any, Run]], number: int | None = None) -> Changes:
        """``number``: after which the runs are numbered, if not after those in the database."""
        puts: list[tuple[bytes, bytes]] = []
        deletes: list[bytes] = []
        number = self.next_number if number is None else number
        for key, run in taken:
            prefix = self._spelling.prefix(self.state, key)
            if run.replaces:
                deletes += [spelled for spelled, _ in self._under(prefix)]
            if run.items:
                number += 1
                puts.append((prefix + keys.number_name(number), self._record(key, run.items)))
        return puts, deletes

    def _record(self, key: Any, items: list[Any]) -> bytes:
        try:
            return self._head(records.head(key)) + self._values.encode(items)
        except SerializationError as error:
            raise SerializationError(f"{self._label}, key {key!r:.80}: {error}") from error

    @staticmethod
    def merged(layers: tuple[dict[Any, Run], ...]) -> dict[Any, Run]:
        found: dict[Any, Run] = {}
        for layer in layers:
            for key, run in layer.items():
                below = None if run.replaces else found.get(key)
                if below is None:
                    found[key] = Run(run.items.copy(), replaces=run.replaces)
                else:
                    below.items.extend(run.items)
        return found

    def entries(self, changes: dict[Any, Run], groups: range, view: Any) -> Iterator[tuple[Any, list[Any]]]:
        left = dict(changes)
        for key, found in _by_key(self._all(groups, view)):
            run = left.pop(key, None)
            if run is None or not run.replaces:
                items = [item for _, record in found for item in self._decode(record)]
                yield key, items if run is None else items + run.items
            elif run.items:
                yield key, run.items
        yield from ((key, run.items) for key, run in left.items() if run.items)


class MapBase(_Base):
    """A record for each entry of a map."""

    def __init__(
        self,
        database: Database,
        spelling: KeySpelling,
        state: int,
        values: Serializer,
        label: str,
        entries: Serializer,
    ) -> None:
        super().__init__(database, spelling, state, values, label)
        self._entries = entries

    def load(self, key: Any, entry: Any) -> Any:
        record = self._database.get(self._spelling.prefix(self.state, key) + keys.entry_name(entry))
        return ABSENT if record is None else self._decode(record)[0]

    def entry_of(self, spelled: bytes, record: bytes) -> Any:
        """The key of an entry within its map."""
        return records.entry_of(spelled, record, self._entries)

    def load_map(self, key: Any) -> dict[Any, Any]:
        return self._map(self._under(self._spelling.prefix(self.state, key)))

    def _map(self, found: list[tuple[bytes, bytes]]) -> dict[Any, Any]:
        return {self.entry_of(spelled, record): self._decode(record)[0] for spelled, record in found}

    def write(self, taken: list[tuple[Any, MapChange]]) -> None:
        self._database.write(*self.changes(taken))

    def changes(self, taken: list[tuple[Any, MapChange]]) -> Changes:
        deletes: list[bytes] = []
        names: list[bytes] = []
        heads: list[bytes] = []
        values: list[Any] = []
        of: list[Any] = []
        for key, change in taken:
            prefix = self._spelling.prefix(self.state, key)
            if change.cleared:
                deletes += [spelled for spelled, _ in self._under(prefix)]
            for entry, value in change.entries.items():
                if value is ABSENT:
                    deletes.append(prefix + keys.entry_name(entry))
                    continue
                names.append(prefix + keys.entry_name(entry))
                heads.append(self._head(records.map_head(key, entry, self._entries)))
                values.append(value)
                of.append(key)
        bodies = self._encode_each(values, of)
        return [(name, head + body) for name, head, body in zip(names, heads, bodies, strict=True)], deletes

    @staticmethod
    def merged(layers: tuple[dict[Any, MapChange], ...]) -> dict[Any, MapChange]:
        found: dict[Any, MapChange] = {}
        for layer in layers:
            for key, change in layer.items():
                below = None if change.cleared else found.get(key)
                if below is None:
                    below = found[key] = MapChange(cleared=change.cleared)
                below.entries.update(change.entries)
        return found

    @staticmethod
    def slices(merged: dict[Any, Any], most: int) -> Iterator[list[tuple[Any, Any]]]:
        """Of up to ``most`` entries; a key's change is used up."""
        taken: list[tuple[Any, Any]] = []
        room = most
        for key, change in merged.items():
            part = None
            while part is not change:
                part = change.take(room)
                taken.append((key, part))
                room -= max(1, len(part.entries))
                if room <= 0:
                    yield taken
                    taken, room = [], most
        if taken:
            yield taken

    def entries(
        self, changes: dict[Any, MapChange], groups: range, view: Any
    ) -> Iterator[tuple[Any, dict[Any, Any]]]:
        left = dict(changes)
        for key, records_of in _by_key(self._all(groups, view)):
            change = left.pop(key, None)
            found = {} if change is not None and change.cleared else self._map(records_of)
            if change is not None:
                _lay_over(found, change)
            if found:
                yield key, found
        for key, change in left.items():
            laid: dict[Any, Any] = {}
            _lay_over(laid, change)
            if laid:
                yield key, laid


Base = FlatBase | ListBase | MapBase


def _lay_over(found: dict[Any, Any], change: MapChange) -> None:
    for entry, value in change.entries.items():
        if value is ABSENT:
            found.pop(entry, None)
        else:
            found[entry] = value


def _by_key(found: Iterator[tuple[bytes, bytes]]) -> Iterator[tuple[Any, list[tuple[bytes, bytes]]]]:
    """All records of each key together; they lie side by side."""
    prefix = b""
    gathered: list[tuple[bytes, bytes]] = []
    for spelled, record in found:
        end = keys.skip(spelled, keys.HEAD_BYTES)
        if spelled[:end] != prefix:
            if gathered:
                yield records.key_of(*gathered[0]), gathered
            prefix, gathered = spelled[:end], []
        gathered.append((spelled, record))
    if gathered:
        yield records.key_of(*gathered[0]), gathered

"""The state of one operator as builtin data, read without the job's code: what ``differences`` compares."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from weir import keygroups
from weir.checkpoint.state_counts import type_text
from weir.errors import SerializationError, SnapshotCorrupt, UserError
from weir.serde.plain import Reader, plain_reader
from weir.state import statefile
from weir.state.descriptors import StateKind
from weir.state.operator_state import OperatorStateMode
from weir.state.reserved import EVENT_TIMERS, PROCESSING_TIMERS
from weir.state.statefile import Chunk, Section, SectionHeader

_TIMERS = {EVENT_TIMERS: "event-time timers", PROCESSING_TIMERS: "processing-time timers"}
_counts = msgspec.msgpack.Decoder(list[int]).decode


class StateName(NamedTuple):
    """Which state of an operator."""

    name: str
    kind: str


class Contents:
    """By state: what lies where, and its type. Where there is no key, a place is an element and what lies there its number."""

    def __init__(self) -> None:
        self.tables: dict[StateName, dict[Any, Any]] = {}
        self.types: dict[StateName, str] = {}
        #: States that stay closed: a digest of their bytes for each file.
        self.closed: dict[StateName, list[str]] = {}

    def add(self, data: bytes) -> None:
        """Take one state file. Raises ``SnapshotCorrupt``, ``SnapshotMismatch``."""
        header, sections = statefile.read(data)
        try:
            for section in sections:
                self._add(header, section)
        except (SerializationError, msgspec.DecodeError, ValueError, IndexError, TypeError) as error:
            raise SnapshotCorrupt(
                f"a state file of operator {header.operator} is damaged: {error}"
            ) from error

    def _add(self, header: statefile.FileHeader, section: Section) -> None:
        of = section.header
        name = StateName(of.name or _TIMERS.get(of.kind, ""), of.kind)
        self.types[name] = _type(of)
        readers = [plain_reader(of.signature.get(role)) for role in ("current-key", "key", "value")]
        closed = self._closed(of, readers)
        if closed:
            digest = hashlib.sha256()
            for chunk in section.chunks:
                for column in chunk.columns:
                    digest.update(column)
            self.closed.setdefault(name, []).append(digest.hexdigest())
            return
        table = self.tables.setdefault(name, {})
        for chunk in section.chunks:
            for place, value in _entries(of.kind, chunk, readers, header.max_parallelism):
                if of.kind in (OperatorStateMode.SPLIT, OperatorStateMode.UNION):
                    table[place] = table.get(place, 0) + 1
                elif of.kind == StateKind.LIST and place in table:
                    table[place] += value
                else:
                    table[place] = value

    @staticmethod
    def _closed(of: SectionHeader, readers: list[Reader | None]) -> bool:
        keyed, entry, value = readers
        needed = [value] if of.kind not in _TIMERS else []
        if of.kind in (StateKind.MAP, OperatorStateMode.BROADCAST):
            needed.append(entry)
        if "current-key" in of.signature:
            needed.append(keyed)
        return any(reader is None for reader in needed)


def _type(of: SectionHeader) -> str:
    if of.kind in _TIMERS:
        return ""
    value = type_text(of.signature.get("value"))
    return f"{type_text(of.signature['key'])} -> {value}" if "key" in of.signature else value


def _entries(
    kind: str, chunk: Chunk, readers: list[Reader | None], max_parallelism: int
) -> Iterator[tuple[Any, Any]]:
    """Places and what lies there; a place is a key, a key with an entry of its map, or an element of a list without a key."""
    of_key, of_entry, of_value = readers
    if kind in (OperatorStateMode.SPLIT, OperatorStateMode.UNION):
        assert of_value is not None
        yield from ((_hashable(of_value(column)[0]), 1) for column in chunk.columns)
        return
    if kind == OperatorStateMode.BROADCAST:
        assert of_entry is not None
        assert of_value is not None
        entries = map(_hashable, of_entry(chunk.columns[0]))
        yield from zip(entries, of_value(chunk.columns[1]), strict=True)
        return
    assert of_key is not None
    keys = list(map(_hashable, of_key(chunk.columns[0])))
    mine = _owned(keys, chunk, max_parallelism)
    for key, found, own in zip(keys, _values(kind, chunk, of_entry, of_value), mine, strict=True):
        if not own:
            continue
        if kind == StateKind.MAP:
            yield from (((key, _hashable(entry)), value) for entry, value in found)
        elif kind in _TIMERS:
            yield (key, found), True
        else:
            yield key, found


def _values(kind: str, chunk: Chunk, of_entry: Reader | None, of_value: Reader | None) -> Iterator[Any]:
    columns = chunk.columns
    if kind in _TIMERS:
        return iter(plain_typed(columns[1]))
    assert of_value is not None
    if kind == StateKind.LIST:
        elements = iter(of_value(columns[2]))
        return (list(islice(elements, count)) for count in _counts(columns[1]))
    if kind == StateKind.MAP:
        assert of_entry is not None
        entries = zip(of_entry(columns[2]), of_value(columns[3]), strict=True)
        return (list(islice(entries, count)) for count in _counts(columns[1]))
    return iter(of_value(columns[1]))


def plain_typed(column: bytes) -> list[Any]:
    """A column of a builtin type."""
    reader = plain_reader({"serializer": "typed"})
    assert reader is not None
    return reader(column)


def _owned(keys: list[Any], chunk: Chunk, max_parallelism: int) -> Iterator[bool]:
    """Which entries belong to the chunk: one that was carried along may hold others."""
    for key in keys:
        try:
            yield chunk.exact or (
                chunk.first_key_group <= keygroups.key_group(key, max_parallelism) <= chunk.last_key_group
            )
        except UserError:
            yield True


def _hashable(value: Any) -> Any:
    try:
        hash(value)
    except TypeError:
        return repr(value)
    return value

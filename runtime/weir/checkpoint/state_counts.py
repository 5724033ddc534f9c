"""Adds up what state files say of themselves: states by name, kind and type, keys, entries, bytes, timers.

Counts come from the chunks' own numbers and from the columns of lengths. What the engine wrote for itself (splits,
pending commits, an enumerator's state) is msgpack and shown as plain data; the user's keys and values stay closed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from weir.errors import SnapshotCorrupt
from weir.serde.naming import render
from weir.state import reserved, statefile
from weir.state.rocksdb import native
from weir.state.statefile import Section

_DOMAINS: Final = {
    reserved.EVENT_TIMERS: "event time",
    reserved.PROCESSING_TIMERS: "processing time",
}
_UNTYPED: Final = {"dynamic": "untyped", "keys": "untyped", "pickle": "pickled"}
#: Frames that the serializers put before a column: what follows is a msgpack array of its values.
_TYPED_FRAME: Final = b"\x00"
_TYPED_DYNAMIC_FRAME: Final = b"\x01"
_BROADCAST: Final = "broadcast"
_WITH_LENGTHS: Final = ("list", "map")


class StateFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One state of an operator, over all its subtasks."""

    name: str
    kind: str
    type: str
    #: Keys with a value; ``None`` for operator state, and where they are in files of the backend, which are not opened.
    keys: int | None
    #: Elements of lists and maps; ``None`` where a key has one value, or where it cannot be counted.
    entries: int | None
    bytes: int  #: without what is in files of the backend
    #: ``False``: no function registered it for some time, so some keys may be counted twice.
    exact: bool = True


class TimerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The timers of an operator in one time domain."""

    domain: str
    count: int
    earliest_ms: int | None = None
    exact: bool = True


class _Sum:
    def __init__(self, kind: str, type_: str) -> None:
        self.kind = kind
        self.type = type_
        self.chunk_entries = 0
        self.elements: int | None = 0
        self.bytes = 0
        self.exact = True
        self.counted = True
        self.earliest: int | None = None


class Counts:
    """The sum over an operator's files; :meth:`add` takes them in the order of the subtasks."""

    def __init__(self) -> None:
        self.key_type: str | None = None
        #: By subtask, as plain data.
        self.splits: list[tuple[int, Any]] = []
        self.committables: list[tuple[int, Any]] = []
        self.enumerator: list[tuple[int, Any]] = []
        self.told: list[tuple[int, int]] = []
        self._keyed: dict[tuple[str, str], _Sum] = {}
        self._operator: dict[tuple[str, str], _Sum] = {}
        self._timers: dict[str, _Sum] = {}

    def add(self, data: bytes, subtask: int) -> None:
        """Count one state file. Raises ``SnapshotCorrupt``, or ``SnapshotMismatch`` for a newer format."""
        header, sections = statefile.read(data)
        if header.content == native.CONTENT:
            increment = native.read(data)
            sections = list(increment.others)
            for state in increment.states:
                self._add_uncounted(Section(state.header, []))
        try:
            for section in sections:
                if header.content in ("keyed", native.CONTENT):
                    self._add_keyed(section)
                else:
                    self._add_operator(section, subtask)
        except (msgspec.DecodeError, IndexError, struct.error) as error:
            raise SnapshotCorrupt(f"state file is damaged: {error}") from error

    def states(self) -> tuple[StateFacts, ...]:
        """Keyed states, then those without keys."""
        keyed = [_facts(name, found, keyed=True) for (_, name), found in self._keyed.items()]
        return (*keyed, *(_facts(name, found, keyed=False) for (_, name), found in self._operator.items()))

    def timers(self) -> tuple[TimerFacts, ...]:
        """By time domain."""
        return tuple(
            TimerFacts(
                domain=_DOMAINS[kind],
                count=found.chunk_entries,
                earliest_ms=found.earliest,
                exact=found.exact,
            )
            for kind, found in sorted(self._timers.items())
        )

    def _add_keyed(self, section: Section) -> None:
        header = section.header
        self.key_type = self.key_type or type_text(header.signature.get("current-key"))
        if header.kind in _DOMAINS:
            found = self._timers.setdefault(header.kind, _Sum(header.kind, ""))
        else:
            key = (header.kind, header.name)
            found = self._keyed.setdefault(key, _Sum(header.kind, _state_type(section)))
        for chunk in section.chunks:
            found.chunk_entries += chunk.entries
            found.bytes += sum(map(len, chunk.columns))
            found.exact = found.exact and chunk.exact
            if header.kind in _WITH_LENGTHS:
                found.elements = (found.elements or 0) + sum(_numbers(chunk.columns[1]))
            elif header.kind in _DOMAINS:
                found.earliest = _earliest(found.earliest, chunk.columns[1])
        if header.kind not in _WITH_LENGTHS:
            found.elements = None

    def _add_uncounted(self, section: Section) -> None:
        """A state in files of its backend, which are not opened here."""
        header = section.header
        self.key_type = self.key_type or type_text(header.signature.get("current-key"))
        found = self._keyed.setdefault((header.kind, header.name), _Sum(header.kind, _state_type(section)))
        found.counted, found.elements = False, None

    def _add_operator(self, section: Section, subtask: int) -> None:
        columns = [column for chunk in section.chunks for column in chunk.columns]
        name, type_ = section.header.name, _state_type(section)
        own = {
            reserved.SPLITS: self.splits,
            reserved.COMMITTABLES: self.committables,
            reserved.ENUMERATOR: self.enumerator,
        }
        if name in own and type_ == "bytes":
            found = [plain(data) for column in columns for data in _byte_strings(column)]
            if name == reserved.COMMITTABLES:  # a list of them in each element
                found = [item for items in found for item in (items if isinstance(items, list) else [items])]
            own[name].extend((subtask, item) for item in found)
            return
        if name == reserved.TOLD and type_ == "int":
            numbers = (_numbers(column.removeprefix(_TYPED_FRAME)) for column in columns)
            self.told.extend((subtask, number) for found in numbers for number in found)
            return
        key = (section.header.kind, name)
        known = self._operator.get(key)
        summed = self._operator.setdefault(key, _Sum(section.header.kind, type_))
        if section.header.kind != _BROADCAST:
            summed.elements = (summed.elements or 0) + len(columns)
        elif known is None:  # every subtask holds the same map
            summed.elements = _length(columns[0], section.header.signature.get("key"))
        else:
            return
        summed.bytes += sum(map(len, columns))


def type_text(description: Any) -> str:
    """The type that a serializer's description names, as people write it."""
    if not isinstance(description, dict):
        return "unknown"
    if "type" in description:
        return render(description["type"])
    name = str(description.get("serializer", "unknown"))
    return _UNTYPED.get(name, f"serializer {name} {description.get('version', '')}".rstrip())


def plain(data: bytes) -> Any:
    """Msgpack as data that JSON can hold; what is no msgpack is told by its length."""
    try:
        return _jsonable(msgspec.msgpack.decode(data))
    except (msgspec.DecodeError, RecursionError, ValueError, TypeError):
        return _length_of(data)


def _facts(name: str, found: _Sum, *, keyed: bool) -> StateFacts:
    return StateFacts(
        name=name,
        kind=found.kind,
        type=found.type,
        keys=found.chunk_entries if keyed and found.counted else None,
        entries=found.elements,
        bytes=found.bytes,
        exact=found.exact,
    )


def _state_type(section: Section) -> str:
    signature = section.header.signature
    value = type_text(signature.get("value"))
    return f"{type_text(signature['key'])} -> {value}" if "key" in signature else value


def _numbers(column: bytes) -> list[int]:
    return msgspec.msgpack.decode(column, type=list[int])


def _earliest(known: int | None, column: bytes) -> int | None:
    """The earliest of the timestamps, which the engine wrote as ints of a typed column."""
    if not column.startswith(_TYPED_FRAME):
        return known
    numbers = _numbers(column[1:])
    return min(numbers if known is None else [known, *numbers], default=known)


def _byte_strings(column: bytes) -> Iterator[bytes]:
    yield from msgspec.msgpack.decode(column.removeprefix(_TYPED_FRAME), type=list[bytes])


def _length(column: bytes, description: Any) -> int | None:
    """How many values a column has, from the head of its array; ``None`` if only its serializer knows."""
    name = description.get("serializer") if isinstance(description, dict) else None
    if name == "typed":
        return _array_length(column[2 if column.startswith(_TYPED_DYNAMIC_FRAME) else 1 :])
    return _array_length(column[1:]) if name == "dynamic" else None


def _array_length(data: bytes) -> int | None:
    if data[0] & 0xF0 == 0x90:
        return data[0] & 0x0F
    lengths = {0xDC: ">H", 0xDD: ">I"}
    if data[0] not in lengths:
        return None
    (length,) = struct.unpack_from(lengths[data[0]], data, 1)
    return int(length)


def _jsonable(value: Any) -> Any:
    match value:
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return _length_of(value)
        case list() | tuple():
            return [_jsonable(item) for item in value]
        case dict():
            return {key if isinstance(key, str) else str(key): _jsonable(item) for key, item in value.items()}
    return str(value)


def _length_of(data: bytes) -> str:
    return f"<{len(data)} bytes>"

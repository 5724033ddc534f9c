"""How the values of a table become columns of a chunk, by kind of state.

A codec packs the values of some keys into a list of encoded columns and unpacks them again. Values, folded
values and accumulators are one column; lists are their lengths and all elements; maps are their sizes, all
keys and all values. The keyed store and its restored sections add the column of keys.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from typing import Any, Final, Protocol

import msgspec

from weir.errors import SnapshotCorrupt
from weir.serde import Serializer
from weir.state.descriptors import StateDescriptor, StateKind
from weir.state.layered.flat import ABSENT
from weir.state.statefile import CHUNK_ENTRIES, Chunk

_encode_counts = msgspec.msgpack.Encoder().encode
_decode_counts = msgspec.msgpack.Decoder(list[int]).decode


#: What a chunk of large values has, about.
_CHUNK_BYTES: Final = 4 * 1024 * 1024
_FIRST_ENTRIES: Final = 256
_GROWTH: Final = 4


class Codec(Protocol):
    """Packs values of one kind."""

    def pack(self, values: list[Any]) -> list[bytes]:
        """Raises ``SerializationError``."""
        ...

    def unpack(self, columns: list[bytes]) -> list[Any]:
        """Raises ``SerializationError`` or ``SnapshotCorrupt``."""
        ...


class FlatCodec:
    """One value per key."""

    __slots__ = ("_values",)

    def __init__(self, values: Serializer) -> None:
        self._values = values

    def pack(self, values: list[Any]) -> list[bytes]:
        return [self._values.encode(values)]

    def unpack(self, columns: list[bytes]) -> list[Any]:
        _expect(columns, 1)
        return self._values.decode(columns[0])


class ListCodec:
    """A list per key."""

    __slots__ = ("_elements",)

    def __init__(self, elements: Serializer) -> None:
        self._elements = elements

    def pack(self, values: list[Any]) -> list[bytes]:
        elements = list(chain.from_iterable(values))
        return [_encode_counts(list(map(len, values))), self._elements.encode(elements)]

    def unpack(self, columns: list[bytes]) -> list[Any]:
        _expect(columns, 2)
        elements = iter(self._elements.decode(columns[1]))
        return [list(islice(elements, count)) for count in _decode_counts(columns[0])]


class MapCodec:
    """A map per key."""

    __slots__ = ("_keys", "_values")

    def __init__(self, keys: Serializer, values: Serializer) -> None:
        self._keys = keys
        self._values = values

    def pack(self, values: list[Any]) -> list[bytes]:
        return [
            _encode_counts(list(map(len, values))),
            self._keys.encode(list(chain.from_iterable(values))),
            self._values.encode(list(chain.from_iterable(map(dict.values, values)))),
        ]

    def unpack(self, columns: list[bytes]) -> list[Any]:
        _expect(columns, 3)
        entries = zip(self._keys.decode(columns[1]), self._values.decode(columns[2]), strict=True)
        return [dict(islice(entries, count)) for count in _decode_counts(columns[0])]


def codec_for(descriptor: StateDescriptor, values: Serializer | None = None) -> Codec:
    """The codec of a descriptor's kind, with its serializers, or with another one for its values."""
    values = values or descriptor.serializer()
    if descriptor.kind is StateKind.LIST:
        return ListCodec(values)
    if descriptor.kind is StateKind.MAP:
        return MapCodec(descriptor.serializer("key"), values)
    return FlatCodec(values)


def chunked(
    kind: StateKind, table: dict[Any, Any], most: Callable[[], int] = lambda: CHUNK_ENTRIES
) -> Iterator[tuple[list[Any], list[Any]]]:
    """The table as lists of keys and values, each small enough for one chunk. ``most``: entries of the next chunk."""
    if kind is StateKind.LIST or kind is StateKind.MAP:
        yield from _by_weight(table.items(), most)
        return
    keys, values = iter(table), iter(table.values())
    while chunk := list(islice(keys, entries := most())):
        yield from present(kind, chunk, list(islice(values, entries)))


def chunked_entries(
    kind: StateKind, entries: Iterable[tuple[Any, Any]], most: Callable[[], int] = lambda: CHUNK_ENTRIES
) -> Iterator[tuple[list[Any], list[Any]]]:
    """As :func:`chunked`, of keys and values that come one by one. ``most``: entries of the next chunk."""
    if kind is StateKind.LIST or kind is StateKind.MAP:
        yield from _by_weight(entries, most)
        return
    left = iter(entries)
    while part := list(islice(left, most())):
        yield from present(kind, [key for key, _ in part], [value for _, value in part])


def present(kind: StateKind, keys: list[Any], values: list[Any]) -> Iterator[tuple[list[Any], list[Any]]]:
    """A chunk without what is absent, unless that is all of it."""
    absent = {ABSENT.__class__, type(None)} if kind is StateKind.VALUE else {ABSENT.__class__}
    if not absent.isdisjoint(map(type, values)):
        there = [pair for pair in zip(keys, values, strict=True) if pair[1].__class__ not in absent]
        keys, values = [key for key, _ in there], [value for _, value in there]
    if keys:
        yield keys, values


class ChunkSize:
    """How many entries make a chunk of at most so many bytes, about, however large they are: learnt from the chunks before."""

    def __init__(self, size: int = _CHUNK_BYTES, most: int = CHUNK_ENTRIES) -> None:
        """``size``: bytes, by default small beside memory. ``most``: entries."""
        self._entries = _FIRST_ENTRIES
        self._size = size
        self._most = most

    def entries(self) -> int:
        """Of the next chunk, at most."""
        return self._entries

    def learn(self, kind: StateKind, values: list[Any], chunk: Chunk) -> None:
        """``chunk`` holds ``values``."""
        weight = sum(map(len, values)) if kind is StateKind.LIST or kind is StateKind.MAP else len(values)
        fitting = self._size * max(1, weight) // max(1, sum(map(len, chunk.columns)))
        self._entries = max(1, min(fitting, self._entries * _GROWTH, self._most))


def _by_weight(
    entries: Iterable[tuple[Any, Any]], most: Callable[[], int] = lambda: CHUNK_ENTRIES
) -> Iterator[tuple[list[Any], list[Any]]]:
    keys: list[Any] = []
    values: list[Any] = []
    weight = 0
    for key, value in entries:
        if keys and weight + len(value) > most():
            yield keys, values
            keys, values, weight = [], [], 0
        keys.append(key)
        values.append(value)
        weight += len(value)
    if keys:
        yield keys, values


def _expect(columns: list[bytes], count: int) -> None:
    if len(columns) != count:
        raise SnapshotCorrupt(f"a chunk has {len(columns)} columns, its kind of state has {count}")

"""Rows between two workers as bytes: plain tuples and plain values by column, all others as one pickle. Hot path.

A :class:`RowEncoder` and a :class:`RowDecoder` stand at the two ends of a channel and rely on its order: a text key gets
a number when it is first sent and travels as that number from then on. The receiver so has one object for each key,
whose hash is known, and makes fewer objects for each row. What comes out equals what went in, down to the types.
"""

from __future__ import annotations

import pickle
import struct
from array import array
from collections.abc import Iterable, Sequence
from enum import IntEnum
from operator import countOf, itemgetter
from typing import Any, Final

import msgspec

from weir.records import RowBatch

#: Keys that are numbered at a time; then numbering begins anew, or ends if they hardly repeat.
MOST_NUMBERED: Final = 1 << 16
#: How often a numbered key must have been sent, on average, to be worth its number.
WORTHWHILE: Final = 4
#: Longer tuples are not taken apart.
MOST_COLUMNS: Final = 32
#: Batches after one that is not plain for which no other is expected.
PATIENCE: Final = 64

#: A pickle begins with this byte, a :class:`_Columns` never does.
_PICKLE_MARK: Final = pickle.dumps(None, protocol=5)[0]
#: Immutable, without identity that anyone relies on, and exactly themselves after a pickle.
_PLAIN: Final = frozenset({int, float, bool, str, bytes, type(None)})


class Form(IntEnum):
    """How a column is written."""

    INT64 = 1
    FLOAT64 = 2
    PICKLE = 3
    KEYS = 4  #: the texts or integers that are the keys: not written again
    NUMBERS = 5  #: numbers of text keys, unsigned 32-bit
    TEXTS = 6  #: msgpack, a quarter of what pickling texts costs


_Column = tuple[int, bytes]


class _Columns(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A batch by column."""

    width: int  #: columns of a row; 0: rows are values, not tuples
    columns: tuple[_Column, ...]
    timestamps: bytes | None
    keys: _Column | None
    new_keys: bytes  #: a pickled list of those that get the next numbers, or nothing
    anew: bool  #: numbering begins with ``new_keys``


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Columns).decode
_DECODE_TEXTS = msgspec.msgpack.Decoder(list[str]).decode


class RowEncoder:
    """The sending end of one channel."""

    __slots__ = ("_numbers", "_sent", "_skip")

    def __init__(self) -> None:
        #: Number of each text key; ``None`` when keys hardly repeat.
        self._numbers: dict[str, int] | None = {}
        #: Keys sent as numbers since numbering began.
        self._sent = 0
        self._skip = 0

    def encode(self, batch: RowBatch) -> bytes:
        """The payload of a ROWS frame. Raises what pickle raises for rows that cannot be pickled."""
        if self._skip:
            self._skip -= 1
        else:
            payload = self._by_column(batch)
            if payload is not None:
                return payload
            self._skip = PATIENCE
        return pickle.dumps((batch.values, batch.timestamps, batch.keys), protocol=5)

    def _by_column(self, batch: RowBatch) -> bytes | None:
        split = _split(batch.values)
        if split is None:
            return None
        width, columns = split
        keys = batch.keys
        key_kind = None if keys is None else _kind(keys)
        written = []
        for column in columns:
            found = _write(column, keys, key_kind)
            if found is None:
                return None
            written.append(found)
        try:
            stamps = None if batch.timestamps is None else _int64s(batch.timestamps)
        except struct.error:
            return None
        # The last that may be refused comes before the first that the other end must learn.
        written_keys, new, anew = None, b"", False
        if keys is not None and key_kind is str and self._numbers is not None:
            written_keys, new, anew = self._number(self._numbers, keys)
        elif keys is not None:
            written_keys = _write(keys) or _pickled(keys)
        return _ENCODE(_Columns(width, tuple(written), stamps, written_keys, new, anew))

    def _number(self, numbers: dict[str, int], keys: list[str]) -> tuple[_Column, bytes, bool]:
        self._sent += len(keys)
        try:
            return (Form.NUMBERS, _numbers_of(keys, numbers)), b"", False
        except KeyError:
            pass
        anew = len(numbers) + len(keys) > MOST_NUMBERED
        if anew:
            if self._sent < WORTHWHILE * len(numbers):
                self._numbers = None
                return _pickled(keys), b"", False
            numbers.clear()
            self._sent = len(keys)
        new = [key for key in dict.fromkeys(keys) if key not in numbers]
        numbers.update(zip(new, range(len(numbers), len(numbers) + len(new)), strict=True))
        return (Form.NUMBERS, _numbers_of(keys, numbers)), pickle.dumps(new, protocol=5), anew


class RowDecoder:
    """The receiving end of one channel."""

    __slots__ = ("_numbered",)

    def __init__(self, numbered: list[str] | None = None) -> None:
        """``numbered``: what another decoder of the channel had learned."""
        #: Text keys by their number.
        self._numbered: list[str] = numbered or []

    def numbered(self) -> list[str]:
        """What it has learned, for another one that goes on from here."""
        return list(self._numbered)

    def decode(self, payload: bytes) -> RowBatch:
        """The batch of a ROWS payload; every payload of the channel must pass here, in order."""
        if payload[0] == _PICKLE_MARK:
            values, timestamps, keys = pickle.loads(payload)
            return RowBatch(values, timestamps, keys)
        found = _DECODE(payload)
        if found.anew:
            self._numbered = []
        if found.new_keys:
            self._numbered.extend(pickle.loads(found.new_keys))
        keys = None if found.keys is None else list(self._read(found.keys, None))
        columns = [self._read(column, keys) for column in found.columns]
        values = list(zip(*columns, strict=True)) if found.width else list(columns[0])
        return RowBatch(values, None if found.timestamps is None else _integers(found.timestamps), keys)

    def _read(self, column: _Column, keys: list[Any] | None) -> Iterable[Any]:
        form, data = column
        if form == Form.INT64:
            return array("q", data)
        if form == Form.FLOAT64:
            return array("d", data)
        if form == Form.NUMBERS:
            numbers = array("I", data)
            return itemgetter(*numbers)(self._numbered) if len(numbers) > 1 else [self._numbered[numbers[0]]]
        if form == Form.KEYS:
            assert keys is not None
            return keys
        if form == Form.TEXTS:
            return _DECODE_TEXTS(data)
        read: list[Any] = pickle.loads(data)
        return read


def _split(values: list[Any]) -> tuple[int, Sequence[Sequence[Any]]] | None:
    """The number of columns, and they; ``None`` if the rows are not all plain tuples of one length, or plain values."""
    if not values:
        return None
    first = values[0]
    if type(first) is not tuple:
        return 0, [values]
    width = len(first)
    if not 0 < width <= MOST_COLUMNS or _kind(values) is not tuple:
        return None
    try:
        if width == 2:
            # What most streams are of, and taken apart so at half the cost.
            return width, ([one for one, _ in values], [other for _, other in values])
        return width, list(zip(*values, strict=True))
    except ValueError:
        return None


def _write(
    column: Sequence[Any], keys: list[Any] | None = None, key_kind: type | None = None
) -> _Column | None:
    """A column; ``None`` if not all of it is plain. ``keys`` of the rows, all exactly of ``key_kind`` unless that is ``None``."""
    kind = _kind(column)
    if kind is int:
        if key_kind is int and list(column) == keys:
            return Form.KEYS, b""
        try:
            return Form.INT64, _int64s(column)
        except struct.error:
            return _pickled(list(column))
    if kind is float:
        return Form.FLOAT64, struct.pack(f"={len(column)}d", *column)
    if kind is str:
        if key_kind is str and list(column) == keys:
            return Form.KEYS, b""
        try:
            return Form.TEXTS, _ENCODE(column)
        except UnicodeEncodeError:
            return _pickled(list(column))
    return _pickled(list(column)) if _PLAIN.issuperset(map(type, column)) else None


def _kind(column: Sequence[Any]) -> type | None:
    """The type that all are exactly of, if there is one; the quickest way to ask."""
    kind = type(column[0])
    return kind if countOf(map(type, column), kind) == len(column) else None


def _int64s(column: Sequence[int]) -> bytes:
    """Raises ``struct.error`` where something is no 64-bit integer."""
    return struct.pack(f"={len(column)}q", *column)


def _numbers_of(keys: list[str], numbers: dict[str, int]) -> bytes:
    """Raises ``KeyError`` where a key has no number."""
    found = itemgetter(*keys)(numbers) if len(keys) > 1 else (numbers[keys[0]],)
    return struct.pack(f"={len(keys)}I", *found)


def _pickled(column: list[Any]) -> _Column:
    return Form.PICKLE, pickle.dumps(column, protocol=5)


def _integers(data: bytes) -> list[int]:
    return array("q", data).tolist()

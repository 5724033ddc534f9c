"""How plain values become bytes: a column of them, or all fields of wide rows one after the other. Hot path.

Exact types only, so that what is read equals what was written, down to the types: a subclass of ``int`` or ``str`` is not plain.
"""

from __future__ import annotations

import pickle
import struct
from array import array
from collections.abc import Sequence
from enum import IntEnum
from itertools import chain
from operator import countOf
from typing import Any, Final

import msgspec

#: Immutable, without identity that anyone relies on, and exactly themselves after a pickle.
PLAIN: Final = frozenset({int, float, bool, str, bytes, type(None)})


class Form(IntEnum):
    """How a column is written."""

    INT64 = 1
    FLOAT64 = 2
    PICKLE = 3
    KEYS = 4  #: the texts or integers that are the keys: not written again
    NUMBERS = 5  #: numbers of text keys, unsigned 32-bit
    TEXTS = 6  #: msgpack, a quarter of what pickling texts costs
    VALUES = 7  #: msgpack of values of several types
    FIELD = 8  #: keys only: which field of the rows has them


#: A form, and the bytes.
Written = tuple[int, bytes]

_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(list[Any]).decode
_DECODE_TEXTS: Final = msgspec.msgpack.Decoder(list[str]).decode


def kind_of(column: Sequence[Any]) -> type | None:
    """The type that all are exactly of, if there is one; the quickest way to ask."""
    kind = type(column[0])
    return kind if countOf(map(type, column), kind) == len(column) else None


def write_column(
    column: Sequence[Any], keys: list[Any] | None = None, key_kind: type | None = None
) -> Written | None:
    """A column; ``None`` if not all of it is plain. ``keys`` of the rows, all exactly of ``key_kind`` unless that is ``None``."""
    kind = kind_of(column)
    if kind is int:
        if key_kind is int and list(column) == keys:
            return Form.KEYS, b""
        try:
            return Form.INT64, int64s(column)
        except struct.error:
            return pickled(list(column))
    if kind is float:
        return Form.FLOAT64, struct.pack(f"={len(column)}d", *column)
    if kind is str:
        if key_kind is str and list(column) == keys:
            return Form.KEYS, b""
        try:
            return Form.TEXTS, _ENCODE(column)
        except UnicodeEncodeError:
            return pickled(list(column))
    return pickled(list(column)) if PLAIN.issuperset(map(type, column)) else None


def read_column(written: Written, keys: list[Any] | None = None) -> Sequence[Any]:
    """What :func:`write_column` or :func:`pickled` wrote; the ``keys`` of the rows may be it."""
    form, data = written
    if form == Form.KEYS:
        assert keys is not None
        return keys
    if form == Form.INT64:
        return array("q", data)
    if form == Form.FLOAT64:
        return array("d", data)
    if form == Form.TEXTS:
        return _DECODE_TEXTS(data)
    read: list[Any] = pickle.loads(data)
    return read


def write_fields(
    rows: list[tuple[Any, ...]], keys: list[Any] | None = None
) -> tuple[Written, Written | None] | None:
    """All fields of rows of one width, and ``keys`` where a field of each row is its key; ``None`` if not all of it is plain."""
    width = len(rows[0])
    if countOf(map(len, rows), width) != len(rows):
        return None
    fields = list(chain.from_iterable(rows))
    kinds = list(map(type, fields))
    uniform = kinds == kinds[:width] * len(rows)
    if not PLAIN.issuperset(kinds[:width] if uniform else kinds):
        return None
    try:
        written = Form.VALUES, _ENCODE(fields)
    except (OverflowError, UnicodeEncodeError):  # integers of more than 64 bits, lone surrogates
        return pickled(fields), None
    if keys is None or not uniform:
        return written, None
    kind = kind_of(keys)
    if kind is int or kind is str:
        for number, value in enumerate(rows[0]):
            if kinds[number] is kind and value == keys[0] and fields[number::width] == keys:
                return written, (Form.FIELD, str(number).encode())
    return written, None


def read_fields(written: Written) -> list[Any]:
    """All fields of rows, one after the other."""
    form, data = written
    fields: list[Any] = _DECODE(data) if form == Form.VALUES else pickle.loads(data)
    return fields


def int64s(column: Sequence[int]) -> bytes:
    """Raises ``struct.error`` where something is no 64-bit integer."""
    return struct.pack(f"={len(column)}q", *column)


def pickled(column: list[Any]) -> Written:
    """Whatever can be pickled."""
    return Form.PICKLE, pickle.dumps(column, protocol=5)

"""Rows between two workers as bytes: plain values and narrow tuples by column, wider ones field by field, all others as one pickle. Hot path.

A :class:`RowEncoder` and a :class:`RowDecoder` stand at the two ends of a channel and rely on its order: a text key gets
a number when it is first sent and travels as that number from then on. The receiver so has one object for each key,
whose hash is known, and makes fewer objects for each row. What comes out equals what went in, down to the types.
"""

from __future__ import annotations

import pickle
import struct
from array import array
from collections.abc import Sequence
from operator import itemgetter
from typing import Any, Final

import msgspec

from weir.records import RowBatch
from weir.taskmanager.exchange import row_forms
from weir.taskmanager.exchange.row_forms import Form, Written, int64s, kind_of, pickled

#: Keys that are numbered at a time; then numbering begins anew, or ends if they hardly repeat.
MOST_NUMBERED: Final = 1 << 16
#: How often a numbered key must have been sent, on average, to be worth its number.
WORTHWHILE: Final = 4
#: Tuples of so many are taken apart; to take wider ones apart costs more than it saves.
MOST_COLUMNS: Final = 2
#: Batches after one that is not plain for which no other is expected.
PATIENCE: Final = 64

#: A pickle begins with this byte, a :class:`_Plain` never does.
_PICKLE_MARK: Final = pickle.dumps(None, protocol=5)[0]


class _Plain(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A batch of plain rows."""

    width: int  #: fields of a row; 0: rows are values, not tuples
    columns: tuple[Written, ...]  #: of rows that are wider than ``MOST_COLUMNS`` one, with all fields
    timestamps: bytes | None
    keys: Written | None
    new_keys: bytes  #: a pickled list of those that get the next numbers, or nothing
    anew: bool  #: numbering begins with ``new_keys``


_ENCODE = msgspec.msgpack.Encoder().encode
_DECODE = msgspec.msgpack.Decoder(_Plain).decode


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
            payload = self._plain(batch)
            if payload is not None:
                return payload
            self._skip = PATIENCE
        return pickle.dumps((batch.values, batch.timestamps, batch.keys), protocol=5)

    def _plain(self, batch: RowBatch) -> bytes | None:
        keys = batch.keys
        numbers = self._numbers if keys is not None and kind_of(keys) is str else None
        split = _written(batch.values, keys, numbered=numbers is not None)
        if split is None:
            return None
        width, columns, written_keys = split
        try:
            stamps = None if batch.timestamps is None else int64s(batch.timestamps)
        except struct.error:
            return None
        # The last that may be refused comes before the first that the other end must learn.
        new, anew = b"", False
        if keys is not None and numbers is not None:
            written_keys, new, anew = self._number(numbers, keys)
        elif keys is not None and written_keys is None:
            written_keys = row_forms.write_column(keys) or pickled(keys)
        return _ENCODE(_Plain(width, columns, stamps, written_keys, new, anew))

    def _number(self, numbers: dict[str, int], keys: list[str]) -> tuple[Written, bytes, bool]:
        self._sent += len(keys)
        try:
            return (Form.NUMBERS, _numbers_of(keys, numbers)), b"", False
        except KeyError:
            pass
        anew = len(numbers) + len(keys) > MOST_NUMBERED
        if anew:
            if self._sent < WORTHWHILE * len(numbers):
                self._numbers = None
                return pickled(keys), b"", False
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
        if found.width > MOST_COLUMNS:
            fields = row_forms.read_fields(found.columns[0])
            keys = self._keys(found.keys, fields, found.width)
            values = list(zip(*[iter(fields)] * found.width, strict=True))
        else:
            keys = self._keys(found.keys)
            columns = [row_forms.read_column(column, keys) for column in found.columns]
            values = list(zip(*columns, strict=True)) if found.width else list(columns[0])
        return RowBatch(values, None if found.timestamps is None else _integers(found.timestamps), keys)

    def _keys(self, written: Written | None, fields: Sequence[Any] = (), width: int = 0) -> list[Any] | None:
        """``fields``: all of the rows, of which one may be the key."""
        if written is None:
            return None
        form, data = written
        if form == Form.NUMBERS:
            numbers = array("I", data)
            found = itemgetter(*numbers)(self._numbered)
            return list(found) if len(numbers) > 1 else [found]
        if form == Form.FIELD:
            return list(fields[int(data) :: width])
        return list(row_forms.read_column(written))


def _written(
    values: list[Any], keys: list[Any] | None, *, numbered: bool
) -> tuple[int, tuple[Written, ...], Written | None] | None:
    """The width of the rows, they, and the keys if a field has them; ``None`` unless all are plain values, or plain tuples of one width."""
    if not values:
        return None
    first = values[0]
    if type(first) is not tuple:
        return _by_column(0, [values], keys)
    if not first or kind_of(values) is not tuple:
        return None
    width = len(first)
    try:
        match width:
            case 1:
                return _by_column(1, [[one for (one,) in values]], keys)
            case 2:
                # What most streams are of; two comprehensions cost half of what one zip does.
                return _by_column(2, ([one for one, _ in values], [other for _, other in values]), keys)
    except ValueError:
        return None
    found = row_forms.write_fields(values, None if numbered else keys)
    return None if found is None else (width, (found[0],), found[1])


def _by_column(
    width: int, columns: Sequence[list[Any]], keys: list[Any] | None
) -> tuple[int, tuple[Written, ...], None] | None:
    kind = None if keys is None else kind_of(keys)
    written = []
    for column in columns:
        found = row_forms.write_column(column, keys, kind)
        if found is None:
            return None
        written.append(found)
    return width, tuple(written), None


def _numbers_of(keys: list[str], numbers: dict[str, int]) -> bytes:
    """Raises ``KeyError`` where a key has no number."""
    found = itemgetter(*keys)(numbers) if len(keys) > 1 else (numbers[keys[0]],)
    return struct.pack(f"={len(keys)}I", *found)


def _integers(data: bytes) -> list[int]:
    return array("q", data).tolist()

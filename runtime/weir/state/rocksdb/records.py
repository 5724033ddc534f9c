"""What lies behind a key in the database: a byte of flags, the keys that their spelling does not tell, and the value.

The value is a serializer's column of one value; of a list, of all elements that were appended together. A record written with
an earlier version of a class is read with the present one, as in a state file.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from weir.errors import SnapshotCorrupt
from weir.serde.base import Serializer
from weir.state.rocksdb import keys

_LENGTH: Final = struct.Struct(">I")
_WITH_KEY: Final = 1
_WITH_ENTRY: Final = 2
PLAIN_HEAD: Final = b"\x00"


def head(key: Any) -> bytes:
    """How a record begins: with the key if its spelling does not tell it. Raises ``SerializationError``."""
    return PLAIN_HEAD if keys.is_plain(key) else bytes((_WITH_KEY,)) + _framed(keys.attached(key))


def map_head(key: Any, entry: Any, entries: Serializer) -> bytes:
    """As :func:`head`, of an entry of a map, whose own key is always written by its serializer if it is not plain."""
    flags, parts = 0, b""
    if not keys.is_plain(key):
        flags, parts = _WITH_KEY, _framed(keys.attached(key))
    if not keys.is_plain(entry):
        flags, parts = flags | _WITH_ENTRY, parts + _framed(entries.encode([entry]))
    return bytes((flags,)) + parts


def body(record: bytes) -> bytes:
    """The value of a record, without its head."""
    if record[0] == 0:
        return record[1:]
    at = 1
    for flag in (_WITH_KEY, _WITH_ENTRY):
        if record[0] & flag:
            at += _LENGTH.size + int(_LENGTH.unpack_from(record, at)[0])
    return record[at:]


def attached_key(record: bytes) -> bytes | None:
    """The key as the record carries it: what ``keys.attached`` gave; ``None`` if its spelling tells it."""
    return _part(record, 1) if record[0] & _WITH_KEY else None


def attached_entry(record: bytes) -> bytes | None:
    """The key of a map's entry, a column of its serializer; ``None`` if its spelling tells it."""
    if not record[0] & _WITH_ENTRY:
        return None
    at = 1
    if record[0] & _WITH_KEY:
        at += _LENGTH.size + int(_LENGTH.unpack_from(record, at)[0])
    return _part(record, at)


def key_of(spelled: bytes, record: bytes) -> Any:
    """The key of a record. Raises ``SnapshotCorrupt`` or ``SerializationError``."""
    attached = attached_key(record)
    return keys.read(spelled, keys.HEAD_BYTES) if attached is None else keys.detached(attached)


def entry_of(spelled: bytes, record: bytes, entries: Serializer) -> Any:
    """The key of a map's entry within its map."""
    attached = attached_entry(record)
    if attached is None:
        return keys.read(spelled, keys.skip(spelled, keys.HEAD_BYTES))
    return entries.decode(attached)[0]


def _part(record: bytes, at: int) -> bytes:
    (length,) = _LENGTH.unpack_from(record, at)
    found = record[at + _LENGTH.size : at + _LENGTH.size + length]
    if len(found) != length:
        raise SnapshotCorrupt("a record in the state database is cut")
    return found


def _framed(data: bytes) -> bytes:
    return _LENGTH.pack(len(data)) + data

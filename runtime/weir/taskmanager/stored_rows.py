"""Rows in a checkpoint, in forms that whoever may write to the checkpoint storage cannot run code by.

Builtin values describe themselves; instances of a class are written field by field, and the class is looked for among the modules
that the job has loaded. What has neither form is pickled and signed, if the job has a key for that (``state.pickle.key-file``).
"""

from __future__ import annotations

import sys
from enum import IntEnum
from typing import Any, Final

import msgspec

from weir.errors import SerializationError, SnapshotCorrupt
from weir.records import RowBatch
from weir.serde import DynamicSerializer, TypedSerializer, read_signed, signed_pickle
from weir.serde.naming import type_name


class _Form(IntEnum):
    BUILTIN = 0
    CLASS = 1
    TUPLES = 2
    PICKLE = 3


class _Column(msgspec.Struct, frozen=True, array_like=True):
    form: int
    data: bytes = b""
    #: Module and name of the class of all values.
    cls: tuple[str, str] = ("", "")
    #: The columns of tuples.
    columns: tuple[_Column, ...] = ()


class _Batch(msgspec.Struct, frozen=True, array_like=True):
    values: _Column
    timestamps: list[int] | None
    keys: _Column | None


_DYNAMIC: Final = DynamicSerializer()
_ENCODE: Final = msgspec.msgpack.Encoder().encode
_DECODE: Final = msgspec.msgpack.Decoder(_Batch).decode


def encode(batch: RowBatch) -> bytes:
    """Raises ``SerializationError`` naming the type of rows that have no form, and the ways out."""
    keys = None if batch.keys is None else _written(list(batch.keys))
    stamps = None if batch.timestamps is None else list(batch.timestamps)
    return _ENCODE(_Batch(_written(list(batch.values)), stamps, keys))


def decode(data: bytes) -> RowBatch:
    """Raises ``SnapshotCorrupt`` on other bytes, ``SerializationError`` for what may not be read or is of a class that is gone."""
    try:
        found = _DECODE(data)
        keys = None if found.keys is None else _read(found.keys)
        return RowBatch(_read(found.values), found.timestamps, keys)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SnapshotCorrupt(f"rows in a checkpoint are damaged: {error}") from error


def _written(values: list[Any]) -> _Column:
    try:
        return _Column(_Form.BUILTIN, _DYNAMIC.encode(values))
    except SerializationError:
        pass
    kinds = set(map(type, values))
    kind = kinds.pop()
    if not kinds and kind is not tuple:
        try:
            return _Column(
                _Form.CLASS, TypedSerializer(kind).encode(values), (kind.__module__, kind.__qualname__)
            )
        except SerializationError:
            pass  # not as its fields are declared, perhaps
    elif not kinds and len(set(map(len, values))) == 1:
        return _Column(
            _Form.TUPLES, columns=tuple(_written(list(column)) for column in zip(*values, strict=True))
        )
    return _Column(_Form.PICKLE, signed_pickle(values))


def _read(column: _Column) -> list[Any]:
    match column.form:
        case _Form.BUILTIN:
            return _DYNAMIC.decode(column.data)
        case _Form.CLASS:
            return TypedSerializer(_found(*column.cls)).decode(column.data)
        case _Form.TUPLES:
            return list(zip(*map(_read, column.columns), strict=True))
        case _Form.PICKLE:
            pickled: list[Any] = read_signed(column.data)
            return pickled
    raise SnapshotCorrupt(f"rows in a checkpoint are damaged: there is no form {column.form}")


def _found(module: str, qualname: str) -> type:
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type) or type_name(found).rpartition(".")[2] != qualname.rpartition(".")[2]:
        raise SerializationError(
            f"rows of class {qualname} of module {module} are in the checkpoint, and the job has no such class now; keep its "
            "module and name, or go on from a savepoint"
        )
    return found

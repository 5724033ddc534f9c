"""Serializer of a declared type: checked by its shape, written by msgspec, compact and quick to read.

Every column is checked before it is written, so that a value that would come back different is refused at
the checkpoint, with its path, and not found out at a restore. Builtin types that the typed form cannot keep
(ints beyond 64 bits, other time zones than UTC) go through the dynamic form; in user classes they are refused.
Dataclasses, Structs, NamedTuples and pydantic models may gain fields with defaults and lose fields.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgspec

from weir.errors import SerializationError
from weir.serde import models, numpy_scalars, twins
from weir.serde.base import Description
from weir.serde.dynamic import DynamicSerializer
from weir.serde.inspection import Inspection
from weir.serde.naming import type_name
from weir.serde.shapes import NotExact

_TYPED: Final = b"\x00"
_DYNAMIC: Final = b"\x01"

#: A column of one value: the frame, then msgpack's array of one.
_ONE_TYPED: Final = _TYPED + b"\x91"
#: How msgpack begins a long array.
_ARRAY: Final = struct.Struct(">BI")


def _lowered(value: Any) -> Any:
    """Values of types that msgspec does not know; the shape has seen that they are among these."""
    return models.lowered(value) if models.is_model(type(value)) else numpy_scalars.lowered(value)


def _raised(cls: Any, packed: Any) -> Any:
    if models.is_model(cls):
        return models.raised(cls, packed, _raised)
    if issubclass(cls, twins.TupleTwin):
        return cls.raised(packed, _raised)
    return numpy_scalars.raised(cls, packed)


_encode: Final = msgspec.msgpack.Encoder(enc_hook=_lowered).encode


class TypedSerializer:
    """``TypedSerializer(list[Order])``: columns of values of exactly this type.

    Raises ``SerializationError`` when the type has no typed form.
    """

    __slots__ = ("_decoder", "_dynamic", "_inspection", "type")
    name: Final = "typed"
    version: Final = 1

    def __init__(self, type_: Any) -> None:
        self.type = type_
        self._dynamic = DynamicSerializer()
        self._inspection = Inspection(type_)
        #: None: only the dynamic form can read this type back.
        self._decoder: msgspec.msgpack.Decoder[list[Any]] | None = None
        if not self._inspection.dynamic_only:
            read: Any = list[type_]
            if self._inspection.runs_code:
                read = twins.as_read(read)
            try:
                self._decoder = msgspec.msgpack.Decoder(read, dec_hook=_raised)
            except TypeError as error:  # a twin of a NamedTuple beside another type
                raise SerializationError(f"type {type_name(type_)} cannot be declared: {error}") from error

    def encode(self, values: list[Any]) -> bytes:
        """Raises ``SerializationError`` naming path and both types of the first value that does not fit."""
        try:
            self._inspection.shape.check(values, "value")
            if self._decoder is None:
                return _DYNAMIC + self._dynamic.encode(values)
            data = _encode(values)
        except NotExact:
            if self._inspection.has_classes:
                raise
            return _DYNAMIC + self._dynamic.encode(values)
        except (OverflowError, UnicodeEncodeError) as error:
            if not self._inspection.has_classes:
                return _DYNAMIC + self._dynamic.encode(values)
            self._inspection.shape.check(values, "value", ranges=True)
            raise SerializationError(f"{type_name(self.type)}: {error}") from error
        except RecursionError:
            raise SerializationError("a value is nested too deeply, or contains itself") from None
        except TypeError as error:
            raise SerializationError(f"{type_name(self.type)}: {error}") from error
        if self._inspection.constrained:
            self._check_readable(data)
        return _TYPED + data

    def encode_each(self, values: list[Any]) -> list[bytes]:
        """``[encode([value]) for value in values]``, with one check of them all."""
        if self._decoder is not None and not self._inspection.constrained:
            try:
                self._inspection.shape.check(values, "value")
                return [_ONE_TYPED + _encode(value) for value in values]
            except (SerializationError, OverflowError, UnicodeEncodeError, RecursionError, TypeError):
                pass  # some of them are: each for itself then
        return [self.encode([value]) for value in values]

    def decode(self, data: bytes) -> list[Any]:
        """Raises ``SerializationError`` when the bytes do not fit the type."""
        frame, body = data[:1], memoryview(data)[1:]
        if frame == _DYNAMIC:
            return self._dynamic.decode(bytes(body))
        if frame != _TYPED or self._decoder is None:
            raise SerializationError(
                f"{type_name(self.type)}: the typed serializer knows no frame {frame!r}; was it written by a newer Weir?"
            )
        try:
            return self._decoder.decode(body)
        except (msgspec.DecodeError, ValueError, TypeError, OverflowError) as error:
            raise SerializationError(
                f"what was written does not fit the declared type {type_name(self.type)}: {error}"
            ) from error

    def decode_each(self, columns: list[bytes]) -> list[Any]:
        """``[decode(column)[0] for column in columns]``, with one call where all are as ``encode_each`` makes them."""
        if self._decoder is not None and all(column[:2] == _ONE_TYPED for column in columns):
            skip = len(_ONE_TYPED)
            body = b"".join([column[skip:] for column in columns])
            try:
                found: list[Any] = self._decoder.decode(_ARRAY.pack(0xDD, len(columns)) + body)
            except (msgspec.DecodeError, ValueError, TypeError, OverflowError):
                pass  # one of them: its own error says more
            else:
                return found
        return [self.decode(column)[0] for column in columns]

    def describe(self) -> Description:
        return {"serializer": self.name, "version": self.version, "type": self._inspection.shape.describe()}

    def _check_readable(self, data: bytes) -> None:
        assert self._decoder is not None
        try:
            self._decoder.decode(data)
        except msgspec.DecodeError as error:
            raise SerializationError(
                f"a value breaks a constraint of the declared type {type_name(self.type)}: {error}"
            ) from error

    def __repr__(self) -> str:
        return f"TypedSerializer({type_name(self.type)})"

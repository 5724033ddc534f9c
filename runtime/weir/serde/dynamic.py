"""The self-describing serializer: exact round trips of Python's builtin types, without a declared type.

Columns that msgpack keeps exactly (scalars, and one level of tuples, lists or string-keyed dicts of scalars)
go through C as they are; everything else is packed value by value, with a tag for each type that msgpack
does not know. The first byte of the data says which. Used for keys, and for state without a type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from itertools import chain
from typing import Any, Final, TypeAlias
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from weir.errors import SerializationError
from weir.serde import numpy_scalars
from weir.serde.base import Description
from weir.serde.naming import type_name

#: Types that plain msgpack gives back exactly as they were.
_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})
_STR: Final = frozenset({str})

_PLAIN: Final = b"\x00"  #: scalars, lists of scalars, string-keyed dicts of scalars
#: A column of one such value: the frame, then msgpack's array of one.
_ONE_PLAIN: Final = _PLAIN + b"\x91"
_TUPLES: Final = b"\x01"  #: tuples of scalars
_TAGGED: Final = b"\x02"  #: anything else, with tags

_encode_msgpack: Final = msgspec.msgpack.Encoder().encode
_decode_plain: Final[Callable[[Any], list[Any]]] = msgspec.msgpack.Decoder(list).decode
_decode_tuples: Final[Callable[[Any], list[Any]]] = msgspec.msgpack.Decoder(list[tuple]).decode  # type: ignore[type-arg]

_Packer: TypeAlias = "Callable[[Any], Any]"


class DynamicSerializer:
    """Exact for None, bool, int of any size, float, str, bytes, bytearray, complex, tuple, list, set,
    frozenset, dict with any hashable keys, datetime, date, time, timedelta, Decimal, UUID and numpy's scalars, nested
    at will.
    """

    __slots__ = ()
    name: Final = "dynamic"
    version: Final = 1

    def encode(self, values: list[Any]) -> bytes:
        """Raises ``SerializationError`` naming the first type that is not among the builtin ones."""
        try:
            frame = _plain_frame(values)
            if frame is not None:
                return frame + _encode_msgpack(values)
        except (OverflowError, UnicodeEncodeError):
            pass  # an int beyond 64 bits, or a lone surrogate: tagged
        try:
            return _TAGGED + _encode_msgpack([_pack(value) for value in values])
        except RecursionError:
            raise SerializationError("a value is nested too deeply, or contains itself") from None

    def encode_each(self, values: list[Any]) -> list[bytes]:
        """``[encode([value]) for value in values]``, quicker for scalars."""
        if set(map(type, values)) <= _SCALARS:
            try:
                return [_ONE_PLAIN + _encode_msgpack(value) for value in values]
            except (OverflowError, UnicodeEncodeError):
                pass
        return [self.encode([value]) for value in values]

    def decode(self, data: bytes) -> list[Any]:
        """Raises ``SerializationError`` on bytes that no ``encode`` wrote."""
        frame, body = data[:1], memoryview(data)[1:]
        try:
            if frame == _PLAIN:
                return _decode_plain(body)
            if frame == _TUPLES:
                return _decode_tuples(body)
            if frame == _TAGGED:
                values: list[Any] = _decode_tagged(body)
                return values
        except (msgspec.DecodeError, ValueError, TypeError, KeyError, OverflowError) as error:
            raise SerializationError(
                f"the bytes are not what the dynamic serializer writes: {error}"
            ) from error
        raise SerializationError(
            f"the dynamic serializer knows no frame {frame!r}; was it written by a newer Weir?"
        )

    def describe(self) -> Description:
        return {"serializer": self.name, "version": self.version}

    def __repr__(self) -> str:
        return "DynamicSerializer()"


def _plain_frame(values: list[Any]) -> bytes | None:
    """The frame for columns that need no tags, ``None`` for the others."""
    types = set(map(type, values))
    if types <= _SCALARS:
        return _PLAIN
    if len(types) != 1:
        return None
    (only,) = types
    if only is tuple:
        return _TUPLES if _all_scalars(chain.from_iterable(values)) else None
    if only is list:
        return _PLAIN if _all_scalars(chain.from_iterable(values)) else None
    if only is dict and set(map(type, chain.from_iterable(values))) <= _STR:
        return _PLAIN if _all_scalars(chain.from_iterable(map(dict.values, values))) else None
    return None


def _all_scalars(items: Iterable[Any]) -> bool:
    return set(map(type, items)) <= _SCALARS


def _pack(value: Any) -> Any:
    """What msgpack is given for ``value``."""
    packer = _PACKERS.get(type(value))
    if packer is None:
        name = numpy_scalars.scalar_name(type(value))
        if name is not None:
            return _ext(_NUMPY, [name, numpy_scalars.lowered(value)])
        raise SerializationError(
            f"{value!r:.80} is of type {type_name(type(value))}, which needs to be declared: give the descriptor the "
            "type (dataclass, NamedTuple, TypedDict, msgspec.Struct, pydantic model, Enum), convert the value to builtin types, or "
            "pass PickleSerializer() as the type (needs state.pickle.key-file)"
        )
    return packer(value)


def _pack_itself(value: Any) -> Any:
    return value


def _pack_int(value: int) -> Any:
    if -0x8000000000000000 <= value <= 0xFFFFFFFFFFFFFFFF:
        return value
    return msgspec.msgpack.Ext(_BIG_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _pack_str(value: str) -> Any:
    try:
        value.encode()
    except UnicodeEncodeError:
        return msgspec.msgpack.Ext(_SURROGATES, value.encode("utf-8", "surrogatepass"))
    return value


def _pack_list(value: list[Any]) -> Any:
    return [_pack(item) for item in value]


def _pack_dict(value: dict[Any, Any]) -> Any:
    if set(map(type, value)) <= _STR:
        try:
            "".join(value).encode()
        except UnicodeEncodeError:
            pass
        else:
            return {key: _pack(item) for key, item in value.items()}
    return _ext(_DICT, [[_pack(key) for key in value], [_pack(item) for item in value.values()]])


def _pack_timezone(zone: Any) -> Any:
    if zone is None:
        return None
    if type(zone) is timezone:
        offset = zone.utcoffset(None)
        name = zone.tzname(None)
        micros = offset // timedelta(microseconds=1)
        return [micros] if timezone(offset).tzname(None) == name else [micros, name]
    if type(zone) is ZoneInfo and zone.key is not None:
        return zone.key
    raise SerializationError(
        f"a time zone of type {type_name(type(zone))} cannot be stored: {zone!r}; use datetime.timezone or zoneinfo"
    )


def _pack_datetime(value: datetime) -> Any:
    fields = (value.year, value.month, value.day, value.hour, value.minute, value.second, value.microsecond)
    return _ext(_DATETIME, [*fields, value.fold, _pack_timezone(value.tzinfo)])


def _pack_time(value: time) -> Any:
    fields = (value.hour, value.minute, value.second, value.microsecond)
    return _ext(_TIME, [*fields, value.fold, _pack_timezone(value.tzinfo)])


def _ext(code: int, packed: Any) -> msgspec.msgpack.Ext:
    return msgspec.msgpack.Ext(code, _encode_msgpack(packed))


def _packs_items(code: int) -> _Packer:
    return lambda value: _ext(code, [_pack(item) for item in value])


#: Tags are part of the format: they are never given another meaning.
_TUPLE, _SET, _FROZENSET, _DICT, _BIG_INT, _SURROGATES, _BYTEARRAY = range(1, 8)
_DATETIME, _DATE, _TIME, _TIMEDELTA, _DECIMAL, _UUID, _COMPLEX = range(8, 15)
_NUMPY: Final = 15

_PACKERS: Final[dict[type, _Packer]] = {
    type(None): _pack_itself,
    bool: _pack_itself,
    float: _pack_itself,
    bytes: _pack_itself,
    int: _pack_int,
    str: _pack_str,
    list: _pack_list,
    dict: _pack_dict,
    tuple: _packs_items(_TUPLE),
    set: _packs_items(_SET),
    frozenset: _packs_items(_FROZENSET),
    bytearray: lambda value: msgspec.msgpack.Ext(_BYTEARRAY, bytes(value)),
    datetime: _pack_datetime,
    date: lambda value: _ext(_DATE, value.toordinal()),
    time: _pack_time,
    timedelta: lambda value: _ext(_TIMEDELTA, [value.days, value.seconds, value.microseconds]),
    Decimal: lambda value: _ext(_DECIMAL, str(value)),
    UUID: lambda value: msgspec.msgpack.Ext(_UUID, value.bytes),
    complex: lambda value: _ext(_COMPLEX, [value.real, value.imag]),
}


def _unpack_timezone(packed: Any) -> Any:
    if packed is None:
        return None
    if isinstance(packed, str):
        return ZoneInfo(packed)
    offset = timedelta(microseconds=packed[0])
    if len(packed) > 1:
        return timezone(offset, packed[1])
    return timezone(offset) if offset else UTC


def _unpack_datetime(data: memoryview) -> datetime:
    year, month, day, hour, minute, second, micros, fold, zone = _decode_tagged(data)
    return datetime(year, month, day, hour, minute, second, micros, _unpack_timezone(zone), fold=fold)


def _unpack_time(data: memoryview) -> time:
    hour, minute, second, micros, fold, zone = _decode_tagged(data)
    return time(hour, minute, second, micros, _unpack_timezone(zone), fold=fold)


def _unpack_numpy(data: memoryview) -> Any:
    name, packed = _decode_tagged(data)
    return numpy_scalars.raised(numpy_scalars.scalar_type(name), packed)


def _unpack_dict(data: memoryview) -> dict[Any, Any]:
    keys, items = _decode_tagged(data)
    return dict(zip(keys, items, strict=True))


_UNPACKERS: Final[dict[int, Callable[[memoryview], Any]]] = {
    _TUPLE: lambda data: tuple(_decode_tagged(data)),
    _SET: lambda data: set(_decode_tagged(data)),
    _FROZENSET: lambda data: frozenset(_decode_tagged(data)),
    _DICT: _unpack_dict,
    _BIG_INT: lambda data: int.from_bytes(data, "big", signed=True),
    _SURROGATES: lambda data: str(data, "utf-8", "surrogatepass"),
    _BYTEARRAY: bytearray,
    _DATETIME: _unpack_datetime,
    _DATE: lambda data: date.fromordinal(_decode_tagged(data)),
    _TIME: _unpack_time,
    _TIMEDELTA: lambda data: timedelta(*_decode_tagged(data)),
    _DECIMAL: lambda data: Decimal(_decode_tagged(data)),
    _UUID: lambda data: UUID(bytes=bytes(data)),
    _COMPLEX: lambda data: complex(*_decode_tagged(data)),
    _NUMPY: _unpack_numpy,
}


def _unpack(code: int, data: memoryview) -> Any:
    return _UNPACKERS[code](data)


_decode_tagged: Final[Callable[[Any], Any]] = msgspec.msgpack.Decoder(ext_hook=_unpack).decode

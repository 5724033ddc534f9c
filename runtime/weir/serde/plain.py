"""Columns as builtin data, read without the job's classes and without running any code: for people who look into snapshots.

A record becomes a dict (or a list, where it is written by position), an Enum member its value, an instance that is a key a
line of text. Pickled values and those of the job's own serializers stay closed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from weir.errors import SerializationError
from weir.serde.base import Description
from weir.serde.dynamic import DynamicSerializer
from weir.serde.keys import KeySerializer, told_keys
from weir.serde.typed import TypedSerializer

Reader: TypeAlias = "Callable[[bytes], list[Any]]"

_DYNAMIC: Final = DynamicSerializer()
_decode_list: Final[Callable[[Any], list[Any]]] = msgspec.msgpack.Decoder(list[Any]).decode
_decode_stamped: Final = msgspec.msgpack.Decoder(tuple[list[int], bytes]).decode


def plain_reader(description: Description | None) -> Reader | None:
    """What reads columns that were written so; ``None`` for those that stay closed.

    The reader raises ``SerializationError`` for bytes that do not fit.
    """
    match (description or {}).get("serializer"):
        case TypedSerializer.name:
            return _typed
        case DynamicSerializer.name:
            return _DYNAMIC.decode
        case KeySerializer.name:
            return told_keys
        case "stamped":
            assert description is not None
            below = plain_reader(description["values"])
            return None if below is None else lambda data: below(_unstamped(data))
    return None


def _typed(data: bytes) -> list[Any]:
    if data[:1] == b"\x01":
        return _DYNAMIC.decode(data[1:])
    try:
        return _decode_list(memoryview(data)[1:])
    except (msgspec.DecodeError, ValueError) as error:
        raise SerializationError(f"the bytes are no typed values: {error}") from error


def _unstamped(data: bytes) -> bytes:
    """Values without when they were written: a later stamp alone is no other value."""
    try:
        return _decode_stamped(data)[1]
    except msgspec.DecodeError as error:
        raise SerializationError(f"the bytes are no stamped values: {error}") from error

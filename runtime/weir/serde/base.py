"""What a serializer is: columns of Python values to bytes and back, versioned and described.

The unit is a column (all values of one state in one chunk of a snapshot), never a value, so that the type
checks and the encoding run in C. Implementations: ``dynamic``, ``typed``, ``pickled``; ``registry`` picks one
from what a descriptor says; ``compatibility`` compares descriptions when a snapshot is restored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

#: A description is stored in snapshots: strings, lists and dicts only, readable without user code.
Description: TypeAlias = dict[str, Any]


@runtime_checkable
class Serializer(Protocol):
    """Encodes and decodes columns; ``decode(encode(values))`` equals ``values``, with equal types."""

    @property
    def name(self) -> str:
        """Names the format: ``dynamic``, ``typed``, ``pickle``, or one of the user's own."""
        ...

    @property
    def version(self) -> int:
        """Version of the format; a reader reads its own and all lower ones."""
        ...

    def encode(self, values: list[Any]) -> bytes:
        """Raises ``SerializationError`` when a value would not come back as it is."""
        ...

    def decode(self, data: bytes) -> list[Any]:
        """Raises ``SerializationError`` when the bytes do not fit the type."""
        ...

    def describe(self) -> Description:
        """What a later program compares itself with; at least ``serializer`` and ``version``."""
        ...


def encode_each(serializer: Serializer, values: list[Any]) -> list[bytes]:
    """Each value as a column of its own; serializers that can check all of them at once have a method for it."""
    together: Callable[[list[Any]], list[bytes]] | None = getattr(serializer, "encode_each", None)
    if together is not None:
        return together(values)
    return [serializer.encode([value]) for value in values]


def decode_each(serializer: Serializer, columns: list[bytes]) -> list[Any]:
    """The value of each column, all of which have one; serializers that can read all of them at once have a method for it."""
    together: Callable[[list[bytes]], list[Any]] | None = getattr(serializer, "decode_each", None)
    if together is not None:
        return together(columns)
    return [serializer.decode(column)[0] for column in columns]

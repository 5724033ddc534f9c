"""From what a descriptor says (a type, a serializer, or nothing) to a serializer, and back from a description."""

from __future__ import annotations

import functools
import operator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from weir.errors import SerializationError
from weir.serde import numpy_scalars
from weir.serde.base import Description, Serializer
from weir.serde.dynamic import DynamicSerializer
from weir.serde.naming import render
from weir.serde.pickled import PickleSerializer
from weir.serde.typed import TypedSerializer

_DYNAMIC: Final = DynamicSerializer()
_BUILTIN: Final = (
    *(bool, int, float, str, bytes, bytearray, complex, list, set, frozenset, dict, tuple),
    *(datetime, date, time, timedelta, Decimal, UUID),
)
_NAMED: Final[dict[str, Any]] = {"None": None, "any": Any} | {type_.__name__: type_ for type_ in _BUILTIN}


def serializer_for(type_: Any) -> Serializer:
    """The serializer for ``type_``: a serializer is taken as it is, ``None``, ``Any`` and ``object`` mean dynamic.

    Raises ``SerializationError`` when the type cannot be serialised.
    """
    if type_ is None or type_ is Any or type_ is object:
        return _DYNAMIC
    if isinstance(type_, type):
        if callable(getattr(type_, "encode", None)) and callable(getattr(type_, "describe", None)):
            raise SerializationError(
                f"{type_.__name__} is a class where a serializer is needed; write {type_.__name__}()"
            )
        return TypedSerializer(type_)
    if isinstance(type_, Serializer):
        return type_
    return TypedSerializer(type_)


def serializer_from_description(description: Description) -> Serializer:
    """A serializer that reads what was written with ``description``, for tools that have no user code.

    Raises ``SerializationError`` for user classes, own serializers, and for pickle (reading one runs code).
    """
    name = description.get("serializer")
    if name == DynamicSerializer.name:
        return _DYNAMIC
    if name == TypedSerializer.name:
        return TypedSerializer(_rebuilt(description["type"]))
    if name == PickleSerializer.name:
        raise SerializationError(
            "pickled state is read by the job's own workers only: reading a pickle runs code"
        )
    raise SerializationError(f"no serializer is called {name!r}; it is the job's own: {description}")


def _rebuilt(node: Any) -> Any:
    if isinstance(node, str):
        if node in _NAMED:
            return _NAMED[node]
        if node.startswith(numpy_scalars.PREFIX):
            return numpy_scalars.scalar_type(node)
        raise SerializationError(f"type {node!r} is unknown; was it written by a newer Weir?")
    if len(node) != 1 or "ref" in node or "literal" in node:
        raise SerializationError(f"{render(node)} is a type of the job's own code and can only be read there")
    ((key, below),) = node.items()
    arguments = tuple(map(_rebuilt, below if isinstance(below, list) else [below]))
    if key == "union":
        return functools.reduce(operator.or_, arguments)
    if key == "tuple":
        return tuple.__class_getitem__((*arguments, ...))
    return _NAMED[key.removeprefix("fixed-")].__class_getitem__(arguments)

"""Scalars of numpy, ``numpy.float64`` and its like, for both serializers; numpy itself is loaded by the job, never here.

They are written by the name of their type, in little endian, and come back as that type. Types whose size depends on the
machine (``longdouble``, ``longlong``) have no form.
"""

from __future__ import annotations

import functools
import sys
from typing import Any, Final

from weir.errors import SerializationError

_SIZED: Final = frozenset(
    {
        *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
        *(
            "float16",
            "float32",
            "float64",
            "complex64",
            "complex128",
            "datetime64",
            "timedelta64",
            "str",
            "bytes",
        ),
    }
)
#: What each is called as an attribute of numpy, where it is not its own name.
_ATTRIBUTES: Final = {"bool": "bool_", "str": "str_", "bytes": "bytes_"}
PREFIX: Final = "numpy."


def scalar_name(cls: Any) -> str | None:
    """``numpy.float64`` for that type; ``None`` for a type that is no scalar of numpy with a form of its own."""
    if cls.__module__ != "numpy":
        return None
    name = cls.__name__.removesuffix("_")
    return PREFIX + name if name in _SIZED and scalar_type(PREFIX + name) is cls else None


@functools.cache
def scalar_type(name: str) -> type:
    """The type that ``scalar_name`` called so. Raises ``SerializationError`` when there is none, or no numpy."""
    short = name.removeprefix(PREFIX)
    numpy = sys.modules.get("numpy") or _loaded(name)
    found = getattr(numpy, _ATTRIBUTES.get(short, short), None) if short in _SIZED else None
    if not isinstance(found, type):
        raise SerializationError(f"type {name!r} is unknown; was it written by a newer Weir?")
    return found


def _loaded(name: str) -> Any:
    try:
        import numpy  # noqa: ICN001  only what a snapshot asks for brings numpy in
    except ImportError as error:
        raise SerializationError(
            f"the snapshot holds values of type {name}, and numpy is not installed; pip install 'weir-stream[columnar]'"
        ) from error
    return numpy


def lowered(value: Any) -> Any:
    """A scalar as builtin values that msgpack keeps exactly."""
    match value.dtype.kind:
        case "M" | "m":
            return [value.dtype.str[1:], int(value.view("i8"))]
        case "c":
            return [float(value.real), float(value.imag)]
        case "U":
            return str(value)
        case "S":
            return bytes(value)
    return value.item()


def raised(cls: Any, packed: Any) -> Any:
    """The inverse of :func:`lowered`. Raises ``ValueError``, ``TypeError`` or ``OverflowError`` when it does not fit."""
    if type(packed) is not list:
        return cls(packed)
    first, second = packed
    if isinstance(first, str):
        if first[:1] not in ("M", "m"):
            raise ValueError(f"{first!r} is no unit of time")
        return sys.modules["numpy"].int64(second).view(first)
    return cls(complex(first, second))

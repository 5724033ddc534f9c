"""Serializer of keys whose type nobody declared: builtin values, and the classes that may be keys.

A key selector may return an Enum member, a NamedTuple, a frozen dataclass or a frozen Struct without saying so
anywhere. Their columns carry a table of classes by module and name; a reader finds these among the modules
that the job has loaded and never imports one. Instances are written as lists, which no key can contain.
"""

from __future__ import annotations

import dataclasses
import enum
import struct
import sys
from collections.abc import Callable
from operator import attrgetter
from typing import Any, Final, NamedTuple

from weir.errors import SerializationError
from weir.serde import twins
from weir.serde.base import Description
from weir.serde.dynamic import DynamicSerializer
from weir.serde.naming import type_name

_BUILTIN: Final = b"\x00"
_CLASSES: Final = b"\x01"
_LENGTH: Final = struct.Struct("<I")
#: Most fields are one of these and need no second look.
_SCALARS: Final = frozenset({type(None), bool, int, float, str, bytes})


class KeySerializer:
    """Exact for everything that ``keygroups.canonical_bytes`` accepts, classes defined in functions excepted."""

    __slots__ = ("_dynamic",)
    name: Final = "keys"
    version: Final = 1

    def __init__(self) -> None:
        self._dynamic = DynamicSerializer()

    def encode(self, values: list[Any]) -> bytes:
        """Raises ``SerializationError`` naming the type of a key that cannot be stored."""
        try:
            return _BUILTIN + self._dynamic.encode(values)
        except SerializationError:
            classes: dict[type, _Class] = {}
            lowered = [_lowered(value, classes) for value in values]
            found = [cls for cls, known in classes.items() if known.fields is not None]
            table = self._dynamic.encode([[c.__module__, c.__qualname__, classes[c].fields] for c in found])
            return _CLASSES + _LENGTH.pack(len(table)) + table + self._dynamic.encode(lowered)

    def decode(self, data: bytes) -> list[Any]:
        """Raises ``SerializationError`` when a class was renamed, moved, or has other fields."""
        table, values = _split(data)
        if table is None:
            return values
        classes = [_found(*entry) for entry in table]
        return [_raised(value, classes) for value in values]

    def describe(self) -> Description:
        return {"serializer": self.name, "version": self.version}

    def __repr__(self) -> str:
        return "KeySerializer()"


def told_keys(data: bytes) -> list[Any]:
    """Keys without their classes, which are not looked for: an instance is told as text. For people."""
    table, values = _split(data)
    return values if table is None else [_told(value, table) for value in values]


def _split(data: bytes) -> tuple[list[Any] | None, list[Any]]:
    """The table of classes, if there is one, and the values."""
    dynamic = DynamicSerializer()
    if data[:1] == _BUILTIN:
        return None, dynamic.decode(data[1:])
    if data[:1] != _CLASSES:
        raise SerializationError(f"no form of keys begins with {data[:1]!r}; was it written by a newer Weir?")
    start = 1 + _LENGTH.size
    end = start + int(_LENGTH.unpack_from(data, 1)[0])
    return dynamic.decode(data[start:end]), dynamic.decode(data[end:])


def _told(value: Any, table: list[Any]) -> Any:
    if type(value) is tuple:
        return tuple(_told(item, table) for item in value)
    if type(value) is not list:
        return value
    _, qualname, fields = table[value[0]]
    if not fields:  # an Enum is written by its member's name, a flag without one by its value
        return f"{qualname}.{value[1]}" if type(value[1]) is str else f"{qualname}({value[1]})"
    items = [_told(item, table) for item in value[1:]]
    return f"{qualname}({', '.join(f'{name}={item!r}' for name, item in zip(fields, items, strict=True))})"


class _Class(NamedTuple):
    """What is known of a type that occurs in keys; without ``fields`` it is a builtin one."""

    number: int
    fields: list[str] | None
    #: From an instance to its fields; an Enum is written by what ``_told_member`` says.
    read: Callable[[Any], tuple[Any, ...]]


def _lowered(value: Any, classes: dict[type, _Class]) -> Any:
    """``value`` with instances of classes as lists: index of the class, then fields."""
    cls = type(value)
    if cls in _SCALARS:
        return value
    if cls is tuple:
        return tuple(_lowered(item, classes) for item in value)
    known = classes.get(cls)
    if known is None:
        known = classes[cls] = _class_of(cls, sum(other.fields is not None for other in classes.values()))
    if known.fields is None:
        return value
    return [known.number, *(_lowered(item, classes) for item in known.read(value))]


def _class_of(cls: Any, number: int) -> _Class:
    fields = _fields(cls)
    if fields is not None and "<locals>" in cls.__qualname__:
        raise SerializationError(
            f"a key of type {type_name(cls)} cannot be found again after a restart, since the class is defined "
            "inside a function; define it at the top of its module"
        )
    if hasattr(cls, "__struct_fields__"):
        twins.as_made(cls)  # it can be read again
    if issubclass(cls, enum.Enum):
        return _Class(number, fields, lambda member: (_told_member(member),))
    if fields and len(fields) > 1:
        return _Class(number, fields, attrgetter(*fields))
    return _Class(number, fields, lambda value: tuple(getattr(value, field) for field in fields or ()))


def _raised(value: Any, classes: list[Any]) -> Any:
    """The inverse of :func:`_lowered`. No ``__init__`` or ``__post_init__`` runs: the key was valid when it was written."""
    if type(value) is tuple:
        return tuple(_raised(item, classes) for item in value)
    if type(value) is not list:
        return value
    cls = classes[value[0]]
    items = [item if type(item) in _SCALARS else _raised(item, classes) for item in value[1:]]
    if issubclass(cls, enum.Enum):
        return _member(cls, items[0])
    if issubclass(cls, tuple):
        return tuple.__new__(cls, items)
    fields = _fields(cls) or []
    if hasattr(cls, "__struct_fields__"):
        return twins.as_made(cls)(**dict(zip(fields, items, strict=True)))
    instance = object.__new__(cls)
    for field, item in zip(fields, items, strict=True):
        object.__setattr__(instance, field, item)
    return instance


def _fields(cls: type) -> list[str] | None:
    """Names of the fields of a class that may be a key, empty for an Enum; ``None`` for other types."""
    if issubclass(cls, enum.Enum):
        return []
    if issubclass(cls, tuple):
        return list(getattr(cls, "_fields", ())) or None
    if dataclasses.is_dataclass(cls):
        frozen = cls.__dataclass_params__.frozen  # type: ignore[attr-defined]  # not in the stubs
        return [field.name for field in dataclasses.fields(cls)] if frozen else None
    config = getattr(cls, "__struct_config__", None)
    if config is not None and config.frozen:
        fields: tuple[str, ...] = cls.__struct_fields__  # type: ignore[attr-defined]  # a Struct has it
        return list(fields)
    return None


def _told_member(member: enum.Enum) -> str | int:
    """Its name (``R|W`` for a combination of flags), or its value where it has none: no flag at all."""
    return member.value if member.name is None else member.name


def _member(cls: type[enum.Enum], told: Any) -> enum.Enum:
    member = cls.__members__.get(told)
    if member is None and issubclass(cls, enum.Flag):
        member = _flags(cls, told)
    if member is None:
        raise SerializationError(
            f"{type_name(cls)} has no member {told!r} any more, which is a key in the snapshot"
        )
    return member


def _flags(cls: type[enum.Flag], told: Any) -> enum.Flag | None:
    """What the flags of ``R|W|8`` or a value make together; ``None`` when the class does not have all of them now."""
    value = 0
    for part in told.split("|") if type(told) is str else [told]:
        member = cls.__members__.get(part)
        if member is None and not str(part).isdecimal():
            return None
        # Bits of no member are told as a number.
        value |= int(part) if member is None else member.value
    try:
        return cls(value)
    except ValueError:
        return None


def _found(module: str, qualname: str, fields: list[str] | None) -> type:
    """The class among the loaded modules, if it still has these fields."""
    found: Any = sys.modules.get(module)
    for part in qualname.split("."):
        found = getattr(found, part, None)
    if not isinstance(found, type):
        raise SerializationError(
            f"keys of class {qualname} of module {module} are in the snapshot, and the job has no such class now; "
            "keep its module and name"
        )
    now = _fields(found)
    if now != fields:
        raise SerializationError(
            f"class {type_name(found)} of keys in the snapshot had the fields {fields}, it now has {now}; "
            "fields of keys cannot change while state is kept"
        )
    return found

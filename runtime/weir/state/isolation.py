"""Copies that share nothing mutable with their originals, for values that two places would otherwise both change. Hot path.

State and rows are ordinary objects of the user's. What goes into state and what comes out of it is isolated, so that a row
that was emitted stays as it was when the state goes on to change, and the other way round: the semantics of a backend
that keeps bytes. What cannot change is never copied; where a descriptor declares such a type, nobody even asks.
"""

from __future__ import annotations

import copy
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable
from itertools import chain
from operator import is_
from typing import Any, Final, TypeVar

import msgspec

T = TypeVar("T")

IMMUTABLE: Final = frozenset(
    {
        int, float, bool, str, bytes, type(None), complex, frozenset, range,
        dt.datetime, dt.date, dt.time, dt.timedelta, dt.timezone, decimal.Decimal, uuid.UUID,
    }
)  # fmt: skip


def all_immutable(values: list[Any]) -> bool:
    """Whether nobody can change these values (tuples are looked into, one level deep)."""
    kinds = set(map(type, values))
    if kinds <= IMMUTABLE:
        return True
    if kinds - IMMUTABLE == {tuple}:
        rows = values if len(kinds) == 1 else [v for v in values if type(v) is tuple]
        return IMMUTABLE.issuperset(map(type, chain.from_iterable(rows)))
    return False


def isolated(value: T) -> T:
    """``value`` itself if it cannot change, else a copy; what cannot be copied, like a lock, is itself too."""
    if value.__class__ in IMMUTABLE:
        return value
    try:
        return _own(value)
    except RecursionError:  # it may contain itself
        copied: T = _deep(value)
        return copied


def declares_immutable(type_: Any) -> bool:
    """Whether values of this declared type cannot change: scalars, enums, unions and tuples of such."""
    if type_ in IMMUTABLE or (type_ is None):
        return True
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return True
    if isinstance(type_, type) and _is_named_tuple(type_):
        return all(map(declares_immutable, typing.get_type_hints(type_).values()))
    origin = typing.get_origin(type_)
    if origin is typing.Literal:
        return True
    if origin in (tuple, frozenset, typing.Union, types.UnionType):
        arguments = [argument for argument in typing.get_args(type_) if argument is not Ellipsis]
        return bool(arguments) and all(map(declares_immutable, arguments))
    return False


def _own(value: T) -> T:
    kind = value.__class__
    if kind in IMMUTABLE:
        return value
    copier = _COPIERS.get(kind)
    if copier is None:
        copier = _COPIERS[kind] = _copier(kind)
    own: T = copier(value)
    return own


def _tuple(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if IMMUTABLE.issuperset(map(type, value)):
        return value
    own = tuple(map(_own, value))
    return value if all(map(is_, own, value)) else own


def _list(value: list[Any]) -> list[Any]:
    return value.copy() if IMMUTABLE.issuperset(map(type, value)) else list(map(_own, value))


def _dict(value: dict[Any, Any]) -> dict[Any, Any]:
    # Keys have a hash that must not change: they are left alone.
    if IMMUTABLE.issuperset(map(type, value.values())):
        return value.copy()
    return {key: _own(item) for key, item in value.items()}


def _named_tuple(value: Any) -> Any:
    if IMMUTABLE.issuperset(map(type, value)):
        return value
    return value._make(map(_own, value))


def _struct(value: msgspec.Struct) -> msgspec.Struct:
    new = copy.copy(value)
    for name in value.__struct_fields__:
        field = getattr(value, name)
        if field.__class__ not in IMMUTABLE:
            msgspec.structs.force_setattr(new, name, _own(field))
    return new


def _slotted(value: Any) -> Any:
    new = object.__new__(value.__class__)
    for name in value.__class__.__slots__:
        if hasattr(value, name):
            object.__setattr__(new, name, _own(getattr(value, name)))
    return new


def _instance(value: Any) -> Any:
    """Of a class without slots or a say in how it is copied: dataclasses, mostly."""
    new = object.__new__(value.__class__)
    new.__dict__.update(_dict(value.__dict__))
    return new


def _itself(value: Any) -> Any:
    return value


def _deep(value: Any) -> Any:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001  nor can it be written in a checkpoint, which tells the user
        return value


_COPIERS: Final[dict[type, Callable[[Any], Any]]] = {
    tuple: _tuple,
    list: _list,
    dict: _dict,
    set: set.copy,
    bytearray: bytearray.copy,
}
#: Ways in which a class may say how it is copied.
_SAYS = (
    "__copy__",
    "__deepcopy__",
    "__getstate__",
    "__setstate__",
    "__reduce__",
    "__reduce_ex__",
    "__getnewargs_ex__",
)


def _copier(kind: type) -> Callable[[Any], Any]:
    if issubclass(kind, enum.Enum):
        return _itself
    if _is_named_tuple(kind):
        return _named_tuple
    said = any(getattr(kind, name, None) is not getattr(object, name, None) for name in _SAYS)
    if issubclass(kind, msgspec.Struct) and getattr(kind, "__copy__", None) is getattr(
        msgspec.Struct, "__copy__", None
    ):
        return _struct
    if said or kind.__base__ is not object or kind.__new__ is not object.__new__:
        return _deep
    slots = vars(kind).get("__slots__")
    if slots is None:
        return _instance if kind.__dictoffset__ else _deep
    whole = isinstance(slots, tuple) and not any(name.startswith("__") for name in slots)
    return _slotted if whole else _deep


def _is_named_tuple(kind: type) -> bool:
    return issubclass(kind, tuple) and kind.__base__ is tuple and hasattr(kind, "_fields")

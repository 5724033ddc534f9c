"""Records are read without running code of theirs: they were made when they were written, and are not made again.

msgspec calls ``__post_init__`` on what it has read, so a total that it sets to zero would be lost at each restore. A class that
has one is therefore read as a twin, with the same fields and a ``__post_init__`` that turns the instance into one of the class;
and so is each record around it, whose fields name the twin. All other types are read as they are.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from abc import ABC, ABCMeta
from collections.abc import Callable
from typing import Any, Final

import msgspec
from msgspec import _utils, structs

from weir.errors import SerializationError
from weir.serde.naming import type_name

#: How msgspec finds the types of fields, arguments of generic classes included.
_HINTS: Final[Any] = _utils
_ATTRS_HOOKS: Final = ("__attrs_pre_init__", "__attrs_post_init__")


def runs_code(cls: Any) -> bool:
    """Whether msgspec would run code of the class when it reads an instance."""
    if hasattr(cls, "__attrs_attrs__"):
        validated = any(attribute.validator is not None for attribute in cls.__attrs_attrs__)
        return validated or any(hasattr(cls, hook) for hook in _ATTRS_HOOKS)
    return hasattr(cls, "__post_init__") and (_is_struct(cls) or hasattr(cls, "__dataclass_fields__"))


def as_read(type_: Any) -> Any:
    """The type to give msgspec for ``type_``: itself, or with twins. Raises ``SerializationError`` naming a class that has none."""
    return _Twins().of(type_)


@functools.cache
def as_made(cls: Any) -> Any:
    """What to call with a Struct's fields to make one, without its ``__post_init__``. Raises as :func:`as_read`."""
    return _struct_twin(cls) if runs_code(cls) else cls


class TupleTwin(ABC):
    """Of a NamedTuple: msgspec makes these without a call, so its ``dec_hook`` is to call :meth:`raised`.

    An ABC, since it asks whether what the hook made is an instance.
    """

    #: The NamedTuple; the types of its fields are the twin's annotations.
    cls: Any

    @classmethod
    def raised(cls, packed: Any, dec_hook: Any) -> Any:
        """The NamedTuple that was written so. Raises ``ValueError`` when it does not fit."""
        given = list(cls.__annotations__.values())[: len(packed)]
        # The last fields may be new, and then have defaults.
        missing = cls.cls._fields[len(given) :]
        if len(packed) > len(given) or not set(missing) <= cls.cls._field_defaults.keys():
            raise ValueError(f"a {cls.__name__} with {len(packed)} fields was written")
        read = msgspec.convert(packed, tuple[tuple(given)], dec_hook=dec_hook)  # type: ignore[misc]  # found at run time
        return tuple.__new__(cls.cls, (*read, *(cls.cls._field_defaults[name] for name in missing)))


class _Twins:
    """The twins within one type: one of each class, also of those that contain themselves."""

    def __init__(self) -> None:
        self._made: dict[Any, Any] = {}

    def of(self, part: Any) -> Any:
        """``part`` as msgspec should see it."""
        cls = _record(part)
        if cls is None:
            return _rebuilt(part, self.of)
        if part not in self._made:
            self._made[part] = part
            if _reaches_code(part):
                self._make(part, cls)
        return self._made[part]

    def _make(self, part: Any, cls: Any) -> None:
        if _is_typed_dict(cls):
            twin = _typed_dict_twin(part, cls)
        elif issubclass(cls, tuple):
            twin = ABCMeta(cls.__name__, (TupleTwin,), {"cls": cls})
            twin.register(cls)
        else:
            twin = _struct_twin(cls) if _is_struct(cls) else _dataclass_twin(cls)
        # Before the types of its fields, one of which may be the class itself.
        self._made[part] = twin
        twin.__annotations__ = {name: self.of(type_) for name, type_ in _types(part, cls).items()}


def _record(part: Any) -> Any:
    """The class of a record type, with or without arguments; ``None`` for other types."""
    cls = typing.get_origin(part) or part
    if not isinstance(cls, type):
        return None
    known = _is_struct(cls) or hasattr(cls, "__dataclass_fields__") or hasattr(cls, "__attrs_attrs__")
    return (
        cls if known or _is_typed_dict(cls) or (issubclass(cls, tuple) and hasattr(cls, "_fields")) else None
    )


def _is_struct(cls: type) -> bool:
    return issubclass(cls, msgspec.Struct)


def _is_typed_dict(cls: type) -> bool:
    return issubclass(cls, dict) and hasattr(cls, "__total__")


def _types(part: Any, cls: Any) -> dict[str, Any]:
    """The types of a record's fields."""
    if _is_typed_dict(cls):
        return dict(_HINTS.get_typeddict_info(part)[0])
    hints = _HINTS.get_class_annotations(part)
    if hasattr(cls, "__attrs_attrs__"):
        return {field.name: hints.get(field.name, field.type or Any) for field in cls.__attrs_attrs__}
    if hasattr(cls, "__dataclass_fields__"):
        return {field.name: hints[field.name] for field in dataclasses.fields(cls)}
    return {name: hints[name] for name in getattr(cls, "__struct_fields__", None) or cls._fields}


def _reaches_code(part: Any) -> bool:
    """Whether it or a record below it runs code."""
    found: dict[Any, None] = {}

    def visit(below: Any) -> Any:
        cls = _record(below)
        if cls is None:
            _rebuilt(below, visit)
        elif below not in found:
            found[below] = None
            for type_ in _types(below, cls).values():
                visit(type_)
        return below

    visit(part)
    return any(runs_code(_record(below)) for below in found)


def _rebuilt(part: Any, change: Callable[[Any], Any]) -> Any:
    """A type that is no record with its arguments changed; itself when none is."""
    for inner in ("__supertype__", "__value__", "__bound__"):  # a NewType, a type alias, a TypeVar
        if getattr(part, inner, None) is not None and not isinstance(part, type):
            below = getattr(part, inner)
            below = below[typing.get_args(part)] if typing.get_args(part) else below
            return part if (changed := change(below)) is below else changed
    origin, arguments = typing.get_origin(part), typing.get_args(part)
    if origin is None or origin is typing.Literal or not arguments:
        return part
    typed = arguments[:1] if origin is typing.Annotated else arguments
    new = (*map(change, typed), *arguments[len(typed) :])
    if all(after is before for after, before in zip(new, arguments, strict=True)):
        return part
    if origin is types.UnionType:
        return typing.Union[new]  # noqa: UP007  of a tuple
    return origin[new if len(new) > 1 else new[0]]


def _dataclass_twin(cls: Any) -> Any:
    """Of a dataclass, or a class of attrs. No subclass where that can be: a class knows its subclasses."""
    namespace: dict[str, Any] = {"__module__": cls.__module__}
    become = _becoming(cls, object.__setattr__)
    if hasattr(cls, "__attrs_attrs__"):
        fields = tuple(field.evolve(validator=None) for field in cls.__attrs_attrs__)
        namespace |= {"__attrs_attrs__": fields, "__attrs_pre_init__": None, "__attrs_post_init__": become}
    else:
        namespace |= {"__dataclass_fields__": cls.__dataclass_fields__, "__post_init__": become}
    for base, slots in ((_without_dict(cls), {}), (cls, {"__slots__": ()})):
        try:
            twin = _quiet(type(base))(cls.__name__, (base,), namespace | slots)
            become(object.__new__(twin))
        except TypeError:  # instances are laid out differently
            continue
        return twin
    raise _none_of(cls)


def _without_dict(cls: Any) -> Any:
    """The last class above it whose instances have no ``__dict__``: with the same one above, two classes are laid out alike."""
    while cls.__dictoffset__:
        cls = cls.__base__
    return cls


def _quiet(metaclass: Any) -> Any:
    """One whose classes are made without a word to the ``__init_subclass__`` of those above."""
    return type(
        metaclass.__name__, (metaclass,), {"mro": lambda twin: [twin, _Quiet, *metaclass.mro(twin)[1:]]}
    )


def _struct_twin(cls: Any) -> Any:
    config = cls.__struct_config__
    try:
        return type(cls)(
            cls.__name__,
            (_QuietStruct, cls),
            {"__module__": cls.__module__, "__post_init__": _becoming(cls, structs.force_setattr)},
            tag=config.tag,
            tag_field=config.tag_field,
        )
    except (TypeError, ValueError) as error:
        raise _none_of(cls) from error


def _typed_dict_twin(part: Any, cls: Any) -> Any:
    types_, required = _HINTS.get_typeddict_info(part)
    fields = {name: Any if name in required else typing.NotRequired[Any] for name in types_}
    return typing.TypedDict(cls.__name__, fields)  # type: ignore[operator]  # the functional form, at run time


def _becoming(cls: Any, setattr_: Callable[[Any, str, Any], None]) -> Callable[[Any], None]:
    def become(instance: Any) -> None:
        setattr_(instance, "__class__", cls)

    return become


class _Quiet:
    """Before the classes above a twin: their ``__init_subclass__`` is not told of it."""

    __slots__ = ()

    def __init_subclass__(cls, **_options: Any) -> None:
        """Nobody is told."""


class _QuietStruct(msgspec.Struct):
    """The same for Structs."""

    def __init_subclass__(cls, **_options: Any) -> None:
        """Nobody is told."""


def _none_of(cls: Any) -> SerializationError:
    return SerializationError(
        f"type {type_name(cls)} cannot be declared: its __post_init__ would run, and could change the value, whenever one is "
        "read; do what it does in a function that makes the value, or pass PickleSerializer() (needs state.pickle.key-file)"
    )

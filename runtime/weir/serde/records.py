"""Shapes of user classes: dataclasses, Structs, NamedTuples, TypedDicts and Enums.

Classes are described by name without their module, so that a class may move; fields by name and type.
"""

from __future__ import annotations

import enum
from itertools import chain
from operator import attrgetter
from typing import Any

from weir.errors import SerializationError
from weir.serde.naming import type_name
from weir.serde.shapes import Shape, Within


class EnumShape(Shape):
    """A member of an Enum; combinations of flags that have no name are refused."""

    def __init__(self, cls: type[enum.Enum]) -> None:
        self._cls = cls
        self._members = frozenset(cls.__members__.values())
        self.roots = frozenset({cls})

    def describe(self, within: Within = frozenset()) -> Any:
        return {
            "enum": self._cls.__qualname__,
            "values": [member.value for member in self._members_in_order()],
        }

    def _members_in_order(self) -> list[enum.Enum]:
        return sorted(self._members, key=lambda member: repr(member.value))

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        if not set(column) <= self._members:
            value = next(value for value in column if value not in self._members)
            raise SerializationError(
                f"{path}: {value!r} is not a member of {type_name(self._cls)}; declare int for it"
            )


class RecordShape(Shape):
    """A dataclass, msgspec.Struct or NamedTuple: exactly this class, field by field."""

    #: Filled by ``inspection`` after construction, since a record may contain itself.
    fields: dict[str, Shape]
    required: list[str]

    def __init__(self, cls: type, form: str, tag: Any = None) -> None:
        self.cls = cls
        self.form = form
        self._tag = tag
        self.fields = {}
        self.required = []
        self.roots = frozenset({cls})

    def describe(self, within: Within = frozenset()) -> Any:
        if self.cls in within:
            return {"ref": self.cls.__qualname__}
        within |= {self.cls}
        fields = {name: shape.describe(within) for name, shape in self.fields.items()}
        node = {
            "class": self.cls.__qualname__,
            "form": self.form,
            "fields": fields,
            "required": self.required,
        }
        return node if self._tag is None else node | {"tag": self._tag}

    def refuse(self, column: list[Any], path: str) -> None:
        for value in column:
            if type(value) is not self.cls and isinstance(value, self.cls):
                raise SerializationError(
                    f"{path}: declared {type_name(self.cls)}, got its subclass {type_name(type(value))}: {value!r:.80}; "
                    "declare the subclass, or a union of both"
                )
        super().refuse(column, path)

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        for name, shape in self.fields.items():
            try:
                values = list(map(attrgetter(name), column))
            except AttributeError as error:
                raise SerializationError(f"{path}: a {type_name(self.cls)} has no {name}: {error}") from error
            shape.check(values, f"{path}.{name}", ranges)


class MadeShape(RecordShape):
    """A record whose class runs code when an instance is made: what that set besides the fields would not come back."""

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        for value in column:
            for name in getattr(value, "__dict__", self.fields).keys() - self.fields.keys():
                if not hasattr(self.cls, name):  # it has a cached_property, which is computed again
                    raise SerializationError(
                        f"{path}: {type_name(self.cls)} declares no field {name!r}, and its __post_init__ does not run when the "
                        "value is read; make it a field, or compute it from the fields (functools.cached_property)"
                    )
        super().check_below(column, path, ranges)


class TypedDictShape(RecordShape):
    """A ``dict`` with declared keys."""

    def __init__(self, cls: type) -> None:
        super().__init__(cls, "typed-dict")
        self.roots = frozenset({dict})

    def refuse(self, column: list[Any], path: str) -> None:
        Shape.refuse(self, column, path)

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        unknown = set(chain.from_iterable(column)) - self.fields.keys()
        if unknown:
            raise SerializationError(
                f"{path}: {type_name(self.cls)} declares no key {min(unknown, key=repr)!r}; "
                f"it has {', '.join(self.fields)}"
            )
        for name, shape in self.fields.items():
            present = [value[name] for value in column if name in value]
            if len(present) < len(column) and name in self.required:
                raise SerializationError(
                    f"{path}: {type_name(self.cls)} requires the key {name!r}, a value lacks it"
                )
            shape.check(present, f"{path}[{name!r}]", ranges)

"""Models of pydantic: written field by field like any other record; pydantic itself is loaded by the job, never here.

A model is written as its fields by name and the names of those that were never set. It comes back without validation, as
keys and dataclasses do: it was valid when it was written, and a validator may change what it is given. Its class may gain
fields with defaults and lose fields.
"""

from __future__ import annotations

import functools
from typing import Any, TypedDict

import msgspec

from weir.errors import SerializationError
from weir.serde import twins
from weir.serde.naming import type_name
from weir.serde.records import RecordShape


def is_model(cls: Any) -> bool:
    """Whether it is a subclass of ``pydantic.BaseModel``."""
    return (
        isinstance(cls, type)
        and hasattr(cls, "__pydantic_core_schema__")
        and isinstance(getattr(cls, "model_fields", None), dict)
    )


@functools.cache
def fields_of(cls: Any) -> Any:
    """The fields of a model with their types, as a TypedDict. Raises ``SerializationError`` for one with private attributes."""
    private = sorted(cls.__private_attributes__)
    if private:
        raise SerializationError(
            f"model {type_name(cls)} has the private attribute {private[0]}, which is not part of its fields; make it a "
            "field, compute it from the fields, or pass PickleSerializer() (needs state.pickle.key-file)"
        )
    types = {name: field.annotation for name, field in cls.model_fields.items()}
    return TypedDict(cls.__name__, types, total=False)  # type: ignore[operator]  # the functional form, at run time


@functools.cache
def _fields_as_read(cls: Any) -> Any:
    return twins.as_read(fields_of(cls))


class ModelShape(RecordShape):
    """A model of pydantic: exactly this class, field by field, and nothing besides its fields."""

    def __init__(self, cls: Any) -> None:
        super().__init__(cls, "pydantic")
        self.required = [name for name, field in cls.model_fields.items() if field.is_required()]

    def check_below(self, column: list[Any], path: str, ranges: bool) -> None:
        for value in column:
            if value.model_extra:
                name = min(value.model_extra)
                raise SerializationError(
                    f"{path}: {type_name(self.cls)} declares no field {name!r}, and what is extra has no type; declare it"
                )
        super().check_below(column, path, ranges)


def lowered(value: Any) -> Any:
    """A model as what msgpack writes: its fields, and which of them were not set."""
    known = type(value).model_fields
    given = value.model_fields_set
    return {name: value.__dict__[name] for name in known}, [name for name in known if name not in given]


def raised(cls: Any, packed: Any, dec_hook: Any) -> Any:
    """The inverse of :func:`lowered`. Raises ``ValueError`` or ``TypeError`` when it does not fit."""
    written, unset = packed
    read: dict[str, Any] = msgspec.convert(written, _fields_as_read(cls), dec_hook=dec_hook)
    fields: dict[str, Any] = {}
    for name, field in cls.model_fields.items():
        fields[name] = (
            read[name]
            if name in read
            else field.get_default(call_default_factory=True, validated_data=fields)
        )
    instance = cls.__new__(cls)
    instance.__setstate__(
        {
            "__dict__": fields,
            "__pydantic_fields_set__": read.keys() - set(unset),
            "__pydantic_extra__": {} if cls.model_config.get("extra") == "allow" else None,
            "__pydantic_private__": None,
        }
    )
    return instance

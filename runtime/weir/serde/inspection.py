"""From a Python type to its tree of shapes, by way of ``msgspec.inspect``."""

from __future__ import annotations

import typing
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from msgspec import inspect

from weir.errors import SerializationError
from weir.serde import models, numpy_scalars, records, shapes, twins
from weir.serde.naming import type_name
from weir.serde.records import RecordShape
from weir.serde.shapes import Shape

_SCALARS: Final[dict[type, tuple[str, type]]] = {
    inspect.NoneType: ("None", type(None)),
    inspect.BoolType: ("bool", bool),
    inspect.BytesType: ("bytes", bytes),
    inspect.ByteArrayType: ("bytearray", bytearray),
    inspect.DateType: ("date", date),
    inspect.TimeDeltaType: ("timedelta", timedelta),
    inspect.UUIDType: ("UUID", UUID),
    inspect.DecimalType: ("Decimal", Decimal),
}
_COLLECTIONS: Final[dict[type, type]] = {
    inspect.ListType: list,
    inspect.SetType: set,
    inspect.FrozenSetType: frozenset,
    inspect.VarTupleType: tuple,
}
#: Attributes of msgspec's nodes that hold a ``Meta`` constraint.
_CONSTRAINTS: Final = ("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length", "pattern", "tz")


class Inspection:
    """The shape of one declared type, and what its tree contains."""

    def __init__(self, type_: Any) -> None:
        #: Whether user classes occur: their values have no other form than the typed one.
        self.has_classes = False
        #: Whether a type occurs that only the dynamic form knows.
        self.dynamic_only = False
        #: Whether reading would run code of a class; models see to that themselves.
        self.runs_code = False
        #: Whether reading may refuse what passes the shape (``Meta`` constraints).
        self.constrained = False
        self._type = type_
        #: By identity, with what each was made of: an identity that nobody holds is soon another's.
        self._records: dict[int, tuple[Any, RecordShape]] = {}
        try:
            # Builds a decoder first, so that what msgspec cannot read is refused here, with its reason.
            info = inspect.type_info(type_)
        except (TypeError, NameError, AttributeError) as error:
            raise SerializationError(
                f"type {type_name(type_)} cannot be declared: {error}; {_REMEDY}"
            ) from error
        self.shape = self._shape(info)
        if self.dynamic_only and self.has_classes:
            raise SerializationError(
                f"type {type_name(type_)} cannot be declared: complex inside a class; {_REMEDY}"
            )

    def _shape(self, info: Any) -> Shape:
        kind = type(info)
        if kind is inspect.Metadata:
            return self._shape(info.type)
        if any(getattr(info, name, None) is not None for name in _CONSTRAINTS):
            self.constrained = True
        if kind in _SCALARS:
            return shapes.ScalarShape(*_SCALARS[kind])
        if kind in _COLLECTIONS:
            return shapes.SequenceShape(_COLLECTIONS[kind], self._shape(info.item_type))
        match info:
            case inspect.IntType():
                return shapes.IntShape()
            case inspect.FloatType():
                return shapes.FloatShape()
            case inspect.StrType():
                return shapes.StrShape()
            case inspect.DateTimeType():
                return shapes.ZonedShape("datetime", datetime)
            case inspect.TimeType():
                return shapes.ZonedShape("time", time)
            case inspect.AnyType():
                return shapes.AnyShape()
            case inspect.TupleType():
                return shapes.TupleShape([self._shape(item) for item in info.item_types])
            case inspect.DictType():
                return shapes.DictShape(self._shape(info.key_type), self._shape(info.value_type))
            case inspect.UnionType():
                return shapes.UnionShape([self._shape(member) for member in info.types])
            case inspect.LiteralType():
                return shapes.LiteralShape(info.values)
        return self._class_shape(info)

    def _class_shape(self, info: Any) -> Shape:
        cls = getattr(info, "cls", None)
        if cls is object:
            return shapes.AnyShape()
        if cls is complex:
            self.dynamic_only = True
            return shapes.ScalarShape("complex", complex)
        if isinstance(cls, type) and (name := numpy_scalars.scalar_name(cls)):
            return shapes.ScalarShape(name, cls)
        self.has_classes = True
        match info:
            case inspect.EnumType():
                return records.EnumShape(info.cls)
            case inspect.DataclassType():
                return self._record(info, "dataclass")
            case inspect.NamedTupleType():
                return self._record(info, "named-tuple")
            case inspect.StructType():
                return self._record(info, "array" if info.array_like else "struct")
            case inspect.TypedDictType():
                return self._record(info, "typed-dict")
        if models.is_model(cls):
            return self._model(cls)
        raise SerializationError(
            f"type {type_name(self._type)} cannot be declared: {type_name(cls or type(info))} has no typed form; {_REMEDY}"
        )

    def _record(self, info: Any, form: str) -> Shape:
        known = self._records.get(id(info))
        if known is not None:
            return known[1]
        cls = typing.get_origin(info.cls) or info.cls
        record: RecordShape
        code = twins.runs_code(cls)
        self.runs_code |= code
        if form == "typed-dict":
            record = records.TypedDictShape(cls)
        else:
            record = (records.MadeShape if code else RecordShape)(cls, form, getattr(info, "tag", None))
        self._records[id(info)] = info, record
        for field in info.fields:
            record.fields[field.name] = self._shape(field.type)
            if field.required:
                record.required.append(field.name)
        return record

    def _model(self, cls: Any) -> Shape:
        known = self._records.get(id(cls))
        if known is not None:
            return known[1]
        record = models.ModelShape(cls)
        self._records[id(cls)] = cls, record
        for field in inspect.type_info(models.fields_of(cls)).fields:  # type: ignore[attr-defined]  # a TypedDict has them
            record.fields[field.name] = self._shape(field.type)
        return record


_REMEDY: Final = "leave the type out for builtin values, declare a dataclass, NamedTuple, TypedDict, msgspec.Struct, pydantic model, Enum or builtin type, or pass PickleSerializer() (needs state.pickle.key-file)"

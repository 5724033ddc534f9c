"""Structural schemas, as the API server takes them, made from the classes of our resources.

No references, no ``anyOf``, no titles: each class is written out where it is used. A field without a description is an
error, and each field of a spec says its default in its description; only ``parallelism`` has one in the schema, so that "set to the
default" and "not set" stay different. Checks and rules of the classes become ``x-kubernetes-validations``.
"""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from weir_operator.models.base import SpecModel
from weir_operator.models.checks import ChangeRule, Check, DefaultText, MapKey, Rule, SchemaDefault
from weir_operator.models.rule_text import message_expression, value_expression
from weir_operator.models.values import IS_DURATION, IS_SIZE, MAX_LENGTH, Duration, Size

Schema = dict[str, Any]

_SCALARS: dict[type, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime: {"type": "string", "format": "date-time"},
}
_INT_OR_STRING: Schema = {"x-kubernetes-int-or-string": True}


def of_class(kind: type[BaseModel], leave_out: tuple[str, ...] = ()) -> Schema:
    """The schema of a class of ours, without its description."""
    properties = {name: _of_field(kind, name, info) for name, info in _fields(kind) if name not in leave_out}
    required = [name for name, info in _fields(kind) if info.is_required()]
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    rules = (
        [*validations(kind, kind.rules), *validations(kind, kind.change_rules)]
        if issubclass(kind, SpecModel)
        else []
    )
    if rules:
        schema["x-kubernetes-validations"] = rules
    return schema


def validations(kind: type[BaseModel], rules: tuple[Rule, ...] | tuple[ChangeRule, ...]) -> list[Schema]:
    """Rules of ``kind`` as the API server takes them."""
    return [_validation(kind, rule, rule.cel) for rule in rules if rule.cel is not None]


def _validation(kind: type[BaseModel], rule: Rule | ChangeRule, cel: str) -> Schema:
    expression = message_expression(kind, rule.message)
    said = {"message": rule.message} if expression is None else {"messageExpression": expression}
    made: Schema = {"rule": cel, **said}
    if rule.at:
        made["fieldPath"] = f".{rule.at}"
    return made


def _fields(kind: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    for name, info in kind.model_fields.items():
        yield info.alias or name, info


def _of_field(owner: type[BaseModel], name: str, info: FieldInfo) -> Schema:
    if not info.description:
        raise ValueError(
            f"{owner.__name__}.{name} has no description; kubectl explain would have nothing to say"
        )
    schema = _of_type(info.annotation, info.metadata)
    description = info.description.rstrip(".") + "."
    if issubclass(owner, SpecModel):
        description += f" {_default_said(info)}"
    if any(isinstance(note, SchemaDefault) for note in info.metadata):
        schema["default"] = info.default
    return {"description": description, **schema}


def _default_said(info: FieldInfo) -> str:
    if info.is_required():
        return "Required."
    return f"Default: {default_text(info)}."


def default_text(info: FieldInfo) -> str:
    """What happens when the field is not set, in words."""
    for note in info.metadata:
        if isinstance(note, DefaultText):
            return note.text
    if info.default is None:
        return "not set"
    if isinstance(info.default, BaseModel):
        return "that of its fields"
    if isinstance(info.default, bool):
        return "true" if info.default else "false"
    if isinstance(info.default, tuple | dict) and not info.default:
        return "none"
    if isinstance(info.default, tuple):
        return ", ".join(map(str, info.default))
    return str(info.default) or "empty"


# ---- types


def _of_type(annotation: Any, notes: list[Any]) -> Schema:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        return _of_type(inner, [*more, *notes])
    if origin in (Union, types.UnionType):
        return _of_union(annotation, notes)
    return _noted(_plain(annotation, origin, notes), notes)


def _of_union(annotation: Any, notes: list[Any]) -> Schema:
    members = [member for member in get_args(annotation) if member is not type(None)]
    if len(members) == 1:
        return _of_type(members[0], notes)
    if set(members) == {int, str}:
        return _noted({**_INT_OR_STRING, "maxLength": MAX_LENGTH}, notes)
    return {"x-kubernetes-preserve-unknown-fields": True}  # any scalar; there is no word for it


def _plain(annotation: Any, origin: Any, notes: list[Any]) -> Schema:
    if origin is tuple:
        return _of_list(get_args(annotation)[0], notes)
    if origin is dict:
        return {"type": "object", "additionalProperties": _of_type(get_args(annotation)[1], [])}
    if origin is Literal:
        return {"type": "string", "enum": list(get_args(annotation))}
    if annotation is Duration:
        return _checked({"type": "string", "maxLength": MAX_LENGTH}, IS_DURATION, notes)
    if annotation is Size:
        return _checked({**_INT_OR_STRING, "maxLength": MAX_LENGTH}, IS_SIZE, notes)
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return {"type": "string", "enum": [member.value for member in annotation]}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return of_class(annotation)
    return dict(_SCALARS[annotation])


def _checked(schema: Schema, check: Check, notes: list[Any]) -> Schema:
    """With a check of its own, unless a stricter one stands beside the type."""
    return schema if any(isinstance(note, Check) for note in notes) else _noted(schema, [check])


def _of_list(item: Any, notes: list[Any]) -> Schema:
    keys = [note.name for note in notes if isinstance(note, MapKey)]
    listed: Schema = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys} if keys else {}
    return {"type": "array", "items": _of_type(item, []), **listed}


def _noted(schema: Schema, notes: list[Any]) -> Schema:
    """With the limits and checks that stand beside the type."""
    rules: list[Schema] = []
    for note in notes:
        if isinstance(note, Check):
            rules += [] if note.cel is None else [{"rule": note.cel, **_said_of(schema, note)}]
        else:
            schema.update(_limit(schema, note))
    if rules:
        schema["x-kubernetes-validations"] = rules
    return schema


def _said_of(schema: Schema, check: Check) -> Schema:
    """The message of a check, with the value where it is one: the API server tells no more than its type."""
    if schema.get("type") == "object":
        return {"message": check.message}
    return {"messageExpression": value_expression(check.message)}


def _limit(schema: Schema, note: Any) -> Mapping[str, Any]:
    sized = {"string": "Length", "array": "Items", "object": "Properties"}.get(
        schema.get("type", ""), "Length"
    )
    if isinstance(note, annotated_types.Ge):
        return {"minimum": note.ge}
    if isinstance(note, annotated_types.Le):
        return {"maximum": note.le}
    if isinstance(note, annotated_types.MinLen):
        return {f"min{sized}": note.min_length}
    if isinstance(note, annotated_types.MaxLen):
        return {f"max{sized}": note.max_length}
    return {}

"""A fault as pydantic finds it, in our words: what was given, what is accepted, what was probably meant."""

from __future__ import annotations

import difflib
import types
from collections.abc import Iterable
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from weir_operator.models.rule_text import field_named

_LONGEST_VALUE = 60
#: By pydantic's name of a fault: what was expected.
_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "at least {}"),
    "less_than_equal": ("le", "at most {}"),
    "string_too_short": ("min_length", "at least {} characters"),
    "string_too_long": ("max_length", "at most {} characters"),
    "too_short": ("min_length", "at least {} items"),
    "too_long": ("max_length", "at most {} items"),
}


def said(kind: type[BaseModel], fault: ErrorDetails) -> str:
    """What is wrong with a value, beside its path."""
    name, context = fault["type"], fault.get("ctx", {})
    if name == "missing":
        return "is missing; it is required"
    if name == "extra_forbidden":
        return f"unknown field; {_meant(kind, fault['loc'])}"
    value = shown(fault["input"])
    if name in _BOUNDS:
        key, text = _BOUNDS[name]
        return f"got {value}, expected {text.format(context[key])}"
    if name in ("enum", "literal_error"):
        return f"got {value}, expected {_unquoted(context['expected'])}"
    if name == "value_error":
        return (
            str(context["error"]) if isinstance(fault["input"], dict) else f"got {value}; {context['error']}"
        )
    return f"got {value}, expected {_EXPECTED.get(name, fault['msg'])}"


def shown(value: Any) -> str:
    """A value as people recognise it."""
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = "null" if value is None else repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _unquoted(expected: str) -> str:
    return "one of " + expected.replace("'", "").replace(" or ", ", ")


def _meant(kind: type[BaseModel], place: tuple[str | int, ...]) -> str:
    owner = _class_at(kind, place[:-1])
    known = [info.alias or name for name, info in owner.model_fields.items()]
    near = nearest(str(place[-1]), known)
    return f"did you mean {near}?" if near else f"known are {', '.join(known)}"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that ``name`` was probably meant to be."""
    lowered = {candidate.lower(): candidate for candidate in known}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.75)
    return lowered[found[0]] if found else None


def _class_at(kind: type[BaseModel], place: Iterable[str | int]) -> type[BaseModel]:
    """The class of the object at a place; items of lists and mappings are of the class of their field."""
    for part in place:
        if isinstance(part, str):
            found = _class_in(field_named(kind, part)[1].annotation)
            if found is None:
                break
            kind = found
    return kind


def _class_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (Annotated, Union, types.UnionType, tuple):
        return next(filter(None, map(_class_in, get_args(annotation))), None)
    return None

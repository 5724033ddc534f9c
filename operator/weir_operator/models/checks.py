"""What a field or an object must hold to, said once for two readers: the API server in CEL, the operator in Python.

A :class:`Check` is about one value and stands in its annotation. A :class:`Rule` is about several fields of an object and stands
in the ``rules`` of its class; ``{field}`` in its message is replaced by the field's value, or by its default. A test runs both
forms of each on many documents and compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

#: Context of a validation that takes values which do not hold to their checks, as the API server does before it asks its rules.
UNCHECKED = object()


@dataclass(frozen=True)
class Check:
    """What one value must hold to."""

    #: What a user reads beside the value.
    message: str
    #: ``None``: only the operator can say it.
    cel: str | None
    holds: Callable[[Any], bool]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_after_validator_function(self._checked, handler(source))

    def _checked(self, value: Any, info: ValidationInfo) -> Any:
        if info.context is not UNCHECKED and not self.holds(value):
            raise ValueError(self.message)
        return value


def readable(read: Callable[[Any], object], message: str) -> Check:
    """A check that only the operator makes: ``read`` takes the value; what it raises is told."""

    def holds(value: Any) -> bool:
        read(value)
        return True

    return Check(message, None, holds)


def matches(pattern: str, message: str) -> Check:
    """A check that the whole text matches; ``pattern`` is read by RE2 and by ``re`` alike."""
    compiled = re.compile(pattern)
    return Check(
        message, f"self.matches({quoted(f'^({pattern})$')})", lambda text: bool(compiled.fullmatch(text))
    )


@dataclass(frozen=True)
class Rule:
    """What the fields of an object must hold to, one with another."""

    message: str
    #: ``None``: only the operator can say it.
    cel: str | None
    holds: Callable[[Any], bool]
    #: The field at fault, as a path from the object; empty: the object.
    at: str = ""


@dataclass(frozen=True)
class ChangeRule:
    """What a change of an object must hold to; ``oldSelf`` in CEL. ``holds`` takes old and new."""

    message: str
    cel: str
    holds: Callable[[Any, Any], bool]
    at: str = ""


@dataclass(frozen=True)
class DefaultText:
    """What happens when the field is not set, where no value of the class says it."""

    text: str


@dataclass(frozen=True)
class MapKey:
    """The field by which items of a list are told apart, so that several owners can each have theirs."""

    name: str


@dataclass(frozen=True)
class SchemaDefault:
    """The API server fills in the default; the one exception to "set and not set stay different"."""


def quoted(text: str) -> str:
    """A CEL literal of ``text``."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"

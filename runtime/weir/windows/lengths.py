"""Lengths of windows as users write them, checked: ``"10s"``, a ``timedelta`` or seconds become whole milliseconds."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from weir.config import Duration, parse_duration
from weir.errors import GraphError


def length_ms(call: str, name: str, value: Any) -> int:
    """A length above zero. Raises ``GraphError`` naming the call, the argument and its value."""
    if value is None:
        raise GraphError(f"{call} needs a {name}; give one such as {name}='10s'")
    length = _milliseconds(call, name, value)
    if length < 1:
        raise GraphError(f"{call}: {name} {value!r} is shorter than a millisecond; give one such as '10s'")
    return length


def lateness_ms(call: str, value: Any) -> int:
    """A length of zero or more. Raises ``GraphError``."""
    return _milliseconds(call, "lateness", value)


def offset_ms(call: str, value: Duration | None, within: str, limit: int) -> int:
    """A shift of less than ``limit`` milliseconds (the length called ``within``), which may be negative. Raises ``GraphError``."""
    if value is None:
        return 0
    negative = (
        value < timedelta()
        if isinstance(value, timedelta)
        else value.strip().startswith("-")
        if isinstance(value, str)
        else value < 0
    )
    size: Any = value
    if negative:
        size = value.strip()[1:] if isinstance(value, str) else -value
    offset = _milliseconds(call, "offset", size)
    if offset >= limit:
        raise GraphError(
            f"{call}: offset {value!r} is not smaller than the {within} of {limit} ms; give the rest of their division"
        )
    return -offset if negative else offset


def _milliseconds(call: str, name: str, value: Any) -> int:
    try:
        return round(parse_duration(value) * 1000)
    except ValueError as error:
        raise GraphError(f"{call}: {name}: {error}") from None

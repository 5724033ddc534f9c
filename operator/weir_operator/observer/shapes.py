"""Reading what may have any shape: resources and objects are what people and other programs made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def text(value: Any) -> str | None:
    """The value if it is text that says something."""
    return value if isinstance(value, str) and value else None


def mappings(value: Any) -> list[Mapping[str, Any]]:
    """Those members of a list that are mappings."""
    return (
        [member for member in value if isinstance(member, Mapping)] if isinstance(value, list | tuple) else []
    )

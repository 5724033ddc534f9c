"""Whether state written with one description can be read with another."""

from __future__ import annotations

from typing import Any


def difference(old: Any, new: Any, path: str = "") -> str | None:
    """The first difference that keeps ``new`` from reading what ``old`` wrote; ``None`` if there is none."""
    return None if old == new else f"{path or 'type'} was {old}, now {new}"

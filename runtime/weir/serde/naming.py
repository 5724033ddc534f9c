"""How types are called in messages."""

from __future__ import annotations

from typing import Any


def type_name(type_: Any) -> str:
    """How a type is called in messages: ``int``, ``list[int]``, ``shop.Order``."""
    if type_ is type(None):
        return "None"
    if not isinstance(type_, type) or getattr(type_, "__args__", None):
        return str(type_).replace("typing.", "")
    if type_.__module__ in ("builtins", "__main__"):
        return type_.__qualname__
    return f"{type_.__module__}.{type_.__qualname__}"


def render(node: Any) -> str:
    """A described type as people write it: ``dict[str, list[int]]``."""
    if isinstance(node, str):
        return node
    for key in ("class", "enum", "ref"):
        if key in node:
            return str(node[key])
    ((key, below),) = node.items()
    if key == "union":
        return " | ".join(map(render, below))
    if key == "literal":
        return f"Literal[{', '.join(map(repr, below))}]"
    if key == "tuple":
        return f"tuple[{render(below)}, ...]"
    arguments = below if isinstance(below, list) else [below]
    return f"{'tuple' if key == 'fixed-tuple' else key}[{', '.join(map(render, arguments))}]"

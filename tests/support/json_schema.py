"""Whether a value holds to a JSON schema, as far as msgspec writes them: types, properties, references, unions, enums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
#: Words of a schema that say nothing about a value.
_NOTES = {"title", "description", "default", "$defs", "discriminator", "format", "contentEncoding"}
_KNOWN = _NOTES | {
    "$ref",
    "type",
    "properties",
    "required",
    "items",
    "anyOf",
    "enum",
    "const",
    "additionalProperties",
    "propertyNames",
    "prefixItems",
    "minItems",
    "maxItems",
}


def faults(value: Any, schema: Mapping[str, Any]) -> list[str]:
    """Everything that is wrong, each with its place; empty: it holds."""
    return _faults(value, schema, schema.get("$defs", {}), "$")


def _faults(value: Any, schema: Mapping[str, Any], known: Mapping[str, Any], at: str) -> list[str]:
    unknown = set(schema) - _KNOWN
    assert not unknown, f"this checker does not know {unknown}"
    if "$ref" in schema:
        return _faults(value, known[schema["$ref"].rpartition("/")[2]], known, at)
    if "anyOf" in schema:
        tried = [_faults(value, each, known, at) for each in schema["anyOf"]]
        return [] if [] in tried else min(reversed(tried), key=len)
    if "enum" in schema and value not in schema["enum"]:
        return [f"{at}: {value!r} is none of {schema['enum']}"]
    if "const" in schema and value != schema["const"]:
        return [f"{at}: {value!r} is not {schema['const']!r}"]
    kind = schema.get("type")
    if kind is not None and (
        not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")
    ):
        return [f"{at}: {value!r} is no {kind}"]
    if isinstance(value, dict):
        return _object_faults(value, schema, known, at)
    if isinstance(value, list) and isinstance(schema.get("items"), Mapping):
        return [
            fault
            for index, item in enumerate(value)
            for fault in _faults(item, schema["items"], known, f"{at}[{index}]")
        ]
    return []


def _object_faults(
    value: Mapping[str, Any], schema: Mapping[str, Any], known: Mapping[str, Any], at: str
) -> list[str]:
    found = [f"{at}: {name} is missing" for name in schema.get("required", ()) if name not in value]
    properties = schema.get("properties", {})
    others, names = schema.get("additionalProperties"), schema.get("propertyNames", {})
    for name, item in value.items():
        found += _faults(name, names, known, f"the name {at}.{name}")
        expected = properties.get(name, others if isinstance(others, Mapping) else None)
        if expected is not None:
            found += _faults(item, expected, known, f"{at}.{name}")
    return found

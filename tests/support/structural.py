"""What an API server would say of a document, as far as a structural schema and its CEL rules decide it.

Like the server, rules are asked only where the schema has no faults. CEL is run by Google's own library, with the functions
that our rules use.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings

Schema = Mapping[str, Any]
#: Path and message of a fault.
Fault = tuple[str, str]

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}
_NOTHING = object()


def faults(document: Any, schema: Schema, path: str = "", old: Any = _NOTHING) -> list[Fault]:
    """Everything that is wrong; ``old`` is what was stored before, for rules about changes."""
    found = list(_by_schema(document, schema, path))
    return found or list(_by_rules(document, schema, path, old))


def pruned(document: Any, schema: Schema) -> Any:
    """What the server stores of a document."""
    if isinstance(document, dict) and "properties" in schema:
        known = schema["properties"]
        return {name: pruned(value, known[name]) for name, value in document.items() if name in known}
    if isinstance(document, dict) and "additionalProperties" in schema:
        return {name: pruned(value, schema["additionalProperties"]) for name, value in document.items()}
    if isinstance(document, list) and "items" in schema:
        return [pruned(item, schema["items"]) for item in document]
    return document


def _by_schema(value: Any, schema: Schema, path: str) -> Iterator[Fault]:
    if schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    if schema.get("x-kubernetes-int-or-string"):
        fits = isinstance(value, int | str) and not isinstance(value, bool)
    else:
        types = _TYPES[schema["type"]]
        fits = isinstance(value, types) and (not isinstance(value, bool) or bool in types)
    if not fits:
        yield path, f"{value!r} has the wrong type"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield path, f"{value!r} is not one of {schema['enum']}"
    yield from _limits(value, schema, path)
    yield from _below(value, schema, path, _by_schema)
    if schema.get("x-kubernetes-list-type") == "map":
        names = schema["x-kubernetes-list-map-keys"]
        keys = [str([item.get(name) for name in names]) for item in value if isinstance(item, dict)]
        if len(keys) != len(set(keys)):
            yield path, "two items have the same key"
    if schema.get("type") == "object" and "properties" in schema:
        yield from (
            (_join(path, name), "unknown field") for name in value if name not in schema["properties"]
        )
        yield from (
            (_join(path, name), "is missing") for name in schema.get("required", ()) if name not in value
        )


def _limits(value: Any, schema: Schema, path: str) -> Iterator[Fault]:
    size = len(value) if isinstance(value, str | list | dict) else 0
    for word in ("Length", "Items", "Properties"):
        if f"max{word}" in schema and isinstance(value, str | list | dict) and size > schema[f"max{word}"]:
            yield path, f"is longer than {schema[f'max{word}']}"
        if f"min{word}" in schema and size < schema[f"min{word}"]:
            yield path, f"is shorter than {schema[f'min{word}']}"
    if "maximum" in schema and value > schema["maximum"]:
        yield path, f"{value} is above {schema['maximum']}"
    if "minimum" in schema and value < schema["minimum"]:
        yield path, f"{value} is below {schema['minimum']}"


def _below(value: Any, schema: Schema, path: str, ask: Any) -> Iterator[Fault]:
    if isinstance(value, dict) and "properties" in schema:
        for name, child in value.items():
            if name in schema["properties"]:
                yield from ask(child, schema["properties"][name], _join(path, name))
    elif isinstance(value, dict) and isinstance(schema.get("additionalProperties"), dict):
        for name, child in value.items():
            yield from ask(child, schema["additionalProperties"], _join(path, name))
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from ask(item, schema["items"], f"{path}[{index}]")


def _by_rules(value: Any, schema: Schema, path: str, old: Any) -> Iterator[Fault]:
    for rule in schema.get("x-kubernetes-validations", ()):
        about_change = "oldSelf" in rule["rule"]
        if about_change and old is _NOTHING:
            continue
        facts = {"self": value, "oldSelf": old} if about_change else {"self": value}
        if not evaluated(rule["rule"], **facts):
            said = (
                evaluated(rule["messageExpression"], **facts)
                if "messageExpression" in rule
                else rule["message"]
            )
            yield path + rule.get("fieldPath", ""), said
    yield from _below(
        value, schema, path, lambda child, below, at: _by_rules(child, below, at, _old(old, at[len(path) :]))
    )


def _old(old: Any, step: str) -> Any:
    """What was there before, for fields; items of lists have no past here."""
    name = step.removeprefix(".")
    return old.get(name, _NOTHING) if isinstance(old, dict) else _NOTHING


def evaluated(expression: str, **facts: Any) -> Any:
    """What a CEL expression gives."""
    return _compiled(expression).eval(data=facts).value()


@functools.cache
def _compiled(expression: str) -> Any:
    return _environment().compile(expression)


@functools.cache
def _environment() -> Any:
    variables = {"self": cel.Type.DYN, "oldSelf": cel.Type.DYN}
    return cel.NewEnv(variables=variables, extensions=[ext_strings.ExtStrings()])


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

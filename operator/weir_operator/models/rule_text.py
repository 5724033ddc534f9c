"""Messages of rules: the same sentence as a CEL expression for the API server, and as text for the operator.

``{checkpoints.interval}`` in a message is the value of that field, or its default, said to be one.
"""

from __future__ import annotations

import re
from typing import get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from weir_operator.models.checks import DefaultText, Rule, quoted

_PLACEHOLDER = re.compile(r"\{([\w.]+)\}")
_IS_DEFAULT = " (the default)"


def message_expression(kind: type[BaseModel], message: str) -> str | None:
    """The message as CEL; ``None`` where it has no placeholder.

    ``format``, since the API server cannot tell how long what ``string`` gives will be, and refuses the rule.
    """
    paths = _PLACEHOLDER.findall(message)
    if not paths:
        return None
    text = _PLACEHOLDER.sub("%s", message.replace("%", "%%"))
    return f"{quoted(text)}.format([{', '.join(_value_in_cel(kind, path) for path in paths)}])"


def value_expression(message: str) -> str:
    """The message of a check as CEL, with the value that it is about."""
    text = "got '%s'; " + message.replace("%", "%%")
    return f"{quoted(text)}.format([self])"


def fields_of(rule: Rule) -> set[str]:
    """Paths of the fields that a rule speaks of."""
    in_cel = re.findall(r"self\.(\w+(?:\.\w+)*)", rule.cel or "")
    return {*in_cel, *_PLACEHOLDER.findall(rule.message), *([rule.at] if rule.at else [])}


def message_text(document: BaseModel, message: str) -> str:
    """The message with the values of ``document``."""
    return _PLACEHOLDER.sub(lambda match: _value(document, match[1]), message)


def _value_in_cel(kind: type[BaseModel], path: str) -> str:
    names = path.split(".")
    for name in names[:-1]:
        kind = _class_of(field_named(kind, name)[1])
    info = field_named(kind, names[-1])[1]
    value = f"self.{path}"
    if _holds(info, bool):
        value = f"({value} ? 'true' : 'false')"
    elif _holds(info, int):
        value = f"'%d'.format([{value}])"
    present = " && ".join(f"has(self.{'.'.join(names[: n + 1])})" for n in range(len(names)))
    return f"{present} ? {value} : {quoted(_default(info))}"


def _holds(info: FieldInfo, kind: type) -> bool:
    return info.annotation is kind or kind in get_args(info.annotation)


def _value(document: BaseModel, path: str) -> str:
    head, _, rest = path.partition(".")
    name, info = field_named(type(document), head)
    value = getattr(document, name)
    if rest:
        return _value(value, rest)
    if name not in document.model_fields_set or value is None:
        return _default(info)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _default(info: FieldInfo) -> str:
    for note in info.metadata:
        if isinstance(note, DefaultText):
            return "not set" if note.text.startswith("not set") else note.text + _IS_DEFAULT
    if info.default is None:
        return "not set"
    if isinstance(info.default, bool):
        return ("true" if info.default else "false") + _IS_DEFAULT
    return str(info.default) + _IS_DEFAULT


def field_named(kind: type[BaseModel], alias: str) -> tuple[str, FieldInfo]:
    """The name in Python, and the field, that a document calls ``alias``. Raises ``KeyError``."""
    for name, info in kind.model_fields.items():
        if alias in (info.alias, name):
            return name, info
    raise KeyError(f"{kind.__name__} has no field {alias}")


def _class_of(info: FieldInfo) -> type[BaseModel]:
    kind = info.annotation
    assert isinstance(kind, type), f"{kind} is no class to look into"
    assert issubclass(kind, BaseModel), f"{kind} is no class of ours"
    return kind

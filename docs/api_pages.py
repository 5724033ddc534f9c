"""Reference pages made from docstrings; ``generate`` writes them.

``python.md`` has what ``weir`` exports, ``testing.md`` what ``weir.testing`` does, ``state-reader.md`` what ``weir.state_reader`` does,
all grouped as their ``__all__`` is.
A test compares the pages with what would be written.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from pathlib import Path
from types import ModuleType
from typing import Any

_PYTHON_HEAD = """\
# The Python API

Everything that a job imports from `weir`. Names that PyFlink's DataStream API has too mean the same as there. A duration is `"10s"`, a
`timedelta` or seconds; times of events are milliseconds since the epoch. What is not on this page may change without notice.
"""
_TESTING_HEAD = """\
# The testing API

Everything that a test imports from `weir.testing`, and the conformance kit below it. [How to test a job](../how-to/test-a-job.md) shows them at work.
"""
_STATE_READER_HEAD = """\
# Savepoints offline

Everything that a program imports from `weir.state_reader`. [How to change a savepoint](../how-to/change-a-savepoint.md) shows it at work.
"""
#: Groups of classes whose objects come from calls.
_HANDED_OUT = {"streams", "what functions are handed", "harnesses"}
#: Characters of a default.
_LONG = 60


# ---- Python -------------------------------------------------------------------------------------------------------


def python_api() -> str:
    """``python.md``."""
    return "\n".join([_PYTHON_HEAD, *_module(importlib.import_module("weir"))])


def testing_api() -> str:
    """``testing.md``."""
    kit = importlib.import_module("weir.testing.conformance")
    lines = [_TESTING_HEAD, *_module(importlib.import_module("weir.testing"))]
    return "\n".join([*lines, "## `weir.testing.conformance`", "", *_names(kit, kit.__all__)])


def state_reader_api() -> str:
    """``state-reader.md``."""
    return "\n".join([_STATE_READER_HEAD, *_module(importlib.import_module("weir.state_reader"))])


def _module(module: ModuleType) -> Iterator[str]:
    """Each group of ``__all__``, under the comment that heads it there."""
    assert module.__file__ is not None
    listed = re.search(
        r"^__all__ = \[\n(.*?)^\]", Path(module.__file__).read_text(), re.DOTALL | re.MULTILINE
    )
    assert listed is not None
    for group in re.split(r"^ +# ", listed[1], flags=re.MULTILINE)[1:]:
        title, _, names = group.partition("\n")
        yield from (f"## {title[0].upper()}{title[1:]}", "")
        yield from _names(module, re.findall(r'"(\w+)"', names), made_by_users=title not in _HANDED_OUT)


def _names(module: ModuleType, names: list[str], *, made_by_users: bool = True) -> Iterator[str]:
    for name in names:
        value = getattr(module, name)
        plain_class = isinstance(value, type) and not hasattr(value, "_fields")
        signature = _signature(value) if made_by_users or not plain_class else ""
        yield from (f"### `{name}{signature}`", "", _text(inspect.getdoc(value)), "")
        if isinstance(value, type):
            yield from _members(value, {getattr(module, other) for other in module.__all__})


def _members(kind: type, known: AbstractSet[Any]) -> Iterator[str]:
    if issubclass(kind, enum.Enum):
        yield from (f"Members: {', '.join(f'`{member.name}`' for member in kind)}.", "")
        return
    if issubclass(kind, BaseException):
        return
    above = [base for base in kind.__mro__[1:] if base in known]
    methods = list(_methods(kind, set(above)))
    if methods:
        yield from ("| | |", "|---|---|", *methods, "")
    if above:
        yield from (f"And all of `{above[0].__name__}`.", "")


def _methods(kind: type, elsewhere: AbstractSet[type]) -> Iterator[str]:
    """Public methods and properties of a class and of what it inherits, but for bases that are told ``elsewhere``."""
    for name, value in inspect.getmembers_static(kind):
        owner = next(base for base in kind.__mro__ if name in vars(base))
        if name.startswith("_") or not owner.__module__.startswith("weir") or owner in elsewhere:
            continue
        if not value.__doc__ and any(name in vars(base) for base in elsewhere):
            continue
        plain = value.__func__ if isinstance(value, staticmethod | classmethod) else value
        if inspect.isfunction(plain) or isinstance(value, property):
            signature = "" if isinstance(value, property) else _signature(getattr(kind, name), bound=True)
            yield f"| `{name}{signature}` | {_row(inspect.getdoc(getattr(kind, name)))} |"


def _signature(value: Any, *, bound: bool = False) -> str:
    """Parameters with their defaults; types are in the code, where editors find them."""
    if isinstance(value, type) and (
        issubclass(value, enum.Enum | BaseException)
        or inspect.isabstract(value)
        or getattr(value, "_is_protocol", False)
    ):
        return ""
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    shown = [
        parameter.replace(annotation=inspect.Parameter.empty, default=_shown(parameter.default))
        for name, parameter in signature.parameters.items()
        if not (bound and name == "self")
    ]
    text = str(inspect.Signature(shown)).replace("Ellipsis", "...")
    return re.sub(r"<class '(?:\w+\.)*(\w+)'>|<(\w+\.\w+): [^>]*>", r"\1\2", text)


def _shown(default: Any) -> Any:
    """A default, or an ellipsis for one that fills lines."""
    return ... if len(repr(default)) > _LONG and default is not inspect.Parameter.empty else default


def _text(documentation: str | None) -> str:
    return (documentation or "").replace("``", "`")


def _row(documentation: str | None) -> str:
    """The first paragraph, on a line."""
    return " ".join(_text(documentation).partition("\n\n")[0].split()).replace("|", "\\|")

"""Reference pages made from docstrings and from the schema of the StreamJob; ``generate`` writes them.

``python.md`` has what ``weir`` exports, ``testing.md`` what ``weir.testing`` does, both grouped as their ``__all__`` is;
``stream-job.md`` has every field of the resource. A test compares the pages with what would be written.
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

from weir.cli.resource import SETTING_FIELDS
from weir.cli.resource_schema import STREAM_JOB, Anything, Items, Leaf, Schema, Section, Settings
from weir.config import OPTIONS
from weir.config.options import Option

_PYTHON_HEAD = """\
# The Python API

Everything that a job imports from `weir`. Names that PyFlink's DataStream API has too mean the same as there. A duration is `"10s"`, a
`timedelta` or seconds; times of events are milliseconds since the epoch. What is not on this page may change without notice.
"""
_TESTING_HEAD = """\
# The testing API

Everything that a test imports from `weir.testing`, and the conformance kit below it. [How to test a job](../how-to/test-a-job.md) shows them at work.
"""
_STREAM_JOB_HEAD = """\
# StreamJob

The resource that describes a job: `weir run FILE.yaml` takes it on one machine. What only a cluster has (image, resources, pods, Secrets) is accepted there,
ignored, and said so. A field that is not set leaves its setting to whoever sets it elsewhere: [who wins](settings.md). An unknown field is refused with the
nearest one, and all faults of a file are told at once, each with its line.

Durations are written `500ms`, `10s`, `1h30m`, sizes `64Mi`.

| field | accepts | |
|---|---|---|
"""
#: What fields mean that are no settings.
_FIELDS = {
    "apiVersion": "",
    "kind": "",
    "metadata.name": "The job's name. `weir run` finds an earlier run of the same name below `storage.checkpoints`, and goes on from it.",
    "spec.image": "In a cluster: the image with the job.",
    "spec.paused": "In a cluster: nothing disruptive is done.",
    "spec.job.entrypoint": "`package.module:function`, or a script such as `flights/job.py`.",
    "spec.job.code.configMap": "In a cluster: the code is in this ConfigMap.",
    "spec.job.code.uri": "In a cluster: an archive with the code.",
    "spec.job.code.sha256": "What the archive must have.",
    "spec.job.args": "Handed to the entry point.",
    "spec.job.state": "In a cluster: `Suspended` stops the job with a savepoint.",
    "spec.job.allowNonRestoredState": "State that no operator claims is dropped instead of refusing the start.",
    "spec.storage.s3.endpoint": "Of an S3 server that is not AWS.",
    "spec.storage.s3.region": "",
    "spec.storage.s3.credentialsSecret": "In a cluster: the Secret with `access-key` and `secret-key`. Elsewhere keys come from `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`.",
    "spec.restart.delay": "Before a restart, with `FixedDelay` and `FailureRate`.",
    "spec.restore.from": "A savepoint or retained checkpoint to start from, the first time.",
    "spec.restore.snapshot": "In a cluster: the same, by the name of a StreamJobSnapshot.",
    "spec.restore.nonce": "In a cluster: changed, it restarts from `from` now.",
    "spec.restore.policy": "State that is found under this name: `Resume` goes on from it (default), `Refuse` refuses the start, `Fresh` leaves it alone, out loud.",
    "spec.deletionPolicy": "In a cluster: what becomes of state when the resource is deleted.",
    "spec.config.KEY": "Any [setting](settings.md).",
}
#: Groups of classes whose objects come from calls.
_HANDED_OUT = {"streams", "what functions are handed", "harnesses"}
#: Characters of a default.
_LONG = 60
_IN_A_CLUSTER = ("spec.upgrade", "spec.snapshots", "spec.jobManager", "spec.taskManager")


# ---- Python -------------------------------------------------------------------------------------------------------


def python_api() -> str:
    """``python.md``."""
    return "\n".join([_PYTHON_HEAD, *_module(importlib.import_module("weir"))])


def testing_api() -> str:
    """``testing.md``."""
    kit = importlib.import_module("weir.testing.conformance")
    lines = [_TESTING_HEAD, *_module(importlib.import_module("weir.testing"))]
    return "\n".join([*lines, "## `weir.testing.conformance`", "", *_names(kit, kit.__all__)])


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


# ---- StreamJob ----------------------------------------------------------------------------------------------------


def stream_job() -> str:
    """``stream-job.md``."""
    rows = [
        f"| `{path}` | {accepts} | {_meaning(path, accepts)} |" for path, accepts in _fields("", STREAM_JOB)
    ]
    return _STREAM_JOB_HEAD + "\n".join(rows) + "\n"


def _fields(path: str, schema: Schema) -> Iterator[tuple[str, str]]:
    if isinstance(schema, Section):
        for name, below in schema.fields.items():
            yield from _fields(f"{path}.{name}" if path else name, below)
    elif isinstance(schema, Leaf):
        yield path, schema.kind.accepted
    elif isinstance(schema, Items):
        yield path, "a list of texts"
    elif isinstance(schema, Settings):
        yield f"{path}.KEY", "one value"
    elif not path.startswith(("metadata.", "status")):
        assert isinstance(schema, Anything)
        yield path, "as in a cluster"


def _meaning(path: str, accepts: str) -> str:
    """Raises ``KeyError`` for a field that nobody described."""
    key = SETTING_FIELDS.get(path)
    if key is not None:
        option = OPTIONS[key]
        default = (
            "Not set by default." if option.default is None else f"Default: `{_in_a_file(accepts, option)}`."
        )
        return f"{option.description} {default} Setting `{key}`."
    if path == "metadata.namespace" or path.startswith(_IN_A_CLUSTER):
        return _FIELDS.get(path, "In a cluster.")
    return _FIELDS[path]


def _in_a_file(accepts: str, option: Option[Any]) -> str:
    """The default as the resource spells it: ``ExactlyOnce``, not ``EXACTLY_ONCE``."""
    shown = option.kind.show(option.default)
    plain = shown.replace("_", "").lower()
    words = accepts.removeprefix("one of ").split(", ")
    return next((word for word in words if plain.startswith(word.lower())), shown)

"""What a StreamJob may say: every field with its type. Data, and the walk that checks a document against it.

The walk collects all faults, each with its line and its path, and returns what is set, flat by path
(``{"spec.job.parallelism": 4}``). ``resource`` reads the file and makes a job specification of the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from weir.config import nearest
from weir.config.values import (
    BOOLEAN,
    SIZE,
    TEXT,
    Kind,
    duration,
    integer,
    kubernetes_duration,
    kubernetes_size,
    number,
)
from weir.config.yaml_entries import Entry, Fault


@dataclass(frozen=True)
class Leaf:
    """One value."""

    types: tuple[type, ...]
    kind: Kind[Any]


@dataclass(frozen=True)
class Items:
    """A list of texts."""


@dataclass(frozen=True)
class Anything:
    """Whatever a cluster understands; not looked into."""


@dataclass(frozen=True)
class Settings:
    """Scalars by any key; their keys are checked by ``resource``."""


@dataclass(frozen=True)
class Section:
    """Named fields."""

    fields: Mapping[str, Schema]
    required: tuple[str, ...] = field(default=())


Schema = Leaf | Items | Anything | Settings | Section


def _duration(least: float) -> Leaf:
    def parse(text: str) -> float:
        seconds = kubernetes_duration(text)
        if seconds < least:
            raise ValueError("")
        return seconds

    return Leaf((str,), Kind(duration(least).accepted, parse))


_TEXT = Leaf((str,), TEXT)
_BOOL = Leaf((bool,), BOOLEAN)
_SIZE = Leaf((str, int), Kind(SIZE.accepted, kubernetes_size))
_DURATION = _duration(0.0)
_BACKOFF = _duration(0.001)
_COUNT = Leaf((int,), integer(0, 2**31 - 1))
_POSITIVE = Leaf((int,), integer(1, 2**31 - 1))
_PARALLELISM = Leaf((int,), integer(1, 32768))


def _one_of(*names: str) -> Leaf:
    def parse(text: str) -> str:
        if text not in names:
            near = nearest(text, names)
            raise ValueError(f"; did you mean {near}?" if near else "")
        return text

    return Leaf((str,), Kind("one of " + ", ".join(names), parse))


def _job_name(text: str) -> str:
    if len(text) > 45 or not re.fullmatch(r"[a-z]([-a-z0-9]*[a-z0-9])?", text):
        raise ValueError("")
    return text


_RESTART: dict[str, dict[str, Schema]] = {
    "None": {},
    "FixedDelay": {"attempts": _COUNT, "delay": _DURATION},
    "ExponentialDelay": {
        "initial": _BACKOFF,
        "max": _BACKOFF,
        "multiplier": Leaf((int, float), number(1.0, 1000.0)),
        "resetAfter": _BACKOFF,
        "jitter": Leaf((int, float), number(0.0, 1.0)),
    },
    "FailureRate": {"failures": _POSITIVE, "interval": _BACKOFF, "delay": _DURATION},
}
#: By field of ``spec.restart``: the strategies that have it.
RESTART_FIELDS: dict[str, list[str]] = {}
for _strategy, _fields in _RESTART.items():
    for _name in _fields:
        RESTART_FIELDS.setdefault(_name, []).append(_strategy)

_METADATA = Section(
    {
        "name": Leaf(
            (str,),
            Kind(
                "at most 45 lower-case letters, digits and '-', beginning with a letter, not ending with '-'",
                _job_name,
            ),
        ),
        "namespace": _TEXT,
        **dict.fromkeys(
            ("labels", "annotations", "finalizers", "ownerReferences", "managedFields"), Anything()
        ),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp", "generation"), Anything()),
        **dict.fromkeys(("generateName", "resourceVersion", "uid", "selfLink"), Anything()),
    },
    required=("name",),
)

_JOB = Section(
    {
        "entrypoint": _TEXT,
        "code": Section({"configMap": _TEXT, "uri": _TEXT, "sha256": _TEXT}),
        "args": Items(),
        "parallelism": _PARALLELISM,
        "maxParallelism": _PARALLELISM,
        "state": _one_of("Running", "Suspended"),
        "allowNonRestoredState": _BOOL,
    },
    required=("entrypoint",),
)

_CHECKPOINTS = Section(
    {
        "interval": _DURATION,
        "mode": _one_of("ExactlyOnce", "AtLeastOnce"),
        "timeout": _duration(0.01),
        "minPause": _DURATION,
        "maxConcurrent": Leaf((int,), integer(1, 100)),
        "tolerableFailures": _COUNT,
        "unaligned": _BOOL,
        "alignedTimeout": _DURATION,
        "retained": Leaf((int,), integer(1, 1000)),
        "onCancel": _one_of("Retain", "Delete"),
    }
)

_UPGRADE = Section(
    {
        "mode": _one_of("Savepoint", "LastState", "Stateless"),
        "handover": _one_of("Recreate", "Standby"),
        "savepointTimeout": _duration(1.0),
        "maxCheckpointAge": _duration(1.0),
        "stabilityWindow": _DURATION,
        "rollback": _BOOL,
        "rollbackTo": _COUNT,
        "restartNonce": _COUNT,
        "savepointNonce": _COUNT,
    }
)

_SPEC = Section(
    {
        "image": _TEXT,
        "paused": _BOOL,
        "job": _JOB,
        "checkpoints": _CHECKPOINTS,
        "stateBackend": Section({"type": _one_of("Memory", "FileSystem", "RocksDB"), "incremental": _BOOL}),
        "storage": Section(
            {
                "checkpoints": _TEXT,
                "savepoints": _TEXT,
                "s3": Section({"endpoint": _TEXT, "region": _TEXT, "credentialsSecret": _TEXT}),
            }
        ),
        "restart": Section(
            {
                "strategy": _one_of(*_RESTART),
                **{name: schema for fields in _RESTART.values() for name, schema in fields.items()},
            }
        ),
        "restore": Section(
            {
                "from": _TEXT,
                "snapshot": _TEXT,
                "nonce": _COUNT,
                "policy": _one_of("Resume", "Refuse", "Fresh"),
            }
        ),
        "upgrade": _UPGRADE,
        "snapshots": Section(
            {
                "schedule": _TEXT,
                "keep": Section({"count": Leaf((int,), integer(1, 1000)), "age": _duration(60.0)}),
            }
        ),
        "deletionPolicy": _one_of("Retain", "Savepoint", "Purge"),
        "jobManager": Section({"resources": Anything(), "pod": Anything()}),
        "taskManager": Section(
            {
                "slots": Leaf((int,), integer(1, 128)),
                "resources": Anything(),
                "pod": Anything(),
                "localStorage": _SIZE,
            }
        ),
        "config": Settings(),
    },
    required=("job",),
)

STREAM_JOB = Section(
    {
        "apiVersion": _one_of("weir.dev/v1alpha1"),
        "kind": _one_of("StreamJob"),
        "metadata": _METADATA,
        "spec": _SPEC,
        "status": Anything(),
    },
    required=("apiVersion", "kind", "metadata", "spec"),
)


def check(entry: Entry, schema: Schema = STREAM_JOB, path: str = "") -> tuple[dict[str, Entry], list[Fault]]:
    """What ``entry`` sets, flat by path, and everything that is wrong with it."""
    found: dict[str, Entry] = {}
    faults: list[Fault] = []
    for item in _walk(entry, schema, path):
        if isinstance(item, Fault):
            faults.append(item)
        else:
            found[item[0]] = item[1]
    return found, faults


def _walk(entry: Entry, schema: Schema, path: str) -> Iterator[Fault | tuple[str, Entry]]:
    if entry.value is None:
        return
    if isinstance(schema, Section):
        yield from _walk_section(entry, schema, path)
    elif isinstance(schema, Leaf):
        fault = _leaf_fault(entry.value, schema)
        yield Fault(entry.line, f"{path}: {fault}") if fault else (path, entry)
    elif isinstance(schema, Items):
        yield from _walk_items(entry, path)
    elif isinstance(schema, Settings):
        yield from _walk_settings(entry, path)
    else:
        yield path, entry


def _walk_section(entry: Entry, schema: Section, path: str) -> Iterator[Fault | tuple[str, Entry]]:
    if not isinstance(entry.value, dict):
        known = ", ".join(schema.fields)
        yield Fault(entry.line, f"{path}: got {_shown(entry.value)}, expected a mapping with {known}")
        return
    lead = f"{path}." if path else ""
    for name, child in entry.value.items():
        if name not in schema.fields:
            near = nearest(name, schema.fields)
            hint = f"did you mean {near}?" if near else f"known are {', '.join(schema.fields)}"
            yield Fault(child.line, f"{lead}{name}: unknown key; {hint}")
        else:
            yield from _walk(child, schema.fields[name], f"{lead}{name}")
    for name in schema.required:
        child = entry.value.get(name)
        if child is None or child.value is None:
            yield Fault(entry.line, f"{lead}{name}: missing; it is required")


def _leaf_fault(value: Any, schema: Leaf) -> str:
    wrong_type = not isinstance(value, schema.types) or (isinstance(value, bool) and bool not in schema.types)
    if not wrong_type:
        try:
            schema.kind.parse(str(value))
        except ValueError as error:
            hint = str(error) if str(error).startswith(";") else ""
            return f"got {_shown(value)}, expected {schema.kind.accepted}{hint}"
        return ""
    quote = "; put it in quotes" if schema.types == (str,) and isinstance(value, int | float) else ""
    return f"got {_shown(value)}, expected {schema.kind.accepted}{quote if schema.kind is TEXT else ''}"


def _walk_items(entry: Entry, path: str) -> Iterator[Fault | tuple[str, Entry]]:
    if not isinstance(entry.value, list):
        yield Fault(entry.line, f"{path}: got {_shown(entry.value)}, expected a list of texts")
        return
    faults = [
        Fault(item.line, f"{path}[{index}]: got {_shown(item.value)}, expected a text; put it in quotes")
        for index, item in enumerate(entry.value)
        if not isinstance(item.value, str)
    ]
    yield from faults
    if not faults:
        yield path, Entry([item.value for item in entry.value], entry.line)


def _walk_settings(entry: Entry, path: str) -> Iterator[Fault | tuple[str, Entry]]:
    if not isinstance(entry.value, dict):
        yield Fault(entry.line, f"{path}: got {_shown(entry.value)}, expected settings by key")
        return
    for name, child in entry.value.items():
        if isinstance(child.value, str | int | float):
            yield f"{path}.{name}", child
        else:
            yield Fault(child.line, f"{path}.{name}: got {_shown(child.value)}, expected one value")


def _shown(value: Any) -> str:
    kinds = {
        dict: "a mapping",
        list: "a list",
        str: "a text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    kind = kinds.get(type(value), type(value).__name__)
    return kind if isinstance(value, dict | list) else f"{value!r} ({kind})"

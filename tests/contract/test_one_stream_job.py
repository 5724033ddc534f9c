"""What `weir run` reads and what the CRD accepts are one resource: the same fields, types, limits and words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.structural import faults
from weir.cli import resource_schema
from weir.cli.resource import SETTING_FIELDS
from weir.cli.resource_schema import STREAM_JOB, Anything, Items, Leaf, Section, Settings
from weir.config import OPTIONS
from weir.config.yaml_entries import Entry
from weir_operator.models import StreamJobSpec, crd, policies
from weir_operator.models.schema import default_text

SCHEMA = crd.stream_job()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
ENGINE = STREAM_JOB.fields["spec"]
#: Texts that mean more in a cluster: there relative folders, for instance, have nobody whose working folder they are in.
WIDER_ON_A_MACHINE = {"str"}
MINIMAL = {"job": {"entrypoint": "m:build"}}
#: Beside each field, so that rules about two fields have nothing to say.
BESIDE: dict[str, dict[str, Any]] = {
    "job.code.uri": {"job": {"entrypoint": "m:build", "code": {"sha256": "0" * 64}}},
    "job.code.sha256": {"job": {"entrypoint": "m:build", "code": {"uri": "s3://bucket/app.zip"}}},
    "job.parallelism": {"job": {"entrypoint": "m:build", "maxParallelism": 32768}},
    "checkpoints.alignedTimeout": {"checkpoints": {"unaligned": True}},
    "stateBackend.incremental": {"stateBackend": {"type": "RocksDB"}},
    "upgrade.maxCheckpointAge": {"upgrade": {"mode": "LastState"}},
    "restore.nonce": {"restore": {"from": "s3://bucket/s"}},
    **{
        f"restart.{name}": {"restart": {"strategy": strategies[0]}}
        for name, strategies in resource_schema.RESTART_FIELDS.items()
    },
}
STORED = {"storage": {"checkpoints": "s3://weir/c", "savepoints": "s3://weir/s"}}
DURATIONS = [
    "500ms",
    "10s",
    "1h30m",
    "0",
    "0s",
    "1.5h",
    "3us",
    "5ns",
    "7d",
    "5min",
    "1h 30m",
    "10",
    "-1s",
    "ten",
    "",
    "1s" * 11,
    10,
    True,
]
SIZES = ["10Gi", "1.5M", 1024, "500k", "ten", "10 Gi", "-1", -1, "1Pi", True, "1" * 21]


def engine_leaves(schema: Any = ENGINE, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(schema, Section):
        for name, child in schema.fields.items():
            yield from engine_leaves(child, f"{path}.{name}" if path else name)
    else:
        yield path, schema


def node(path: str) -> dict[str, Any]:
    found = SCHEMA
    for name in path.split("."):
        found = found["properties"][name]
    return found


def crd_leaves(schema: dict[str, Any] = SCHEMA, path: str = "") -> Iterator[str]:
    for name, child in schema.get("properties", {}).items():
        below = f"{path}.{name}" if path else name
        if name in ("pod", "resources") or not child.get("properties"):
            yield below
        else:
            yield from crd_leaves(child, below)


LEAVES = dict(engine_leaves())


def test_both_have_the_same_fields() -> None:
    assert sorted(LEAVES) == sorted(crd_leaves())


def sections(schema: Section, path: str = "") -> Iterator[tuple[str, Section]]:
    yield path, schema
    for name, child in schema.fields.items():
        if isinstance(child, Section):
            yield from sections(child, f"{path}.{name}" if path else name)


def test_both_require_the_same_fields() -> None:
    for path, section in sections(ENGINE):
        assert list(section.required) == (node(path) if path else SCHEMA).get("required", []), path


def with_value(path: str, value: Any) -> dict[str, Any]:
    """The least spec in which a field has a value and no rule about others is broken."""
    spec: dict[str, Any] = {}
    for part in (MINIMAL, STORED, BESIDE.get(path, {})):
        for name, section in part.items():
            spec[name] = {**spec.get(name, {}), **section} if isinstance(section, dict) else section
    *above, last = path.split(".")
    holder = spec
    for name in above:
        holder = holder.setdefault(name, {})
    holder[last] = value
    if path == "job.maxParallelism":
        spec["job"]["parallelism"] = 1
    return spec


def entry(value: Any) -> Entry:
    """A value as the engine reads it from a file."""
    if isinstance(value, dict):
        return Entry({name: entry(child) for name, child in value.items()}, 1)
    return Entry([entry(item) for item in value], 1) if isinstance(value, list) else Entry(value, 1)


def verdicts(path: str, value: Any) -> tuple[bool, bool]:
    """Whether the engine and the CRD accept a value of a field."""
    spec = with_value(path, value)
    _, found = resource_schema.check(entry(spec), ENGINE, "spec")
    return not found, not faults(
        {"job": {"parallelism": 1}, **spec}
        if "job" not in spec
        else spec | {"job": {"parallelism": 1, **spec["job"]}},
        SCHEMA,
        "spec",
    )


def samples(path: str) -> list[Any]:
    found = node(path)
    if "enum" in found:
        return [*found["enum"], *map(str.lower, found["enum"]), "Other", 1, True]
    if found["type"] in ("integer", "number") if "type" in found else False:
        return [
            found["minimum"],
            found["maximum"],
            found["minimum"] - 1,
            found["maximum"] + 1,
            "4",
            True,
            1.5,
        ]
    if found.get("type") == "boolean":
        return [True, False, "true", 1]
    if found.get("type") == "array":
        return [[], ["a"], [1], "a"]
    if found.get("x-kubernetes-int-or-string"):
        return SIZES
    return DURATIONS if found.get("maxLength") == 20 else [5, True]


@pytest.mark.parametrize("path", [path for path, leaf in LEAVES.items() if isinstance(leaf, Leaf | Items)])
def test_both_accept_the_same_values_of_a_field(path: str) -> None:
    for value in samples(path):
        engine, cluster = verdicts(path, value)
        assert engine == cluster, f"spec.{path}: {value!r}: `weir run` {engine}, the CRD {cluster}"


@pytest.mark.parametrize("name", ["flights", "a" * 45, "a" * 46, "a.b", "7up", "a-1", "a", "A", "a-", ""])
def test_both_accept_the_same_names(name: str) -> None:
    document = {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJob",
        "metadata": {"name": name},
        "spec": MINIMAL,
    }
    _, found = resource_schema.check(entry(document))
    stored = document | {"spec": {"job": {"entrypoint": "m:build", "parallelism": 1}}}
    of_kubernetes = name == name.lower() and name == name.strip("-") != ""
    schema = crd.stream_job()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    assert (not found) == (of_kubernetes and not faults(stored, schema))


def test_what_only_a_cluster_has_is_left_to_it_by_the_engine() -> None:
    unread = {path for path, leaf in LEAVES.items() if isinstance(leaf, Anything)}
    assert unread == {
        f"{owner}.{field}" for owner in ("jobManager", "taskManager") for field in ("pod", "resources")
    }
    assert [path for path, leaf in LEAVES.items() if isinstance(leaf, Settings)] == ["config"]


#: Says in words what the engine decides, or is another in a cluster.
OTHER_DEFAULTS = {
    "checkpoints.interval": "not set: no checkpoints, and a lost pod fails the job",
    "checkpoints.onCancel": "Retain",
    "restart.strategy": "ExponentialDelay with checkpoints, None without",
    "storage.checkpoints": "not set",
    "storage.savepoints": "not set",
}


def test_defaults_are_those_of_the_engine() -> None:
    said = {path: default_of(path) for path in (field.removeprefix("spec.") for field in SETTING_FIELDS)}
    engines = {}
    for field, key in SETTING_FIELDS.items():
        option = OPTIONS[key]
        engines[field.removeprefix("spec.")] = option.kind.show(option.default)
    spelled = {"EXACTLY_ONCE": "ExactlyOnce"}
    assert said == {path: spelled.get(text, text) for path, text in engines.items()} | OTHER_DEFAULTS


def default_of(path: str) -> str:
    kind: Any = StreamJobSpec
    *above, last = path.split(".")
    for name in above:
        kind = next(info.annotation for info in kind.model_fields.values() if info.alias == name)
    return default_text(next(info for info in kind.model_fields.values() if info.alias == last))


def test_settings_that_are_warned_of_are_those_of_the_fields() -> None:
    fields = {key: field.removeprefix("spec.") for field, key in SETTING_FIELDS.items()}
    assert policies.FIELDS_OF_SETTINGS.items() <= fields.items()

"""The CRDs in the repository are those of the operator's classes, and of a kind that an API server takes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from crds import generate
from weir_operator.models import crd

CRDS = {"StreamJob": crd.stream_job(), "StreamJobSnapshot": crd.stream_job_snapshot()}
LIMIT_BYTES = 100_000
#: Words of a schema that structural schemas have; what else is written would be refused or pruned.
WORDS = {
    "additionalProperties", "default", "description", "enum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum",
    "minItems", "minLength", "minProperties", "minimum", "properties", "required", "type", "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys", "x-kubernetes-list-type", "x-kubernetes-preserve-unknown-fields", "x-kubernetes-validations",
}  # fmt: skip


def schema_of(kind: str) -> dict[str, Any]:
    return CRDS[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(schema["additionalProperties"], f"{path}.*")


def test_the_files_are_what_make_crds_writes() -> None:
    files = list(generate.files())
    assert files
    assert {path: path.read_text() for path, _ in files} == dict(files), "`make crds` writes them"


@pytest.mark.parametrize("kind", CRDS)
def test_a_crd_with_all_its_descriptions_is_small(kind: str) -> None:
    assert len(json.dumps(CRDS[kind], separators=(",", ":"))) <= LIMIT_BYTES


@pytest.mark.parametrize("kind", CRDS)
def test_the_yaml_says_the_same(kind: str) -> None:
    assert yaml.safe_load(crd.files()[f"{kind.lower()}s.weir.dev.yaml"]) == CRDS[kind]


@pytest.mark.parametrize("kind", CRDS)
def test_each_field_is_described_and_each_field_of_a_spec_says_its_default(kind: str) -> None:
    silent, without_default = [], []
    for path, node in nodes(schema_of(kind)):
        if path in ("", ".metadata") or path.endswith(("[]", ".*")):
            continue
        if not node.get("description", "").endswith("."):
            silent.append(path)
        elif path.startswith(".spec.") and not any(
            word in node["description"] for word in ("Default: ", "Required.")
        ):
            without_default.append(path)
    assert (silent, without_default) == ([], [])


@pytest.mark.parametrize("kind", CRDS)
def test_the_schema_is_structural(kind: str) -> None:
    for path, node in nodes(schema_of(kind)):
        assert set(node) <= WORDS, path
        typed = "type" in node or node.keys() & {
            "x-kubernetes-int-or-string",
            "x-kubernetes-preserve-unknown-fields",
        }
        assert typed, f"{path} has no type"
        if node.get("x-kubernetes-list-type") == "map":
            keys = node["x-kubernetes-list-map-keys"]
            assert set(keys) <= set(node["items"]["required"]), f"{path}: keys are required"


@pytest.mark.parametrize("kind", CRDS)
def test_all_that_a_user_writes_has_a_limit(kind: str) -> None:
    unlimited = []
    for path, node in nodes(schema_of(kind)):
        limit = {"string": "maxLength", "array": "maxItems", "integer": "maximum", "number": "maximum"}.get(
            node.get("type", "")
        )
        if "additionalProperties" in node:
            limit = "maxProperties"
        if path.startswith(".spec.") and limit and limit not in node and "enum" not in node:
            unlimited.append(path)
    assert unlimited == []


def test_parallelism_alone_has_a_default_in_the_schema() -> None:
    found = {path: node["default"] for path, node in nodes(schema_of("StreamJob")) if "default" in node}
    assert found == {".spec.job.parallelism": 1}


def test_parallelism_is_the_scale_subresource_and_people_find_both_kinds_by_short_names() -> None:
    job = CRDS["StreamJob"]["spec"]
    assert job["versions"][0]["subresources"]["scale"] == {
        "specReplicasPath": ".spec.job.parallelism",
        "statusReplicasPath": ".status.parallelism",
        "labelSelectorPath": ".status.selector",
    }
    said = {
        kind: (found["spec"]["names"]["shortNames"], found["spec"]["names"]["categories"])
        for kind, found in CRDS.items()
    }
    assert said == {"StreamJob": (["sj"], ["weir"]), "StreamJobSnapshot": (["sjs"], ["weir"])}


@pytest.mark.parametrize("kind", CRDS)
def test_what_kubectl_prints_is_in_the_schema(kind: str) -> None:
    known = {path for path, _ in nodes(schema_of(kind))}
    for column in CRDS[kind]["spec"]["versions"][0]["additionalPrinterColumns"]:
        path = column["jsonPath"].replace('[?(@.type=="Ready")]', "[]")
        assert path in known or path == ".metadata.creationTimestamp", path

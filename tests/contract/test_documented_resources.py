"""Every field has an example, and every example is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.documents import blocks
from tests.support.structural import faults
from weir_operator.models import crd
from weir_operator.validation import snapshot_faults, stream_job_faults

PAGE = "docs/reference/stream-job-examples.md"
SCHEMAS = {
    made["spec"]["names"]["kind"]: made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for made in (crd.stream_job(), crd.stream_job_snapshot())
}
EXAMPLES = {
    f"{n}-{document['metadata']['name']}": document
    for n, document in enumerate(
        yaml.safe_load(block.text) for block in blocks(PAGE) if block.language == "yaml"
    )
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_is_accepted(name: str) -> None:
    document = EXAMPLES[name]
    judge = stream_job_faults if document["kind"] == "StreamJob" else snapshot_faults
    assert [str(fault) for fault in judge(document)] == []
    if document["kind"] == "StreamJob":  # the API server fills it in before it asks
        document = document | {
            "spec": document["spec"] | {"job": {"parallelism": 1, **document["spec"]["job"]}}
        }
    assert faults(document, SCHEMAS[document["kind"]]) == []


def shown(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield f"{path}.{name}"
            yield from shown(child, f"{path}.{name}")
    elif isinstance(value, list):
        for item in value:
            yield from shown(item, f"{path}[]")


def known(schema: dict[str, Any], path: str) -> Iterator[str]:
    for name, node in schema.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from known(node, f"{path}.{name}")
    if "items" in schema:
        yield from known(schema["items"], f"{path}[]")


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_field_of_a_spec_has_an_example(kind: str) -> None:
    seen = {
        path
        for document in EXAMPLES.values()
        if document["kind"] == kind
        for path in shown(document["spec"], "spec")
    }
    seen |= {path.replace("spec.taskManager.pod", "spec.jobManager.pod") for path in seen}
    assert [path for path in known(SCHEMAS[kind]["properties"]["spec"], "spec") if path not in seen] == []

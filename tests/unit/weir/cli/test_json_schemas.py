"""The schema of every ``-o json``: what programs may rely on, as golden files. No command is without one."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import click
import msgspec
import pytest

from tests.support.json_schema import faults
from weir.cli.cluster_plan import ForeseenChange
from weir.cli.explaining import KeyFacts
from weir.cli.main import weir
from weir.jobmanager.rest.models.checkpoints import Checkpoints
from weir.jobmanager.rest.models.jobs import JobDetails, JobsOverview, JobStatusInfo
from weir.jobmanager.rest.models.profile import JobProfile
from weir.jobmanager.rest.models.steering import OperationInfo
from weir.rpc.requests import JobStatus
from weir.state_reader.differences import SnapshotDifference

#: By command: what its answer is. REST's answers are shown as they are.
ANSWERS = {
    "jobs": JobsOverview,
    "status": JobDetails,
    "checkpoints": Checkpoints,
    "profile": JobProfile,
    "cancel": JobStatusInfo,
    "savepoint": OperationInfo,
    "stop": OperationInfo,
    "rescale": OperationInfo,
    "run": JobStatus,
    "config-explain": KeyFacts | list[KeyFacts],
    "diff": SnapshotDifference,
    "submit": ForeseenChange,
}
#: Those whose own tests hold theirs.
ELSEWHERE = {"plan", "inspect", "doctor-storage"}


def with_json(command: click.Command, name: str) -> Iterator[str]:
    """Names of all commands that have ``-o``."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None
            yield from with_json(found, f"{name}-{below}".strip("-"))
    elif any(parameter.name == "output" for parameter in command.params):
        yield name


def test_every_command_with_json_has_a_published_schema() -> None:
    assert set(with_json(weir, "")) == set(ANSWERS) | ELSEWHERE


def without_indents(schema: Any) -> Any:
    """Some versions of Python and of msgspec take the indents out of a docstring, others leave them."""
    if isinstance(schema, dict):
        return {
            key: inspect.cleandoc(value)
            if key == "description" and isinstance(value, str)
            else without_indents(value)
            for key, value in schema.items()
        }
    return [without_indents(each) for each in schema] if isinstance(schema, list) else schema


@pytest.mark.parametrize("command", ANSWERS)
def test_the_schema_is_what_was_published(command: str, golden: Callable[[str, str], None]) -> None:
    schema = without_indents(msgspec.json.schema(ANSWERS[command]))
    golden(f"cli/{command}.schema.json", json.dumps(schema, indent=1) + "\n")


@pytest.mark.parametrize(
    ("value", "wrong"),
    [
        ({"name": "a", "sizes": [1, 2], "kind": None}, []),
        ({"name": "a", "sizes": []}, []),
        ({"sizes": [1]}, ["$: name is missing"]),
        ({"name": 7, "sizes": [True]}, ["$.name: 7 is no string", "$.sizes[0]: True is no integer"]),
        ({"name": "a", "sizes": [], "kind": "large"}, ["$.kind: 'large' is none of ['small']"]),
        ({"name": "a", "sizes": [], "by_kind": {"small": 1}}, []),
        (
            {"name": "a", "sizes": [], "by_kind": {"large": 1}},
            ["the name $.by_kind.large: 'large' is none of ['small']"],
        ),
        ([], ["$: [] is no object"]),
    ],
)
def test_the_checker_of_schemas_finds_what_is_wrong(value: Any, wrong: list[str]) -> None:
    schema = {
        "$ref": "#/$defs/Thing",
        "$defs": {
            "Thing": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "sizes": {"type": "array", "items": {"type": "integer"}},
                    "kind": {"anyOf": [{"type": "null"}, {"enum": ["small"]}]},
                    "by_kind": {"type": "object", "propertyNames": {"enum": ["small"]}},
                },
                "required": ["name", "sizes"],
            }
        },
    }
    assert faults(value, schema) == wrong

"""``weir plan --cluster`` says of a change what the operator does about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.planned_jobs import SPEC, merged
from weir.cli import spec_change
from weir_operator.models import StreamJobSpec
from weir_operator.reconciler import diff

CHANGES: list[dict[str, Any]] = [
    {},
    {"paused": True},
    {"deletionPolicy": "Purge"},
    {"snapshots": {"schedule": "0 3 * * *", "keep": {"count": 3}}},
    {"upgrade": {"restartNonce": 1}},
    {"restore": {"from": "s3://weir/x", "nonce": 1}},
    {"job": {"state": "Suspended"}},
    {"job": {"parallelism": 5}},
    {"job": {"parallelism": 5}, "image": "example/flights:2"},
    {"job": {"args": ["a", "b"]}},
    {"storage": {"savepoints": "s3://weir/elsewhere"}},
    {"storage": {"checkpoints": "s3://weir/elsewhere"}},
    {"checkpoints": {"interval": "10000ms"}},
    {"checkpoints": {"interval": "11s"}},
    {"checkpoints": {"timeout": "10m"}},
    {"checkpoints": None},
    {"config": {"heartbeat.interval": "2s"}},
    {"taskManager": {"resources": {"limits": {"memory": "1024Mi"}}}},
    {"taskManager": {"localStorage": "10240Mi"}},
    {"taskManager": {"pod": {"env": [{"name": "A", "value": "b"}]}}},
    {"jobManager": {"pod": {"nodeSelector": {"a": "1"}}}},
]
BASE = merged(
    SPEC,
    {"taskManager": {"localStorage": "10Gi", "resources": {"limits": {"memory": "1Gi"}}}},
)


def test_the_tables_are_the_same() -> None:
    assert {path: weight.value for path, weight in spec_change.CLASSES.items()} == {
        path: weight.value for path, weight in diff.CLASSES.items()
    }


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_both_judge_a_change_alike(change: dict[str, Any]) -> None:
    after = merged(BASE, change)
    said = spec_change.compare(BASE, after)
    done = diff.classify(StreamJobSpec.model_validate(BASE), StreamJobSpec.model_validate(after))
    assert said.weight.value == done.weight.value
    assert {field.path for field in said.fields} == set(done.paths)

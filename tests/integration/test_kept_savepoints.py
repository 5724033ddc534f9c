"""Savepoints that earlier releases wrote are restored by this one, exactly. Scorecard row A17.

Each release leaves one in ``tests/fixtures/savepoints``, made by ``python -m tests.support.kept_job FOLDER``; none is ever
changed or removed while its format is to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import oracle
from tests.support.clusters import FAST, files_of, wait_for
from tests.support.kept_job import KEYS, ROWS, RULE_COUNT, expected, spec
from tests.support.processes import ROOT
from weir.checkpoint.inspection import OperatorFacts, inspect_snapshot
from weir.checkpoint.metadata import FORMAT_VERSION
from weir.checkpoint.store import load
from weir.local import LocalCluster
from weir.rpc.requests import JobState

KEPT = sorted((ROOT / "tests/fixtures/savepoints").iterdir())


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST) as made:
        yield made


def states_of(uri: str) -> dict[str, Any]:
    """By uid, what must come through a restore unchanged: names, kinds and types of states, and how many timers there are."""
    facts = inspect_snapshot(load(uri))
    assert facts.faults == ()
    assert facts.unreferenced == ()

    def told(operator: OperatorFacts) -> Any:
        timers = [(timer.domain, timer.count) for timer in operator.timers]
        states = {(s.name, s.kind, s.type) for s in operator.states}
        return states, timers, operator.key_type

    return {str(operator.uid): told(operator) for operator in facts.operators}


@pytest.mark.parametrize("parallelism", [2, 3])
@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_a_savepoint_of_an_earlier_release_is_restored_exactly(
    cluster: LocalCluster, tmp_path: Path, kept: Path, parallelism: int
) -> None:
    before = files_of(kept.as_uri())
    wanted = spec(tmp_path, parallelism, restore_from=kept.as_uri())
    job = cluster.submit(wanted)
    status = wait_for(cluster, job, lambda status: status.checkpoints.completed > 0)
    assert status.checkpoints.restored is not None
    assert status.checkpoints.restored.path == kept.as_uri()
    again = cluster.savepoint(job, str(tmp_path / "savepoints"))
    assert states_of(again)["kept"] == states_of(kept.as_uri())["kept"]
    assert states_of(again)["ruled"] == states_of(kept.as_uri())["ruled"]
    (tmp_path / "gate").touch()
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, status.failures

    lines = oracle.visible(str(tmp_path / "out"))
    told = [line for line in lines if line["kind"] == "kept"]
    assert len(told) == KEYS
    by_key = {line["k"]: line for line in told}
    assert [by_key[line["k"]] for line in expected()] == list(expected())
    found = [line for line in lines if line["kind"] == "found"]
    assert len(found) == parallelism
    rows = [value for line in found for value in line["rows"]]
    assert len(rows) == len(set(rows)) == ROWS - status.records_in
    assert all(line["rules"] == {str(n): f"rule {n}" for n in range(RULE_COUNT)} for line in found)
    assert {tuple(line["names"]) for line in found} == {("2-0", "2-1")}
    assert files_of(kept.as_uri()) == before


def test_there_is_one_of_the_format_that_this_weir_writes() -> None:
    assert FORMAT_VERSION in {load(kept.as_uri()).metadata.format_version for kept in KEPT}

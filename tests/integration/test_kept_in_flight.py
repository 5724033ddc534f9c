"""Rows that were on their way in an earlier release's unaligned checkpoint are processed by this one, each exactly once. Scorecard rows A17 and B2.

Each format leaves one in ``tests/fixtures/kept_in_flight``, made by ``python -m tests.support.kept_in_flight FOLDER``; nothing there is ever changed or
removed while its format is to be read.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import oracle
from tests.support.clusters import FAST, files_of
from tests.support.kept_in_flight import ENOUGH, ROWS, expected, in_flight, spec
from tests.support.processes import ROOT
from weir.checkpoint.metadata import IN_FLIGHT_FORMAT_VERSION
from weir.checkpoint.store import load
from weir.local import LocalCluster
from weir.rpc.requests import JobState

KEPT = sorted((ROOT / "tests/fixtures/kept_in_flight").iterdir())


@pytest.fixture(scope="module")
def cluster() -> Iterator[LocalCluster]:
    with LocalCluster(environment=FAST, slots=3) as made:
        yield made


@pytest.mark.parametrize("parallelism", [2, 3])
@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.name)
def test_rows_on_their_way_in_an_earlier_release_are_neither_lost_nor_doubled(
    cluster: LocalCluster, tmp_path: Path, kept: Path, parallelism: int
) -> None:
    before = files_of(kept.as_uri())
    assert in_flight(kept.as_uri()) >= ENOUGH
    (tmp_path / "gate").touch()
    job = cluster.submit(spec(tmp_path, parallelism, restore_from=kept.as_uri()))
    status = cluster.wait(job, timeout=120)
    assert status.state is JobState.FINISHED, (status.failures, status.notes)
    assert status.records_in < ROWS, "the others are in the checkpoint, counted or on their way"
    found = oracle.visible(str(tmp_path / "out"))
    assert sorted(found, key=lambda line: line["k"]) == expected()
    assert files_of(kept.as_uri()) == before


def test_there_is_one_of_the_format_that_this_weir_writes() -> None:
    versions = {load(kept.as_uri()).metadata.format_version for kept in KEPT}
    assert IN_FLIGHT_FORMAT_VERSION in versions

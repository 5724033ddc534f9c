"""The flights example as a newcomer runs it: real processes, a year of real data, checked without Weir."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.exactness import differences
from examples.flights.check import expected
from examples.flights.prepare import prepare
from tests.support.examples import run_example


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flights") / "input"
    prepare(folder)
    return folder


def test_the_result_is_exact(flights: Path, tmp_path: Path) -> None:
    assert differences(expected(flights), run_example("flights", flights, tmp_path)) == []


def test_the_result_is_exact_when_a_worker_is_killed_after_its_first_checkpoint(
    flights: Path, tmp_path: Path
) -> None:
    result = run_example("flights", flights, tmp_path, interval="100ms", kill=True)
    assert differences(expected(flights), result) == []

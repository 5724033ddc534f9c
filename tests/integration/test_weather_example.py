"""The weather example on real processes: two inputs that wait for each other, with and without a killed worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.exactness import Lines, differences, written
from examples.weather.check import expected
from examples.weather.prepare import prepare
from tests.support.examples import run_example

#: Enough that a killed worker has work before it and behind it.
MONTHS = range(1, 6)


@pytest.fixture(scope="module")
def weather(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weather") / "input"
    prepare(folder, MONTHS)
    return folder


@pytest.fixture(scope="module")
def undisturbed(weather: Path, tmp_path_factory: pytest.TempPathFactory) -> Lines:
    result = run_example("weather", weather, tmp_path_factory.mktemp("undisturbed"))
    return {name: written(result / name) for name in ("flights", "unknown")}


def test_every_flight_leaves_once_with_its_weather_or_without(weather: Path, undisturbed: Lines) -> None:
    assert undisturbed["unknown"].total() > 50, "some hours have no report"
    assert undisturbed == expected(weather)


def test_a_killed_worker_changes_nothing(weather: Path, undisturbed: Lines, tmp_path: Path) -> None:
    result = run_example("weather", weather, tmp_path, interval="100ms", kill=True)
    assert differences(undisturbed, result) == []

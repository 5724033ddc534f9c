"""Whole jobs that people save, stop, start again and rescale, under seeded faults: the output stays exact.

``WEIR_STEERED_SEEDS=FIRST:COUNT`` runs others than those of CI; ``python -m tests.simulation --steered --seed N`` replays one.
"""

from __future__ import annotations

import os

import pytest

from tests.simulation.run import run
from tests.simulation.steering import Steering, make_steered_scenario

FIRST, COUNT = map(int, os.environ.get("WEIR_STEERED_SEEDS", "1:150").split(":"))


@pytest.mark.parametrize("seed", range(FIRST, FIRST + COUNT))
def test_a_job_survives_what_people_ask_of_it_and_what_its_seed_brings(seed: int) -> None:
    scenario = make_steered_scenario(seed)
    report = run(scenario, kind=Steering)
    assert report.good, "\n".join([*scenario.describe(), *report.faults])

"""Simulated jobs that are suspended in the middle of everything: what a checkpoint promised is visible when they are.

``Chaos.resubmit_rescaled`` looks at it each time; here it happens often.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.simulation.run import run
from tests.simulation.scenario import make_scenario


@pytest.mark.parametrize("seed", range(1, 20))
def test_a_suspended_job_leaves_nothing_uncommitted_or_says_so(seed: int) -> None:
    scenario = make_scenario(seed)
    stops = [(2.0 + seed % 17 * 0.13, "resubmit_rescaled"), (4.0, "resubmit_rescaled")]
    report = run(replace(scenario, faults=tuple(sorted([*scenario.faults, *stops]))))
    assert report.good, "\n".join([*scenario.describe(), *report.faults])

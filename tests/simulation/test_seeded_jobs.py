"""Whole jobs under seeded faults: committed output is exact, the log is linear, every job finishes, every run repeats.

A failing seed is replayed with its trace by ``python -m tests.simulation --seed N``. ``WEIR_SIMULATION_SEEDS=FIRST:COUNT``
runs others than those of CI.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pytest

from tests.simulation.pipelines import Shape
from tests.simulation.run import Report, run
from tests.simulation.scenario import Scenario, make_scenario
from weir.state import registration

FIRST, COUNT = map(int, os.environ.get("WEIR_SIMULATION_SEEDS", "1:300").split(":"))
#: Seeds that once found a fault of the engine (see ``git log``), beside those that CI runs anyway.
REGRESSIONS = (352, 400, 1102)


def judged(scenario: Scenario) -> Report:
    report = run(scenario)
    replay = f"python -m tests.simulation --seed {scenario.seed}"
    told = "\n".join([*scenario.describe(), *report.faults])
    assert report.good, f"seed {scenario.seed} fails; replay it by: {replay}\n{told}"
    return report


@pytest.mark.parametrize("seed", sorted({*range(FIRST, FIRST + COUNT), *REGRESSIONS}))
def test_a_job_survives_what_its_seed_brings(seed: int) -> None:
    judged(make_scenario(seed))


@pytest.mark.parametrize("seed", range(1, 13))
def test_the_same_data_gives_the_same_output_in_every_shape_with_and_without_faults(seed: int) -> None:
    scenario = make_scenario(seed)
    settings = {**scenario.settings, "execution.checkpointing.mode": "EXACTLY_ONCE"}
    scenario = replace(scenario, settings=settings)
    pipeline = scenario.pipeline
    alone = replace(scenario.calm(), shape=Shape("one of each", 1))
    other = replace(scenario.calm(), shape=Shape(f"other {seed}", scenario.shape.most))
    outputs = [
        {name: Counter(items) for name, items in pipeline.found(judged(variant).outputs).items()}
        for variant in (alone, scenario.calm(), other, scenario)
    ]
    if pipeline.can_be_rescaled:
        assert all(output == outputs[0] for output in outputs)
    else:
        assert all(output["row"] == outputs[0]["row"] for output in outputs)


@pytest.mark.parametrize("seed", range(20_001, 20_061))
def test_a_job_whose_barriers_overtake_rows_survives_what_its_seed_brings(seed: int) -> None:
    scenario = make_scenario(seed)
    unaligned = {
        "execution.checkpointing.mode": "EXACTLY_ONCE",
        "execution.checkpointing.max-concurrent-checkpoints": "1",
        "execution.checkpointing.unaligned.enabled": "true",
        "execution.checkpointing.aligned-checkpoint-timeout": ("0ms", "0ms", "20ms")[seed % 3],
    }
    small = replace(scenario.cluster, window_bytes=300, gather_rows=5)
    judged(replace(scenario, settings={**scenario.settings, **unaligned}, cluster=small))


@pytest.mark.parametrize("seed", range(30_001, 30_041))
def test_a_job_whose_tables_stand_still_for_checkpoints_survives_what_its_seed_brings(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registration, "SMALL", 0)
    monkeypatch.setattr(registration, "MERGED", 3)
    scenario = make_scenario(seed)
    often = {
        "execution.checkpointing.interval": "50ms",
        "execution.checkpointing.max-concurrent-checkpoints": "3",
    }
    judged(replace(scenario, settings={**scenario.settings, **often}))


@pytest.mark.parametrize("seed", [2, 6, 17])
def test_two_runs_of_a_seed_leave_the_same_trace(seed: int) -> None:
    first, second = run(make_scenario(seed)), run(make_scenario(seed))
    assert (first.digest, first.outputs) == (second.digest, second.outputs)
    assert first.lines > 50
    assert first.digest != run(make_scenario(seed + 1)).digest


def test_a_trace_does_not_depend_on_the_hashes_of_the_process() -> None:
    """Else what fails here could not be replayed there."""
    here = run(make_scenario(14)).digest
    for hash_seed in ("1", "2"):
        replayed = subprocess.run(
            [sys.executable, "-m", "tests.simulation", "--seed", "14", "--quiet"],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert here in replayed.stdout

"""Simulated jobs of two independent parts under seeded faults: a part may fail and return alone, the output stays exact.

``WEIR_REGION_SEEDS=FIRST:COUNT`` runs others than those of CI.
"""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest

from tests.simulation.functions import Count
from tests.simulation.pipelines import Counting, Items, Outputs, Shape, nth_faults
from tests.simulation.rows import make_input
from tests.simulation.run import run
from tests.simulation.scenario import Scenario, make_scenario
from weir import StreamExecutionEnvironment
from weir.jobmanager.deployment.placement import Placement
from weir.jobmanager.lifecycle.region_events import DeployRegion

FIRST, SEEDS = map(int, os.environ.get("WEIR_REGION_SEEDS", "1:30").split(":"))
PARTS = ("left", "right")


class Apart(Counting):
    """Twice source - key_by - count - sink, in slot sharing groups of their own."""

    def build(self, env: StreamExecutionEnvironment, shape: Shape) -> None:
        for number, part in enumerate(PARTS):
            rows = self.source(env, shape, number).slot_sharing_group(part)
            keyed = rows.key_by(lambda row: row.key)
            self.sink(shape, shape.of(f"count-{part}", keyed.process(Count(shape.padding))), part)

    def wanted(self, shape: Shape) -> Items:
        given = zip(PARTS, self.inputs, strict=True)
        return {part: [(row.number, row.key, row.split) for row in each.rows] for part, each in given}

    def found(self, outputs: Outputs) -> Items:
        return {part: [(number, key, split) for number, key, _, split in outputs[part]] for part in PARTS}

    def order_faults(self, outputs: Outputs, shape: Shape) -> list[str]:
        return [fault for part in PARTS for fault in nth_faults(outputs[part], ordered=False)]


def scenario_of(seed: int) -> Scenario:
    """The faults, settings and weather of ``seed``, and more workers to kill."""
    scenario = make_scenario(seed)
    chance = random.Random(f"regions {seed}")
    pipeline = Apart([make_input(chance, 1_000 * (i + 1), 120) for i in range(2)])
    cluster = replace(scenario.cluster, task_managers=2, slots=3)
    shape = Shape(f"{seed}", 2, padding=scenario.shape.padding, files=scenario.shape.files)
    kills = [(chance.uniform(0.3, 4.0), "kill_worker") for _ in range(chance.randint(1, 4))]
    faults = tuple(sorted([*scenario.faults, *kills]))
    return replace(scenario, pipeline=pipeline, cluster=cluster, shape=shape, faults=faults)


@pytest.mark.parametrize("seed", range(FIRST, FIRST + SEEDS))
def test_a_job_of_two_regions_survives_what_its_seed_brings(seed: int) -> None:
    scenario = scenario_of(seed)
    report = run(scenario)
    assert report.good, "\n".join([*scenario.describe(), *report.faults])


def test_regions_do_return_alone_here(monkeypatch: pytest.MonkeyPatch) -> None:
    returned: list[DeployRegion] = []
    deploy = Placement.deploy_region

    def noted(placement: Placement, order: DeployRegion, *rest) -> None:
        returned.append(order)
        deploy(placement, order, *rest)

    monkeypatch.setattr(Placement, "deploy_region", noted)
    for seed in range(1, 13):
        assert run(scenario_of(seed)).good
    assert len(returned) >= 3

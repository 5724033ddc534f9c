from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pipeline.steps import STEPS, Step

MAKEFILE = (Path(__file__).parent.parent.parent / "Makefile").read_text()
NAMES = {step.name for step in STEPS}
LATER = Step("later", after=("one", "two"))


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_each_step_is_a_target_that_can_be_run_alone_and_follows_only_steps_before_it(step: Step) -> None:
    assert re.search(rf"^{step.name}: venv$", MAKEFILE, re.MULTILINE)
    before = [earlier.name for earlier in STEPS[: STEPS.index(step)]]
    assert set(step.after) <= set(before)


@pytest.mark.parametrize(
    ("well", "state"),
    [
        ({}, "wait"),
        ({"one": True}, "wait"),
        ({"one": True, "two": True}, "start"),
        ({"one": False}, "skip"),
        ({"one": True, "two": False}, "skip"),
    ],
)
def test_a_step_begins_when_all_before_it_ended_well_and_never_when_one_did_not(well, state) -> None:
    assert LATER.state(well, {"one", "two", "later"}) == state


def test_a_step_waits_for_no_step_that_nobody_asked_for() -> None:
    assert LATER.state({}, {"later"}) == "start"

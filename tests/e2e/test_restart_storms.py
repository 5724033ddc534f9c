"""A job that fails again and again by its own code is started anew once; then it is Degraded until somebody mends it, and loses nothing (O26)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage, condition

ROWS, BAD = 3000, 1200


def test_a_storm_of_failures_is_answered_within_its_budget_and_then_told(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=150, further=(f"fail-at={BAD}",)))
    told = stage.wait_condition("counts", "Degraded", reason="NotStable")
    assert "failed 10 times within" in told["message"]
    assert f"row {BAD} cannot be counted" in told["message"]
    assert "change the spec" in told["message"], "what can be done stands there"
    assert stage.runs("counts") == [1, 2], "one new start is what a fault of the code is worth"
    anew = [event for event in stage.events("counts") if event["reason"] == "Restarting"]
    assert len(anew) == 1
    held = stage.output("counts")
    assert exactness.faults(held) == []
    assert 0 < len(held) < ROWS

    upgrade = {"mode": "LastState", "stabilityWindow": "5s"}
    stage.apply(stage.counting("counts", version=2, rows=ROWS, rate=150, upgrade=upgrade))
    stage.wait_condition("counts", "Ready", reason="Finished")
    degraded = condition(stage.job("counts"), "Degraded")
    assert degraded is not None
    assert degraded["status"] == "False"
    assert exactness.faults(stage.output("counts"), ROWS) == []

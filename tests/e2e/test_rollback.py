"""New versions that run, or try to, and do not become stable: the last stable one goes on from whatever was reached (O15, O16)."""

from __future__ import annotations

from typing import Any

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000


def test_a_version_that_does_not_become_stable_is_rolled_back(stage: Stage) -> None:
    how: dict[str, Any] = {"rows": ROWS, "rate": 100, "checkpoints": {"timeout": "5s"}}
    how |= {"upgrade": {"stabilityWindow": "10s"}}
    good = stage.counting("counts", **how)
    stage.apply(good)
    stage.wait_condition("counts", "Progressing", "False")  # stable
    stage.wait_checkpoint("counts", after=1)

    # Its TaskManagers find no node: nothing came after the savepoint that stopped the old version.
    huge = {"resources": {"requests": {"memory": "4Ti"}, "limits": {"memory": "4Ti"}}}
    stage.apply(stage.counting("counts", taskManager=huge, **how))
    rolled_back(stage, "Insufficient memory")

    # It runs, and fails again and again until it may not be tried any more: what it committed meanwhile stays.
    how |= {"restart": {"attempts": 2}, "checkpoints": {"timeout": "90s"}}
    stage.apply(stage.counting("counts", version=2, further=("fail-after=150",), **how))
    rolled_back(stage, "cannot be counted")
    rows = stage.output("counts")
    assert {line["version"] for line in rows} == {1, 2}
    assert exactness.faults(rows) == []

    stage.apply(good)  # the error is cleared by going back
    stage.wait_condition("counts", "Degraded", "False")
    stage.wait_condition("counts", "Ready")
    assert stage.runs_alive_together("counts") == set()
    assert exactness.faults(stage.output("counts")) == []


def rolled_back(stage: Stage, why: str) -> None:
    """Until revision 1 runs again instead of what the spec describes, and goes on."""
    degraded = stage.wait_condition("counts", "Degraded", reason="RolledBack", seconds=240)
    assert "revision 1 runs instead" in degraded["message"]
    assert why in degraded["message"], degraded["message"]
    stage.wait_condition("counts", "Progressing", "False")
    assert stage.status("counts")["revision"] == 1
    assert why in stage.status("counts")["lastUpgrade"]["reason"]
    stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
    assert exactness.faults(stage.output("counts")) == []

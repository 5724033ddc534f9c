"""Ten revisions of a spec are kept: older ones go, and to one that went nobody can go back (O17). What is applied in place is stable at once."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage
from tests.support.waiting import wait_for

ROWS = 100_000
MADE = 12


def test_old_revisions_go_and_no_pod_is_touched(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=20, job={"parallelism": 1}))
    stage.wait_condition("counts", "Progressing", "False")  # stable
    number = stage.wait_checkpoint("counts")
    pods = {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}
    folder = stage.job("counts")["spec"]["storage"]["savepoints"]

    for revision in range(2, MADE + 1):
        stage.edit("counts", {"storage": {"savepoints": f"{folder}-{revision}"}})
        stage.wait_job(
            "counts",
            lambda job, revision=revision: job["status"].get("revision") == revision,  # type: ignore[misc]
            f"revision {revision} runs",
        )
    kept = [f"counts-{revision}" for revision in range(3, MADE + 1)]
    wait_for(lambda: revisions(stage) == sorted(kept), lambda: f"ten are left: {revisions(stage)}", poll=0.5)

    stage.edit("counts", {"upgrade": {"rollbackTo": 2}})
    wait_for(
        lambda: "RollbackRefused" in reasons(stage), lambda: f"it is refused: {reasons(stage)}", poll=0.5
    )
    stage.edit("counts", {"upgrade": {"rollbackTo": 4}})
    stage.wait_job("counts", lambda job: job["status"].get("revision") == 4, "revision 4 runs")
    stage.wait_checkpoint("counts", after=number)
    assert {pod["metadata"]["uid"] for pod in stage.pods_of("counts")} == pods
    assert exactness.faults(stage.output("counts")) == []


def revisions(stage: Stage) -> list[str]:
    """Names of those that are kept."""
    found = stage.kubectl("get", "controllerrevisions", "-l", "weir.dev/job=counts", "-o", "name")
    return sorted(name.rpartition("/")[2] for name in found.split())


def reasons(stage: Stage) -> set[str]:
    return {event["reason"] for event in stage.events("counts")}

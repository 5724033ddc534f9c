"""Another parallelism for which there is no room: the job goes on as it was, why is said, and it is tried again."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import STEP, Cluster
from tests.support.simulated_operator import Operator
from weir_operator.reconciler.situations.scaling import PATIENCE, RETRY

WIDE = 5
HINDRANCES = {"quota": "exceeded quota: team, limited: pods=3", "capacity": "0/1 nodes are available"}


def blocked(cluster: Cluster) -> str:
    (held,) = [c for c in cluster.status.conditions if c.type == "UpgradeBlocked"] or [None]
    return held.message if held is not None and held.reason == "RescaleFailed" else ""


def widen(operator: Operator, cluster: Cluster, what: str) -> None:
    """A rescale from two to five, with room for three."""
    setattr(cluster, what, 3)
    cluster.edit(job={"parallelism": WIDE})
    for _ in range(PATIENCE // STEP + 5):
        operator.run(1)
        assert cluster.process is not None
        assert cluster.process.parallelism == 2, "the job is not touched before there is room"
        assert cluster.running


@pytest.mark.parametrize("what", HINDRANCES)
def test_the_job_goes_on_at_the_old_parallelism_and_what_hinders_is_named(
    operator: Operator, cluster: Cluster, what: str
) -> None:
    process = cluster.process
    assert process is not None
    steps = process.steps_running
    widen(operator, cluster, what)
    assert cluster.process is process, "it was not started anew"
    assert process.steps_running > steps + PATIENCE // STEP, "it ran all the time"
    message = blocked(cluster)
    assert HINDRANCES[what] in message
    assert "The job goes on with 2" in message
    assert cluster.status.parallelism == 2
    replicas = [d.replicas for d in cluster.deployments.values() if d.component == "taskmanager"]
    assert replicas == [2], "pods that wait for room are taken back"
    told = [event for event in operator.events if event.reason == "UpgradeBlocked"]
    assert len(told) == 1
    assert told[0].warning


@pytest.mark.parametrize("what", HINDRANCES)
def test_with_room_it_gets_there_by_itself(operator: Operator, cluster: Cluster, what: str) -> None:
    widen(operator, cluster, what)
    setattr(cluster, what, 100)
    operator.run(RETRY // STEP + 10)
    assert cluster.process is not None
    assert cluster.process.parallelism == WIDE
    assert blocked(cluster) == ""
    assert cluster.condition("Ready") == ("True", "Running")
    assert cluster.status.run == 1


@pytest.mark.parametrize("what", HINDRANCES)
def test_the_old_parallelism_asked_for_again_ends_it(operator: Operator, cluster: Cluster, what: str) -> None:
    widen(operator, cluster, what)
    cluster.edit(job={"parallelism": 2})
    operator.run(3)
    assert blocked(cluster) == ""
    assert cluster.condition("Ready") == ("True", "Running")
    assert cluster.status.run == 1

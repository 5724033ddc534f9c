"""``paused``: nothing disruptive is begun, a change under way stops where the old job still runs, and one that has stopped it is finished."""

from __future__ import annotations

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_engine import Behaviour
from tests.support.simulated_operator import Operator
from weir_operator.models import UpgradePhase


def test_a_change_of_a_paused_job_waits_and_is_made_afterwards(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(paused=True)
    cluster.edit(image="example/flights:2")
    operator.run(30)
    assert cluster.running
    assert cluster.status.run == 1
    assert cluster.condition("Progressing") == ("True", "Waiting")
    cluster.edit(paused=False)
    operator.settle()
    assert cluster.status.run == 2


def test_a_change_that_is_paused_before_the_old_job_stops_goes_no_further_until_it_may(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(image="example/flights:2")
    operator.until(UpgradePhase.PREFLIGHT)
    cluster.edit(paused=True)
    operator.run(30)
    assert cluster.running
    assert cluster.status.run == 1
    assert cluster.status.upgrade is not None
    assert cluster.status.upgrade.phase is UpgradePhase.PREFLIGHT
    assert cluster.savepoints() == []
    cluster.edit(paused=False)
    operator.settle()
    assert cluster.status.run == 2
    assert len(cluster.savepoints()) == 1


def test_a_change_that_is_paused_can_be_taken_back(operator: Operator, cluster: Cluster) -> None:
    before = cluster.spec["image"]
    cluster.edit(image="example/flights:2")
    operator.until(UpgradePhase.PREFLIGHT)
    cluster.edit(paused=True)
    cluster.edit(image=before)
    operator.run(5)
    assert cluster.status.upgrade is None
    assert cluster.running
    assert cluster.status.run == 1


def test_a_job_that_has_stopped_is_not_left_down_by_a_pause(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(image="example/flights:2")
    operator.until(UpgradePhase.STOPPING)
    operator.run(1)
    cluster.edit(paused=True)
    operator.settle()
    assert cluster.running
    assert cluster.status.run == 2


def test_a_new_run_that_does_not_become_stable_is_not_rolled_back_while_paused(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviours["example/flights:2"] = Behaviour(checkpoints=False)
    cluster.edit(image="example/flights:2")
    operator.until(UpgradePhase.STARTING)
    cluster.edit(paused=True)
    operator.run(250)
    assert cluster.status.run == 2
    assert cluster.condition("Degraded") == ("True", "NotStable")
    cluster.edit(paused=False)
    operator.settle()
    assert cluster.status.run == 3
    assert cluster.status.revision == 1
    assert cluster.condition("Degraded") == ("True", "RolledBack")

"""Changes that need no other pod, and what comes after them or before: the run stays, and so does what is known of it."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Operator
from weir_operator.models import UpgradePhase

ELSEWHERE = {"savepoints": "s3://weir/elsewhere"}


def stable(cluster: Cluster) -> dict[int, bool]:
    return {entry.revision: entry.stable for entry in cluster.status.revisions}


def test_a_restart_during_an_outage_does_not_go_back_behind_a_change_that_was_made_in_place(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(storage=ELSEWHERE)
    operator.settle()
    assert stable(cluster) == {1: True, 2: True}
    cluster.edit(upgrade={"restartNonce": 1})
    operator.until(UpgradePhase.STARTING)
    cluster.capacity = 0
    operator.run(200)
    assert cluster.condition("Degraded") == ("True", "NotStable")
    cluster.capacity = 100
    operator.settle()
    assert cluster.running
    assert cluster.status.revision == 2
    assert cluster.condition("Ready") == ("True", "Running")
    assert "RollingBack" not in [event.reason for event in operator.events]


def test_what_did_not_run_well_is_not_proven_by_a_change_in_place(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviour("example/flights:2").checkpoints = False
    cluster.edit(image="example/flights:2")
    operator.until(UpgradePhase.STABILIZING)
    cluster.edit(storage=ELSEWHERE)
    operator.run(2)
    assert cluster.status.revision == 3
    assert stable(cluster) == {1: True, 2: False, 3: False}


@pytest.mark.parametrize("phase", [UpgradePhase.STARTING, UpgradePhase.STABILIZING])
def test_a_run_that_is_not_stable_yet_is_not_replaced_for_a_change_in_place(
    operator: Operator, cluster: Cluster, phase: UpgradePhase
) -> None:
    cluster.edit(image="example/flights:2")
    operator.until(phase)
    began = cluster.status.upgrade.times[-1]
    cluster.edit(storage=ELSEWHERE)
    operator.reconcile()
    assert cluster.status.upgrade.times[-1] == began, "the window goes on"
    operator.settle()
    assert cluster.running
    assert (cluster.status.run, cluster.status.revision) == (2, 3)
    assert stable(cluster)[3]
    assert cluster.status.last_upgrade.revision == 3
    assert [event.reason for event in operator.events].count("AppliedInPlace") == 1
    assert cluster.revisions[3].spec["storage"]["savepoints"] == ELSEWHERE["savepoints"]


def test_a_change_that_is_taken_back_for_one_in_place_stops_nothing(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviour("example/flights:2").fits = False
    cluster.edit(image="example/flights:2")
    operator.settle(or_blocked_by="DoesNotFit")
    cluster.edit(image="example/flights:1", storage=ELSEWHERE)
    operator.settle()
    assert (cluster.status.run, cluster.status.revision) == (1, 3)
    assert cluster.condition("Ready") == ("True", "Running")

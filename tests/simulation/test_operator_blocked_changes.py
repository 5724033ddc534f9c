"""A change that is blocked for long, and an old job that restarts meanwhile: a running job takes a savepoint or stays, and each
restart gets its patience. Only a job that does not come back goes on without one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.simulated_cluster import STEP, Cluster
from tests.support.simulated_operator import Operator
from weir_operator.models import UpgradePhase
from weir_operator.observed import FailureClass
from weir_operator.upgrade.liveness import PATIENCE, STUCK

HOUR = int(timedelta(hours=1) / STEP)
OLD, NEW = "example/flights:1", "example/flights:2"


def does_not_fit(cluster: Cluster) -> dict[str, Any]:
    cluster.behaviour(NEW).fits = cluster.behaviour(NEW).runs = False
    return {}


def is_not_pulled(cluster: Cluster) -> dict[str, Any]:
    cluster.behaviour(NEW).pulls = False
    return {}


def savepoints_fail(cluster: Cluster) -> dict[str, Any]:
    cluster.behaviour(OLD).checkpoints = False
    cluster.behaviour(NEW).runs = False
    return {}


def standby_does_not_come(cluster: Cluster) -> dict[str, Any]:
    cluster.behaviour(NEW).runs = False
    return {"upgrade": {"handover": "Standby"}}


REASONS = {
    does_not_fit: "DoesNotFit",
    is_not_pulled: "PreflightPending",
    savepoints_fail: "SavepointFailed",
    standby_does_not_come: "StandbyNotReady",
}
KNOWN_TO_FAIL = pytest.mark.parametrize("spoil", [does_not_fit, is_not_pulled])


def block(operator: Operator, cluster: Cluster, spoil: Callable[[Cluster], dict[str, Any]]) -> None:
    """Ask for a change that is not made, and wait for long."""
    cluster.edit(**{"image": NEW, **spoil(cluster)})
    operator.run(HOUR // 2)
    assert cluster.condition("UpgradeBlocked") == ("True", REASONS[spoil])
    assert cluster.running


def lose(cluster: Cluster, component: str) -> None:
    cluster.end_pod(next(pod for pod in cluster.pods.values() if f"-1-{component}" in pod.name))


@pytest.mark.parametrize("component", ["tm", "jm"])
@pytest.mark.parametrize("spoil", REASONS)
def test_a_momentary_restart_does_not_carry_out_what_is_blocked(
    operator: Operator, cluster: Cluster, spoil: Callable[[Cluster], dict[str, Any]], component: str
) -> None:
    block(operator, cluster, spoil)
    for _ in range(3):
        lose(cluster, component)
        down = 0
        for _ in range(20):
            operator.run(1)
            down += not cluster.running
        assert STEP <= down * STEP < PATIENCE
        assert cluster.status.run == 1
        assert cluster.condition("UpgradeBlocked") == ("True", REASONS[spoil])


@KNOWN_TO_FAIL
def test_what_is_known_to_fail_is_not_begun_while_the_old_job_may_come_back(
    operator: Operator, cluster: Cluster, spoil: Callable[[Cluster], dict[str, Any]]
) -> None:
    block(operator, cluster, spoil)
    cluster.capacity = 1
    lose(cluster, "tm")
    operator.run(int(2 * PATIENCE / STEP))
    assert not cluster.running
    assert cluster.condition("UpgradeBlocked") == ("True", REASONS[spoil])
    cluster.capacity = 2
    operator.run(4)
    assert cluster.running
    assert cluster.status.run == 1


@KNOWN_TO_FAIL
def test_a_job_that_does_not_come_back_is_not_kept_down_by_a_change_that_cannot_be_made(
    operator: Operator, cluster: Cluster, spoil: Callable[[Cluster], dict[str, Any]]
) -> None:
    block(operator, cluster, spoil)
    cluster.behaviour(OLD).runs = False
    operator.run(int(STUCK / STEP) + 3)
    assert cluster.status.upgrade is not None
    assert cluster.status.upgrade.phase not in {UpgradePhase.PREFLIGHT, UpgradePhase.STOPPING}
    cluster.behaviour(OLD).runs = True
    operator.settle(400)
    assert cluster.status.revision == 1, "what was known proved true"
    assert cluster.running


def test_a_job_that_ended_is_followed_at_once(operator: Operator, cluster: Cluster) -> None:
    block(operator, cluster, does_not_fit)
    cluster.behaviour(NEW).runs = True
    cluster.behaviour(OLD).fails = True
    operator.run(3)
    assert cluster.status.upgrade is not None
    assert cluster.status.upgrade.phase is not UpgradePhase.PREFLIGHT


def test_a_job_that_is_away_for_longer_is_followed_from_its_newest_checkpoint(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviour(OLD).runs = False
    operator.run(20)
    cluster.edit(image=NEW)
    operator.settle()
    assert cluster.status.revision == 2
    assert cluster.status.last_upgrade is not None
    assert cluster.status.last_upgrade.mode == "LastState"


def test_a_job_in_a_storm_is_not_waited_for(operator: Operator, cluster: Cluster) -> None:
    cluster.behaviour(OLD).storm = FailureClass.CONFIG
    cluster.behaviour(OLD).checkpoints = False
    cluster.edit(image=NEW)
    operator.settle()
    assert cluster.status.revision == 2
    assert cluster.running


def test_a_last_savepoint_is_not_given_up_for_a_moment_without_the_job(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(deletionPolicy="Savepoint")
    operator.settle()
    cluster.behaviour(OLD).checkpoints = False
    cluster.delete()
    operator.run(int(2 * PATIENCE / STEP))
    lose(cluster, "tm")
    operator.run(4)
    cluster.behaviour(OLD).checkpoints = True
    operator.run(20)
    assert cluster.gone
    assert "DeletionWithoutSavepoint" not in [event.reason for event in operator.events]
    assert len(cluster.savepoints()) == 1

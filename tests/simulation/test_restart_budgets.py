"""A job that fails again and again, or completes no checkpoint, is started anew so often as its class of failure may cost, then it
is Degraded and its owner is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.support.simulated_cluster import STEP, Cluster
from tests.support.simulated_operator import Operator
from weir_operator.observed import FailureClass
from weir_operator.reconciler.situations.healing import BUDGETS, PERIOD, STALLED
from weir_operator.upgrade.storms import STORM

IMAGE, NEXT = "example/flights:1", "example/flights:2"


def restarts(operator: Operator) -> int:
    return sum(event.reason == "Restarting" for event in operator.events)


def spent(cluster: Cluster) -> bool:
    return cluster.condition("Degraded") == ("True", "RestartBudgetSpent")


def run_until(operator: Operator, cluster: Cluster, good: Callable[[], bool], within: timedelta) -> None:
    end = cluster.now + within
    while not good():
        assert cluster.now < end, cluster.status.written()
        operator.run(1)


def weather(operator: Operator, cluster: Cluster, kind: FailureClass) -> None:
    """A storm, until something is done about it or no more is, and then calm until the job is well."""
    before = restarts(operator)
    cluster.behaviour(IMAGE).storm = kind
    run_until(operator, cluster, lambda: spent(cluster) or restarts(operator) > before, PERIOD)
    cluster.behaviour(IMAGE).storm = None
    operator.settle()


@pytest.mark.parametrize("kind", FailureClass)
def test_storms_are_answered_within_the_budget_of_their_class(
    operator: Operator, cluster: Cluster, kind: FailureClass
) -> None:
    for _ in range(BUDGETS[kind]):
        weather(operator, cluster, kind)
        assert not spent(cluster)
    assert restarts(operator) == BUDGETS[kind]
    assert cluster.status.run == 1 + BUDGETS[kind], "each of them was a new run"
    weather(operator, cluster, kind)
    assert spent(cluster)
    assert restarts(operator) == BUDGETS[kind], "nothing more is done about it"
    (told,) = [event.message for event in operator.events if event.reason == "Degraded"]
    assert f"failures of class {kind}" in told
    assert "it fails again" in told
    assert "upgrade.restartNonce" in told
    assert cluster.running, "what runs is left alone"


@pytest.mark.parametrize("kind", FailureClass)
def test_a_storm_that_does_not_end_is_told_and_not_fought(
    operator: Operator, cluster: Cluster, kind: FailureClass
) -> None:
    cluster.behaviour(IMAGE).storm = kind
    run_until(operator, cluster, lambda: cluster.condition("Degraded")[0] == "True", PERIOD)
    made = restarts(operator)
    assert made <= BUDGETS[kind]
    operator.run(60)
    assert restarts(operator) == made
    assert cluster.condition("Degraded")[0] == "True"


def test_a_version_in_a_storm_is_gone_back_from_without_waiting_for_its_checkpoints(
    operator: Operator, cluster: Cluster
) -> None:
    operator.settle()
    cluster.behaviour(NEXT).storm = FailureClass.USER
    changed = cluster.now
    cluster.edit(image=NEXT)
    operator.settle(or_blocked_by="RolledBack")
    assert cluster.now - changed < STORM
    assert cluster.status.revision == 1
    assert cluster.running


def test_a_version_that_ran_well_once_is_not_gone_back_from_for_a_storm(
    operator: Operator, cluster: Cluster
) -> None:
    operator.settle()
    cluster.edit(image=NEXT)
    operator.settle()
    assert cluster.status.revision == 2
    cluster.behaviour(NEXT).storm = FailureClass.USER
    run_until(operator, cluster, lambda: cluster.condition("Degraded") == ("True", "NotStable"), STORM)
    operator.run(60)
    assert cluster.status.revision == 2, "the fault did not come with it"
    assert cluster.condition("Degraded") == ("True", "NotStable")
    assert restarts(operator) == BUDGETS[FailureClass.USER]


def test_a_storm_that_is_over_leaves_nothing_behind(operator: Operator, cluster: Cluster) -> None:
    cluster.behaviour(IMAGE).storm = FailureClass.CONFIG
    run_until(operator, cluster, lambda: spent(cluster), PERIOD)
    cluster.behaviour(IMAGE).storm = None
    run_until(operator, cluster, lambda: cluster.condition("Degraded")[0] == "False", 2 * STORM)
    assert cluster.condition("Ready") == ("True", "Running")
    assert restarts(operator) == 0


def test_the_budget_of_one_class_is_not_spent_by_another(operator: Operator, cluster: Cluster) -> None:
    for _ in range(BUDGETS[FailureClass.USER]):
        weather(operator, cluster, FailureClass.USER)
    weather(operator, cluster, FailureClass.INFRASTRUCTURE)
    assert not spent(cluster)
    assert restarts(operator) == BUDGETS[FailureClass.USER] + 1


def test_after_its_period_the_budget_is_there_again(operator: Operator, cluster: Cluster) -> None:
    weather(operator, cluster, FailureClass.USER)
    began = cluster.now
    cluster.behaviour(IMAGE).storm = FailureClass.USER
    run_until(operator, cluster, lambda: restarts(operator) == 2, PERIOD)
    assert cluster.now - began > PERIOD / 2, "not before"


def test_another_nonce_starts_it_once_more(operator: Operator, cluster: Cluster) -> None:
    cluster.behaviour(IMAGE).storm = FailureClass.CONFIG
    run_until(operator, cluster, lambda: spent(cluster), PERIOD)
    cluster.behaviour(IMAGE).storm = None
    cluster.edit(upgrade={"restartNonce": 1})
    operator.settle()
    assert cluster.status.run == 2
    assert cluster.running


def test_checkpoints_that_fail_for_an_hour_cost_the_budget_of_storage(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviour(IMAGE).checkpoints = False
    stopped = cluster.now
    run_until(operator, cluster, lambda: restarts(operator) == 1, 2 * STALLED)
    assert cluster.now - stopped >= STALLED - STEP, "a bucket that is away for half an hour is no reason"
    (told,) = [event.message for event in operator.events if event.reason == "Restarting"]
    assert "no checkpoint was completed for" in told
    (budget,) = cluster.status.failures
    assert (budget.kind, budget.count) == (FailureClass.STORAGE, 1)
    cluster.behaviour(IMAGE).checkpoints = True
    operator.settle()
    assert cluster.condition("Ready") == ("True", "Running")


def test_a_paused_job_is_left_as_it_is(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(paused=True)
    cluster.behaviour(IMAGE).storm = FailureClass.INFRASTRUCTURE
    operator.run(60)
    assert restarts(operator) == 0
    assert cluster.status.run == 1

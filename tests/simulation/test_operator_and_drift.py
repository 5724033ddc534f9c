"""An object of a job was edited or deleted by hand: it is told in any case, and put back unless the job is paused."""

from __future__ import annotations

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Operator

CHANGED = ("ConfigMap/flights-1", "Deployment/flights-1-tm")


def said(operator: Operator, reason: str) -> list[str]:
    return [event.message for event in operator.events if event.reason == reason]


def applied(operator: Operator) -> bool:
    assert operator.last is not None
    return any(type(action).__name__ == "EnsureRun" for action in operator.last.actions)


def test_what_is_put_back_is_told_by_an_event(operator: Operator, cluster: Cluster) -> None:
    assert said(operator, "DriftCorrected") == []
    cluster.drifted = CHANGED
    operator.run(2)
    assert applied(operator)
    assert all(name in said(operator, "DriftCorrected")[0] for name in CHANGED)
    assert cluster.condition("Ready") == ("True", "Running")


def test_a_paused_job_is_left_as_it_was_changed_and_says_so_as_long_as_it_is(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(paused=True)
    operator.settle()
    cluster.drifted = CHANGED
    operator.run(3)
    assert not applied(operator)
    assert cluster.condition("Drifted") == ("True", "Paused")
    assert len(said(operator, "DriftFound")) == 1
    cluster.edit(paused=False)
    operator.run(1)
    cluster.drifted = ()
    operator.run(2)
    assert "Drifted" not in {condition.type for condition in cluster.status.conditions}
    assert said(operator, "DriftCorrected")


def test_a_purge_that_no_pod_can_carry_out_holds_nothing_and_is_told(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(deletionPolicy="Purge")
    operator.settle()
    cluster.delete()
    cluster.terminating = True
    operator.settle()
    assert cluster.gone
    assert "their namespace is going" in said(operator, "DeletionLeftovers")[-1]

"""A node does not answer any more: its pods stay Terminating, and so do their Deployments. They are waited for a while, then the log
fences what they may still do, and nothing waits for them."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import GRACE, STEP, Cluster, Pod
from tests.support.simulated_operator import Operator
from weir_operator.reconciler.situations.deletion import DEADLINE
from weir_operator.reconciler.situations.given_up import AFTER

COMPONENTS = pytest.mark.parametrize("component", ["tm", "jm"])
GIVEN_UP = int((GRACE + AFTER) / STEP)


def lose_node(cluster: Cluster, component: str, *, evicted: bool = True) -> Pod:
    """Of one pod of the live run; where nobody has noticed yet, it is not evicted."""
    name = f"-{cluster.status.run}-{component}"
    victim = next(pod for pod in cluster.pods.values() if name in pod.name and not pod.node_lost)
    victim.node_lost = True
    if evicted:
        cluster.end_pod(victim)
    return victim


@COMPONENTS
@pytest.mark.parametrize("evicted", [True, False])
def test_a_change_of_the_run_goes_on_without_the_pods_of_a_lost_node(
    operator: Operator, cluster: Cluster, component: str, evicted: bool
) -> None:
    victim = lose_node(cluster, component, evicted=evicted)
    operator.run(40)
    cluster.edit(image="example/flights:2")
    operator.run(3 * GIVEN_UP)
    assert victim.name in cluster.pods, "it is as lost as before"
    assert cluster.running
    assert (cluster.status.run, cluster.status.revision) == (2, 2)
    assert cluster.status.upgrade is None
    victim.node_lost = False
    operator.settle()
    assert {pod.run for pod in cluster.pods.values()} == {2}
    assert {deployment.run for deployment in cluster.deployments.values()} == {2}


@COMPONENTS
def test_pods_are_given_up_only_after_a_while(operator: Operator, cluster: Cluster, component: str) -> None:
    lose_node(cluster, component)
    cluster.edit(image="example/flights:2")
    operator.run(GIVEN_UP - 2)
    assert [name for name in cluster.deployments if "-2-" in name] == []


def test_pods_of_the_same_run_that_are_not_lost_are_waited_for(operator: Operator, cluster: Cluster) -> None:
    lose_node(cluster, "tm")
    operator.run(GIVEN_UP + 2)
    lose_node(cluster, "tm", evicted=False)  # its eviction begins with the change
    cluster.edit(image="example/flights:2")
    operator.run(GIVEN_UP // 2)
    assert [name for name in cluster.deployments if "-2-" in name] == []
    operator.run(2 * GIVEN_UP)
    assert cluster.running
    assert cluster.status.run == 2


@COMPONENTS
def test_a_job_is_suspended_and_resumed_without_them(
    operator: Operator, cluster: Cluster, component: str
) -> None:
    lose_node(cluster, component)
    operator.run(40)
    cluster.edit(job={"state": "Suspended"})
    operator.run(3 * GIVEN_UP)
    assert cluster.condition("Suspended")[0] == "True"
    cluster.edit(job={"state": "Running"})
    operator.run(20)
    assert cluster.running


def test_the_files_of_a_job_that_is_purged_go_without_them(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(deletionPolicy="Purge")
    operator.settle()
    lose_node(cluster, "tm")
    cluster.delete()
    operator.run(int(DEADLINE / STEP))
    assert cluster.gone
    assert cluster.bucket.purged
    assert "DeletionLeftovers" not in [event.reason for event in operator.events]

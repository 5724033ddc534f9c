"""A job that does not run is started anew once that lasts: counted from when it stopped, whatever else is wrong with the resource."""

from __future__ import annotations

from datetime import timedelta

from tests.support.simulated_cluster import STEP, Cluster
from tests.support.simulated_operator import Operator
from weir_operator.upgrade.liveness import STUCK

HOUR = int(timedelta(hours=1) / STEP)
OLD, NEW = "example/flights:1", "example/flights:2"


def restarts(operator: Operator) -> list[str]:
    return [event.message for event in operator.events if event.reason == "Restarting"]


def lose_a_task_manager(cluster: Cluster) -> None:
    cluster.end_pod(next(pod for pod in cluster.pods.values() if f"-{cluster.status.run}-tm" in pod.name))


def test_an_old_fault_of_the_spec_does_not_make_a_moment_long(operator: Operator, cluster: Cluster) -> None:
    cluster.spoil(snapshots={"schedule": "0 25 * * *"})
    operator.run(HOUR)
    assert cluster.condition("Ready") == ("False", "InvalidSpec")
    lose_a_task_manager(cluster)
    operator.run(24)
    assert cluster.running
    assert cluster.status.run == 1, "the engine helped itself"
    assert restarts(operator) == []
    assert cluster.status.failures == ()


def test_moments_do_not_add_up(operator: Operator, cluster: Cluster) -> None:
    cluster.spoil(snapshots={"schedule": "0 25 * * *"})
    for _ in range(6):
        lose_a_task_manager(cluster)
        operator.run(14)
        assert cluster.running
        assert cluster.status.not_running_since is None
    assert restarts(operator) == []


def test_a_job_that_hangs_is_started_anew_in_time(operator: Operator, cluster: Cluster) -> None:
    cluster.behaviour(OLD).runs = False
    began = cluster.now
    while not restarts(operator):
        operator.run(1)
        assert cluster.now - began <= STUCK + 3 * STEP
    assert cluster.now - began >= STUCK
    cluster.behaviour(OLD).runs = True
    operator.settle()
    assert cluster.running
    assert cluster.status.not_running_since is None


def test_a_job_that_was_rolled_back_and_hangs_is_started_anew(operator: Operator, cluster: Cluster) -> None:
    cluster.behaviour(NEW).runs = False
    cluster.edit(image=NEW)
    operator.settle(600)
    assert cluster.condition("Ready") == ("False", "RolledBack")
    run = cluster.status.run
    cluster.behaviour(OLD).runs = False
    operator.run(4)
    assert cluster.condition("Ready") == ("False", "NotRunning")
    assert cluster.condition("Degraded") == ("True", "RolledBack")
    operator.run(int(STUCK / STEP) + 2)
    assert len(restarts(operator)) == 1
    cluster.behaviour(OLD).runs = True
    operator.settle()
    assert cluster.status.run == run + 1
    assert cluster.running


def test_a_job_that_waited_for_its_job_manager_gets_its_time_once_that_is_there(
    operator: Operator, cluster: Cluster
) -> None:
    image = cluster.behaviour(OLD)
    image.pulls = False
    cluster.end_pod(next(pod for pod in cluster.pods.values() if "-1-jm" in pod.name))
    operator.run(int(STUCK / STEP) + 20)
    assert not cluster.running
    cluster.end_pod(next(pod for pod in cluster.pods.values() if "-1-jm" in pod.name))
    image.pulls = True
    operator.run(20)
    assert cluster.running
    assert restarts(operator) == []


def test_a_suspended_job_is_not_said_to_be_out_of_order(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    assert cluster.status.not_running_since is None

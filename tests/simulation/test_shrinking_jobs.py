"""A job that gets a lower parallelism gives up TaskManagers that nobody needs, whichever its Deployment would take by itself."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Faults, Operator

WIDE = 5


def grown(cluster: Cluster, operator: Operator) -> None:
    cluster.edit(job={"parallelism": WIDE})
    operator.settle()
    assert cluster.process is not None
    assert len(cluster.process.placed) == WIDE


def task_managers(cluster: Cluster) -> set[str]:
    return {name for name, pod in cluster.pods.items() if pod.component == "taskmanager"}


@pytest.mark.parametrize("killed_at", range(6))
def test_no_task_manager_with_a_subtask_goes(operator: Operator, cluster: Cluster, killed_at: int) -> None:
    grown(cluster, operator)
    process = cluster.process
    assert process is not None
    if killed_at:
        cluster.fault = Faults(kill_after=frozenset({killed_at}))
    cluster.edit(job={"parallelism": 2})
    operator.settle()
    assert cluster.process is process
    assert process.parallelism == 2
    assert task_managers(cluster) == set(process.placed)
    assert process.losses == 0


def test_those_that_were_added_in_vain_go_and_no_other(operator: Operator, cluster: Cluster) -> None:
    process = cluster.process
    assert process is not None
    cluster.quota = 3
    cluster.edit(job={"parallelism": WIDE})
    operator.run(40)
    assert process.parallelism == 2
    assert task_managers(cluster) == set(process.placed)
    assert process.losses == 0


def test_a_job_that_grows_marks_nothing(operator: Operator, cluster: Cluster) -> None:
    grown(cluster, operator)
    assert not any(pod.spare for pod in cluster.pods.values())


def test_while_it_is_paused_nothing_is_marked(operator: Operator, cluster: Cluster) -> None:
    grown(cluster, operator)
    cluster.edit(paused=True, job={"parallelism": 2})
    operator.run(10)
    assert not any(pod.spare for pod in cluster.pods.values())
    assert len(task_managers(cluster)) == WIDE


def test_a_mark_is_taken_back_when_the_pod_is_needed_after_all(operator: Operator, cluster: Cluster) -> None:
    grown(cluster, operator)
    for name in task_managers(cluster):
        cluster.pods[name].spare = True
    operator.settle()
    assert len(task_managers(cluster)) == WIDE
    assert not any(pod.spare for pod in cluster.pods.values())


def test_a_mark_stays_until_the_deployment_has_chosen(operator: Operator, cluster: Cluster) -> None:
    grown(cluster, operator)
    process = cluster.process
    assert process is not None
    cluster.edit(job={"parallelism": 2})
    [deployment] = [each for each in cluster.deployments.values() if each.component == "taskmanager"]
    for _ in range(40):
        operator.reconcile()
        if deployment.replicas < WIDE:
            break
        cluster.step()
    operator.reconcile()
    operator.reconcile()
    spare = {name for name, pod in cluster.pods.items() if pod.spare}
    assert spare == task_managers(cluster) - set(process.placed)
    assert len(spare) == WIDE - 2
    operator.settle()
    assert task_managers(cluster) == set(process.placed)

"""A spec that cannot be obeyed changes nothing: the job goes on by the last good one, in sickness and in health."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Operator

FAULTS: list[dict[str, Any]] = [
    {"job": {"parallelism": 0}},
    {"image": 7},
    {"nonsense": True},
    {"job": {"maxParallelism": 64}},
    {"checkpoints": {"interval": "soon"}, "image": "example/flights:2"},
    {"job": None},
]


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_the_job_goes_on_and_is_told_that_its_spec_is_not_obeyed(
    operator: Operator, cluster: Cluster, fault: dict[str, Any]
) -> None:
    before = dict(cluster.pods)
    cluster.spoil(**fault)
    operator.settle()
    assert cluster.pods == before
    assert cluster.status.run == 1
    assert cluster.condition("Ready") == ("False", "InvalidSpec")
    assert cluster.condition("Stalled") == ("True", "InvalidSpec")
    assert {condition.observed_generation for condition in cluster.status.conditions} == {2}


def test_what_was_asked_for_since_the_revision_was_saved_still_holds(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(job={"parallelism": 3})
    operator.settle()
    cluster.edit(upgrade={"restartNonce": 5})
    operator.settle()
    run, pods = cluster.status.run, dict(cluster.pods)
    cluster.spoil(image=7)
    operator.settle()
    assert cluster.status.run == run
    assert cluster.pods == pods
    assert cluster.status.parallelism == 3


def test_a_job_that_is_suspended_stays_so(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    cluster.spoil(job={"state": "Running", "parallelism": 0})
    operator.settle()
    assert cluster.pods == {}
    cluster.edit(job={"parallelism": 2})
    operator.settle()
    assert cluster.running
    assert cluster.condition("Ready") == ("True", "Running")


def test_a_job_that_is_lost_meanwhile_recovers_by_the_last_good_spec(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.spoil(image=7)
    operator.settle()
    for pod in list(cluster.pods.values()):
        cluster.end_pod(pod)
    operator.settle()
    assert cluster.running
    assert {pod.image for pod in cluster.pods.values()} == {"example/flights:1"}


@pytest.mark.parametrize("phase", ["Stopping", "Draining", "Starting"])
def test_a_change_that_is_under_way_goes_on_to_its_end(
    operator: Operator, cluster: Cluster, phase: str
) -> None:
    cluster.edit(image="example/flights:2")
    for _ in range(100):
        operator.run(1)
        if cluster.status.upgrade is not None and cluster.status.upgrade.phase == phase:
            break
    assert cluster.status.upgrade is not None
    cluster.spoil(nonsense=True)
    operator.settle()
    assert cluster.running
    assert {pod.image for pod in cluster.pods.values()} == {"example/flights:2"}


def test_a_job_that_was_rolled_back_stays_with_what_runs_and_is_not_tried_again(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviour("example/flights:3").runs = False
    cluster.edit(image="example/flights:3")
    operator.settle()
    run = cluster.status.run
    assert cluster.condition("Ready") == ("False", "RolledBack")
    cluster.spoil(nonsense=True)
    operator.settle()
    cluster.edit(nonsense=None)
    operator.settle()
    assert cluster.status.run == run
    assert cluster.condition("Ready") == ("False", "RolledBack")


def test_a_resource_that_is_deleted_goes_as_its_last_good_spec_says(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.spoil(image=7, deletionPolicy="Savepoint")
    cluster.delete()
    operator.settle()
    assert cluster.gone
    assert cluster.savepoints()


def test_which_savepoints_are_kept_is_obeyed_as_far_as_that_part_can_be_read(
    operator: Operator, cluster: Cluster
) -> None:
    for nonce in (1, 2, 3):
        cluster.edit(upgrade={"savepointNonce": nonce})
        operator.settle()
    cluster.spoil(image=7, snapshots={"keep": {"count": 0}})
    operator.settle()
    assert len(cluster.savepoints()) == 3, "nothing is deleted by a number that is none"
    cluster.spoil(snapshots={"keep": {"count": 1}})
    operator.run(20)
    assert len(cluster.savepoints()) == 1
    assert cluster.condition("Ready") == ("False", "InvalidSpec")
    assert cluster.running


def test_a_wiped_status_beside_a_faulty_spec_is_found_again(operator: Operator, cluster: Cluster) -> None:
    cluster.spoil(image=7)
    cluster.wipe_status()
    operator.settle()
    assert cluster.running
    assert cluster.status.run == 1

"""The life of a job when nothing goes wrong, over a simulated cluster."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Faults, Operator


def test_a_new_resource_becomes_a_running_job(operator: Operator, cluster: Cluster) -> None:
    assert cluster.running
    assert cluster.condition("Ready") == ("True", "Running")
    assert cluster.condition("Progressing")[0] == "False"
    assert (cluster.status.run, cluster.status.revision, cluster.status.phase) == (1, 1, "Running")
    assert cluster.service_run == 1
    assert cluster.status.revisions[0].stable


def test_a_change_of_the_image_goes_over_one_savepoint_to_the_next_run(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(image="example/flights:2")
    operator.settle()
    assert cluster.running
    assert cluster.status.run == 2
    assert [taken.path for taken in cluster.savepoints()] == [cluster.status.last_upgrade.snapshot]
    assert cluster.status.last_upgrade.mode == "Savepoint"
    assert {d.image for d in cluster.deployments.values()} == {"example/flights:2"}
    assert cluster.condition("Ready") == ("True", "Running")
    downtime = cluster.status.last_upgrade.downtime
    assert downtime.stop.seconds > 0
    assert downtime.start.seconds > 0
    assert downtime.restore.seconds >= 0


def test_a_change_around_the_pods_is_made_in_place_and_the_revision_that_runs_is_told(
    operator: Operator, cluster: Cluster
) -> None:
    pods = set(cluster.pods)
    cluster.edit(storage={"savepoints": "s3://weir/elsewhere"})
    operator.settle()
    assert set(cluster.pods) == pods
    assert (cluster.status.run, cluster.status.revision) == (1, 2)
    assert "AppliedInPlace" in [event.reason for event in operator.events]
    [ready] = [told for told in cluster.status.conditions if told.type == "Ready"]
    assert ready.message == "run 1 of revision 2 runs"


def test_ten_revisions_are_kept_also_when_the_operator_ends_before_it_has_deleted_one(
    operator: Operator, cluster: Cluster
) -> None:
    for number in range(2, 13):
        cluster.edit(storage={"savepoints": f"s3://weir/elsewhere-{number}"})
        cluster.fault = Faults(kill_after=frozenset({1}))  # the status is written, and nothing is done
        operator.settle()
    assert [entry.revision for entry in cluster.status.revisions] == [*range(3, 13)]
    assert sorted(cluster.revisions) == [*range(3, 13)]


def test_a_preflight_pod_that_ends_without_a_verdict_is_followed_by_another(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviour("example/flights:2").silent_checks = 2
    cluster.edit(image="example/flights:2")
    operator.settle()
    assert cluster.running
    assert {d.image for d in cluster.deployments.values()} == {"example/flights:2"}
    checks = [what for what in cluster.writes if what == "errand preflight-1-2"]
    assert len(checks) == 3
    told = [event.message for event in operator.events if event.reason == "UpgradeBlocked"]
    assert len(told) == 1
    assert "pod was evicted" in told[0]
    assert [d.reason for d in operator.events if d.reason == "SavepointFailed"] == []
    assert cluster.status.upgrade is None


def test_a_standby_takes_over_and_the_parts_of_the_downtime_are_told(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(image="example/flights:2", upgrade={"handover": "Standby"})
    operator.settle()
    assert cluster.running
    assert cluster.status.run == 2
    downtime = cluster.status.last_upgrade.downtime
    assert downtime is not None
    assert downtime.stop.seconds > 0
    assert downtime.start.seconds >= 0


def test_a_suspended_job_has_a_savepoint_and_no_pods_and_resumes_from_it(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    assert cluster.pods == {}
    assert cluster.condition("Suspended")[0] == "True"
    assert cluster.status.phase == "Suspended"
    saved = cluster.status.last_savepoint
    cluster.edit(job={"state": "Running"})
    operator.settle()
    assert cluster.running
    assert cluster.bucket.starts[-1][2].path == saved.path


def test_a_lost_jobmanager_recovers_within_its_run(operator: Operator, cluster: Cluster) -> None:
    (pod,) = [pod for pod in cluster.pods.values() if pod.component == "jobmanager"]
    del cluster.pods[pod.name]
    operator.run(1)
    assert cluster.status.phase == "Recovering"
    operator.settle()
    assert cluster.running
    assert cluster.status.run == 1
    assert cluster.status.epoch == 2


def test_a_finished_job_is_ready_and_has_no_pods(cluster: Cluster) -> None:
    cluster.behaviour("example/flights:1").finishes_at = 3
    operator = Operator(cluster)
    operator.settle()
    assert cluster.pods == {}
    assert cluster.condition("Ready") == ("True", "Finished")
    assert cluster.status.phase == "Finished"


@pytest.mark.parametrize("policy", ["Retain", "Savepoint", "Purge"])
def test_a_deleted_resource_leaves_what_its_policy_says(
    operator: Operator, cluster: Cluster, policy: str
) -> None:
    cluster.edit(deletionPolicy=policy)
    operator.settle()
    cluster.delete()
    operator.settle()
    assert cluster.gone
    assert cluster.pods == {}
    assert bool(cluster.savepoints()) is (policy == "Savepoint")
    assert cluster.bucket.purged is (policy == "Purge")


@pytest.mark.parametrize("policy", ["Retain", "Savepoint", "Purge"])
def test_a_resource_in_a_namespace_that_is_being_deleted_is_let_go_at_once(
    operator: Operator, cluster: Cluster, policy: str
) -> None:
    cluster.edit(deletionPolicy=policy)
    cluster.terminating = True
    cluster.step()
    operator.run(1)
    assert cluster.finalizers == ()
    made = len(cluster.writes)
    operator.run(5)
    assert len(cluster.writes) == made, "nothing is written there any more"
    cluster.delete()
    assert cluster.gone


def test_a_job_that_starts_fresh_says_so() -> None:
    cluster = Cluster()
    cluster.edit(restore={"policy": "Fresh"})
    operator = Operator(cluster)
    operator.settle()
    [said] = [event.message for event in operator.events if event.reason == "StartingEmpty"]
    assert "starts without state" in said
    assert cluster.running

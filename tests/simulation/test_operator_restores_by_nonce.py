"""Going back to a snapshot by ``restore.nonce`` while something else happens to the job: the restore is made, once, or taken back."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_engine import Snapshot
from tests.support.simulated_operator import Operator
from weir_operator.models import StartMode, UpgradePhase


@pytest.fixture
def older(operator: Operator, cluster: Cluster) -> Snapshot:
    """A savepoint that the running job has left behind."""
    cluster.edit(upgrade={"savepointNonce": 1})
    operator.settle()
    (taken,) = cluster.savepoints()
    operator.run(40)
    return taken


def switch(operator: Operator, state: str) -> None:
    operator.cluster.edit(job={"state": state})
    operator.settle()


@pytest.mark.parametrize("interval", ["10s", None])
def test_a_job_that_is_suspended_while_its_restore_is_refused_stops_with_a_savepoint(
    operator: Operator, cluster: Cluster, older: Snapshot, interval: str | None
) -> None:
    cluster.edit(checkpoints={"interval": interval})
    operator.settle()
    cluster.behaviour("example/flights:1").fits = False
    cluster.edit(restore={"from": older.path, "nonce": 1})
    operator.settle(or_blocked_by="DoesNotFit")
    before = len(cluster.savepoints())
    switch(operator, "Suspended")
    assert len(cluster.savepoints()) == before + 1
    left = cluster.bucket.newest
    assert left == cluster.savepoints()[-1]
    assert left.position > older.position
    assert cluster.status.last_upgrade.snapshot == left.path
    cluster.edit(restore={"from": None, "nonce": 0})
    switch(operator, "Running")
    assert cluster.running
    assert cluster.bucket.starts[-1][1:] == (StartMode.TAIL, left), "the restore was taken back meanwhile"


@pytest.mark.parametrize("phase", [UpgradePhase.PREFLIGHT, UpgradePhase.DRAINING, UpgradePhase.STARTING])
def test_a_restore_that_a_suspension_cuts_short_is_made_when_the_job_runs_again(
    operator: Operator, cluster: Cluster, older: Snapshot, phase: UpgradePhase
) -> None:
    cluster.edit(restore={"from": older.path, "nonce": 1})
    operator.until(phase)
    switch(operator, "Suspended")
    assert cluster.pods == {}
    assert len(cluster.bucket.starts) == 1
    stopped_with_savepoint = len(cluster.savepoints()) == 2
    assert stopped_with_savepoint is (phase is UpgradePhase.PREFLIGHT), "later it was gone already"
    switch(operator, "Running")
    assert cluster.running
    assert cluster.bucket.starts[1:] == [(cluster.status.run, StartMode.FROM, older)]
    switch(operator, "Suspended")
    switch(operator, "Running")
    assert cluster.bucket.starts[-1][1] is StartMode.TAIL, "the nonce was obeyed by then"


def test_a_restore_that_was_made_unseen_before_a_suspension_is_not_made_again(
    operator: Operator, cluster: Cluster, older: Snapshot
) -> None:
    cluster.edit(restore={"from": older.path, "nonce": 1})
    operator.until(UpgradePhase.STARTING)
    cluster.reachable = False
    operator.run(12)
    assert cluster.bucket.starts[1:] == [(2, StartMode.FROM, older)]
    assert cluster.bucket.newest is not None
    switch(operator, "Suspended")
    cluster.reachable = True
    left = cluster.bucket.newest
    assert left.position > older.position
    switch(operator, "Running")
    assert cluster.running
    assert cluster.bucket.starts[2:] == [(3, StartMode.TAIL, left)]


def test_a_suspension_that_is_taken_back_before_the_stop_leaves_the_restore_as_it_was(
    operator: Operator, cluster: Cluster, older: Snapshot
) -> None:
    cluster.edit(restore={"from": older.path, "nonce": 1})
    operator.until(UpgradePhase.PREFLIGHT)
    cluster.edit(job={"state": "Suspended"})
    operator.reconcile()
    cluster.edit(job={"state": "Running"})
    operator.settle()
    assert cluster.running
    assert cluster.bucket.starts[1:] == [(2, StartMode.FROM, older)]


@pytest.mark.parametrize("change", [{}, {"image": "example/flights:2"}, {"upgrade": {"restartNonce": 1}}])
def test_a_snapshot_that_is_complete_a_moment_later_is_what_the_next_run_starts_from(
    operator: Operator, cluster: Cluster, older: Snapshot, change: dict[str, object]
) -> None:
    cluster.bucket.asked_for.add(older.path)
    cluster.edit(restore={"snapshot": "good-one", "nonce": 1}, **change)
    operator.run(3)
    assert cluster.running
    assert cluster.condition("Ready")[0] == "False", "it is not as it was asked to be"
    assert cluster.condition("UpgradeBlocked") == ("True", "SnapshotNotFound")
    cluster.apply_snapshot("good-one", {"external": older.path})
    operator.settle()
    assert cluster.running
    assert cluster.bucket.starts[1:] == [(2, StartMode.FROM, older)]
    assert {d.image for d in cluster.deployments.values()} == {change.get("image", "example/flights:1")}
    assert cluster.condition("UpgradeBlocked") == ("", "")


@pytest.mark.parametrize("way", ["the nonce", "the name", "the whole"])
def test_a_snapshot_that_never_exists_is_told_and_taken_back(
    operator: Operator, cluster: Cluster, older: Snapshot, way: str
) -> None:
    cluster.edit(restore={"snapshot": "typo", "nonce": 1})
    operator.run(60)
    (said,) = [event.message for event in operator.events if event.reason == "UpgradeBlocked"]
    assert "StreamJobSnapshot typo" in said
    assert "set restore.nonce back to 0" in said
    if way == "the name":
        cluster.bucket.asked_for.add(older.path)
        cluster.apply_snapshot("good-one", {"external": older.path})
        cluster.edit(restore={"snapshot": "good-one"})
    else:
        cluster.edit(restore={"nonce": 0} if way == "the nonce" else {"nonce": 0, "snapshot": None})
    operator.settle()
    assert cluster.running
    expected = [(2, StartMode.FROM, older)] if way == "the name" else []
    assert cluster.bucket.starts[1:] == expected
    assert cluster.condition("Ready") == ("True", "Running")
    assert cluster.condition("Degraded")[0] == "False"


def test_a_nonce_that_is_taken_back_as_its_snapshot_comes_restarts_nothing(
    operator: Operator, cluster: Cluster, older: Snapshot
) -> None:
    cluster.edit(restore={"snapshot": "good-one", "nonce": 1})
    operator.run(5)
    cluster.apply_snapshot("good-one", {"external": older.path})
    operator.reconcile_snapshots()
    cluster.edit(restore={"nonce": 0})
    operator.settle()
    assert cluster.status.run == 1


def test_a_job_that_waits_for_the_snapshot_to_restore_can_be_suspended(
    operator: Operator, cluster: Cluster, older: Snapshot
) -> None:
    cluster.edit(restore={"snapshot": "good-one", "nonce": 1})
    operator.run(5)
    switch(operator, "Suspended")
    assert cluster.condition("Ready") == ("True", "Suspended")
    assert len(cluster.savepoints()) == 2
    cluster.edit(job={"state": "Running"})
    operator.run(20)
    assert cluster.pods == {}
    assert cluster.condition("RestoreBlocked") == ("True", "SnapshotNotFound")
    cluster.bucket.asked_for.add(older.path)
    cluster.apply_snapshot("good-one", {"external": older.path})
    operator.settle()
    assert cluster.running
    assert cluster.bucket.starts[1:] == [(2, StartMode.FROM, older)]


def test_a_snapshot_that_is_deleted_while_it_is_tried_is_waited_for(
    operator: Operator, cluster: Cluster, older: Snapshot
) -> None:
    cluster.bucket.asked_for.add(older.path)
    cluster.apply_snapshot("good-one", {"external": older.path})
    operator.settle()
    cluster.behaviour("example/flights:1").fits = False
    cluster.edit(restore={"snapshot": "good-one", "nonce": 1})
    operator.settle(or_blocked_by="DoesNotFit")
    cluster.delete_snapshot("good-one")
    operator.settle(or_blocked_by="SnapshotNotFound")
    assert cluster.running
    cluster.behaviour("example/flights:1").fits = True
    cluster.errands.clear()
    cluster.apply_snapshot("good-one", {"external": older.path})
    operator.settle()
    assert cluster.bucket.starts[1:] == [(2, StartMode.FROM, older)]


def test_a_finished_job_stays_so_while_the_snapshot_to_restore_is_missing(cluster: Cluster) -> None:
    cluster.behaviour("example/flights:1").finishes_at = 3
    operator = Operator(cluster)
    operator.settle()
    cluster.edit(restore={"snapshot": "typo", "nonce": 1})
    operator.run(20)
    assert cluster.condition("RestoreBlocked") == ("True", "SnapshotNotFound")
    cluster.edit(restore={"snapshot": None, "nonce": 0})
    operator.settle()
    assert cluster.condition("Ready") == ("True", "Finished")
    assert len(cluster.bucket.starts) == 1

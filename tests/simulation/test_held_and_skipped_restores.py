"""What the operator makes of damaged snapshots: an event where one was skipped, a condition where the engine holds and asks."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_engine import Process
from tests.support.simulated_operator import Operator
from weir_operator.models import UpgradePhase
from weir_operator.observed import JobState, RestoreHeld, SkippedSnapshot

HELD = RestoreHeld(reason="chk-9 is damaged", choices=("chk-8 (output would be written a second time)",))


def process(cluster: Cluster) -> Process:
    assert cluster.process is not None
    return cluster.process


def holds(cluster: Cluster) -> None:
    """The running job fails, and the engine finds nothing that is safe to restore."""
    running = process(cluster)
    running.held, running.epoch, running.state, running.running_since = HELD, None, JobState.FAILED, None


def test_a_skipped_snapshot_is_one_event_however_often_it_is_seen(
    operator: Operator, cluster: Cluster
) -> None:
    process(cluster).skipped = (SkippedSnapshot(path="s3://w/chk-9", reason="cut"),)
    operator.run(20)
    (event,) = [event for event in operator.events if event.reason == "SnapshotSkipped"]
    assert event.warning and "s3://w/chk-9" in event.message and "cut" in event.message
    assert cluster.running


def test_a_job_that_holds_is_not_started_again_and_again_but_asks(
    operator: Operator, cluster: Cluster
) -> None:
    holds(cluster)
    operator.run(200)
    assert cluster.status.run == 1
    assert cluster.condition("RestoreBlocked") == ("True", "NoSafeSnapshot")
    (said,) = [event for event in operator.events if event.reason == "RestoreBlocked"]
    assert "chk-8 (output would be written a second time)" in said.message


@pytest.mark.parametrize("way", ["restore", "restart"])
def test_a_start_that_holds_is_made_once_more_when_somebody_chose(
    operator: Operator, cluster: Cluster, way: str
) -> None:
    newest = cluster.bucket.newest
    assert newest is not None
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    cluster.edit(job={"state": "Running"})
    for _ in range(50):
        operator.run(1)
        if cluster.process is not None:
            break
    process(cluster).held = HELD
    operator.settle(or_blocked_by="NoSafeSnapshot")
    assert cluster.condition("RestoreBlocked") == ("True", "NoSafeSnapshot")
    run = cluster.status.run
    if way == "restore":
        cluster.edit(restore={"from": newest.path, "nonce": 1})
    else:
        cluster.edit(upgrade={"restartNonce": 1})
    operator.settle()
    assert cluster.running
    assert cluster.status.run == run + 1
    assert cluster.bucket.starts[-1][2] is not None
    assert all(held.type != "RestoreBlocked" for held in cluster.status.conditions)


def test_a_snapshot_that_does_not_exist_leaves_the_job_alone_until_another_is_named(
    operator: Operator, cluster: Cluster
) -> None:
    newest = cluster.bucket.newest
    assert newest is not None
    cluster.edit(restore={"from": "s3://weir/checkpoints/job/chk-none", "nonce": 1})
    operator.settle(or_blocked_by="DoesNotFit")
    assert cluster.running
    assert cluster.status.run == 1
    assert cluster.condition("UpgradeBlocked") == ("True", "DoesNotFit")
    cluster.edit(restore={"from": newest.path, "nonce": 2})
    operator.settle()
    assert cluster.running
    assert cluster.status.run == 2
    assert cluster.bucket.starts[-1][2] == newest
    cluster.edit(restore={"from": "s3://weir/checkpoints/job/chk-none", "nonce": 3})
    operator.settle(or_blocked_by="DoesNotFit")
    cluster.edit(restore={"from": None})
    operator.settle()
    assert cluster.status.run == 2
    assert cluster.status.upgrade is None


@pytest.mark.parametrize("way", ["restore", "restart"])
def test_somebody_chooses_or_brings_back_what_was_missing(
    operator: Operator, cluster: Cluster, way: str
) -> None:
    newest = cluster.bucket.newest
    assert newest is not None
    holds(cluster)
    operator.run(10)
    if way == "restore":
        cluster.edit(restore={"from": newest.path, "nonce": 1})
    else:
        cluster.edit(upgrade={"restartNonce": 1})
    operator.settle()
    assert cluster.running
    assert cluster.status.run == 2
    assert all(held.type != "RestoreBlocked" for held in cluster.status.conditions)


def test_a_checkpoint_that_retention_deletes_before_the_new_run_begins_leaves_the_job_where_it_stopped(
    operator: Operator, cluster: Cluster
) -> None:
    older = cluster.bucket.newest
    assert older is not None
    operator.run(10)
    cluster.edit(restore={"from": older.path, "nonce": 1})
    for _ in range(50):
        operator.run(1)
        upgrade = cluster.status.upgrade
        if upgrade is not None and upgrade.phase is UpgradePhase.DRAINING:
            break
    del cluster.bucket.snapshots[older.path]
    left = cluster.bucket.newest
    operator.settle()
    assert cluster.running
    assert cluster.bucket.starts[-1][2] == left
    (said,) = [event for event in operator.events if event.reason == "RestoreFailed"]
    assert said.warning
    assert older.path in said.message
    assert cluster.status.last_upgrade is not None
    assert cluster.status.last_upgrade.reason == said.message
    runs = cluster.status.run
    operator.run(50)
    assert cluster.status.run == runs, "the nonce was obeyed, as far as that went"


def test_a_suspended_job_does_not_go_on_from_elsewhere_when_the_snapshot_that_was_named_is_gone(
    operator: Operator, cluster: Cluster
) -> None:
    older = cluster.bucket.newest
    assert older is not None
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    starts = len(cluster.bucket.starts)
    del cluster.bucket.snapshots[older.path]
    cluster.edit(job={"state": "Running"}, restore={"from": older.path, "nonce": 1})
    operator.run(200)
    assert not cluster.running
    assert len(cluster.bucket.starts) == starts
    assert cluster.condition("Degraded") == ("True", "NotStable")

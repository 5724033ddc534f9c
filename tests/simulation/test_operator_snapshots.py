"""Snapshots over a simulated cluster: who takes them, which are kept, and what becomes of them when their job goes."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.simulated_cluster import STEP, Cluster
from tests.support.simulated_operator import Operator

HOUR = int(timedelta(hours=1) / STEP)


def taken_for(cluster: Cluster) -> list[tuple[str, str]]:
    return [(found.status.trigger or "", found.status.phase or "") for found in cluster.snapshots.values()]


def savepoints(cluster: Cluster) -> set[str]:
    return {taken.path for taken in cluster.savepoints()}


def named(cluster: Cluster) -> set[str | None]:
    return {found.status.path for found in cluster.snapshots.values()}


def test_each_change_of_the_nonce_takes_one_savepoint_also_back_to_an_old_number(
    operator: Operator, cluster: Cluster
) -> None:
    for n, nonce in enumerate((1, 2, 1), start=1):
        cluster.edit(upgrade={"savepointNonce": nonce})
        operator.settle()
        assert taken_for(cluster) == [("Nonce", "Completed")] * n
    last = cluster.status.last_savepoint
    assert last is not None
    assert (last.trigger, last.revision) == ("Nonce", 1)
    assert named(cluster) == savepoints(cluster)
    assert cluster.status.run == 1


def test_changes_of_the_nonce_within_one_second_take_one_each(operator: Operator, cluster: Cluster) -> None:
    for nonce in (1, 2, 3):
        cluster.edit(upgrade={"savepointNonce": nonce})
        for _ in range(3):
            operator.reconcile()
            operator.reconcile_snapshots()
            cluster.remember()
    operator.settle()
    assert taken_for(cluster) == [("Nonce", "Completed")] * 3
    assert named(cluster) == savepoints(cluster)
    requested = [event.message for event in operator.events if event.reason == "SnapshotRequested"]
    assert len(set(requested)) == len(requested) == 3


def test_a_job_that_begins_with_a_nonce_takes_none(cluster: Cluster) -> None:
    cluster.edit(upgrade={"savepointNonce": 7})
    Operator(cluster).settle()
    assert taken_for(cluster) == []


def test_a_schedule_takes_one_each_time_and_one_for_all_that_were_missed(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(snapshots={"schedule": "0 * * * *"})
    operator.run(HOUR + 20)
    assert taken_for(cluster) == [("Schedule", "Completed")]
    for _ in range(5 * HOUR):
        cluster.step()
    operator.run(20)
    assert taken_for(cluster) == [("Schedule", "Completed")] * 2


def test_while_the_job_is_suspended_its_schedule_takes_none(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(snapshots={"schedule": "* * * * *"}, job={"state": "Suspended"})
    operator.settle()
    before = taken_for(cluster)
    operator.run(60)
    assert before == taken_for(cluster)
    assert before[-1] == ("Suspend", "Completed")


def test_savepoints_that_stopped_a_run_are_told_of_and_kept_like_the_others(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(image="example/flights:2")
    operator.settle()
    assert taken_for(cluster) == [("Upgrade", "Completed")]
    assert cluster.status.last_savepoint is not None
    assert cluster.status.last_savepoint.name in cluster.snapshots
    cluster.edit(snapshots={"keep": {"count": 1}}, image="example/flights:3")
    operator.settle()
    assert taken_for(cluster) == [("Upgrade", "Completed")]
    assert named(cluster) == savepoints(cluster) == {cluster.status.last_savepoint.path}


def test_while_the_job_is_suspended_old_ones_still_go_and_what_it_goes_on_from_stays(
    operator: Operator, cluster: Cluster
) -> None:
    for nonce in (1, 2):
        cluster.edit(upgrade={"savepointNonce": nonce})
        operator.settle()
    cluster.apply_snapshot("by-hand", {"job": "flights"})
    operator.settle()
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    assert len(savepoints(cluster)) == 4
    cluster.edit(snapshots={"keep": {"count": 1, "age": "1m"}})
    operator.run(40)
    assert sorted(taken_for(cluster)) == [("Resource", "Completed"), ("Suspend", "Completed")]
    assert named(cluster) == savepoints(cluster), "files go with their resource"
    cluster.edit(job={"state": "Running"})
    operator.settle()
    assert cluster.running


def test_one_that_another_job_starts_from_stays(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(upgrade={"savepointNonce": 1})
    operator.settle()
    (path,) = savepoints(cluster)
    cluster.used_elsewhere.add(path)
    cluster.edit(upgrade={"savepointNonce": 2}, snapshots={"keep": {"count": 1}})
    operator.settle()
    assert path in savepoints(cluster)
    cluster.used_elsewhere.clear()
    operator.run(30)
    assert path not in savepoints(cluster)


@pytest.mark.parametrize("end", ["", "/"])
def test_one_that_the_job_itself_names_stays_however_its_path_is_written(
    operator: Operator, cluster: Cluster, end: str
) -> None:
    cluster.edit(upgrade={"savepointNonce": 1})
    operator.settle()
    (path,) = savepoints(cluster)
    cluster.edit(restore={"from": path + end}, snapshots={"keep": {"count": 1}})
    for nonce in (2, 3):
        cluster.edit(upgrade={"savepointNonce": nonce})
        operator.settle()
    assert path in savepoints(cluster)
    assert len(savepoints(cluster)) == 2


def test_a_job_at_rest_is_swept_once_after_an_hour(operator: Operator, cluster: Cluster) -> None:
    def sweeps() -> int:
        return sum(what.startswith("errand sweep") and "deleted" not in what for what in cluster.writes)

    operator.run(2 * HOUR)
    assert sweeps() == 0, "a JobManager sweeps itself"
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    operator.run(HOUR - 20)
    assert sweeps() == 0
    operator.run(40)
    assert sweeps() == 1
    operator.run(3 * HOUR)
    assert sweeps() == 1
    assert cluster.errands == {}
    assert cluster.status.sweep is not None
    assert cluster.status.sweep.run == 1


def test_a_sweep_that_failed_is_told_and_repeated_and_gives_way_to_the_job(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(job={"state": "Suspended"})
    operator.settle()
    cluster.bucket.down = True
    operator.run(HOUR + 40)
    assert [event.reason for event in operator.events].count("SweepFailed") == 1
    cluster.bucket.down = False
    for _ in range(2 * HOUR):
        if any(purpose.startswith("sweep") for purpose in cluster.errands):
            break
        operator.run(1)
    assert list(cluster.errands) == ["sweep-1"]
    cluster.edit(job={"state": "Running"})
    operator.settle()
    assert cluster.errands == {}
    assert cluster.running


@pytest.mark.parametrize("policy", ["Retain", "Savepoint"])
def test_with_its_job_gone_a_snapshot_still_tells_where_its_files_are(
    policy: str, operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(upgrade={"savepointNonce": 1}, deletionPolicy=policy)
    operator.settle()
    cluster.delete()
    operator.settle()
    triggers = [trigger for trigger, _ in taken_for(cluster)]
    assert triggers == (["Nonce"] if policy == "Retain" else ["Nonce", "Deletion"])
    operator.run(5)
    assert named(cluster) == savepoints(cluster)
    for name in list(cluster.snapshots):
        cluster.delete_snapshot(name)
    operator.run(5)
    assert cluster.snapshots == {}
    assert savepoints(cluster), "nobody's credentials are there to delete them"
    assert "SnapshotKept" in [event.reason for event in operator.events]


def test_a_purge_takes_the_resources_along(operator: Operator, cluster: Cluster) -> None:
    cluster.apply_snapshot("by-hand", {"job": "flights"})
    cluster.apply_snapshot("elsewhere", {"external": "s3://weir/other/savepoint-x"})
    cluster.edit(upgrade={"savepointNonce": 1}, deletionPolicy="Purge")
    operator.settle()
    cluster.delete()
    operator.run(30)
    assert cluster.gone
    assert list(cluster.snapshots) == ["elsewhere"]
    assert "SnapshotKept" not in [event.reason for event in operator.events]

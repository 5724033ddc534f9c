"""A resource is deleted, and the API server refuses what its end asks for: a quota, an admission policy. It goes at the deadline, and an
event says what is left."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.simulated_cluster import STEP, Cluster, Refuted
from tests.support.simulated_operator import Operator
from weir_operator.reconciler.situations.deletion import DEADLINE

LATE = int((DEADLINE + timedelta(minutes=2)) / STEP)


def refuse(cluster: Cluster, what: str) -> None:
    def fault(write: str) -> None:
        if write.startswith(f"before {what}"):
            raise Refuted("403: exceeded quota: team")

    cluster.fault = fault


def leftovers(operator: Operator) -> list[str]:
    return [event.message for event in operator.events if event.reason == "DeletionLeftovers"]


def test_a_purge_that_cannot_be_begun_keeps_the_resource_until_the_deadline_alone(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(deletionPolicy="Purge")
    operator.settle()
    refuse(cluster, "errand purge")
    cluster.delete()
    operator.run(int(DEADLINE / STEP) - 2)
    assert not cluster.gone
    operator.run(LATE)
    assert cluster.gone
    assert not cluster.bucket.purged
    (told,) = leftovers(operator)
    assert "checkpoints and savepoints of this job" in told


@pytest.mark.parametrize("what", ["flights-1-jm deleted", "flights-1-tm deleted"])
def test_a_run_that_cannot_be_taken_away_does_not_keep_it_either(
    operator: Operator, cluster: Cluster, what: str
) -> None:
    refuse(cluster, what)
    cluster.delete()
    operator.run(LATE)
    assert cluster.gone


def test_a_snapshot_that_cannot_be_made_keeps_no_pods_and_is_named_at_the_deadline(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.edit(deletionPolicy="Savepoint")
    operator.settle()
    refuse(cluster, "snapshot ")
    cluster.delete()
    operator.run(10)
    assert cluster.pods == {}
    assert not cluster.gone, "it may still be made"
    operator.run(LATE)
    assert cluster.gone
    (taken,) = cluster.savepoints()
    (told,) = leftovers(operator)
    assert taken.path in told


def test_one_that_can_be_made_after_a_while_is(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(deletionPolicy="Savepoint")
    operator.settle()
    refuse(cluster, "snapshot ")
    cluster.delete()
    operator.run(20)
    refuse(cluster, "nothing")
    operator.run(3)
    assert cluster.gone
    assert [found.status.trigger for found in cluster.snapshots.values()] == ["Deletion"]
    assert leftovers(operator) == []


def test_a_namespace_that_is_being_deleted_keeps_nothing(operator: Operator, cluster: Cluster) -> None:
    cluster.edit(deletionPolicy="Savepoint")
    operator.settle()
    cluster.delete()
    while not cluster.savepoints():
        operator.run(1)
    refuse(cluster, "snapshot ")
    cluster.terminating = True
    operator.run(3)
    assert cluster.gone

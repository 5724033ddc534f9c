"""An upgrade with mode Stateless that does not become stable: the old revision goes on from what it left, however well that was known."""

from __future__ import annotations

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_engine import Snapshot
from tests.support.simulated_operator import Operator
from weir_operator.models import StartMode, UpgradePhase


def prune(cluster: Cluster) -> None:
    """As the engine does with checkpoints.retained: 1."""
    kept = cluster.bucket.newest
    for path in [path for path in cluster.bucket.snapshots if "/chk-" in path]:
        if kept is not None and path != kept.path:
            del cluster.bucket.snapshots[path]


def written_checkpoint_is_gone(operator: Operator, cluster: Cluster) -> None:
    """The job runs for so long that its status tells of a checkpoint that exists no more."""
    for _ in range(600):
        operator.run(1)
        prune(cluster)
    written = cluster.status.last_checkpoint
    assert written is not None
    assert written.path not in cluster.bucket.snapshots


def upgrade_without_state(operator: Operator, cluster: Cluster, until: UpgradePhase) -> Snapshot:
    """While the JobManager does not answer; what the old run left."""
    cluster.behaviour("example/flights:2").runs = False
    cluster.reachable = False
    cluster.edit(image="example/flights:2", upgrade={"mode": "Stateless"})
    for _ in range(60):
        operator.run(1)
        prune(cluster)
        if cluster.status.upgrade is not None and cluster.status.upgrade.phase is until:
            break
    cluster.reachable = True
    left = cluster.bucket.newest
    assert left is not None
    return left


def test_it_goes_on_from_the_newest_checkpoint_though_the_status_knew_an_older_one_only(
    operator: Operator, cluster: Cluster
) -> None:
    written_checkpoint_is_gone(operator, cluster)
    left = upgrade_without_state(operator, cluster, UpgradePhase.STARTING)
    operator.settle(400)
    assert [mode for _, mode, _ in cluster.bucket.starts] == [
        StartMode.TAIL,
        StartMode.EMPTY,
        StartMode.FROM,
    ]
    assert cluster.bucket.starts[-1][2] == left
    assert cluster.condition("Ready") == ("False", "RolledBack")
    assert "RestoreFailed" not in [event.reason for event in operator.events]


def test_when_what_was_left_is_gone_it_is_said_that_the_job_starts_empty(
    operator: Operator, cluster: Cluster
) -> None:
    written_checkpoint_is_gone(operator, cluster)
    left = upgrade_without_state(operator, cluster, UpgradePhase.STARTING)
    del cluster.bucket.snapshots[left.path]
    operator.settle(400)
    (said,) = [event.message for event in operator.events if event.reason == "RestoreFailed"]
    assert left.path in said
    assert "the job starts without state" in said

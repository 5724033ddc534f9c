"""Jobs that make no checkpoints: ``interval`` is absent, or ``0s``, which is the same. Nothing waits for one, and nothing is begun
anew for want of one."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import STEP, Cluster
from tests.support.simulated_operator import Operator
from weir_operator.reconciler.situations.healing import STALLED

OFF = pytest.mark.parametrize("interval", [None, "0s"])


@OFF
def test_a_new_job_without_checkpoints_becomes_stable_and_is_scaled(
    cluster: Cluster, interval: str | None
) -> None:
    cluster.edit(checkpoints={"interval": interval})
    operator = Operator(cluster)
    operator.settle()
    assert cluster.condition("Ready") == ("True", "Running")
    assert cluster.condition("Degraded")[0] == "False"
    cluster.edit(job={"parallelism": 3})
    operator.settle()
    assert cluster.process is not None
    assert cluster.process.parallelism == 3


@OFF
def test_checkpoints_are_switched_off_by_a_run_that_stays(
    operator: Operator, cluster: Cluster, interval: str | None
) -> None:
    cluster.edit(checkpoints={"interval": interval})
    operator.run(200)
    assert cluster.status.upgrade is None
    assert (cluster.status.run, cluster.status.revision) == (2, 2)
    assert cluster.running
    assert "RollingBack" not in [event.reason for event in operator.events]


@OFF
def test_a_job_without_checkpoints_is_not_begun_anew_since_none_is_completed(
    cluster: Cluster, interval: str | None
) -> None:
    cluster.edit(checkpoints={"interval": interval})
    operator = Operator(cluster)
    operator.run(int(2 * STALLED / STEP))
    assert cluster.status.run == 1
    assert cluster.running


def test_back_to_a_version_that_made_none_waits_for_none(cluster: Cluster) -> None:
    cluster.edit(checkpoints=None)
    operator = Operator(cluster)
    operator.settle()
    cluster.behaviour("example/flights:2").runs = False
    cluster.edit(image="example/flights:2", checkpoints={"interval": "10s"})
    operator.settle(400)
    assert cluster.status.upgrade is None
    assert (cluster.status.run, cluster.status.revision) == (3, 1)
    assert cluster.condition("Degraded") == ("True", "RolledBack")
    operator.run(int(2 * STALLED / STEP))
    assert cluster.status.run == 3, "nor is it begun anew for want of one"
    assert cluster.running

"""``job.allowNonRestoredState`` is no part of a revision: whatever is tried or begun goes by what it says at that time."""

from __future__ import annotations

import pytest

from tests.support.simulated_cluster import Cluster
from tests.support.simulated_operator import Operator


def test_a_job_that_does_not_fit_does_when_state_may_be_given_up(
    operator: Operator, cluster: Cluster
) -> None:
    cluster.behaviour("example/flights:2").forgets = True
    cluster.edit(image="example/flights:2")
    operator.settle(or_blocked_by="DoesNotFit")
    assert cluster.status.run == 1
    cluster.edit(job={"allowNonRestoredState": True})
    operator.settle()
    assert cluster.running
    assert (cluster.status.run, cluster.status.revision) == (2, 2)
    assert {d.image for d in cluster.deployments.values()} == {"example/flights:2"}
    assert cluster.configs[2].start.allow_non_restored_state
    assert list(cluster.errands) == []


@pytest.mark.parametrize("taken_back", ["at rest", "on the way"])
def test_what_may_be_given_up_no_more_is_not_given_up(
    operator: Operator, cluster: Cluster, taken_back: str
) -> None:
    for image in ("example/flights:2", "example/flights:3"):
        cluster.behaviour(image).forgets = True
    cluster.edit(image="example/flights:2", job={"allowNonRestoredState": True})
    if taken_back == "at rest":
        operator.settle()
        cluster.edit(job={"allowNonRestoredState": False})
        operator.settle()
        cluster.edit(image="example/flights:3")
    else:
        operator.run(1)
        cluster.edit(job={"allowNonRestoredState": False})
    starts = len(cluster.bucket.starts)
    operator.settle(or_blocked_by="DoesNotFit")
    assert cluster.running
    assert len(cluster.bucket.starts) == starts
    assert cluster.condition("UpgradeBlocked") == ("True", "DoesNotFit")

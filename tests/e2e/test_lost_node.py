"""The node on which a TaskManager runs loses its power: the job goes on elsewhere, from its newest checkpoint."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage
from tests.e2e.test_drain import there_if_it_can_be

ROWS = 100_000
#: The control plane believes for 50 s that the node is there, the kubelet's silence notwithstanding.
NOTICED_WITHIN_S = 240.0


def test_a_job_goes_on_when_the_node_of_its_pods_is_gone(stage: Stage, spare_node: str) -> None:
    stage.images.load(stage.cluster, spare_node)
    stage.apply(stage.counting("counts", rows=ROWS, rate=100, **there_if_it_can_be(spare_node)))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts", after=1)
    job_id = stage.status("counts")["jobId"]
    pods = stage.pods_of("counts")
    assert {found["spec"]["nodeName"] for found in pods} == {spare_node}

    stage.cluster.provider.lose(spare_node)

    stage.wait_recovered("counts", pods, seconds=NOTICED_WITHIN_S)
    stage.wait_condition("counts", "Ready")
    assert stage.status("counts")["jobId"] == job_id
    assert exactness.faults(stage.output("counts")) == []

"""A second node that is lost: what tests of recovery stand on."""

from __future__ import annotations

import json

from tests.cluster import settings
from tests.cluster.fixtures import run
from tests.cluster.node import wait_until
from tests.cluster.pods import pod, run_pod
from tests.cluster.providing import Cluster

LOOK = """
from weir.storage import open_storage

print(sorted(found.name for found in open_storage("s3://weir/second-node").list()))
"""
#: The control plane takes 50 s to believe that a node is gone.
NOTICED_WITHIN_S = 240.0


def readiness(cluster: Cluster, selector: str) -> set[str]:
    """What the condition Ready says of the nodes with this label."""
    said = set()
    for node in json.loads(cluster.kubectl("get", "nodes", "-l", selector, "-o", "json"))["items"]:
        said |= {found["status"] for found in node["status"]["conditions"] if found["type"] == "Ready"}
    return said


def test_a_second_node_reaches_what_runs_on_the_first_and_its_loss_is_noticed(
    cluster: Cluster, namespace: str, weir_image: str, spare_node: str
) -> None:
    this, others = f"kubernetes.io/hostname={spare_node}", f"!{settings.SPARE}"
    far = pod("far", namespace, weir_image, ["python", "-c", LOOK], node=spare_node)
    assert run_pod(cluster, far) == "[]\n"
    assert readiness(cluster, this) == readiness(cluster, others) == {"True"}
    cluster.provider.lose(spare_node)
    wait_until(
        lambda: readiness(cluster, this) == {"Unknown"},
        NOTICED_WITHIN_S,
        f"the loss of {spare_node} was not noticed",
    )
    run("up")  # neither waits for that node nor takes it away
    assert readiness(cluster, this) == {"Unknown"}
    assert readiness(cluster, others) == {"True"}

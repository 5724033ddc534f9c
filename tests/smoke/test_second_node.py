"""Two nodes, one of which is lost: what tests of recovery will stand on."""

from __future__ import annotations

import json

import pytest

from tests.cluster.errors import ClusterError
from tests.cluster.fixtures import run
from tests.cluster.images import load
from tests.cluster.native import NativeCluster
from tests.cluster.node import wait_until
from tests.cluster.pods import pod, run_pod
from tests.cluster.providing import Cluster

LOOK = """
from weir.storage import open_storage

print(sorted(found.name for found in open_storage("s3://weir/second-node").list()))
"""
#: The control plane takes 50 s to believe that a node is gone.
NOTICED_WITHIN_S = 240.0


def readiness(cluster: Cluster) -> dict[str, str]:
    found = {}
    for node in json.loads(cluster.kubectl("get", "nodes", "-o", "json"))["items"]:
        conditions = {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}
        found[node["metadata"]["name"]] = conditions["Ready"]
    return found


def test_a_second_node_reaches_what_runs_on_the_first_and_its_loss_is_noticed(
    cluster: Cluster, weir_image: str, namespace: str
) -> None:
    if not isinstance(cluster.provider, NativeCluster):
        pytest.skip("only a native cluster takes a node in addition")
    run("up", "--nodes", "2")
    load(cluster.provider, weir_image)
    far = pod("far", namespace, weir_image, ["python", "-c", LOOK], node="node-2")
    assert run_pod(cluster, far) == "[]\n"
    assert readiness(cluster) == {"node-1": "True", "node-2": "True"}
    cluster.provider.lose("node-2")
    wait_until(
        lambda: readiness(cluster) == {"node-1": "True", "node-2": "Unknown"},
        NOTICED_WITHIN_S,
        "the loss of node-2 was not noticed",
    )
    with pytest.raises(ClusterError, match="node-2 is down"):
        cluster.provider.nodes()[1].run(["true"])
    run("up")
    assert readiness(cluster) == {"node-1": "True"}

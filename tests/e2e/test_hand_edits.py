"""What the operator made is deleted or edited by hand: it is put back, and no healthy pod is touched (O24)."""

from __future__ import annotations

import json

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000
#: Beside the Deployments: their deletion takes the pods along.
CHILDREN = (
    "service/counts-rest",
    "service/counts-1-jm",
    "configmap/counts-1",
    "pdb/counts-tm",
    "networkpolicy/counts-pods",
)


def test_children_that_are_deleted_or_edited_are_put_back_and_healthy_pods_stay(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Ready")
    number = stage.wait_checkpoint("counts")
    pods = {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}

    for child in CHILDREN:
        stage.kubectl("delete", child)
        stage.wait_exists(*child.split("/"))
    labels = json.dumps({"spec": {"selector": {"weir.dev/run": "99"}}})
    stage.kubectl("patch", "service", "counts-rest", "--type=merge", "-p", labels)
    stage.wait_resource(
        "service", "counts-rest", lambda found: found["spec"]["selector"]["weir.dev/run"] == "1"
    )
    stage.kubectl("scale", "deployment/counts-1-tm", "--replicas=3")
    stage.wait_resource("deployment", "counts-1-tm", lambda found: found["spec"]["replicas"] == 1)

    stage.wait_checkpoint("counts", after=number)
    stage.wait_pods(
        lambda _: {pod["metadata"]["uid"] for pod in stage.pods_of("counts")} == pods,
        "the same pods are left",
    )

    taskmanagers = stage.pods_of("counts", "taskmanager")
    stage.kubectl("delete", "deployment", "counts-1-tm")
    stage.wait_exists("deployment", "counts-1-tm")
    stage.wait_recovered("counts", taskmanagers)
    stage.wait_condition("counts", "Ready")
    assert exactness.faults(stage.output("counts")) == []

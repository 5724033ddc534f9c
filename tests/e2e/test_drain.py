"""``kubectl drain`` of the node on which a job runs: a checkpoint is completed first, the drain ends, the job goes on elsewhere (O27, E37)."""

from __future__ import annotations

from tests.cluster import settings
from tests.cluster.watching import Resource
from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000


def there_if_it_can_be(node: str) -> Resource:
    """Pods for this spare node; elsewhere when it is drained or gone, but on no other spare one, which somebody else may lose."""
    here = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}
    no_spare = {"key": settings.SPARE, "operator": "DoesNotExist"}
    terms = [{"matchExpressions": [here]}, {"matchExpressions": [no_spare]}]
    affinity = {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": terms[0]}],
    }
    pod = {
        "tolerations": [{"key": settings.SPARE, "operator": "Exists"}],
        "affinity": {"nodeAffinity": affinity},
    }
    return {"jobManager": {"pod": pod}, "taskManager": {"pod": pod}}


def test_a_drain_ends_and_loses_nothing_that_a_checkpoint_would_have_kept(
    stage: Stage, spare_node: str
) -> None:
    stage.images.load(stage.cluster, spare_node)
    stage.apply(stage.counting("counts", rows=ROWS, rate=100, **there_if_it_can_be(spare_node)))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts")
    pods = stage.pods_of("counts")
    assert {found["spec"]["nodeName"] for found in pods} == {spare_node}

    stage.cluster.kubectl(
        "drain", spare_node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=120s", timeout=150
    )

    stage.wait_recovered("counts", pods)
    stage.wait_condition("counts", "Ready")
    assert spare_node not in {found["spec"]["nodeName"] for found in stage.pods_of("counts")}
    assert stage.runs("counts") == [1]
    assert exactness.faults(stage.output("counts")) == []

"""``kubectl scale`` and an autoscaler: more and fewer subtasks, in place, with what was counted kept; a number that cannot be is refused (E22, O30, B22)."""

from __future__ import annotations

import json

import pytest

from tests.cluster.errors import ClusterError
from tests.e2e import exactness
from tests.e2e.stage import Stage, run_of

ROWS = 100_000
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
#: What the JobManager says of its job.
REPORT = """
from pathlib import Path
from urllib.request import Request, urlopen
token = Path("/etc/weir/secret/rest-token").read_text().strip()
print(urlopen(Request("http://127.0.0.1:8081/jobs/weir", headers={"Authorization": f"Bearer {token}"})).read().decode())
"""
AUTOSCALER = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "counts"},
    "spec": {
        "scaleTargetRef": {"apiVersion": "weir.dev/v1alpha1", "kind": "StreamJob", "name": "counts"},
        "minReplicas": 6,
        "maxReplicas": 8,
        "metrics": [
            {
                "type": "Resource",
                "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
            }
        ],
    },
}


def test_a_job_is_scaled_up_and_down_and_only_the_difference_in_pods_starts_or_ends(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=150))
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts")
    first = {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}
    assert len(first) == 2  # a JobManager, and a TaskManager with two slots

    stage.kubectl("scale", "streamjobs.weir.dev/counts", "--replicas=4")
    scaled(stage, 4)
    now = {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}
    assert first < now
    assert len(now) == 3
    said = stage.kubectl(
        "get", "streamjobs.weir.dev", "counts", "-o", "jsonpath={.spec.job.parallelism}/{.status.parallelism}"
    )
    assert said == "4/4"

    # An autoscaler that wants more than there are: it needs no metrics for that.
    stage.apply(AUTOSCALER)
    scaled(stage, 6)
    assert now < {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}
    stage.kubectl("delete", "horizontalpodautoscaler", "counts")

    stage.kubectl("scale", "streamjobs.weir.dev/counts", "--replicas=1")
    scaled(stage, 1)
    assert len(stage.pods_of("counts", "taskmanager")) == 1
    history = [pod for _, _, pod in list(stage.pods.history) if run_of(pod, "counts")]
    gone = [pod for pod in history if "deletionTimestamp" in pod["metadata"]]
    assert {pod["metadata"].get("annotations", {}).get(DELETION_COST) for pod in gone} == {"-1"}
    report = json.loads(
        stage.kubectl("exec", stage.pod_of("counts", "jobmanager"), "--", "python", "-c", REPORT)
    )
    assert report["failures"] == [], "the job lost none of those that it was in"
    refused = [event["message"] for event in stage.events("counts") if event["reason"] == "JobManagerRefused"]
    assert refused == [], "asking again for what is under way is no mistake"

    with pytest.raises(ClusterError, match="128"):
        stage.kubectl("scale", "streamjobs.weir.dev/counts", "--replicas=129")
    assert stage.job("counts")["spec"]["job"]["parallelism"] == 1
    assert exactness.faults(stage.output("counts")) == []
    assert stage.runs("counts") == [1], "nothing was restarted"


def scaled(stage: Stage, parallelism: int) -> None:
    stage.wait_job(
        "counts",
        lambda job: job["status"].get("parallelism") == parallelism,
        f"it runs with parallelism {parallelism}",
    )
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])

"""A job is applied, loses a pod of each kind, is changed while it runs, and comes to its end: its output is exactly what it should be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cluster import minio_server
from tests.cluster.pods import pod, run_pod
from tests.cluster.providing import Cluster
from tests.support.cluster_operator import counting, operator
from tests.support.waiting import wait_for

ROWS = 40_000
#: Judges the output without Weir's connectors: each number once, and each key's counts without a gap.
JUDGE = """
import collections, json, sys
from weir.storage import open_storage

rows = []
storage = open_storage(sys.argv[1])
for found in storage.list():
    if found.name.rpartition("/")[2].startswith("part-"):
        rows += [json.loads(line) for line in storage.read(found.name).decode().splitlines()]
numbers = collections.Counter(value for value, _, _ in rows)
counts = collections.defaultdict(list)
for _, key, nth in rows:
    counts[key].append(nth)
print(len(rows), sorted(numbers) == list(range(int(sys.argv[2]))), max(numbers.values()) == 1,
      all(sorted(nths) == list(range(1, len(nths) + 1)) for nths in counts.values()))
"""


def test_a_job_survives_its_pods_and_a_change_of_its_spec_and_its_output_is_exact(
    cluster: Cluster, weir_image: str, namespace: str, tmp_path: Path
) -> None:
    def job() -> dict[str, Any]:
        found: dict[str, Any] = cluster.get("streamjobs.weir.dev", "count", namespace)
        return found

    def conditions() -> dict[str, dict[str, Any]]:
        return {held["type"]: held for held in job().get("status", {}).get("conditions", ())}

    def says(condition: str, reason: str) -> bool:
        held = conditions().get(condition, {})
        return (held.get("status"), held.get("reason")) == ("True", reason)

    def change(**of_job: Any) -> None:
        patch = json.dumps({"spec": {"job": of_job}})
        cluster.kubectl("patch", "streamjobs.weir.dev", "count", "-n", namespace, "--type=merge", "-p", patch)

    def kill(component: str) -> None:
        select = f"weir.dev/component={component}"
        cluster.kubectl("delete", "pod", "-n", namespace, "-l", select, "--force", "--grace-period=0")

    with operator(cluster, namespace, weir_image, tmp_path) as log:

        def told() -> str:
            return f"{json.dumps(job(), indent=1)}\n{log.read_text()[-5000:]}"

        code, resource = counting(namespace, weir_image, ROWS, rate=100)
        cluster.apply(code, resource)
        wait_for(lambda: says("Ready", "Running"), told)
        for component in ("taskmanager", "jobmanager"):
            kill(component)
            wait_for(lambda: not says("Ready", "Running"), lambda: f"the loss is seen: {told()}")
            wait_for(lambda: says("Ready", "Running"), lambda: f"the job is back: {told()}")
        assert job()["status"]["run"] == 1, "the engine recovers within its run"

        change(args=[str(ROWS), "4000", resource["spec"]["job"]["args"][2]])
        wait_for(lambda: job()["status"]["run"] == 2, lambda: f"a new run begins: {told()}")
        wait_for(lambda: says("Ready", "Finished"), lambda: f"it comes to its end: {told()}")
        status = job()["status"]
        assert status["lastSavepoint"]["trigger"] == "Upgrade"
        wait_for(
            lambda: not json.loads(cluster.kubectl("get", "pods", "-n", namespace, "-o", "json"))["items"],
            "the pods of a finished job are gone",
        )
        assert job()["status"]["run"] == 2, "what came to its end is not started again"
    out = f"s3://{minio_server.BUCKET}/{namespace}/out"
    judge = pod("judge", namespace, weir_image, ["python", "-c", JUDGE, out, str(ROWS)])
    assert run_pod(cluster, judge).split() == [str(ROWS), "True", "True", "True"]

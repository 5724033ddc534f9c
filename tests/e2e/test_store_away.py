"""The object store does not answer for minutes: the job runs on, a change that needs a savepoint waits and can be taken back, and afterwards all goes on (O9)."""

from __future__ import annotations

from tests.cluster import minio_server
from tests.cluster.object_store import ObjectStore
from tests.e2e import exactness
from tests.e2e.stage import Stage, condition

ROWS = 100_000


def test_a_job_outlives_an_object_store_that_does_not_answer(stage: Stage) -> None:
    endpoint = minio_server.install_another(stage.cluster, stage.namespace)
    how = {
        "rows": ROWS,
        "rate": 100,
        "checkpoints": {"timeout": "10s", "tolerableFailures": 1000},
        "storage": {"s3": {"endpoint": endpoint}},
    }
    with ObjectStore(stage.cluster, stage.namespace) as stage.store:
        good = stage.counting("counts", **how)
        stage.apply(good)
        stage.wait_condition("counts", "Progressing", "False")  # stable
        stage.wait_checkpoint("counts", after=1)
        pods = {pod["metadata"]["uid"] for pod in stage.pods_of("counts", run=1)}
        [store] = [name for name in stage.pods.now if name.startswith("minio-")]

        stage.signal(store, "STOP")
        stage.edit("counts", {"job": {"state": "Suspended"}})
        blocked = stage.wait_condition("counts", "UpgradeBlocked", reason="SavepointFailed", seconds=240)
        assert "the job goes on as it is" in blocked["message"]
        stage.wait_job(
            "counts",
            lambda job: "savepoint 2 of run 1 failed" in str(job["status"]["conditions"]),
            "it is tried again",
        )
        stage.edit("counts", {"job": {"state": "Running"}})
        stage.wait_job("counts", lambda job: condition(job, "UpgradeBlocked") is None, "nothing is blocked")
        assert pods == {pod["metadata"]["uid"] for pod in stage.pods_of("counts", run=1)}
        number = stage.status("counts")["lastCheckpoint"]["id"]
        # A TaskManager that is lost meanwhile finds its state when the store is back.
        stage.kill(stage.pod_of("counts", "taskmanager"))
        stage.signal(store, "CONT")

        stage.wait_checkpoint("counts", after=number)
        stage.wait_condition("counts", "Ready")
        assert exactness.faults(stage.output("counts")) == []

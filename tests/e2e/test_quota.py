"""A quota has no room for the pods of a larger parallelism: the job goes on with what it has, the quota is named, and what fits is done (O31)."""

from __future__ import annotations

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000
#: The operator waits two minutes for pods that do not come.
GIVEN_UP_S = 360.0


def test_a_job_goes_on_as_it_was_when_a_quota_is_exceeded(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100, taskManager={"slots": 1}))
    stage.wait_condition("counts", "Progressing", "False")  # stable
    stage.wait_checkpoint("counts")
    present = [pod for pod in stage.pods.now.values() if pod["status"].get("phase") == "Running"]
    quota = {"hard": {"pods": str(len(present) + 1)}}
    stage.apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "small"}, "spec": quota})
    stage.wait_resource("resourcequota", "small", lambda found: "used" in found.get("status", {}))

    stage.kubectl("scale", "streamjobs.weir.dev/counts", "--replicas=5")
    told = stage.wait_condition("counts", "UpgradeBlocked", reason="RescaleFailed", seconds=GIVEN_UP_S)
    assert "exceeded quota: small" in told["message"]
    assert "goes on with 2" in told["message"]
    said = [
        event["message"]
        for event in stage.events()
        if event["source"].get("component") == "weir-operator"
        or event.get("reportingComponent") == "weir-operator"
    ]
    print(said)
    stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
    assert stage.status("counts")["parallelism"] == 2
    stage.wait_pods(
        lambda _: len(stage.pods_of("counts", run=1)) == 3,
        "the one that came is gone",
    )

    # One more fits.
    stage.kubectl("scale", "streamjobs.weir.dev/counts", "--replicas=3")
    stage.wait_job("counts", lambda job: job["status"].get("parallelism") == 3, "it has parallelism 3")
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
    assert stage.runs("counts") == [1], "nothing was restarted"
    assert exactness.faults(stage.output("counts")) == []

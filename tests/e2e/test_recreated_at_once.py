"""A StreamJob is deleted and made again under its name at once: the end of the old one touches nothing of the new one (R20)."""

from __future__ import annotations

import json
from contextlib import ExitStack, suppress

from tests.cluster.errors import ClusterError
from tests.cluster.watching import Resource, Watch
from tests.e2e import exactness
from tests.e2e.stage import Stage
from tests.support.waiting import wait_for

ROWS = 100_000
UID, RUN = "weir.dev/uid", "weir.dev/run"
KINDS = ("secrets", "services", "configmaps", "deployments.apps", "networkpolicies", "controllerrevisions")


def test_the_end_of_a_job_touches_nothing_of_the_next_one_of_its_name(stage: Stage) -> None:
    with ExitStack() as stack:
        watches = [stack.enter_context(Watch(stage.cluster, kind, stage.namespace)) for kind in KINDS]
        stage.apply(stage.counting("counts", rows=ROWS, rate=100, deletionPolicy="Purge"))
        stage.wait_condition("counts", "Ready")
        stage.wait_checkpoint("counts", after=1)
        first = stage.job("counts")

        # Purged by its policy; the next one begins afresh beside what is left of it.
        again(stage, first)
        stage.wait_condition("counts", "Progressing", "False")  # stable
        stage.wait_checkpoint("counts", after=1)
        second = stage.job("counts")
        wait_for(lambda: not snapshots(stage, first), "the first one is purged", poll=0.5)
        assert snapshots(stage, second)
        assert lost(stage, watches, second) == []

        # Somebody takes the finalizer away: its pods run and its objects are collected while the next one is made.
        again(stage, second, hastily=True)
        stage.wait_condition("counts", "Progressing", "False")
        third = stage.job("counts")
        stage.wait_pods(
            lambda pods: not any(pod["metadata"]["labels"].get(UID) == uid(second) for pod in pods.values()),
            "no pod of the second one is left",
        )
        stage.wait_reconciled("counts")
        stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
        stage.wait_condition("counts", "Ready")

        assert len({job["status"]["jobId"] for job in (first, second, third)}) == 3
        assert snapshots(stage, second), "it was not purged"
        assert snapshots(stage, third)
        assert lost(stage, watches, third) == []
        rows = exactness.lines(stage.store.read_all(f"{stage.namespace}/counts/out-2/"))
        assert exactness.faults(rows) == [], "the third one goes on where the second one was"


def again(stage: Stage, old: Resource, *, hastily: bool = False) -> None:
    """Deletes the job and makes the next one as soon as the API server takes it."""
    new = stage.counting("counts", rows=ROWS, rate=100)
    new["spec"]["job"]["args"][2] += "-2"
    stage.kubectl("delete", "streamjobs.weir.dev", "counts", "--wait=false")
    if hastily:
        with suppress(ClusterError):  # the operator was faster
            freed = ("--type=merge", "-p", '{"metadata": {"finalizers": null}}')
            stage.kubectl("patch", "streamjobs.weir.dev", "counts", *freed)
    refused = ""

    def made() -> bool:
        nonlocal refused
        try:
            stage.kubectl("create", "-f", "-", text=json.dumps(new))
        except ClusterError as error:
            refused = str(error)
            return False
        return True

    wait_for(made, lambda: f"the next one can be made: {refused}", poll=0.1)
    stage.wait_job("counts", lambda job: uid(job) != uid(old), "the next one is seen")


def uid(resource: Resource) -> str:
    return str(resource["metadata"]["uid"])


def snapshots(stage: Stage, job: Resource) -> list[str]:
    """What the bucket has of the job's own folder."""
    return stage.objects(f"counts/checkpoints/{job['status']['jobId']}/")


def lost(stage: Stage, watches: list[Watch], job: Resource) -> list[str]:
    """What was the job's, and of its pods those of runs, and is or was being deleted."""
    gone = []
    for watch in (*watches, stage.pods):
        for _, what, found in list(watch.history):
            metadata = found["metadata"]
            owners = {owner["uid"] for owner in metadata.get("ownerReferences", [])}
            marks = metadata.get("labels", {})
            its_own = uid(job) in owners or (marks.get(UID) == uid(job) and RUN in marks)
            if its_own and (what == "DELETED" or "deletionTimestamp" in metadata):
                gone.append(f"{watch.kind}/{metadata['name']}")
    return gone

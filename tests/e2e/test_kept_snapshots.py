"""Which snapshots are kept, also while their job is suspended, what a schedule takes, and what a deletion takes along (O21)."""

from __future__ import annotations

from typing import Any

from tests.cluster.watching import Watch
from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000


def snapshot(name: str, **spec: Any) -> dict[str, Any]:
    """A StreamJobSnapshot."""
    return {
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "StreamJobSnapshot",
        "metadata": {"name": name},
        "spec": spec,
    }


class Kept:
    """The StreamJobSnapshots of a stage, and the folders of savepoints that lie in the bucket."""

    def __init__(self, stage: Stage, watch: Watch) -> None:
        self._stage, self._watch = stage, watch

    def triggers(self) -> list[str | None]:
        """What those that exist were taken for, oldest first."""
        found = sorted(self._watch.now.values(), key=lambda body: body["metadata"]["creationTimestamp"])
        return [body.get("status", {}).get("trigger") for body in found]

    def paths(self) -> set[str]:
        """Where those that are complete lie."""
        return {path for body in self._watch.now.values() if (path := body.get("status", {}).get("path"))}

    def folders(self) -> set[str]:
        """Folders with anything in them."""
        return {name.split("/")[2] for name in self._stage.objects("counts/savepoints/")}

    def wait(self, triggers: list[str], what: str) -> None:
        """Until exactly these exist, are complete, and nothing else lies in the bucket."""

        def good(now: object) -> bool:
            complete = all(
                body.get("status", {}).get("phase") == "Completed" for body in self._watch.now.values()
            )
            return complete and self.triggers() == triggers

        if not self._watch.wait(good, 120.0):
            raise AssertionError(f"{what}: there are {self.triggers()}, not {triggers}")
        assert self.folders() == {path.rsplit("/", 1)[1] for path in self.paths()}, what


def test_no_more_are_kept_than_asked_for_also_while_the_job_is_suspended(stage: Stage) -> None:
    with Watch(stage.cluster, "streamjobsnapshots.weir.dev", stage.namespace) as watch:
        kept = Kept(stage, watch)
        stage.apply(stage.counting("counts", rows=ROWS, rate=100, snapshots={"keep": {"count": 2}}))
        stage.wait_condition("counts", "Ready")
        stage.wait_checkpoint("counts")
        stage.apply(snapshot("by-hand", job="counts"))
        kept.wait(["Resource"], "one by hand")
        for nonce, known in ((1, ["Nonce"]), (2, ["Nonce", "Nonce"]), (3, ["Nonce", "Nonce"])):
            before = stage.status("counts").get("lastSavepoint", {}).get("path")
            stage.edit("counts", {"upgrade": {"savepointNonce": nonce}})
            stage.wait_job(
                "counts",
                lambda job, before=before: (
                    (last := job["status"].get("lastSavepoint", {})).get("trigger") == "Nonce"
                    and last["path"] != before
                ),
                f"savepoint {nonce} is recorded",
            )
            kept.wait(["Resource", *known], f"after nonce {nonce}")

        stage.edit("counts", {"job": {"state": "Suspended"}})
        stage.wait_condition("counts", "Suspended")
        stage.wait_no_pods("counts")
        kept.wait(["Resource", "Nonce", "Suspend"], "the one that suspended the job is kept like the others")
        stage.edit("counts", {"snapshots": {"keep": {"count": 1}}})
        kept.wait(["Resource", "Suspend"], "while the job is suspended")
        by_hand = watch.now["by-hand"]["status"]["path"]
        stage.kubectl("delete", "streamjobsnapshots.weir.dev/by-hand", "--timeout=60s")
        assert stage.read_metadata(by_hand)["owner"] == "operator", "its files stay: dispose was not set"

        stage.apply(snapshot("too-late", job="counts"))
        wait = ("--for=jsonpath={.status.phase}=Failed", "--timeout=60s")
        stage.kubectl("wait", "streamjobsnapshots.weir.dev/too-late", *wait)
        told = stage.get("streamjobsnapshots.weir.dev", "too-late")["status"]
        assert stage.status("counts")["lastSavepoint"]["path"] in told["message"]
        stage.kubectl("delete", "streamjobsnapshots.weir.dev/too-late", "--timeout=60s")

        schedule = {"schedule": "* * * * *"}
        stage.edit("counts", {"job": {"state": "Running"}, "snapshots": schedule})
        stage.wait_job(
            "counts",
            lambda job: job["status"].get("lastSavepoint", {}).get("trigger") == "Schedule",
            "a savepoint by schedule is recorded",
        )
        stage.edit("counts", {"snapshots": {"schedule": None}})
        assert watch.wait(lambda _: kept.triggers() == ["Schedule"], 120.0), kept.triggers()
        assert exactness.faults(stage.output("counts")) == []


def test_a_snapshot_that_is_deleted_takes_its_files_along_where_that_is_asked_for(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.apply(snapshot("mine", job="counts", dispose=True))
    wait = ("--for=jsonpath={.status.phase}=Completed", "--timeout=120s")
    stage.kubectl("wait", "streamjobsnapshots.weir.dev/mine", *wait)
    path = stage.get("streamjobsnapshots.weir.dev", "mine")["status"]["path"]
    folder = path.rsplit("/", 1)[1]
    assert stage.objects(f"counts/savepoints/{folder}/")
    after = stage.wait_checkpoint("counts")
    stage.wait_checkpoint("counts", after=after)
    stage.kubectl("delete", "streamjobsnapshots.weir.dev/mine", "--timeout=120s")
    assert stage.objects(f"counts/savepoints/{folder}/") == []
    assert stage.runs("counts") == [1]

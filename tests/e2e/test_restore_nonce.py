"""Back to an older checkpoint, by name and nonce: exactly that one is restored, and that is said."""

from __future__ import annotations

import json

from tests.cluster.watching import Resource
from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000


def some_kept(job: Resource) -> list[Resource]:
    kept: list[Resource] = job["status"].get("retainedCheckpoints", [])
    return sorted(kept, key=lambda one: one["id"]) if len(kept) > 3 else []


def test_a_job_goes_back_to_an_older_checkpoint_that_somebody_names(stage: Stage) -> None:
    # So many that one is still kept when it is restored; of one subtask, so what a checkpoint has is a number of rows.
    how: Resource = {"rows": ROWS, "rate": 100, "job": {"parallelism": 1}}
    how["checkpoints"] = {"interval": "2s", "retained": 100}
    stage.apply(stage.counting("counts", **how))
    stage.wait_condition("counts", "Ready")
    job_id = stage.status("counts")["jobId"]
    older, *_, newest = stage.wait_job("counts", some_kept, "some checkpoints are kept")[-3:]

    restore = {"from": older["path"], "nonce": 1}
    stage.apply(stage.counting("counts", version=2, restore=restore, **how))
    stage.wait_job("counts", lambda job: job["status"]["run"] == 2, "another run begins")
    stage.wait_condition("counts", "Ready")
    stage.wait_condition("counts", "Progressing", "False")
    told = stage.status("counts")
    assert told["jobId"] == job_id
    assert told["lastUpgrade"]["snapshot"] == older["path"] != newest["path"]
    assert "restore.nonce was changed" in told["lastUpgrade"]["reason"]
    assert "RestoreStarted" in {event["reason"] for event in stage.events("counts")}

    stage.wait_checkpoint("counts", after=told["lastCheckpoint"]["id"])
    rows = stage.output("counts")
    again = sorted(line["id"] for line in rows if line["version"] == 2)
    began = again[0]
    assert again == list(range(began, began + len(again))), "one row after the other, from there on"
    first = [line for line in rows if line["version"] == 1]
    line_of_both = [line for line in rows if line["version"] == 2 or line["id"] < began]
    assert exactness.faults(line_of_both) == [], "with the state that those rows had left"
    files = [
        [json.loads(line)["id"] for line in content.splitlines()]
        for key, content in stage.store.read_all(f"{stage.namespace}/counts/out/").items()
        if "/part-" in key
    ]
    assert not any(min(ids) < began <= max(ids) for ids in files), "it begins where a checkpoint was"
    assert max(line["id"] for line in first) >= began, "and that was not the newest: rows were repeated"
    assert stage.runs_alive_together("counts") == set()


def test_a_snapshot_that_does_not_exist_leaves_the_job_as_it_is(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Progressing", "False")
    number = stage.wait_checkpoint("counts")
    there = stage.status("counts")["lastCheckpoint"]["path"].rsplit("/", 1)[0]
    stage.edit("counts", {"restore": {"from": f"{there}/chk-100000", "nonce": 1}})
    blocked = stage.wait_condition("counts", "UpgradeBlocked")
    assert f"{there}/chk-100000" in blocked["message"]
    stage.wait_checkpoint("counts", after=number + 2)
    stage.edit("counts", {"restore": None})
    stage.wait_condition("counts", "Ready")
    stage.wait_condition("counts", "Progressing", "False")
    assert stage.runs("counts") == [1]
    assert exactness.faults(stage.output("counts")) == []

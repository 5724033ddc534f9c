"""A change while another is under way: a pause holds it, the newest spec takes over the savepoint, an earlier revision is gone back to (O10, O17, O36)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator

from tests.e2e import exactness
from tests.e2e.stage import Stage
from tests.e2e.test_taken_names import nowhere
from weir_operator.resources import names

ROWS = 100_000


def test_a_change_under_way_is_paused_overtaken_and_gone_back_on(stage: Stage) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Progressing", "False")  # stable
    number = stage.wait_checkpoint("counts", after=1)
    pods = {pod["metadata"]["uid"] for pod in stage.pods_of("counts", run=1)}

    # The next version is to be tried against the state, which cannot be yet; before the old one is asked to stop, the job is paused.
    errand = names.errand("counts", "preflight-1-2")
    stage.apply(nowhere(errand))
    stage.apply(stage.counting("counts", version=2, rows=ROWS, rate=100))
    in_phase(stage, "Preflight")
    stage.edit("counts", {"paused": True})
    stage.wait_job("counts", lambda job: "paused" in str(job["status"]["conditions"]), "it holds still")
    number = stage.wait_checkpoint("counts", after=number + 3)
    assert pods == {pod["metadata"]["uid"] for pod in stage.pods_of("counts", run=1)}
    assert stage.runs("counts") == [1]

    # It goes on, and while the old job stops somebody wants something else.
    stage.kubectl("delete", "pod", errand)
    with kept_from_going(stage, stage.pod_of("counts", "taskmanager")):
        stage.edit("counts", {"paused": False})
        in_phase(stage, "Stopping", "Draining")
        newest = {"image": stage.images.of(1), "taskManager": {"pod": {"labels": {"newest": "true"}}}}
        stage.edit("counts", newest)
        stage.wait_job(
            "counts",
            lambda job: job["status"].get("upgrade", {}).get("revision") == 3,
            "the newest spec is what follows",
        )
    stage.wait_job("counts", lambda job: job["status"].get("revision") == 3, "the newest spec runs")
    stage.wait_condition("counts", "Progressing", "False")
    taken = {key.split("/")[2] for key in stage.objects("counts/savepoints/")}
    assert len(taken) == 1, "both changes share the savepoint"
    assert stage.status("counts")["lastUpgrade"]["snapshot"].rstrip("/").rpartition("/")[2] in taken
    rows = stage.output("counts")
    assert {line["version"] for line in rows} == {1}, "what was overtaken never ran"
    assert exactness.faults(rows) == []

    # Back to the second revision, which never ran, by its number.
    stage.edit("counts", {"upgrade": {"rollbackTo": 2}})
    stage.wait_job("counts", lambda job: job["status"].get("revision") == 2, "revision 2 runs")
    stage.wait_condition("counts", "Progressing", "False")
    stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
    assert stage.runs_alive_together("counts") == set()
    rows = stage.output("counts")
    assert {line["version"] for line in rows} == {1, 2}
    assert exactness.faults(rows) == []


def in_phase(stage: Stage, *phases: str) -> None:
    stage.wait_job(
        "counts",
        lambda job: job["status"].get("upgrade", {}).get("phase") in phases,
        f"the change is in phase {' or '.join(phases)}",
    )


@contextlib.contextmanager
def kept_from_going(stage: Stage, pod: str) -> Iterator[None]:
    """When the pod is deleted its processes end, and it stays: no other run begins before this is over."""

    def patch(finalizers: list[str] | None) -> None:
        content = json.dumps({"metadata": {"finalizers": finalizers}})
        stage.kubectl("patch", "pod", pod, "--type=merge", "-p", content)

    patch(["weir.dev/kept-by-a-test"])
    try:
        yield
    finally:
        patch(None)

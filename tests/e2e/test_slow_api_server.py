"""The API server takes seconds for an answer and refuses every third request: jobs run on untouched, the operator does not press, and what was asked meanwhile is done (R23)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.e2e import exactness, installing, proxying, slowing
from tests.e2e.stage import Stage
from tests.support.waiting import wait_for

ROWS = 100_000


def test_jobs_outlive_an_api_server_that_is_slow_and_refuses(stage: Stage, tmp_path: Path) -> None:
    for name in ("left", "changed"):
        stage.apply(stage.counting(name, rows=ROWS, rate=50, job={"parallelism": 1}))
    for name in ("left", "changed"):
        stage.wait_condition(name, "Progressing", "False")  # stable
    pods = {pod["metadata"]["uid"] for pod in stage.pods_of("left")}
    number = stage.wait_checkpoint("left")
    installing.stop(stage.cluster, stage.namespace)

    with proxying.instead_of_the_chart_s(stage, "tests.e2e.slowing", tmp_path) as said:
        stage.apply(stage.counting("changed", version=2, rows=ROWS, rate=50, job={"parallelism": 1}))
        wait_for(lambda: "passed" in said.read_text(), "the API server is as it was", 400.0, poll=0.5)
        # What the operator came to know meanwhile, and what was asked of it.
        stage.wait_checkpoint("left", after=number)
        stage.wait_job(
            "changed",
            lambda job: job["status"]["run"] == 2 and "upgrade" not in job["status"],
            "the upgrade has ended",
        )
        for name in ("left", "changed"):
            stage.wait_condition(name, "Ready")
        requests = [line.split() for line in said.read_text().splitlines()]

    assert {pod["metadata"]["uid"] for pod in stage.pods_of("left")} == pods, "nobody touched it"
    assert stage.runs("left") == [1]
    assert stage.runs("changed") == [1, 2]
    assert stage.runs_alive_together("changed") == set()
    for name in ("left", "changed"):
        assert exactness.faults(stage.output(name)) == []

    kinds = Counter(what for what, *_ in requests)
    assert kinds["refused"] == slowing.DISTURBED // slowing.TOO_MANY, kinds
    lasted = float(requests[-1][1]) - float(requests[0][1])
    print(f"{kinds} in {lasted:.0f} s; {slowing.QPS} a second are allowed")
    # The rate, what may go out at once, and as much again ahead of others.
    assert len(requests) <= slowing.QPS * lasted + 2 * slowing.BURST

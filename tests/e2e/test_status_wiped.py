"""All that the operator remembers is wiped: the bucket is the truth, and the job goes on (O5)."""

from __future__ import annotations

import pytest

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000


@pytest.mark.parametrize("job", ["runs", "is down"])
def test_a_job_whose_status_is_wiped_goes_on_from_its_newest_checkpoint(stage: Stage, job: str) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Ready")
    number = stage.wait_checkpoint("counts", after=2)
    job_id = stage.status("counts")["jobId"]
    if job == "is down":
        labels = ("-l", "weir.dev/job=counts")
        stage.kubectl("delete", "deployments,configmaps,secrets,services,controllerrevisions", *labels)
    wipe = '[{"op": "replace", "path": "/status", "value": {}}]'
    stage.kubectl("patch", "streamjobs.weir.dev", "counts", "--subresource=status", "--type=json", "-p", wipe)

    stage.wait_checkpoint("counts", after=number)
    stage.wait_condition("counts", "Ready")
    assert stage.status("counts")["jobId"] == job_id
    assert stage.runs_alive_together("counts") == set()
    rows = stage.output("counts")
    assert len(rows) > 0
    assert exactness.faults(rows) == []

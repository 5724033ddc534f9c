"""The operator is killed after every single write of an upgrade, before it has the answer, and the upgrade ends as any other (O8, R19)."""

from __future__ import annotations

from pathlib import Path

from tests.e2e import exactness, installing, proxying
from tests.e2e.stage import Stage

ROWS = 100_000
#: What an upgrade writes at least: the status in six phases, two Deployments, a Service, a ConfigMap, a Secret, a revision.
WRITES = 12
#: Each new operator waits until the Lease of the one before has run out.
ALL_S = 600.0


def test_an_upgrade_whose_operator_is_killed_after_every_write_ends_as_any_other(
    stage: Stage, tmp_path: Path
) -> None:
    stage.apply(stage.counting("counts", rows=ROWS, rate=100))
    stage.wait_condition("counts", "Progressing", "False")  # stable
    stage.wait_checkpoint("counts", after=1)
    installing.stop(stage.cluster, stage.namespace)

    with proxying.instead_of_the_chart_s(stage, "tests.e2e.killing", tmp_path) as met:
        stage.apply(stage.counting("counts", version=2, rows=ROWS, rate=100))
        stage.wait_job(
            "counts",
            lambda job: job["status"]["run"] == 2 and "upgrade" not in job["status"],
            "the upgrade has ended",
            ALL_S,
        )
        stage.wait_condition("counts", "Ready")
        stage.wait_checkpoint("counts", after=stage.status("counts")["lastCheckpoint"]["id"])
    writes = met.read_text().splitlines()
    assert len(writes) >= WRITES, writes
    assert sum("/status" in write for write in writes) >= 4, writes

    assert stage.runs("counts") == [1, 2]
    assert stage.runs_alive_together("counts") == set()
    assert stage.status("counts")["lastUpgrade"]["mode"] == "Savepoint"
    taken = {key.split("/")[2] for key in stage.objects("counts/savepoints/")}
    assert len(taken) == 1, "one savepoint, whoever asked for it"
    rows = stage.output("counts")
    assert {line["version"] for line in rows} == {1, 2}
    assert exactness.faults(rows) == []
    installing.start(stage.cluster, stage.namespace)  # somebody has to let the job go

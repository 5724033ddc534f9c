"""The operator is killed after every single write of an upgrade, before it has the answer, and the upgrade ends as any other (O8, R19)."""

from __future__ import annotations

import base64
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.e2e import exactness, installing
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

    with killed_after_every_write(stage, tmp_path) as met:
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


@contextlib.contextmanager
def killed_after_every_write(stage: Stage, folder: Path) -> Iterator[Path]:
    """An operator that is; the file has a line for each write after which it was."""
    key = stage.get("secret", f"{installing.NAME}-key")["data"]["key"]
    (folder / "key").write_bytes(base64.b64decode(key))
    command = [sys.executable, "-m", "tests.e2e.killing", stage.namespace, stage.images.weir, str(folder)]
    environment = os.environ | {"KUBECONFIG": str(stage.cluster.provider.kubeconfig)}
    met = folder / "met"
    with met.open("wb") as out, (folder / "errors").open("wb") as errors:
        process = subprocess.Popen(
            stage.cluster.provider.enter(command),
            env=environment,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=errors,
        )
    try:
        yield met
    finally:
        assert process.stdin
        process.stdin.close()
        process.wait(60)
        print(met.read_text(), (folder / "errors").read_text())
        print((folder / "operator.log").read_text()[-4000:])

"""A script is submitted to the cluster without an image of its own, changed, and what the change asks for is said before (E17, E18, O35)."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import yaml

from tests.cluster import minio_server
from tests.e2e import helm
from tests.e2e.stage import Stage
from tests.support.documents import ROOT

WEIR = ROOT / ".venv/bin/weir"
JOB = """
from weir import DataGeneratorSource, StreamExecutionEnvironment

env = StreamExecutionEnvironment.get_execution_environment()
numbers = env.from_source(DataGeneratorSource(lambda n: n, rows_per_second=100), name="numbers").uid("numbers")
sums = numbers.key_by(lambda n: n % 10).reduce(lambda a, b: a + b).uid("sums")
sums.filter(lambda _: False).uid("none").print()
env.execute("sums")
"""


def weir(stage: Stage, *words: str) -> str:
    return helm.shell_out(stage.cluster, [str(WEIR), *words])


def test_a_script_is_submitted_by_one_command_and_a_dry_run_shows_what_is_applied(
    stage: Stage, tmp_path: Path
) -> None:
    script = tmp_path / "sums.py"
    script.write_text(JOB)
    root = f"s3://{minio_server.BUCKET}/{stage.namespace}/sums"
    command = [
        *("submit", str(script), "--namespace", stage.namespace, "--image", stage.images.weir),
        *("--interval", "1s", "--checkpoints", f"{root}/checkpoints", "--savepoints", f"{root}/savepoints"),
        *("--s3-endpoint", minio_server.ENDPOINT, "--credentials-secret", minio_server.SECRET),
    ]
    shown = list(yaml.safe_load_all(weir(stage, *command, "--dry-run", "-o", "yaml")))
    assert [document["kind"] for document in shown] == ["ConfigMap", "StreamJob"]
    assert not stage.jobs.now

    began = time.monotonic()
    weir(stage, *command, "--wait", "180")
    print(f"Ready {time.monotonic() - began:.1f} s after the command")
    assert [pod["status"]["phase"] for pod in stage.pods_of("sums", run=1)] == ["Running"] * 2
    assert [as_applied(stage, document) for document in shown] == shown
    stage.wait_checkpoint("sums")


def as_applied(stage: Stage, document: dict[str, Any]) -> dict[str, Any]:
    """What kubectl applied under the document's name, as it remembers it itself, but for what it adds: a namespace, no annotations."""
    found = stage.get(document["kind"], document["metadata"]["name"])["metadata"]["annotations"]
    applied: dict[str, Any] = json.loads(found["kubectl.kubernetes.io/last-applied-configuration"])
    for added in ("namespace", "annotations"):
        if added not in document["metadata"]:
            assert applied["metadata"].pop(added) in (stage.namespace, {})
    return applied


def test_a_script_runs_in_the_cluster_and_its_next_version_goes_on_from_a_savepoint(
    stage: Stage, tmp_path: Path
) -> None:
    script = tmp_path / "sums.py"
    script.write_text(JOB)
    description = stage.counting("sums", rows=0, rate=0)
    description["metadata"].pop("namespace", None)
    description["spec"] |= {"image": stage.images.weir, "job": {"entrypoint": "sums.py"}}
    file = tmp_path / "sums.yaml"
    file.write_text(yaml.safe_dump(description))
    namespace = ("--namespace", stage.namespace)

    shown = weir(stage, "submit", str(file), *namespace, "--dry-run", "-o", "yaml")
    assert [document["kind"] for document in yaml.safe_load_all(shown)] == ["ConfigMap", "StreamJob"]
    assert not stage.jobs.now
    said = weir(stage, "submit", str(file), *namespace, "--wait", "180")
    assert f"StreamJob {stage.namespace}/sums: it is new" in said
    applied = stage.get("streamjobs.weir.dev", "sums")["spec"]
    assert list(yaml.safe_load_all(shown))[1]["spec"]["job"]["code"] == applied["job"]["code"]
    stage.wait_checkpoint("sums")

    script.write_text(JOB.replace("n % 10", "n % 5"))
    foreseen = json.loads(weir(stage, "submit", str(file), *namespace, "--dry-run", "-o", "json"))
    assert (foreseen["change"], [field["path"] for field in foreseen["fields"]]) == (
        "UPGRADE",
        ["job.code.configMap"],
    )
    assert "savepoint" in foreseen["start"]
    weir(stage, "submit", str(file), *namespace)
    stage.wait_job(
        "sums", lambda job: "lastUpgrade" in job["status"] and job["status"]["run"] == 2, "run 2 is stable"
    )
    assert stage.status("sums")["lastUpgrade"]["mode"] == "Savepoint"

    description["spec"]["job"]["parallelism"] = 2
    description["metadata"]["namespace"] = stage.namespace
    file.write_text(yaml.safe_dump(description))
    said = weir(stage, "plan", str(file), "--cluster")
    assert "takes another parallelism" in said
    owners = stage.get("configmap", applied["job"]["code"]["configMap"])["metadata"]["ownerReferences"]
    assert [owner["name"] for owner in owners] == ["sums"]

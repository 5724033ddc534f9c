"""A script is submitted to the cluster without an image of its own, changed, and what the change asks for is said before (E17, E18, O35)."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

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

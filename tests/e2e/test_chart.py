"""The chart from its installation to its end: ``helm install --wait``, the notes' commands, ``helm test``, an upgrade, an uninstall (E28, E29)."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.object_store import ObjectStore
from tests.cluster.providing import Cluster
from tests.e2e import crds, helm
from tests.e2e import stage as stages
from tests.e2e.images import Images
from tests.e2e.stage import Stage
from tests.support.helm import CHART

CRD = "streamjobs.weir.dev"
#: The scenarios before this one applied the CRDs with kubectl.
TAKE = ("--take-ownership",)


@pytest.fixture
def stage(cluster: Cluster, store: ObjectStore, images: Images) -> Iterator[Stage]:
    """A namespace without an operator."""
    name = f"e2e-{secrets.token_hex(4)}"
    cluster.apply(*stages.namespace(name))
    crds.apply(cluster)
    with Stage(cluster, name, store, images) as stage:
        yield stage
        for job in stage.jobs.now:
            stage.kubectl(
                "patch", "streamjobs.weir.dev", job, "--type=merge", "-p", '{"metadata":{"finalizers":[]}}'
            )
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def next_chart(folder: Path) -> Path:
    """The chart of a later version, whose CRD describes a field in other words."""
    chart = Path(shutil.copytree(CHART, folder / "weir-operator"))
    crd = chart / f"files/crds/{CRD}.yaml"
    document = yaml.safe_load(crd.read_text())
    document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"] = "Of the next version."
    crd.write_text(yaml.safe_dump(document))
    return chart


def description(cluster: Cluster) -> str:
    found = json.loads(cluster.kubectl("get", "crd", CRD, "-o", "json"))
    return str(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"])


def test_the_chart_is_installed_tested_upgraded_and_taken_away_while_jobs_go_on(
    stage: Stage, images: Images, tmp_path: Path
) -> None:
    cluster, namespace = stage.cluster, stage.namespace
    settings = helm.values(namespace, images.weir, crds={"install": True}, podLabels={"round": "one"})
    helm.install(cluster, namespace, settings, *TAKE)
    ready = stage.get("deployment", "weir-operator")["status"]
    assert ready["readyReplicas"] == 1, "`--wait` returns when the operator is Ready"

    notes = helm.helm(cluster, "get", "notes", "weir", "--namespace", namespace)
    commands = [line.strip() for line in notes.splitlines() if line.startswith("  ")]
    assert [command.split()[0] for command in commands] == ["kubectl", "helm", "kubectl"]
    said = [helm.shell(cluster, command) for command in commands]
    assert "successfully rolled out" in said[0]
    assert "Succeeded" in said[1]
    logs = stage.kubectl("logs", "weir-operator-test")
    assert "completed: file:///var/lib/weir/checkpoints" in logs

    stage.apply(stage.counting("counts", rows=1_000_000, rate=100))
    stage.wait_condition("counts", "Ready")
    before = stage.wait_checkpoint("counts")
    pods = {pod["metadata"]["uid"] for pod in stage.pods_of("counts")}

    settings |= {"podLabels": {"round": "two"}}
    with crds.alone(cluster):
        helm.install(cluster, namespace, settings, *TAKE, chart=next_chart(tmp_path))
        assert description(cluster) == "Of the next version."
    before = stage.wait_checkpoint("counts", after=before)
    assert {pod["metadata"]["uid"] for pod in stage.pods_of("counts")} == pods

    helm.install(cluster, namespace, settings, *TAKE)
    assert description(cluster) != "Of the next version."
    helm.helm(cluster, "uninstall", "weir", "--namespace", namespace, "--wait", "--timeout", "5m")
    assert (
        cluster.kubectl("get", "crd", CRD, "-o", "name").strip()
        == f"customresourcedefinition.apiextensions.k8s.io/{CRD}"
    )
    assert {pod["metadata"]["uid"] for pod in stage.pods_of("counts")} == pods
    assert stage.job("counts")["metadata"].get("deletionTimestamp") is None

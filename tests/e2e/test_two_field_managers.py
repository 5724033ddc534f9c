"""GitOps and a team each apply their part of a spec, and an autoscaler sets the parallelism: it is all there, and nobody takes back what another wrote (E24)."""

from __future__ import annotations

import json
from typing import Any

from tests.e2e import exactness
from tests.e2e.stage import Stage

ROWS = 100_000
ROUNDS = 30
MOST = 3


def test_what_three_managers_write_is_merged_and_nobody_answers_with_a_write(stage: Stage) -> None:
    gitops = stage.counting("counts", rows=ROWS, rate=50, taskManager=pod("GITOPS"))
    del gitops["spec"]["job"]["parallelism"]
    team = {
        "apiVersion": gitops["apiVersion"],
        "kind": gitops["kind"],
        "metadata": gitops["metadata"],
        "spec": {"taskManager": pod("TEAM")},
    }
    apply(stage, "gitops", gitops)
    apply(stage, "team", team)
    stage.wait_condition("counts", "Progressing", "False")  # stable
    number = stage.wait_checkpoint("counts")
    run, generation = stage.status("counts")["run"], stage.job("counts")["metadata"]["generation"]

    parallelism = 1
    for turn in range(ROUNDS):
        # What concerns no pod changes each time; the rest is applied as it was, as both do all day.
        gitops["spec"]["upgrade"]["stabilityWindow"] = f"{6 + turn % 2}s"
        apply(stage, "gitops", gitops)
        apply(stage, "team", team)
        parallelism = 1 + (turn + 1) % MOST
        scale(stage, parallelism)

    last = live(stage)
    assert last["metadata"]["generation"] == generation + 2 * ROUNDS, "each of their changes, and no other"
    assert last["spec"]["job"]["parallelism"] == parallelism
    assert last["spec"]["upgrade"]["stabilityWindow"] == f"{6 + (ROUNDS - 1) % 2}s"
    of_pods = last["spec"]["taskManager"]["pod"]
    assert sorted(variable["name"] for variable in of_pods["env"]) == ["GITOPS", "TEAM"]
    assert sorted(volume["name"] for volume in of_pods["volumes"]) == ["gitops", "team"]
    # The API server does not record who wrote the subresource of a custom resource.
    assert spec_of(last).keys() - {"autoscaler"} == {"gitops", "team"}, "the operator is not among them"
    assert "f:parallelism" not in spec_of(last)["gitops"]["f:job"]

    stage.wait_job(
        "counts",
        lambda job: (
            job["status"].get("parallelism") == parallelism
            and job["status"].get("observedGeneration") == last["metadata"]["generation"]
        ),
        "it runs as they left it",
    )
    stage.wait_condition("counts", "Ready")
    stage.wait_checkpoint("counts", after=max(number, stage.status("counts")["lastCheckpoint"]["id"]))
    [container] = stage.pods_of("counts", "taskmanager")[0]["spec"]["containers"]
    assert {"GITOPS", "TEAM"} <= {variable["name"] for variable in container["env"]}
    assert stage.status("counts")["run"] == run, "parallelism changes in place"
    assert live(stage)["metadata"]["generation"] == last["metadata"]["generation"], (
        "the operator wrote nothing"
    )
    assert exactness.faults(stage.output("counts")) == []


def pod(owner: str) -> dict[str, Any]:
    """A variable and a volume."""
    volume = {"name": owner.lower(), "mountPath": f"/{owner.lower()}", "emptyDir": {}}
    return {"pod": {"env": [{"name": owner, "value": "here"}], "volumes": [volume]}}


def apply(stage: Stage, manager: str, resource: dict[str, Any]) -> None:
    """By server-side apply; a conflict is an error of kubectl's."""
    arguments = ("apply", "--server-side", f"--field-manager={manager}", "-f", "-")
    stage.kubectl(*arguments, text=json.dumps(resource))


def scale(stage: Stage, parallelism: int) -> None:
    """As an autoscaler does: it patches the subresource, for which there is no server-side apply with custom resources."""
    arguments = ("streamjobs.weir.dev", "counts", "--subresource=scale", "--field-manager=autoscaler")
    patch = json.dumps({"spec": {"replicas": parallelism}})
    stage.kubectl("patch", *arguments, "--type=merge", "-p", patch)


def live(stage: Stage) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        stage.kubectl("get", "streamjobs.weir.dev", "counts", "--show-managed-fields", "-o", "json")
    )
    return found


def spec_of(job: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Whose fields of the spec are which."""
    return {
        entry["manager"]: entry["fieldsV1"]["f:spec"]
        for entry in job["metadata"]["managedFields"]
        if "f:spec" in entry.get("fieldsV1", {})
    }

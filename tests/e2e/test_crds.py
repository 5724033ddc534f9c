"""What the real API server makes of our CRDs: all faults at once, nothing unknown, scale with a limit, columns that are never empty."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.providing import Cluster
from tests.support.faulty_stream_jobs import JOB, ONLY_THE_OPERATOR, SNAPSHOTS, STORED, TABLE
from tests.support.resources_of_a_server import Served, serving, under
from tests.support.stream_jobs import FULL
from tests.support.waiting import wait_for
from weir_operator.models import crd


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    with serving(cluster) as served:
        yield served


@pytest.fixture
def job(served: Served, namespace: str) -> str:
    """The name of a job that is there."""
    served.cluster.apply(served.job(namespace, {"job": JOB, "storage": STORED}))
    return "flights"


FIVE = {
    "job": {**JOB, "parallelism": 200},
    "checkpoints": {"interval": "ten seconds", "alignedTimeout": "1s"},
    "storage": {"checkpoints": "checkpoints"},
    "restart": {"attempts": 3},
}


def test_five_faults_are_five_messages_with_paths_values_and_remedies(served: Served, namespace: str) -> None:
    said = served.refusal(served.job(namespace, FIVE))
    for line in (
        r"spec\.checkpoints\.interval: .*got 'ten seconds'; expected a duration such as 500ms",
        r"spec\.checkpoints\.alignedTimeout: .*alignedTimeout is 1s, but unaligned is false \(the default\)",
        r"spec\.job\.parallelism: .*parallelism is 200, but maxParallelism is 128 \(the default\); lower the first",
        r"spec\.restart\.attempts: .*attempts belongs to strategy FixedDelay, but strategy is ExponentialDelay",
        r"spec\.storage\.checkpoints: .*got 'checkpoints'; expected s3://bucket/folder or file:///folder",
    ):
        assert re.search(line, said), f"{line} is not in {said}"


def test_unknown_fields_are_refused_by_name_all_of_them(served: Served, namespace: str) -> None:
    said = served.refusal(served.job(namespace, {"job": {**JOB, "paralelism": 2}, "checkpoint": {}}))
    assert 'unknown field "spec.checkpoint"' in said
    assert 'unknown field "spec.job.paralelism"' in said


def test_what_the_operator_refuses_the_api_server_refuses_before_it_is_stored(
    served: Served, namespace: str
) -> None:
    jobs = [
        served.job(namespace, {"job": JOB, **spec}, name=f"n{n}")
        for n, (spec, _) in enumerate(TABLE.values())
    ]
    snapshots = [
        served.snapshot(namespace, spec, name=f"s{n}") for n, (spec, _) in enumerate(SNAPSHOTS.values())
    ]
    _, said = served.said("create", "--dry-run=server", "-f", "-", given=[*jobs, *snapshots])
    created = set(re.findall(r"/(\w+) created", said))
    accepted = {case for n, case in enumerate(TABLE) if f"n{n}" in created}
    assert accepted == ONLY_THE_OPERATOR
    assert not created & {f"s{n}" for n in range(len(SNAPSHOTS))}


def test_a_job_with_all_fields_is_accepted_and_stored_as_it_was_written(
    served: Served, namespace: str
) -> None:
    served.cluster.apply(served.job(namespace, FULL))
    assert served.cluster.get(f"streamjobs.{served.group}", "flights", namespace)["spec"] == FULL


def test_the_crds_can_be_applied_twice_by_plain_kubectl(served: Served) -> None:
    made = [under(f"again.{served.group}", found) for found in (crd.stream_job(), crd.stream_job_snapshot())]
    try:
        assert served.said("apply", "-f", "-", given=made)[1].count(" created") == 2
        assert served.said("apply", "-f", "-", given=made)[1].count(" unchanged") == 2
    finally:
        served.said("delete", "crd", "--wait=false", *(found["metadata"]["name"] for found in made))


def test_explain_has_a_text_for_each_field_and_says_its_default(served: Served) -> None:
    document = json.loads(served.cluster.kubectl("get", "--raw", f"/openapi/v3/apis/{served.api}"))
    ours = [
        found
        for name, found in document["components"]["schemas"].items()
        if name.endswith((".StreamJob", ".StreamJobSnapshot"))
    ]
    assert len(ours) == 2
    silent = [path for found in ours for path, node in fields(found) if not node.get("description")]
    assert silent == []
    tree = served.cluster.kubectl("explain", "streamjobs", "--recursive", f"--api-version={served.api}")
    for name in ("rollbackTo", "onCancel", "credentialsSecret", "topologySpreadConstraints", "lastUpgrade"):
        assert name in tree
    said = served.cluster.kubectl(
        "explain", "streamjobs.spec.checkpoints.retained", f"--api-version={served.api}"
    )
    assert "Completed checkpoints that are kept" in said
    assert "Default: 1." in said


def fields(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}.{name}", child
        yield from fields(child, f"{path}.{name}")
    if "items" in schema:
        yield from fields(schema["items"], f"{path}[]")


def test_scale_changes_parallelism_and_an_illegal_one_is_refused_with_the_limit(
    served: Served, namespace: str, job: str
) -> None:
    of = ("-n", namespace, f"streamjobs.{served.group}/{job}")
    served.cluster.kubectl("scale", *of, "--replicas=8")
    assert served.cluster.get(f"streamjobs.{served.group}", job, namespace)["spec"]["job"]["parallelism"] == 8
    code, said = served.said("scale", *of, "--replicas=129")
    assert code != 0
    assert "parallelism is 129, but maxParallelism is 128 (the default)" in said
    assert served.said("scale", *of, "--replicas=0")[0] != 0


def test_the_scale_subresource_tells_what_runs_and_which_pods(
    served: Served, namespace: str, job: str
) -> None:
    put_status(served, namespace, job, {"parallelism": 4, "selector": "weir.dev/job=flights"})
    scale = json.loads(
        served.cluster.kubectl(
            "get", "--raw", f"/apis/{served.api}/namespaces/{namespace}/streamjobs/{job}/scale"
        )
    )
    assert (scale["spec"]["replicas"], scale["status"]["replicas"], scale["status"]["selector"]) == (
        1,
        4,
        "weir.dev/job=flights",
    )


def put_status(
    served: Served, namespace: str, name: str, status: dict[str, Any], kind: str = "streamjobs"
) -> None:
    served.cluster.kubectl(
        "patch", "-n", namespace, f"{kind}.{served.group}/{name}", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )  # fmt: skip


def test_key_groups_cannot_change_while_state_is_kept(served: Served, namespace: str, job: str) -> None:
    more = {"job": {**JOB, "maxParallelism": 256}, "storage": STORED}
    assert "maxParallelism cannot change while state is kept" in served.refusal(served.job(namespace, more))
    assert served.refusal(served.job(namespace, {**more, "upgrade": {"mode": "Stateless"}})) == ""
    assert served.refusal(served.job(namespace, {**more, "job": {**JOB, "maxParallelism": 128}})) == ""


def test_what_a_snapshot_is_of_cannot_change(served: Served, namespace: str) -> None:
    served.cluster.apply(served.snapshot(namespace, {"job": "flights"}))
    assert "job cannot change" in served.refusal(served.snapshot(namespace, {"job": "other"}))
    assert served.refusal(served.snapshot(namespace, {"job": "flights", "dispose": True})) == ""


@pytest.mark.parametrize("name", ["a" * 46, "flights.air", "7up"])
def test_a_name_that_workloads_cannot_have_is_refused(served: Served, namespace: str, name: str) -> None:
    assert "metadata.name" in served.refusal(served.job(namespace, {"job": JOB}, name=name))


def test_two_owners_can_each_have_variables_and_volumes_of_their_own(
    served: Served, namespace: str, job: str
) -> None:
    def owned(name: str) -> dict[str, Any]:
        pod = {
            "env": [{"name": name, "value": "x"}],
            "volumes": [{"name": name.lower(), "mountPath": f"/{name}", "emptyDir": {}}],
        }
        return served.job(namespace, {"job": JOB, "taskManager": {"pod": pod}}, name="shared")

    for owner in ("A", "B", "A"):
        code, said = served.said(
            "apply", "--server-side", f"--field-manager={owner}", "-f", "-", given=[owned(owner)]
        )
        assert code == 0, said
    pod = served.cluster.get(f"streamjobs.{served.group}", "shared", namespace)["spec"]["taskManager"]["pod"]
    assert sorted(variable["name"] for variable in pod["env"]) == ["A", "B"]
    assert sorted(volume["name"] for volume in pod["volumes"]) == ["a", "b"]


def conditions(ready: str, reason: str) -> list[dict[str, Any]]:
    return [
        {
            "type": "Ready",
            "status": ready,
            "reason": reason,
            "message": "",
            "lastTransitionTime": "2025-01-01T12:00:00Z",
        }
    ]


#: By phase: what the operator writes that columns are made of.
PHASES = {
    "Pending": (0, "False", "Starting", "0/2", "none"),
    "Running": (1, "True", "Running", "2/2", "118"),
    "Upgrading": (2, "False", "Upgrading", "1/2", "118"),
    "Recovering": (2, "False", "NotRunning", "1/2", "118"),
    "Suspended": (2, "True", "Suspended", "0/0", "118"),
    "Finished": (2, "True", "Finished", "0/0", "120"),
    "Failed": (2, "False", "Failed", "0/0", "off"),
    "Deleting": (2, "False", "Deleting", "0/0", "120"),
}
TABLE_OF_KUBECTL = """\
NAME         PHASE        READY   PARALLELISM   TASKMANAGERS   CHECKPOINT   AGE   RUN   REASON       MESSAGE
deleting     Deleting     False   1             0/0            120          AGE   2     Deleting     it is Deleting
failed       Failed       False   1             0/0            off          AGE   2     Failed       it is Failed
finished     Finished     True    1             0/0            120          AGE   2     Finished     it is Finished
pending      Pending      False   1             0/2            none         AGE   0     Starting     it is Pending
recovering   Recovering   False   1             1/2            118          AGE   2     NotRunning   it is Recovering
running      Running      True    1             2/2            118          AGE   1     Running      it is Running
suspended    Suspended    True    1             0/0            118          AGE   2     Suspended    it is Suspended
upgrading    Upgrading    False   1             1/2            118          AGE   2     Upgrading    it is Upgrading
"""


def test_kubectl_get_shows_each_phase_without_an_empty_column(served: Served, namespace: str) -> None:
    jobs = [served.job(namespace, {"job": JOB}, name=phase.lower()) for phase in PHASES]
    served.cluster.apply(*jobs)
    for phase, (run, ready, reason, managers, checkpoint) in PHASES.items():
        summary = {"taskManagers": managers, "checkpoint": checkpoint, "message": f"it is {phase}"}
        status = {"phase": phase, "run": run, "summary": summary, "conditions": conditions(ready, reason)}
        put_status(served, namespace, phase.lower(), status)
    wide = served.cluster.kubectl("get", f"streamjobs.{served.group}", "-n", namespace, "-o", "wide")
    assert re.sub(r"\b\d+[ms]\d*s? +", "AGE   ", wide) == TABLE_OF_KUBECTL
    narrow = served.cluster.kubectl("get", f"streamjobs.{served.group}", "-n", namespace)
    assert narrow.splitlines()[0].split() == [
        "NAME",
        "PHASE",
        "READY",
        "PARALLELISM",
        "TASKMANAGERS",
        "CHECKPOINT",
        "AGE",
    ]
    served.cluster.apply(served.snapshot(namespace, {"job": "running"}))
    both = served.cluster.kubectl("get", "weir", "-n", namespace, "-o", "name").split()
    assert {f"streamjob.{served.group}/running", f"streamjobsnapshot.{served.group}/nightly"} <= set(both)


def test_an_autoscaler_raises_parallelism_by_the_scale_subresource(
    served: Served, namespace: str, job: str
) -> None:
    put_status(served, namespace, job, {"parallelism": 1, "selector": "weir.dev/job=flights"})
    target = {"apiVersion": served.api, "kind": "StreamJob", "name": job}
    served.cluster.apply(
        {
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": job, "namespace": namespace},
            "spec": {"scaleTargetRef": target, "minReplicas": 3, "maxReplicas": 6},
        }
    )  # fmt: skip

    def parallelism() -> int:
        return served.cluster.get(f"streamjobs.{served.group}", job, namespace)["spec"]["job"]["parallelism"]

    wait_for(lambda: parallelism() == 3, "the autoscaler asks for three", seconds=90)

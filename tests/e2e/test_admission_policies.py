"""Without a webhook: who may write StreamJobs may not read by them what he may not read, and what is out of date is warned of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.providing import Cluster
from tests.support.faulty_stream_jobs import JOB, STORED
from tests.support.resources_of_a_server import Served, serving
from tests.support.waiting import wait_for
from weir_operator.models import policies

AUTHOR = "author"


@pytest.fixture(scope="module")
def served(cluster: Cluster) -> Iterator[Served]:
    with serving(cluster) as served:
        made = [*policies.references(served.group), *policies.warnings(served.group)]
        cluster.apply(*made)
        try:
            yield served
        finally:
            for policy in made:
                cluster.kubectl("delete", policy["kind"], policy["metadata"]["name"], "--wait=false")


@pytest.fixture
def author(served: Served, namespace: str) -> str:
    """A namespace where ``author`` may write StreamJobs, and use the Secret ``allowed``, and nothing else; and policies are at work."""
    rules = [
        {
            "apiGroups": [served.group],
            "resources": ["streamjobs"],
            "verbs": ["create", "get", "update", "patch"],
        },
        {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["allowed"], "verbs": ["use"]},
    ]
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": AUTHOR, "namespace": namespace}
    served.cluster.apply(
        {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules},
        {
            "apiVersion": f"{rbac}/v1", "kind": "RoleBinding", "metadata": meta,
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": AUTHOR},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": AUTHOR}],
        },
    )  # fmt: skip
    refused = served.job(namespace, {"job": JOB, "storage": {"s3": {"credentialsSecret": "other"}}})
    wait_for(
        lambda: "which you may not" in served.refusal(refused, f"--as={AUTHOR}"),
        "the policy to be at work",
        seconds=60,
    )
    wait_for(
        lambda: "Warning: " in warned(served, namespace, {"deletionPolicy": "Purge", "storage": STORED}),
        "warnings",
        seconds=60,
    )
    return namespace


def warned(served: Served, namespace: str, spec: dict[str, Any]) -> str:
    return served.said(
        "apply", "--dry-run=server", "-f", "-", given=[served.job(namespace, {"job": JOB, **spec})]
    )[1]


def pod(**said: Any) -> dict[str, Any]:
    return {"taskManager": {"pod": said}}


def volume(**source: Any) -> dict[str, Any]:
    return pod(volumes=[{"name": "v", "mountPath": "/v", **source}])


def variable(source: str) -> dict[str, Any]:
    return pod(env=[{"name": "A", "valueFrom": {source: {"name": "other", "key": "k"}}}])


TRICKS: dict[str, tuple[dict[str, Any], str]] = {
    "credentials": ({"storage": {"s3": {"credentialsSecret": "other"}}}, "secrets"),
    "a variable of a Secret": (variable("secretKeyRef"), "secrets"),
    "a volume of a Secret": (volume(secret={"secretName": "other"}), "secrets"),
    "a projected Secret": (volume(projected={"sources": [{"secret": {"name": "allowed"}}, {"secret": {"name": "other"}}]}), "secrets"),
    "a Secret of the JobManager": ({"jobManager": volume(secret={"secretName": "other"})["taskManager"]}, "secrets"),
    "a Secret to pull with": (pod(imagePullSecrets=[{"name": "other"}]), "secrets"),
    "code": ({"job": {**JOB, "code": {"configMap": "other"}}}, "configmaps"),
    "a variable of a ConfigMap": (variable("configMapKeyRef"), "configmaps"),
    "a volume of a ConfigMap": (volume(configMap={"name": "other"}), "configmaps"),
    "a projected ConfigMap": (volume(projected={"sources": [{"configMap": {"name": "other"}}]}), "configmaps"),
    "a claim": (volume(persistentVolumeClaim={"claimName": "other"}), "persistentvolumeclaims"),
}  # fmt: skip


def test_what_its_author_may_not_read_a_job_may_not_name(served: Served, author: str) -> None:
    jobs = [
        served.job(author, {"job": JOB, **spec}, name=f"n{n}") for n, (spec, _) in enumerate(TRICKS.values())
    ]
    _, said = served.said("create", "--dry-run=server", f"--as={AUTHOR}", "-f", "-", given=jobs)
    assert " created" not in said
    for _, kind in TRICKS.values():
        assert f"names other of {kind}, which you may not" in said
    assert said.count("names other of secrets, which you may not get or use; ask for that right") == 6


def test_what_its_author_may_use_or_read_a_job_may_name(served: Served, author: str) -> None:
    assert served.refusal(served.job(author, {"job": JOB}), f"--as={AUTHOR}") == ""
    many = [
        {"name": f"A{n}", "valueFrom": {"secretKeyRef": {"name": "allowed", "key": "k"}}} for n in range(20)
    ]
    assert served.refusal(served.job(author, {"job": JOB, **pod(env=many)}), f"--as={AUTHOR}") == ""
    for spec, _ in TRICKS.values():
        assert served.refusal(served.job(author, {"job": JOB, **spec})) == "", "an administrator may read all"


def test_a_job_with_foreign_secrets_cannot_be_given_another_image_by_who_may_not_read_them(
    served: Served, author: str
) -> None:
    spec = {"job": JOB, **TRICKS["credentials"][0]}
    served.cluster.apply(served.job(author, spec))
    assert "names other of secrets" in served.refusal(
        served.job(author, {**spec, "image": "thief:1"}), f"--as={AUTHOR}"
    )
    labelled = served.job(author, spec)
    labelled["metadata"]["labels"] = {"a": "b"}
    assert served.refusal(labelled, f"--as={AUTHOR}") == "", "what is not about the spec is not asked about"


def test_what_is_deprecated_or_seldom_meant_is_warned_of(served: Served, author: str) -> None:
    said = warned(
        served, author, {"config": {"execution.checkpointing.interval": "10s", "heartbeat.interval": "2s"}}
    )
    assert re.search(
        r"Warning: .*spec\.config is deprecated .*: execution\.checkpointing\.interval \(spec\.checkpoints\.interval\)",
        said,
    )
    assert "heartbeat" not in said
    assert "(server dry run)" in said
    for spec, word in (
        ({"upgrade": {"mode": "Stateless"}}, "starts empty"),
        ({"restore": {"policy": "Fresh"}}, "is not used"),
    ):
        assert word in warned(served, author, spec)
    assert "Warning" not in warned(served, author, {"storage": STORED})

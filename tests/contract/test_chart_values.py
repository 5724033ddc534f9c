"""The chart's values: what is not known is refused by name, what is known renders objects that fit together (E27)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support import helm
from tests.support.pod_security import inconsistencies, violations

SCHEMA = json.loads((helm.CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((helm.CHART / "values.yaml").read_text())


@pytest.fixture(scope="module", params=helm.MAJORS, ids=lambda major: f"helm-{major}", autouse=True)
def major(request: pytest.FixtureRequest) -> int:
    if not helm.built(request.param):
        pytest.skip(f"`python -m tests.cluster build helm-{request.param}` builds the Helm that this needs")
    return request.param


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a typo at the top": ({"replicaCount": 3}, "replicaCount"),
    "a typo below": ({"operator": {"logLevle": "debug"}}, "logLevle"),
    "a typo two levels below": ({"operator": {"lease": {"durations": "5s"}}}, "durations"),
    "text for a number": ({"replicas": "two"}, "replicas"),
    "no replicas": ({"replicas": 0}, "replicas"),
    "a number for a switch": ({"crds": {"install": 1}}, "install"),
    "text for a list": ({"watchNamespaces": "air"}, "watchNamespaces"),
    "a namespace that cannot be": ({"watchNamespaces": ["Air"]}, "watchNamespaces/0"),
    "the same namespace twice": ({"watchNamespaces": ["a", "a"]}, "watchNamespaces"),
    "a policy that does not exist": ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    "half a digest": ({"image": {"digest": "sha256:12"}}, "digest"),
    "a duration without its unit": ({"operator": {"resync": "300"}}, "resync"),
    "root": ({"runAsUser": 0}, "runAsUser"),
    "a number as a label": ({"podLabels": {"a": 1}}, "podLabels/a"),
    "a port that cannot be": ({"networkPolicy": {"apiServerPorts": [70000]}}, "apiServerPorts"),
    "a variable without its value": ({"operator": {"env": [{"name": "A"}]}}, "env/0"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_fails_and_the_message_names_its_key(case: str, major: int) -> None:
    values, key = WRONG[case]
    rendered = helm.template(values, major=major)
    assert rendered.code != 0
    assert key in rendered.error.replace(".", "/"), rendered.error


PEER = {"ipBlock": {"cidr": "10.0.0.0/8"}}
MATRIX: dict[str, dict[str, Any]] = {
    "defaults": {},
    "one replica": {"replicas": 1},
    "three replicas": {"replicas": 3},
    "two namespaces": {"watchNamespaces": ["air", "sea"]},
    "without rights in the cluster": {
        "watchNamespaces": ["air"],
        "crds": {"install": False},
        "admissionPolicies": {"create": False},
        "rbac": {"aggregate": False},
    },
    "roles made elsewhere": {"rbac": {"create": False, "aggregate": False}},
    "a service account made elsewhere": {"serviceAccount": {"create": False, "name": "weir"}},
    "annotations of the service account": {"serviceAccount": {"annotations": {"a": "b"}}},
    "a key of one's own": {"restKey": {"existingSecret": "mine"}},
    "a digest": {"image": {"repository": "example.com/weir", "digest": "sha256:" + "a" * 64}},
    "a private registry": {
        "image": {"repository": "example.com/weir", "tag": "1.0"},
        "imagePullSecrets": ["registry"],
        "jobs": {"imagePullSecrets": ["registry"]},
    },
    "users of the platform": {"runAsUser": None, "jobs": {"runAsUser": None}},
    "a large user": {"runAsUser": 1000680000, "jobs": {"runAsUser": 1000680000}},
    "settings": {
        "operator": {
            "logLevel": "debug",
            "logFormat": "text",
            "qps": 5,
            "lease": {"duration": "30s"},
            "env": [{"name": "WEIR_OPERATOR_PROGRESS", "value": "5s"}],
        }
    },
    "where pods go": {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}
        ],
        "priorityClassName": "streams",
    },
    "labels that would be ours": {
        "podLabels": {"team": "air", "app.kubernetes.io/name": "other"},
        "podAnnotations": {"a": "b"},
    },
    "closed networks": {
        "networkPolicy": {"metricsFrom": [PEER], "apiServerPorts": [8443]},
        "jobs": {"egress": [PEER], "networkPolicies": False},
    },
    "no policies and budgets": {
        "networkPolicy": {"create": False},
        "podDisruptionBudget": {"create": False},
    },
    "prometheus": {
        "metrics": {
            "service": {"annotations": {"a": "b"}},
            "serviceMonitor": {"create": True, "labels": {"release": "p"}},
        }
    },
    "a test on an object store": {
        "tests": {
            "checkpoints": "s3://b/test",
            "s3": {"endpoint": "http://minio:9000", "credentialsSecret": "keys"},
            "namespace": "air",
            "timeout": "1m30s",
        }
    },
    "another name": {"fullnameOverride": "streams"},
}


@pytest.fixture(params=MATRIX)
def objects(request: pytest.FixtureRequest, major: int) -> list[dict[str, Any]]:
    values = MATRIX[request.param]
    # CRDs and policies are large, so they are rendered where nothing is said, and once.
    small = {"crds": {"install": False}, "admissionPolicies": {"create": False}}
    return helm.template(values and small | values, major=major).objects


def test_any_values_render_objects_that_fit_together(objects: list[dict[str, Any]]) -> None:
    identities = [
        (o["apiVersion"], o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]) for o in objects
    ]
    assert len(set(identities)) == len(identities)
    for found in objects:
        assert [text for text in strings(found["metadata"]) if not isinstance(text, str)] == [], found
        assert len(found["metadata"]["name"]) <= 63 or found["kind"] == "CustomResourceDefinition"
    workloads = [o for o in objects if o["kind"] in {"Deployment", "Pod"}]
    assert len(workloads) == 2
    for workload in workloads:
        template = workload["spec"].get("template", workload)
        wanted = {"a token may be mounted", "serviceAccountName is set"}
        assert set(violations(template)) == wanted
        assert inconsistencies(template) == []
    [deployment] = [o for o in objects if o["kind"] == "Deployment"]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for selector in selectors(objects):
        assert selector.items() <= labels.items(), selector


def strings(metadata: dict[str, Any]) -> Iterator[Any]:
    for field in ("labels", "annotations"):
        yield from (metadata.get(field) or {}).values()


def selectors(objects: list[dict[str, Any]]) -> Iterator[dict[str, str]]:
    """Of everything that looks for the operator's pods."""
    for found in objects:
        match found["kind"]:
            case "Deployment" | "PodDisruptionBudget" | "ServiceMonitor":
                yield found["spec"]["selector"]["matchLabels"]
            case "Service":
                yield found["spec"]["selector"]
            case "NetworkPolicy":
                yield found["spec"]["podSelector"]["matchLabels"]


def test_the_operator_has_no_more_rights_than_it_needs_in_any_variant(objects: list[dict[str, Any]]) -> None:
    for role in (o for o in objects if o["kind"] in {"Role", "ClusterRole"}):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], role
            forbidden = {"pods/exec", "pods/portforward", "pods/attach", "nodes", "serviceaccounts/token"}
            assert not forbidden & set(rule["resources"]), role
            assert not {"impersonate", "bind", "escalate"} & set(rule["verbs"]), role
            if "secrets" in rule["resources"]:
                named = "use" in rule["verbs"] and rule["resourceNames"]
                assert named or rule["verbs"] == ["create", "delete"], role


def test_with_a_list_of_namespaces_there_is_no_right_in_the_cluster(major: int) -> None:
    rendered = helm.template(MATRIX["without rights in the cluster"], major=major).objects
    assert {o["kind"] for o in rendered if o["kind"].startswith("Cluster")} == set()
    assert {o["metadata"]["namespace"] for o in rendered if o["kind"] == "Role"} == {"air", "weir-system"}
    assert not {"CustomResourceDefinition", "ValidatingAdmissionPolicy"} & {o["kind"] for o in rendered}


def test_pods_have_the_chosen_user_in_full_digits(major: int) -> None:
    rendered = helm.template(MATRIX["a large user"], major=major)
    pod = rendered.named("Deployment", "weir-operator")["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsUser"] == 1000680000
    [variable] = [v for v in pod["containers"][0]["env"] if v["name"] == "WEIR_OPERATOR_JOBS_RUN_AS_USER"]
    assert variable["value"] == "1000680000"


def test_crds_come_with_the_chart_as_objects_that_helm_upgrades_and_keeps(major: int) -> None:
    found = [o for o in helm.template(major=major).objects if o["kind"] == "CustomResourceDefinition"]
    assert {o["metadata"]["name"] for o in found} == {"streamjobs.weir.dev", "streamjobsnapshots.weir.dev"}
    for crd in found:
        assert crd["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"
        written = yaml.safe_load((helm.ROOT / "crds" / f"{crd['metadata']['name']}.yaml").read_text())
        assert crd["spec"] == written["spec"]


def test_a_key_is_made_unless_one_is_named(major: int) -> None:
    made = helm.template(major=major).named("Secret", "weir-operator-key")
    assert made["immutable"] is True
    assert len(made["data"]["key"]) >= 64
    named = helm.template(MATRIX["a key of one's own"], major=major)
    assert [o for o in named.objects if o["kind"] == "Secret"] == []
    volumes = named.named("Deployment", "weir-operator")["spec"]["template"]["spec"]["volumes"]
    assert {v["secret"]["secretName"] for v in volumes if "secret" in v} == {"mine"}


def test_a_kubernetes_that_is_too_old_is_refused(major: int) -> None:
    rendered = helm.template({}, "--kube-version=1.30.0", major=major)
    assert rendered.code != 0
    assert "1.30" in rendered.error

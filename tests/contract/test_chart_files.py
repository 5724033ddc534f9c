"""The chart's files beside what they must agree with: values and schema, the operator's settings, versions, plain manifests."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from charts import render
from tests.support import helm
from weir_operator.config import read_settings

SCHEMA = json.loads((helm.CHART / "values.schema.json").read_text())
VALUES = yaml.safe_load((helm.CHART / "values.yaml").read_text())


@pytest.fixture(scope="module", autouse=True)
def _helm() -> None:
    if not helm.built(3):
        pytest.skip("`python -m tests.cluster build helm-3` builds the Helm that this needs")


def described(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, child in schema.get("properties", {}).items():
        yield f"{path}{name}", child
        yield from described(child, f"{path}{name}.")


def written(values: dict[str, Any], schema: dict[str, Any], path: str = "") -> Iterator[str]:
    """The keys of the values, as deep as the schema names keys."""
    for name, value in values.items():
        yield f"{path}{name}"
        below = schema.get("properties", {}).get(name, {})
        if isinstance(value, dict) and "properties" in below:
            yield from written(value, below, f"{path}{name}.")


def test_every_value_is_in_the_schema_and_every_key_of_the_schema_has_a_default() -> None:
    known = {path for path, _ in described(SCHEMA)} - {"global", "resources.claims"}
    assert set(written(VALUES, SCHEMA)) == known


def test_every_value_is_described() -> None:
    assert [path for path, child in described(SCHEMA) if not child.get("description", "").endswith(".")] == []


class Asked(dict[str, str]):
    """An environment that remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return default


def environment(**values: Any) -> dict[str, str]:
    deployment = helm.template(values).named("Deployment", "weir-operator")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    return {variable["name"]: variable.get("value", "") for variable in container["env"]}


def test_every_setting_that_the_chart_writes_is_one_that_the_operator_reads() -> None:
    asked = Asked()
    read_settings(asked)
    assert set(environment()) - asked.names == set()


def test_the_operator_reads_from_the_chart_what_its_values_say() -> None:
    settings = read_settings(
        environment(
            watchNamespaces=["sea", "air"],
            operator={"lease": {"duration": "30s", "renewDeadline": "20s"}, "qps": 7},
            jobs={
                "runAsUser": None,
                "egress": [{"ipBlock": {"cidr": "10.0.0.0/8"}}],
                "imagePullSecrets": ["a", "b"],
                "buckets": ["team-*", "{namespace}-state"],
            },
            image={"repository": "example.com/weir", "tag": "2"},
        )
    )
    assert settings.namespaces == ("air", "sea")
    assert (settings.lease_seconds, settings.renew_deadline_seconds, settings.qps) == (30, 20, 7)
    assert settings.image == "example.com/weir:2"
    assert settings.jobs_run_as_user is None
    assert settings.jobs_egress == ({"ipBlock": {"cidr": "10.0.0.0/8"}},)
    assert settings.jobs_image_pull_secrets == ("a", "b")
    assert settings.buckets == ("team-*", "{namespace}-state")
    assert settings.pod_labels == {
        "app.kubernetes.io/name": "weir-operator",
        "app.kubernetes.io/instance": "weir",
    }


def test_the_chart_has_the_version_of_the_project() -> None:
    version = tomllib.loads((helm.ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((helm.CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == version
    assert chart["version"] == version.replace(".dev", "-dev.")


def test_plain_manifests_are_what_make_manifests_writes() -> None:
    assert render.MANIFESTS.read_text() == render.manifests(), "`make manifests` if it is meant"


def test_plain_manifests_hold_no_secret_and_are_of_one_namespace() -> None:
    objects = [o for o in yaml.safe_load_all(render.MANIFESTS.read_text()) if o]
    assert objects[0]["kind"] == "Namespace"
    assert objects[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert "Secret" not in {o["kind"] for o in objects}
    assert {o["metadata"].get("namespace") for o in objects} == {None, "weir-system"}
    assert not [o for o in objects if "helm" in json.dumps(o["metadata"]).lower()]

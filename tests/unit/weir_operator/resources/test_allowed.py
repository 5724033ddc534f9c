"""Who wins where a user and the operator both speak about pods, and what is refused with a reason."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.pod_security import violations
from tests.support.stream_jobs import MINIMAL, SETTINGS, subject
from weir_operator.models.pod import Pod
from weir_operator.resources import workloads


def template(pod: dict[str, Any], **spec: Any) -> dict[str, Any]:
    of = subject(MINIMAL | spec | {"taskManager": {"pod": pod}})
    return workloads.taskmanager(of, SETTINGS, 1, 1, replicas=1)["spec"]["template"]


def test_a_variable_of_the_user_may_refer_to_ours() -> None:
    env = [{"name": "HERE", "value": "$(POD_IP)"}]
    rendered = template({"env": env})["spec"]["containers"][0]["env"]
    assert [variable["name"] for variable in rendered] == ["POD_IP", "POD_NAME", "HERE"]


def test_a_toleration_of_the_user_replaces_ours_for_the_same_taint() -> None:
    patient = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}
    rendered = template({"tolerations": [patient]})["spec"]["tolerations"]
    assert [entry["tolerationSeconds"] for entry in rendered if entry["key"].endswith("unreachable")] == [300]
    assert [entry["tolerationSeconds"] for entry in rendered if entry["key"].endswith("not-ready")] == [20]


def test_taskmanagers_are_spread_over_nodes_unless_the_user_says_how() -> None:
    [ours] = template({})["spec"]["topologySpreadConstraints"]
    assert (ours["topologyKey"], ours["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "ScheduleAnyway")
    own = {"maxSkew": 2, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    counted = {"labelSelector": ours["labelSelector"]}
    zones = own | {"topologyKey": "topology.kubernetes.io/zone", "labelSelector": {"matchLabels": {"a": "b"}}}
    said = {"topologySpreadConstraints": [own]}
    assert template(said)["spec"]["topologySpreadConstraints"] == [counted | own]
    assert template({"topologySpreadConstraints": [zones]})["spec"]["topologySpreadConstraints"] == [
        zones,
        ours,
    ]


def test_pull_secrets_of_the_operator_and_the_user_are_put_together() -> None:
    assert "imagePullSecrets" not in template({})["spec"]
    rendered = template({"imagePullSecrets": [{"name": "mine"}]})["spec"]["imagePullSecrets"]
    assert rendered == [{"name": "mine"}]


def test_the_checker_of_these_tests_finds_what_the_profile_forbids() -> None:
    broken = template({})
    broken["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = False
    broken["spec"]["automountServiceAccountToken"] = True
    broken["spec"]["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    broken["spec"]["containers"][0]["resources"]["limits"].pop("memory")
    assert len(violations(broken)) == 4


def test_what_is_not_in_the_list_cannot_even_be_written() -> None:
    for trick in (
        {"hostNetwork": True},
        {"serviceAccountName": "admin"},
        {"nodeName": "n"},
        {"securityContext": {}},
    ):
        with pytest.raises(ValueError, match="Extra inputs are not permitted"):
            Pod.model_validate(trick)

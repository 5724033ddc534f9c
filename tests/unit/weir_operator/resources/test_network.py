"""Network policies say what the table of edges says, and nothing more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.stream_jobs import SETTINGS, subject
from weir_operator.observed import Component
from weir_operator.resources import edges, network


def policies(**settings: Any) -> dict[str, dict[str, Any]]:
    rendered = network.policies(subject(), replace(SETTINGS, **settings))
    return {policy["metadata"]["name"]: policy["spec"] for policy in rendered}


def test_every_pod_of_the_job_is_closed_unless_another_policy_opens_it() -> None:
    spec = policies()["flights-pods"]
    assert spec["podSelector"] == {"matchLabels": {"weir.dev/job": "flights"}}
    assert (spec["policyTypes"], spec["ingress"]) == (["Ingress", "Egress"], [])


def test_each_edge_into_a_component_is_one_rule() -> None:
    for name, component in (("flights-jm", Component.JOBMANAGER), ("flights-tm", Component.TASKMANAGER)):
        spec = policies()[name]
        assert spec["podSelector"]["matchLabels"]["weir.dev/component"] == component
        assert [rule["ports"][0].get("port") for rule in spec["ingress"]] == [
            edge.port for edge in edges.INGRESS if edge.target is component
        ]


def test_the_operator_is_let_in_by_namespace_and_labels_together() -> None:
    [peer] = [rule["from"][0] for rule in policies()["flights-jm"]["ingress"] if "operator" in str(rule)]
    assert peer == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "weir-system"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "weir-operator"}},
    }


def test_outwards_all_is_open_but_the_metadata_service() -> None:
    [rule] = policies()["flights-pods"]["egress"]
    blocks = {peer["ipBlock"]["cidr"]: peer["ipBlock"]["except"] for peer in rule["to"] if "ipBlock" in peer}
    assert blocks == {"0.0.0.0/0": ["169.254.169.254/32"], "::/0": ["fd00:ec2::254/128"]}
    assert {"namespaceSelector": {}} in rule["to"]


def test_peers_that_the_operator_was_told_of_close_the_rest() -> None:
    peer = {"ipBlock": {"cidr": "10.0.0.0/8"}}
    peers, names_of_hosts = policies(egress_peers=(peer,))["flights-pods"]["egress"]
    assert peers["to"] == [{"podSelector": {"matchLabels": {"weir.dev/job": "flights"}}}, peer]
    assert [port["port"] for port in names_of_hosts["ports"]] == [53, 53]


def test_policies_can_be_left_out() -> None:
    assert policies(network_policies=False) == {}

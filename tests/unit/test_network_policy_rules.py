"""The rules that a test cluster makes of NetworkPolicies let through what the edge table lists, and nothing else."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from tests.cluster import policies
from tests.support.network_world import (
    JOB,
    JOBMANAGER,
    NAMESPACES,
    PODS,
    PORTS,
    SECOND,
    SOURCES,
    TARGETS,
    TASKMANAGER,
    listed,
    pod,
)
from tests.support.stream_jobs import SETTINGS
from weir_operator.resources import labels, network, places

RULES = policies.rules(network.policies(JOB, SETTINGS), PODS, NAMESPACES)


@pytest.mark.parametrize("who", SOURCES)
def test_what_the_table_lists_passes_and_all_else_is_dropped(who: str) -> None:
    source, peer = SOURCES[who]
    for target, port in product(TARGETS, PORTS):
        assert RULES.passes(source, TARGETS[target], port) == listed(peer, target, port), (target, port)


def test_pods_that_no_policy_selects_are_open_and_jobs_reach_all_but_the_metadata_service() -> None:
    assert RULES.passes(JOBMANAGER, "10.0.0.7", 9000)
    assert RULES.passes(TASKMANAGER, "8.8.8.8", 443)
    assert not RULES.passes(TASKMANAGER, "169.254.169.254", 80)
    assert RULES.passes("10.0.0.7", "169.254.169.254", 80)
    assert not RULES.passes(TASKMANAGER, SECOND, 53, "udp")


def policy(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "p", "namespace": JOB.namespace}, "spec": {"podSelector": {}, **spec}}


def test_a_named_port_is_each_pods_own_and_an_empty_list_of_peers_is_everybody() -> None:
    named = policy(ingress=[{"ports": [{"port": "rest"}]}])
    found = policies.rules([named], PODS, NAMESPACES)
    assert found.passes("10.0.0.8", JOBMANAGER, places.REST)
    assert not found.passes("10.0.0.8", JOBMANAGER, places.RPC)


def test_a_policy_without_rules_closes_its_direction_only() -> None:
    found = policies.rules([policy(policyTypes=["Egress"])], PODS, NAMESPACES)
    assert not found.passes("10.0.0.7", "10.0.0.8", 80)
    assert found.passes("10.0.0.8", "10.0.0.7", 80)


def test_expressions_select_as_well_as_labels() -> None:
    def closed(operator: str, *values: str) -> set[str]:
        expression = {"key": labels.JOB, "operator": operator, "values": list(values)}
        selects = policy(podSelector={"matchExpressions": [expression]})
        return set(policies.rules([selects], PODS, NAMESPACES).closed[policies.INWARDS])

    assert closed("In", "others") == {"10.0.0.4"}
    assert closed("NotIn", JOB.name) == {"10.0.0.4", "10.0.0.7"}
    assert closed("Exists") == {JOBMANAGER, TASKMANAGER, SECOND, "10.0.0.4"}
    assert closed("DoesNotExist") == {"10.0.0.7"}


def test_the_address_of_a_pod_that_ended_is_nobodys() -> None:
    ended = pod(9, "elsewhere", {labels.REST_CLIENT: "true"}, phase="Succeeded")
    found = policies.rules(network.policies(JOB, SETTINGS), [*PODS, ended], NAMESPACES)
    assert not found.passes("10.0.0.9", JOBMANAGER, places.REST)


def test_the_table_is_replaced_as_a_whole_and_nodes_are_let_in() -> None:
    text = RULES.text("198.18.0.0/24")
    assert text.startswith(f"table ip {policies.TABLE}\ndelete table ip {policies.TABLE}\n")
    assert text.count("ip saddr 198.18.0.0/24 accept") == 2
    assert f"ip daddr {JOBMANAGER} ip saddr {{ {TASKMANAGER}, {SECOND} }} tcp dport 6123 return" in text
    assert policies.rules([], [], []).text("198.18.0.0/24").count("jump") == 0

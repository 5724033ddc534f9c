"""NetworkPolicies of a job, made from the table in ``edges``.

One for all its pods denies what is not allowed; one each for JobManagers and TaskManagers lists who may come in. Outwards
jobs reach the object store, sources and sinks, whose addresses are in the user's code, so everything is open but the
cloud's metadata service, unless the operator is told what may be reached.
"""

from __future__ import annotations

from typing import Any

from weir_operator.observed import Component
from weir_operator.resources import edges, labels, names
from weir_operator.resources.edges import Edge, Peer
from weir_operator.resources.manifest import Manifest, manifest
from weir_operator.resources.settings import RenderSettings
from weir_operator.resources.subject import Subject

_NAMESPACE = "kubernetes.io/metadata.name"


def policies(subject: Subject, settings: RenderSettings) -> tuple[Manifest, ...]:
    """The policies of a job; none if the operator was told to render none."""
    if not settings.network_policies:
        return ()
    return (
        _policy(
            subject,
            names.of_all_pods(subject.name),
            {"matchLabels": labels.selector(subject.name)},
            {"policyTypes": ["Ingress", "Egress"], "ingress": [], "egress": _egress(subject, settings)},
        ),
        _inwards(subject, settings, names.of_jobmanagers(subject.name), Component.JOBMANAGER),
        _inwards(subject, settings, names.of_taskmanagers(subject.name), Component.TASKMANAGER),
    )


def _inwards(subject: Subject, settings: RenderSettings, name: str, target: Component) -> Manifest:
    rules = [_rule(subject, settings, edge) for edge in edges.INGRESS if edge.target is target]
    pods = {"matchLabels": labels.selector(subject.name, component=target)}
    return _policy(subject, name, pods, {"policyTypes": ["Ingress"], "ingress": rules})


def _policy(subject: Subject, name: str, pods: Manifest, rules: Manifest) -> Manifest:
    return manifest(
        subject,
        "networking.k8s.io/v1",
        "NetworkPolicy",
        name,
        labels=labels.of_job(subject.name),
        spec={"podSelector": pods, **rules},
    )


def _rule(subject: Subject, settings: RenderSettings, edge: Edge) -> Manifest:
    port = {"protocol": "TCP"} | ({} if edge.port is None else {"port": edge.port})
    return {"from": [_peer(subject, settings, edge.source)], "ports": [port]}


def _peer(subject: Subject, settings: RenderSettings, peer: Peer) -> Manifest:
    match peer:
        case Peer.JOBMANAGER:
            return {
                "podSelector": {"matchLabels": labels.selector(subject.name, component=Component.JOBMANAGER)}
            }
        case Peer.TASKMANAGER:
            return {
                "podSelector": {"matchLabels": labels.selector(subject.name, component=Component.TASKMANAGER)}
            }
        case Peer.OPERATOR:
            return {
                "namespaceSelector": {"matchLabels": {_NAMESPACE: settings.operator_namespace}},
                "podSelector": {"matchLabels": dict(settings.operator_labels)},
            }
        case Peer.REST_CLIENT:
            return {"namespaceSelector": {}, "podSelector": {"matchLabels": {labels.REST_CLIENT: "true"}}}


def _egress(subject: Subject, settings: RenderSettings) -> list[Manifest]:
    if not settings.egress_peers:
        everything: list[dict[str, Any]] = [
            {
                "ipBlock": {
                    "cidr": cidr,
                    "except": [block for block in edges.METADATA_SERVICES if (":" in block) == six],
                }
            }
            for cidr, six in (("0.0.0.0/0", False), ("::/0", True))
        ]
        # Some plug-ins (Cilium) never match pods by address: they need a selector of their own.
        return [{"to": [{"namespaceSelector": {}}, *everything]}]
    own = {"podSelector": {"matchLabels": labels.selector(subject.name)}}
    names_of_hosts = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return [{"to": [own, *map(dict, settings.egress_peers)]}, {"ports": names_of_hosts}]

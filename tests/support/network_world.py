"""A job's pods, and others around them, as a cluster tells of them; and which of them may open which connection by the table of edges."""

from __future__ import annotations

from typing import Any

from tests.support.stream_jobs import SETTINGS, subject
from weir_operator.observed import Component
from weir_operator.resources import edges, labels, places
from weir_operator.resources.edges import Peer

JOB = subject()
OTHER = 40000
NAMESPACES = [
    {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}}}
    for name in (JOB.namespace, SETTINGS.operator_namespace, "elsewhere")
]


def pod(number: int, namespace: str, marks: dict[str, str], **status: Any) -> dict[str, Any]:
    ports = [{"name": "rest", "containerPort": places.REST}]
    return {
        "metadata": {"name": f"pod-{number}", "namespace": namespace, "labels": marks},
        "spec": {"containers": [{"ports": ports}]},
        "status": {"podIP": f"10.0.0.{number}", "phase": "Running", **status},
    }


def of_job(number: int, component: Component, job: str = JOB.name) -> dict[str, Any]:
    return pod(number, JOB.namespace, labels.of_component(job, 1, component))


JOBMANAGER, TASKMANAGER, SECOND = "10.0.0.1", "10.0.0.2", "10.0.0.3"
PODS = [
    of_job(1, Component.JOBMANAGER),
    of_job(2, Component.TASKMANAGER),
    of_job(3, Component.TASKMANAGER),
    of_job(4, Component.TASKMANAGER, "others"),
    pod(5, SETTINGS.operator_namespace, dict(SETTINGS.operator_labels)),
    pod(6, "elsewhere", {labels.REST_CLIENT: "true"}),
    pod(7, JOB.namespace, {}),
    pod(8, "elsewhere", dict(SETTINGS.operator_labels)),
]
SOURCES = {
    "its JobManager": (JOBMANAGER, Peer.JOBMANAGER),
    "its TaskManager": (TASKMANAGER, Peer.TASKMANAGER),
    "another job's TaskManager": ("10.0.0.4", None),
    "the operator": ("10.0.0.5", Peer.OPERATOR),
    "a client of REST": ("10.0.0.6", Peer.REST_CLIENT),
    "any pod": ("10.0.0.7", None),
    "one that looks like the operator": ("10.0.0.8", None),
}
TARGETS = {Component.JOBMANAGER: JOBMANAGER, Component.TASKMANAGER: SECOND}
PORTS = (places.RPC, places.REST, OTHER)


def listed(peer: Peer | None, target: Component, port: int) -> bool:
    """Whether the table of edges has it."""
    return any(
        (edge.source, edge.target) == (peer, target) and edge.port in {None, port} for edge in edges.INGRESS
    )

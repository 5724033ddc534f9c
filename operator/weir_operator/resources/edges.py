"""Who may open a connection to whom: the table that the network policies are made from, and that tests enforce.

What is not listed is dropped. Probes come from the node, which every network plug-in lets through.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from weir_operator.observed import Component
from weir_operator.resources import places


class Peer(StrEnum):
    """Who opens the connection."""

    JOBMANAGER = "the job's JobManagers"
    TASKMANAGER = "the job's TaskManagers"
    OPERATOR = "the operator"
    REST_CLIENT = "pods labelled weir.dev/rest-client: true, in any namespace"


@dataclass(frozen=True, slots=True)
class Edge:
    """One kind of connection; ``port`` None stands for every TCP port."""

    source: Peer
    target: Component
    port: int | None
    why: str


#: Into job pods. Snapshot and preflight pods are reached by nobody.
INGRESS = (
    Edge(Peer.TASKMANAGER, Component.JOBMANAGER, places.RPC, "registration, tasks, heartbeats, checkpoints"),
    Edge(Peer.OPERATOR, Component.JOBMANAGER, places.REST, "observing, savepoints, rescaling"),
    Edge(Peer.REST_CLIENT, Component.JOBMANAGER, places.REST, "people, dashboards, scrapers; with a token"),
    Edge(
        Peer.TASKMANAGER,
        Component.TASKMANAGER,
        None,
        "rows between tasks; each worker listens on a port of its own",
    ),
)

#: Never reached from a job pod, even where all else may be: whoever asks it is given the node's credentials.
METADATA_SERVICES = ("169.254.169.254/32", "fd00:ec2::254/128")

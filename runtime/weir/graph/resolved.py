"""A logical graph with everything inherited filled in: what validation, chaining and ids work on.

``resolve`` gives each node its parallelism, max parallelism and slot group, and each edge its partitioning, in an
order in which a node comes after all that feed it.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

from weir.errors import GraphError
from weir.graph.logical import LogicalEdge, LogicalGraph, LogicalNode, Partitioning
from weir.graph.partitioning import effective_partitioning

DEFAULT_SLOT_GROUP = "default"


@dataclass(frozen=True)
class ResolvedNode:
    """A node with its effective settings, and the edges at it."""

    node: LogicalNode
    parallelism: int
    max_parallelism: int
    slot_group: str
    inputs: tuple[LogicalEdge, ...]
    outputs: tuple[LogicalEdge, ...]


@dataclass(frozen=True)
class ResolvedGraph:
    """Nodes by id, in topological order; partitioning by edge id."""

    nodes: dict[int, ResolvedNode]
    partitioning: dict[int, Partitioning]


def described(node: LogicalNode) -> str:
    """How messages name a node: its name, its uid if it has one, and where it was written."""
    uid = f" (uid '{node.uid}')" if node.uid else ""
    place = f" at {node.location}" if node.location else ""
    return f"'{node.name}'{uid}{place}"


def placed(node: LogicalNode, message: str) -> GraphError:
    """The error about ``node``: the user's file and line first."""
    return GraphError(f"{node.location}: {message}" if node.location else message)


def resolve(graph: LogicalGraph, parallelism: int, max_parallelism: int) -> ResolvedGraph:
    """Fill in what nodes inherit. Raises ``GraphError`` for edges to nowhere and for cycles."""
    by_id = {node.id: node for node in graph.nodes}
    if len(by_id) != len(graph.nodes):
        raise GraphError("two operators of the graph have the same id")
    inputs: dict[int, list[LogicalEdge]] = {node_id: [] for node_id in by_id}
    outputs: dict[int, list[LogicalEdge]] = {node_id: [] for node_id in by_id}
    for edge in graph.edges:
        for end in (edge.source, edge.target):
            if end not in by_id:
                raise GraphError(
                    f"edge {edge.id} joins operators {edge.source} and {edge.target}, but {end} is none"
                )
        inputs[edge.target].append(edge)
        outputs[edge.source].append(edge)
    nodes: dict[int, ResolvedNode] = {}
    for node_id in _topological(inputs, outputs, by_id):
        node = by_id[node_id]
        groups = {nodes[edge.source].slot_group for edge in inputs[node_id]}
        nodes[node_id] = ResolvedNode(
            node=node,
            parallelism=node.parallelism if node.parallelism is not None else parallelism,
            max_parallelism=node.max_parallelism if node.max_parallelism is not None else max_parallelism,
            slot_group=node.slot_group or (groups.pop() if len(groups) == 1 else DEFAULT_SLOT_GROUP),
            inputs=tuple(inputs[node_id]),
            outputs=tuple(outputs[node_id]),
        )
    partitioning = {
        edge.id: effective_partitioning(
            edge.partitioning, nodes[edge.source].parallelism, nodes[edge.target].parallelism
        )
        for edge in graph.edges
    }
    return ResolvedGraph(nodes, partitioning)


def _topological(
    inputs: dict[int, list[LogicalEdge]], outputs: dict[int, list[LogicalEdge]], by_id: dict[int, LogicalNode]
) -> list[int]:
    """Node ids, each after all that feed it; among the free ones the oldest first."""
    waiting = {node_id: len(edges) for node_id, edges in inputs.items()}
    free = [node_id for node_id, count in waiting.items() if count == 0]
    heapq.heapify(free)
    order: list[int] = []
    while free:
        node_id = heapq.heappop(free)
        order.append(node_id)
        for edge in outputs[node_id]:
            waiting[edge.target] -= 1
            if waiting[edge.target] == 0:
                heapq.heappush(free, edge.target)
    if len(order) < len(by_id):
        names = ", ".join(described(by_id[node_id]) for node_id in sorted(set(by_id) - set(order)))
        raise GraphError(f"the job has a cycle through {names}; a stream cannot feed itself")
    return order

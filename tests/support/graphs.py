"""Short notations for logical graphs in tests."""

from __future__ import annotations

from weir.graph.logical import LogicalEdge, LogicalGraph, LogicalNode, NodeKind, Partitioning

KINDS = {"source": NodeKind.SOURCE, "sink": NodeKind.SINK}


def node(number: int, kind: str = "map", **settings) -> LogicalNode:
    settings.setdefault("name", f"{kind}-{number}")
    return LogicalNode(id=number, type=kind, kind=KINDS.get(kind, NodeKind.OPERATOR), **settings)


def graph(nodes: list[LogicalNode], *edges: tuple, name: str = "test", **settings) -> LogicalGraph:
    """Edges are ``(source, target[, partitioning[, input index[, side tag]]])``."""
    return LogicalGraph(
        name=name, nodes=tuple(nodes), edges=tuple(map(edge, range(len(edges)), edges)), **settings
    )


def edge(number: int, parts: tuple) -> LogicalEdge:
    source, target, partitioning, index, tag = (*parts, *(None, None, None)[len(parts) - 2 :])
    return LogicalEdge(
        id=number,
        source=source,
        target=target,
        partitioning=None if partitioning is None else Partitioning(partitioning),
        input_index=index or 0,
        side_tag=tag,
    )


def line(*types: str, **settings) -> LogicalGraph:
    """A straight line of operators, e.g. ``line("source", "map", "sink")``."""
    nodes = [node(number, kind) for number, kind in enumerate(types, 1)]
    return graph(nodes, *((number, number + 1) for number in range(1, len(types))), **settings)

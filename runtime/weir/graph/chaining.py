"""Which operators share a task: Flink's rules, and the trees they give.

An operator joins the chain of its input when nothing lies between them: one input edge, forward, same parallelism and
slot group, and both sides allow it. One operator may feed several chained ones, so a chain is a tree.
"""

from __future__ import annotations

from weir.graph.logical import Chaining, LogicalEdge, Partitioning
from weir.graph.resolved import ResolvedGraph, ResolvedNode


def chained_input(item: ResolvedNode, graph: ResolvedGraph, *, enabled: bool) -> LogicalEdge | None:
    """The edge over which ``item`` is chained to its input; ``None``: it begins a chain."""
    if not enabled or len(item.inputs) != 1 or item.node.chaining is not Chaining.ALWAYS:
        return None
    edge = item.inputs[0]
    source = graph.nodes[edge.source]
    joins = (
        graph.partitioning[edge.id] is Partitioning.FORWARD
        and source.node.chaining is not Chaining.NEVER
        and source.parallelism == item.parallelism
        and source.slot_group == item.slot_group
        and (item.node.max_parallelism is None or item.max_parallelism == source.max_parallelism)
    )
    return edge if joins else None


def chains(graph: ResolvedGraph, *, enabled: bool) -> dict[int, list[int]]:
    """Chains by the node id of their head, in topological order; each a list of node ids, head first."""
    found: dict[int, list[int]] = {}
    head_of: dict[int, int] = {}
    for node_id, item in graph.nodes.items():
        edge = chained_input(item, graph, enabled=enabled)
        head = node_id if edge is None else head_of[edge.source]
        head_of[node_id] = head
        found.setdefault(head, []).append(node_id)
    return found

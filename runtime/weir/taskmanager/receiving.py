"""The edges that end at a vertex, by the names under which checkpoints keep what was on its way along them. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from weir.graph.physical import ChainedOperator, PhysicalEdge, PhysicalPlan, PhysicalVertex
from weir.ids import OperatorId, VertexId
from weir.taskmanager.in_flight import ChannelName, EdgeName, InFlight


def edges_into(plan: PhysicalPlan, vertex: VertexId) -> Iterator[tuple[int, PhysicalEdge, EdgeName]]:
    """Position in the plan, edge and name, in the order of the plan."""
    alike: Counter[tuple[str, str | None, int]] = Counter()
    for position, edge in enumerate(plan.edges):
        if edge.target != vertex:
            continue
        source = plan.vertex(edge.source).operators[edge.source_operator].operator_id
        kind = (source, edge.side_tag, edge.input_index)
        yield position, edge, EdgeName(*kind, alike[kind])
        alike[kind] += 1


def unknown_edge(name: ChannelName, label: str) -> str:
    """The refusal of rows on their way to ``label`` along an edge that is gone."""
    side = f" (side output {name.edge.side_tag!r})" if name.edge.side_tag else ""
    return (
        f"the checkpoint holds rows on their way from operator {name.edge.source}{side} to input {name.edge.input_index} of "
        f"{label}, and the job has no such edge now; start the job as it was and take a savepoint, which holds no "
        "rows on their way, then change the graph"
    )


def unreceived(plan: PhysicalPlan, operator: OperatorId, in_flight: InFlight) -> str | None:
    """Why a restore would refuse what was on its way to ``operator``; ``None``: every edge is there, or the operator is not."""
    for vertex in plan.vertices:
        for one in vertex.operators:
            if one.operator_id != operator:
                continue
            lost = [
                channel.name
                for channel in in_flight.channels
                if not _arrives(plan, vertex, one, channel.name)
            ]
            return unknown_edge(lost[0], f"'{one.name}'") if lost else None
    return None


def _arrives(
    plan: PhysicalPlan, vertex: PhysicalVertex, operator: ChainedOperator, name: ChannelName
) -> bool:
    if operator.upstream is None:
        return any(name.edge == known for _, _, known in edges_into(plan, vertex.id))
    upstream = vertex.operators[operator.upstream].operator_id
    return (name.edge.source, name.edge.side_tag) == (upstream, operator.side_tag)

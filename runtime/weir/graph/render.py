"""A plan as text for people: ``weir plan``, golden files and logs."""

from __future__ import annotations

from weir.graph.physical import (
    ChainedOperator,
    EdgeKind,
    PhysicalEdge,
    PhysicalPlan,
    PhysicalVertex,
    VertexKind,
)
from weir.graph.plan import slots_required
from weir.graph.resolved import DEFAULT_SLOT_GROUP
from weir.ids import VertexId


def render(plan: PhysicalPlan) -> str:
    """Vertices in order, each with its inputs, its chain as a tree, and the uid (or the automatic id) of each operator."""
    numbers = {vertex.id: number for number, vertex in enumerate(plan.vertices, 1)}
    slots = slots_required(plan)
    head = f"job {plan.job_name}: {len(plan.vertices)} vertices, {slots} slot{'' if slots == 1 else 's'}"
    sections = [_vertex(vertex, plan, numbers) for vertex in plan.vertices]
    automatic = sum(
        operator.uid is None
        for vertex in plan.vertices
        if vertex.kind is not VertexKind.ENUMERATOR
        for operator in vertex.operators
    )
    have = "1 operator has" if automatic == 1 else f"{automatic} operators have"
    tail = [f"\n{have} an automatic id (*); with a uid, state is found again after any change of the job"]
    return "\n".join([head, *sections, *(tail if automatic else [])]) + "\n"


def _vertex(vertex: PhysicalVertex, plan: PhysicalPlan, numbers: dict[VertexId, int]) -> str:
    group = "" if vertex.slot_group == DEFAULT_SLOT_GROUP else f"  slot group {vertex.slot_group}"
    lines = [
        f"\n[{numbers[vertex.id]}] {vertex.kind}  parallelism {vertex.parallelism} of {vertex.max_parallelism}{group}"
    ]
    lines += [f"    <- {_edge(edge, plan, numbers)}" for edge in plan.edges if edge.target == vertex.id]
    lines += _chain(vertex.operators, None, 0)
    return "\n".join(lines)


def _edge(edge: PhysicalEdge, plan: PhysicalPlan, numbers: dict[VertexId, int]) -> str:
    if edge.kind is EdgeKind.SPLITS:
        return f"[{numbers[edge.source]}] splits"
    source = plan.vertex(edge.source)
    operator = source.operators[edge.source_operator]
    name = f" '{operator.name}'" if len(source.operators) > 1 else ""
    side = f" side output '{edge.side_tag}'" if edge.side_tag else ""
    second = "  (input 2)" if edge.input_index == 1 else ""
    return f"[{numbers[edge.source]}]{name}{side} {edge.partitioning}{second}"


def _chain(operators: tuple[ChainedOperator, ...], upstream: int | None, depth: int) -> list[str]:
    lines: list[str] = []
    for position, operator in enumerate(operators):
        if operator.upstream == upstream and (upstream is not None or position == 0):
            side = f" (side output '{operator.side_tag}')" if operator.side_tag else ""
            identity = f"uid {operator.uid}" if operator.uid is not None else f"* {operator.operator_id[:8]}"
            label = f"{operator.name} [{operator.type}]{side}"
            lines.append(f"    {'  ' * depth}{label}  {identity}")
            lines += _chain(operators, position, depth + 1)
    return lines

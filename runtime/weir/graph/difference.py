"""Where two plans of one job differ first: what a worker says when it refuses a deployment."""

from __future__ import annotations

from itertools import zip_longest

from weir.graph.physical import ChainedOperator, PhysicalEdge, PhysicalPlan, PhysicalVertex


def first_difference(expected: PhysicalPlan, found: PhysicalPlan) -> str:
    """One sentence: the first thing in which ``found`` differs from ``expected``, with both values.

    Empty if the digests are equal.
    """
    if expected.digest == found.digest:
        return ""
    for a, b in zip_longest(expected.vertices, found.vertices):
        difference = _vertex_difference(a, b)
        if difference:
            return difference
    for c, d in zip_longest(expected.edges, found.edges):
        if c != d:
            return f"an edge differs: expected {_edge(c)}, found {_edge(d)}"
    return f"the plans' digests differ: expected {expected.digest[:12]}, found {found.digest[:12]}"


def _vertex_difference(expected: PhysicalVertex | None, found: PhysicalVertex | None) -> str:
    if expected is None or found is None:
        names = [f"'{vertex.name}'" if vertex else "nothing more" for vertex in (expected, found)]
        return f"the plans have different vertices: expected {names[0]}, found {names[1]}"
    for a, b in zip_longest(expected.operators, found.operators):
        difference = _operator_difference(a, b)
        if difference:
            return difference
    for field in ("id", "kind", "name", "parallelism", "max_parallelism", "slot_group"):
        wanted, got = getattr(expected, field), getattr(found, field)
        if wanted != got:
            return f"vertex '{expected.name}' has another {field.replace('_', ' ')}: expected {wanted}, found {got}"
    return ""


def _operator_difference(expected: ChainedOperator | None, found: ChainedOperator | None) -> str:
    if expected is None or found is None:
        names = [f"'{operator.name}'" if operator else "nothing more" for operator in (expected, found)]
        return f"a chain has different operators: expected {names[0]}, found {names[1]}"
    if expected.name != found.name or expected.type != found.type:
        return (
            f"operator {expected.node} differs: expected '{expected.name}' ({expected.type}), "
            f"found '{found.name}' ({found.type})"
        )
    for field in ("uid", "operator_id", "code_hash", "upstream", "side_tag", "node"):
        wanted, got = getattr(expected, field), getattr(found, field)
        if wanted != got:
            subject = "its function's code or settings" if field == "code_hash" else field.replace("_", " ")
            return f"operator '{expected.name}' differs in {subject}: expected {wanted}, found {got}"
    return ""


def _edge(edge: PhysicalEdge | None) -> str:
    if edge is None:
        return "no more edges"
    side = f", side output '{edge.side_tag}'" if edge.side_tag else ""
    return f"edge {edge.id} ({edge.source[:8]} to {edge.target[:8]}, input {edge.input_index}, {edge.partitioning}{side})"

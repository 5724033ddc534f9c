"""A job's plan as a graph of nodes and inputs, for dashboards. Pure."""

from __future__ import annotations

from weir.graph.physical import EdgeKind, PhysicalEdge, PhysicalVertex
from weir.jobmanager.facts import JobFacts
from weir.jobmanager.rest.models import jobs as models


def plan(job: JobFacts) -> models.Plan:
    """Vertices in topological order; empty while the job is not planned."""
    found = () if job.planned is None else job.planned.plan.vertices
    edges = () if job.planned is None else job.planned.plan.edges
    return models.Plan(
        jid=job.status.job_id,
        name=job.status.name,
        nodes=tuple(_node(vertex, [edge for edge in edges if edge.target == vertex.id]) for vertex in found),
    )


def _node(vertex: PhysicalVertex, edges: list[PhysicalEdge]) -> models.PlanNode:
    return models.PlanNode(
        id=vertex.id,
        parallelism=vertex.parallelism,
        description=vertex.name,
        inputs=tuple(
            models.PlanInput(num=number, id=edge.source, ship_strategy=_strategy(edge))
            for number, edge in enumerate(edges)
        ),
        operators=tuple(
            models.PlanOperator(
                id=operator.operator_id, name=operator.name, uid=operator.uid, type=operator.type
            )
            for operator in vertex.operators
        ),
    )


def _strategy(edge: PhysicalEdge) -> str:
    return edge.kind.value.upper() if edge.kind is EdgeKind.SPLITS else edge.partitioning.value.upper()

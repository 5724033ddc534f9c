"""What the checkpoint coordinator must know of a plan: its operators, and where snapshots begin. Pure."""

from __future__ import annotations

from weir.checkpoint.job_facts import JobFacts, OperatorInfo
from weir.graph.physical import PhysicalPlan, VertexKind
from weir.ids import Epoch, JobId, SubtaskId


def job_facts(job_id: JobId, name: str, epoch: Epoch, plan: PhysicalPlan) -> JobFacts:
    """The job as its snapshots describe it."""
    operators = tuple(
        OperatorInfo(
            operator_id=operator.operator_id,
            uid=operator.uid,
            name=operator.name,
            vertex=vertex.id,
            parallelism=vertex.parallelism,
            max_parallelism=vertex.max_parallelism,
        )
        for vertex in plan.vertices
        for operator in vertex.operators
    )
    return JobFacts(job_id=job_id, job_name=name, epoch=epoch, operators=operators)


def enumerators(plan: PhysicalPlan) -> frozenset[SubtaskId]:
    """Where snapshots begin."""
    return frozenset(
        SubtaskId(vertex.id, index)
        for vertex in plan.vertices
        if vertex.kind is VertexKind.ENUMERATOR
        for index in range(vertex.parallelism)
    )

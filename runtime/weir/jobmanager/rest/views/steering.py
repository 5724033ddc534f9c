"""Savepoints that were asked for, and what parallelism a job's vertices have or are to have. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from weir.graph.physical import PhysicalVertex, VertexKind
from weir.jobmanager.operations import Operation
from weir.jobmanager.planning import PlannedJob
from weir.jobmanager.rest.exchange import Refusal, not_found
from weir.jobmanager.rest.models.jobs import FailureCause, QueueStatus
from weir.jobmanager.rest.models.steering import OperationInfo, Outcome, Parallelism, VertexRequirements


def operation(found: Operation) -> OperationInfo:
    """How something that was asked for fares."""
    if not found.done:
        return OperationInfo(status=QueueStatus(id="IN_PROGRESS"))
    if found.failure is not None:
        outcome = Outcome(failure_cause=FailureCause(class_="WrongState", stack_trace=found.failure))
    else:
        outcome = Outcome(location=found.path)
    return OperationInfo(status=QueueStatus(id="COMPLETED"), operation=outcome)


def requirements(planned: PlannedJob) -> dict[str, VertexRequirements]:
    """By vertex, what it has."""
    return {
        vertex.id: VertexRequirements(parallelism=Parallelism(upper_bound=vertex.parallelism))
        for vertex in planned.plan.vertices
    }


def wanted_parallelism(planned: PlannedJob, wanted: Mapping[str, VertexRequirements]) -> int:
    """The parallelism that a whole job is to have. Raises ``Refusal`` (400) where vertices differ or are missing."""
    vertices = {str(vertex.id): vertex for vertex in planned.plan.vertices}
    for name in wanted:
        if name not in vertices:
            raise Refusal(400, str(not_found("vertex", name, list(vertices))))
    missing = [_name(vertex) for name, vertex in vertices.items() if _scales(vertex) and name not in wanted]
    if missing:
        raise Refusal(400, f"these vertices have no parallelism in the request: {', '.join(missing)}")
    asked = {name: requirement.parallelism for name, requirement in wanted.items()}
    for name, bounds in asked.items():
        if not 1 <= bounds.lower_bound <= bounds.upper_bound:
            raise Refusal(
                400,
                f"vertex {_name(vertices[name])}: bounds {bounds.lower_bound} to {bounds.upper_bound} are impossible",
            )
    different = {bounds.upper_bound for name, bounds in asked.items() if _scales(vertices[name])}
    if len(different) != 1:
        said = ", ".join(
            f"{_name(vertices[name])}: {bounds.upper_bound}"
            for name, bounds in asked.items()
            if _scales(vertices[name])
        )
        raise Refusal(400, f"a job is rescaled as a whole; give all vertices one upperBound, not {said}")
    return different.pop()


def _scales(vertex: PhysicalVertex) -> bool:
    return vertex.kind is not VertexKind.ENUMERATOR


def _name(vertex: PhysicalVertex) -> str:
    return f"{vertex.name!r} ({vertex.id})"

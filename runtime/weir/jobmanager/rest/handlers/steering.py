"""Routes that steer a running job: savepoints, a stop with one, another parallelism. All answer at once; poll for the end."""

from __future__ import annotations

from weir.checkpoint.metadata import Owner
from weir.jobmanager.facts import JobFacts
from weir.jobmanager.operations import Operation, OperationKind
from weir.jobmanager.planning import PlannedJob
from weir.jobmanager.rest.exchange import (
    Answer,
    Cluster,
    Refusal,
    Request,
    body_of,
    check_trigger,
    json_answer,
)
from weir.jobmanager.rest.handlers.jobs import facts_of, job_of
from weir.jobmanager.rest.managed import Steer, check_unmanaged
from weir.jobmanager.rest.models.checkpoints import Triggered
from weir.jobmanager.rest.models.steering import (
    DisposalTrigger,
    SavepointFormat,
    SavepointTrigger,
    StopTrigger,
    VertexRequirements,
)
from weir.jobmanager.rest.views import steering as views


def savepoint(cluster: Cluster, request: Request) -> Answer:
    """Take a savepoint below `target-directory`, else below the configured folder: 202 and an id to poll."""
    body = body_of(request, SavepointTrigger)
    check_trigger(body.trigger_id)
    if body.cancel_job:
        raise Refusal(400, "cancel-job is not part of this version; POST to /jobs/:id/stop instead")
    owner = _owner(facts_of(cluster, request), request)
    steering = job_of(cluster, request).steering
    native = body.format_type is SavepointFormat.NATIVE
    return _accepted(steering.savepoint(body.target_directory, body.trigger_id, owner, native=native))


def outcome(cluster: Cluster, request: Request) -> Answer:
    """How a savepoint, or a stop with one, fares."""
    return _outcome(cluster, request, OperationKind.SAVEPOINT, "savepoint")


def stop(cluster: Cluster, request: Request) -> Answer:
    """Stop with a savepoint, with `drain` after all event-time timers fired: 202 and an id to poll among the savepoints."""
    body = body_of(request, StopTrigger)
    check_trigger(body.trigger_id)
    facts = facts_of(cluster, request)
    check_unmanaged(facts, request, Steer.END)
    operation = job_of(cluster, request).steering.stop(
        body.target_directory,
        drain=body.drain,
        trigger=body.trigger_id,
        owner=_owner(facts, request),
        native=body.format_type is SavepointFormat.NATIVE,
    )
    return _accepted(operation)


def dispose(cluster: Cluster, request: Request) -> Answer:
    """Delete the savepoint at `savepoint-path`: 200 and an id to poll; 409 while a job needs it."""
    body = body_of(request, DisposalTrigger)
    check_trigger(body.trigger_id)
    operation = cluster.jobs.disposals.dispose(body.savepoint_path, body.trigger_id)
    return json_answer(Triggered(request_id=operation.trigger))


def disposal(cluster: Cluster, request: Request) -> Answer:
    """How the deletion of a savepoint fares."""
    name = request.path["trigger"]
    found = cluster.jobs.disposals.operations.get(OperationKind.DISPOSAL, name)
    if found is None:
        raise Refusal(404, f"no disposal was triggered under {name!r} at this JobManager, or it was long ago")
    return json_answer(views.operation(found))


def requirements(cluster: Cluster, request: Request) -> Answer:
    """What parallelism each vertex has."""
    return json_answer(views.requirements(_planned(cluster, request)))


def require(cluster: Cluster, request: Request) -> Answer:
    """Rescale the job in place to the one `upperBound` of all vertices: 200 and an id to poll."""
    body = body_of(request, dict[str, VertexRequirements])
    wanted = views.wanted_parallelism(_planned(cluster, request), body)
    check_unmanaged(facts_of(cluster, request), request, Steer.SCALE)
    operation = job_of(cluster, request).steering.rescale(wanted)
    return json_answer(Triggered(request_id=operation.trigger))


def rescale_outcome(cluster: Cluster, request: Request) -> Answer:
    """How a rescale fares."""
    return _outcome(cluster, request, OperationKind.RESCALE, "rescale")


def _owner(job: JobFacts, request: Request) -> Owner:
    """Whose the savepoint is: only the operator's own may be deleted by it again."""
    managed = job.spec.managed_by
    return Owner.OPERATOR if managed and request.operator == managed else Owner.USER


def _accepted(operation: Operation) -> Answer:
    return json_answer(Triggered(request_id=operation.trigger), 202)


def _outcome(cluster: Cluster, request: Request, kind: OperationKind, what: str) -> Answer:
    name = request.path["trigger"]
    found = job_of(cluster, request).operations.get(kind, name)
    if found is None:
        raise Refusal(404, f"no {what} was triggered under {name!r} at this JobManager, or it was long ago")
    return json_answer(views.operation(found))


def _planned(cluster: Cluster, request: Request) -> PlannedJob:
    facts = facts_of(cluster, request)
    if facts.planned is None:
        raise Refusal(409, f"job {facts.status.name} is {facts.status.state.value} and has no plan")
    return facts.planned

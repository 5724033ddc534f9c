"""Routes about a job's checkpoints: look at them, take one now."""

from __future__ import annotations

from weir.checkpoint.history import CheckpointStats
from weir.config.options import INCREMENTAL, STATE_BACKEND
from weir.ids import VertexId
from weir.jobmanager.checkpoints.facts import CheckpointFacts, stats_by_id
from weir.jobmanager.facts import JobFacts
from weir.jobmanager.operations import OperationKind
from weir.jobmanager.rest.exchange import (
    Answer,
    Cluster,
    Refusal,
    Request,
    body_of,
    check_trigger,
    json_answer,
    not_found,
)
from weir.jobmanager.rest.handlers.jobs import facts_of, job_of, number_of
from weir.jobmanager.rest.models.checkpoints import CheckpointTrigger, CheckpointType, Triggered
from weir.jobmanager.rest.views import checkpoint_tasks
from weir.jobmanager.rest.views import checkpoints as views


def checkpoints(cluster: Cluster, request: Request) -> Answer:
    """Counts, summary, the newest of each kind, and the history."""
    return json_answer(views.checkpoints(_facts(facts_of(cluster, request))))


def config(cluster: Cluster, request: Request) -> Answer:
    """The settings of the job's checkpoints."""
    job = facts_of(cluster, request)
    _facts(job)
    assert job.planned is not None, "what has checkpoints is planned"
    return json_answer(views.config(job.planned.options, job.status.checkpoint_root))


def details(cluster: Cluster, request: Request) -> Answer:
    """One checkpoint with each vertex."""
    facts = _facts(facts_of(cluster, request))
    return json_answer(views.statistics(_checkpoint(facts, request), facts, tasks=True))


def subtasks(cluster: Cluster, request: Request) -> Answer:
    """One checkpoint with each subtask of a vertex: sync, async, alignment, bytes."""
    stats = _checkpoint(_facts(facts_of(cluster, request)), request)
    name = request.path["vertex"]
    vertices = sorted({subtask.vertex for subtask in stats.awaited})
    if name not in vertices:
        raise not_found("vertex", name, vertices)
    return json_answer(checkpoint_tasks.details(stats, VertexId(name)))


def trigger(cluster: Cluster, request: Request) -> Answer:
    """Take a checkpoint now: 202 and an id to poll; with the caller's own ``triggerId`` the call may be repeated."""
    body = body_of(request, CheckpointTrigger)
    job = job_of(cluster, request)
    facts = job.facts()
    incremental = facts.planned is not None and facts.planned.options.state_backend.incremental
    if body.checkpoint_type is CheckpointType.INCREMENTAL and not incremental:
        message = f"checkpointType INCREMENTAL needs {INCREMENTAL.key}: true and {STATE_BACKEND.key}: RocksDB; set both, or use FULL"
        raise Refusal(400, message)
    check_trigger(body.trigger_id)
    if facts.status.state.is_settled:
        message = f"job {facts.status.name} is {facts.status.state.value}; a checkpoint needs a running job"
        raise Refusal(409, message)
    _facts(facts)
    full = body.checkpoint_type is CheckpointType.FULL
    return json_answer(Triggered(request_id=job.trigger_checkpoint(body.trigger_id, full=full).trigger), 202)


def outcome(cluster: Cluster, request: Request) -> Answer:
    """How a triggered checkpoint fares."""
    job = job_of(cluster, request)
    name = request.path["trigger"]
    found = job.operations.get(OperationKind.CHECKPOINT, name)
    if found is None:
        raise Refusal(404, f"no checkpoint was triggered under {name!r}, or it was long ago")
    return json_answer(views.operation(found))


def _facts(job: JobFacts) -> CheckpointFacts:
    """Raises ``Refusal`` where there are none."""
    enabled = job.planned is None or job.planned.options.checkpoints.enabled
    if not enabled:
        raise Refusal(
            404,
            f"checkpointing is off for job {job.status.name}; set execution.checkpointing.interval "
            "(checkpoints.interval of a StreamJob)",
        )
    if job.checkpoints is None:
        raise Refusal(404, f"job {job.status.name} has no checkpoints yet; it is {job.status.state.value}")
    return job.checkpoints


def _checkpoint(facts: CheckpointFacts, request: Request) -> CheckpointStats:
    number = number_of(request, "checkpoint")
    found = views.find(facts, number)
    if found is None:
        known = ", ".join(str(stats.checkpoint_id) for stats in stats_by_id(facts)) or "none"
        raise Refusal(404, f"checkpoint {number} is not known any more, or not yet; known are: {known}")
    return found

"""Routes about jobs, their end included."""

from __future__ import annotations

from weir.jobmanager.facts import JobFacts
from weir.jobmanager.lifecycle.job_events import StopKind
from weir.jobmanager.rest.exchange import (
    Answer,
    Cluster,
    JobControl,
    Refusal,
    Request,
    json_answer,
    whole_number,
)
from weir.jobmanager.rest.managed import Steer, check_unmanaged
from weir.jobmanager.rest.models.jobs import Accumulators, JobStatusInfo, PlanInfo
from weir.jobmanager.rest.views import exceptions as exception_views
from weir.jobmanager.rest.views import jobs as views
from weir.jobmanager.rest.views import metrics
from weir.jobmanager.rest.views import profile as profile_views
from weir.jobmanager.rest.views.plan import plan
from weir.rpc.requests import JobState


def job_of(cluster: Cluster, request: Request) -> JobControl:
    """The job that the path names, by id or by name. Raises ``UnknownJob``."""
    return cluster.jobs.find(request.path["job"])


def facts_of(cluster: Cluster, request: Request) -> JobFacts:
    """Its facts."""
    return job_of(cluster, request).facts()


def ids(cluster: Cluster, _request: Request) -> Answer:
    """Every job and its state."""
    return json_answer(views.ids(cluster.jobs.facts()))


def overview(cluster: Cluster, _request: Request) -> Answer:
    """Every job with its times and its subtasks by state."""
    return json_answer(views.overview(cluster.jobs.facts()))


def details(cluster: Cluster, request: Request) -> Answer:
    """One job with all its vertices, their rows, bytes and shares of time, and its plan."""
    return json_answer(views.details(facts_of(cluster, request), cluster.jobs.now_ms()))


def profile(cluster: Cluster, request: Request) -> Answer:
    """Where the time of each vertex goes: user code, state, serialisation, network, waiting; sampled for 5 s when first asked for."""
    job = facts_of(cluster, request).status
    sampled = {}
    for vertex in job.vertices:
        workers = frozenset(task.worker for task in vertex.tasks if task.worker is not None)
        if job.state is JobState.RUNNING and workers:
            sampled[vertex.id] = cluster.jobs.stacks.flame_graph(job.job_id, vertex.name, workers)
    return json_answer(profile_views.profile(job.vertices, sampled))


def status(cluster: Cluster, request: Request) -> Answer:
    """The job's state alone."""
    return json_answer(JobStatusInfo(status=facts_of(cluster, request).status.state.value))


def job_plan(cluster: Cluster, request: Request) -> Answer:
    """The plan as nodes and inputs."""
    return json_answer(PlanInfo(plan=plan(facts_of(cluster, request))))


def config(cluster: Cluster, request: Request) -> Answer:
    """The settings that hold for the job, and who set them."""
    return json_answer(views.config(facts_of(cluster, request)))


def exceptions(cluster: Cluster, request: Request) -> Answer:
    """Root cause and history of failures, newest first; ``?maxExceptions=n``."""
    limit = request.query.get("maxExceptions")
    if limit is not None and not (limit.isascii() and limit.isdigit()):
        raise Refusal(400, f"maxExceptions={limit!r} is not a number")
    facts = facts_of(cluster, request)
    shown = exception_views.exceptions(
        facts, cluster.jobs.facts(with_jobs=False), None if limit is None else int(limit)
    )
    return json_answer(shown)


def accumulators(cluster: Cluster, request: Request) -> Answer:
    """For Flink's clients: always empty, since Weir has no accumulators."""
    facts_of(cluster, request)
    return json_answer(Accumulators())


def execution_result(cluster: Cluster, request: Request) -> Answer:
    """Whether the job is over, and how it ended."""
    facts = facts_of(cluster, request)
    return json_answer(views.execution_result(facts, cluster.jobs.now_ms()))


def job_metrics(cluster: Cluster, request: Request) -> Answer:
    """The job's metrics: names, or values with ``?get=a,b``."""
    found = metrics.of_job(facts_of(cluster, request), cluster.jobs.now_ms())
    return json_answer(metrics.asked(found, request.query.get("get")))


def terminate(cluster: Cluster, request: Request) -> Answer:
    """Cancel the job (``?mode=cancel``): 202 when it begins to stop, 409 when it is over, or an operator steers it."""
    mode = request.query.get("mode", "cancel")
    if mode != "cancel":
        raise Refusal(400, f"mode={mode!r} is not known; the only mode is cancel")
    job = job_of(cluster, request)
    facts = job.facts()
    state = facts.status.state
    if state.is_settled and state is not JobState.CANCELED:
        raise Refusal(409, f"job {facts.status.name} is {state.value} already; there is nothing to cancel")
    check_unmanaged(facts, request, Steer.END)
    job.stop_nowait(StopKind.CANCEL)
    return Answer(status=202)


def number_of(request: Request, name: str) -> int:
    """A number of the path. Raises ``Refusal``."""
    return whole_number(request.path[name], name)

"""Routes about what became of a job's rescales."""

from __future__ import annotations

from weir.jobmanager.rest.exchange import Answer, Cluster, Refusal, Request, json_answer
from weir.jobmanager.rest.handlers.jobs import facts_of
from weir.jobmanager.rest.views import rescales as views


def overview(cluster: Cluster, request: Request) -> Answer:
    """How many rescales there were, and the newest of each kind."""
    return json_answer(views.overview(facts_of(cluster, request), cluster.jobs.now_ms()))


def history(cluster: Cluster, request: Request) -> Answer:
    """The rescales that are remembered, newest first."""
    return json_answer(views.history(facts_of(cluster, request), cluster.jobs.now_ms()))


def summary(cluster: Cluster, request: Request) -> Answer:
    """How long rescales took."""
    return json_answer(views.summary(facts_of(cluster, request)))


def details(cluster: Cluster, request: Request) -> Answer:
    """One rescale, by the id that its request was answered."""
    name, job = request.path["rescale"], facts_of(cluster, request)
    for entry in job.rescales.entries:
        if entry.trigger == name:
            return json_answer(views.rescale(entry, job, cluster.jobs.now_ms()))
    raise Refusal(404, f"no rescale {name!r} of job {job.status.name} is known, or it was long ago")

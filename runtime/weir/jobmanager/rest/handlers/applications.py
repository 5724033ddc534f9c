"""Routes about applications, which Flink's newer clients ask first. A job is an application of its own, under the same id."""

from __future__ import annotations

from dataclasses import replace

from weir.jobmanager.facts import JobFacts
from weir.jobmanager.rest.exchange import Answer, Cluster, Request, json_answer
from weir.jobmanager.rest.handlers import cluster as cluster_handlers
from weir.jobmanager.rest.handlers import jobs
from weir.jobmanager.rest.views import applications as views


def _job(request: Request) -> Request:
    """The same question about the application's job."""
    return replace(request, path={"job": request.path["application"]})


def _facts(cluster: Cluster, request: Request) -> JobFacts:
    return jobs.facts_of(cluster, _job(request))


def overview(cluster: Cluster, _request: Request) -> Answer:
    """Every application with its times."""
    return json_answer(views.overview(cluster.jobs.facts()))


def details(cluster: Cluster, request: Request) -> Answer:
    """One application with its job."""
    return json_answer(views.details(_facts(cluster, request), cluster.jobs.now_ms()))


def exceptions(cluster: Cluster, request: Request) -> Answer:
    """What failed in it, newest first."""
    return json_answer(views.exceptions(_facts(cluster, request), cluster.jobs.facts(with_jobs=False)))


def configuration(cluster: Cluster, request: Request) -> Answer:
    """The settings of its JobManager, and who set them."""
    _facts(cluster, request)
    return cluster_handlers.configuration(cluster, request)


def cancel(cluster: Cluster, request: Request) -> Answer:
    """Cancel its job, as `PATCH /jobs/:job` does."""
    return jobs.terminate(cluster, replace(_job(request), query={}))

"""Routes for the operator alone: the report that it goes by, and the start of a job that waits for it."""

from __future__ import annotations

from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.rest.exchange import Answer, Cluster, Refusal, Request, body_of, json_answer
from weir.jobmanager.rest.handlers.jobs import facts_of
from weir.jobmanager.rest.managed import check_operator
from weir.jobmanager.rest.models.report import ActivateBody
from weir.jobmanager.rest.views.report import report


def of_job(cluster: Cluster, request: Request) -> Answer:
    """Everything that an operator goes by, in one answer."""
    return json_answer(report(facts_of(cluster, request), cluster.jobs.facts(with_jobs=False)))


def only_job(cluster: Cluster, _request: Request) -> Answer:
    """The same for the job that this JobManager was started for, whatever its id is."""
    facts = cluster.jobs.facts()
    return json_answer(report(_only(facts), facts))


def activate(cluster: Cluster, request: Request) -> Answer:
    """Begin the job that stands by, as `start` says: 202 and the report. Repeated, it changes nothing; 409 if it began otherwise."""
    body = body_of(request, ActivateBody)
    job = cluster.jobs.find(_only(cluster.jobs.facts()).status.job_id)
    check_operator(job.facts(), request)
    if body.run != body.start.run:
        raise Refusal(400, f"the body is for run {body.run}, its start for run {body.start.run}")
    job.activate(body.start)
    facts = cluster.jobs.facts()
    return json_answer(report(_only(facts), facts), 202)


def _only(facts: ClusterFacts) -> JobFacts:
    if not facts.jobs:
        raise Refusal(404, "this JobManager has no job yet")
    return facts.jobs[-1]

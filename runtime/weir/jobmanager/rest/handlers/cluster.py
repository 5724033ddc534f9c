"""Routes about the JobManager and its TaskManagers."""

from __future__ import annotations

from weir.jobmanager.rest.exchange import (
    TEXT,
    Answer,
    Cluster,
    Refusal,
    Request,
    json_answer,
    not_found,
)
from weir.jobmanager.rest.views import cluster as views
from weir.jobmanager.rest.views import metrics, prometheus


def overview(cluster: Cluster, _request: Request) -> Answer:
    """``GET /overview``."""
    return json_answer(views.overview(cluster.jobs.facts()))


def dashboard(cluster: Cluster, _request: Request) -> Answer:
    """``GET /config``."""
    return json_answer(views.dashboard(cluster.jobs.facts(with_jobs=False)))


def task_managers(cluster: Cluster, _request: Request) -> Answer:
    """``GET /taskmanagers``."""
    return json_answer(views.task_managers(cluster.jobs.facts(with_jobs=False)))


def task_manager(cluster: Cluster, request: Request) -> Answer:
    """``GET /taskmanagers/:taskmanager``."""
    facts = cluster.jobs.facts(with_jobs=False)
    known = {status.id: status for status in facts.task_managers}
    name = request.path["taskmanager"]
    for status in known.values():
        if status.id == name:
            return json_answer(views.task_manager(status, facts))
    raise not_found("TaskManager", name, list(known))


def configuration(cluster: Cluster, _request: Request) -> Answer:
    """``GET /jobmanager/config``."""
    return json_answer(views.configuration(cluster.layers))


def jobmanager_metrics(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobmanager/metrics``."""
    found = metrics.of_cluster(cluster.jobs.facts())
    return json_answer(metrics.asked(found, request.query.get("get")))


def prometheus_page(cluster: Cluster, _request: Request) -> Answer:
    """``GET /metrics``."""
    page = prometheus.exposition(cluster.jobs.facts())
    return Answer(page.encode(), content_type=prometheus.CONTENT_TYPE)


def alive(_cluster: Cluster, _request: Request) -> Answer:
    """``GET /healthz``."""
    return Answer(b"ok\n", content_type=TEXT)


def ready(cluster: Cluster, _request: Request) -> Answer:
    """``GET /readyz``."""
    if cluster.jobs.facts(with_jobs=False).ending:
        raise Refusal(503, "this JobManager is about to end")
    return Answer(b"ok\n", content_type=TEXT)

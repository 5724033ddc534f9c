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
from weir.rpc.requests import TaskManagerStatus


def overview(cluster: Cluster, _request: Request) -> Answer:
    """Counts of TaskManagers, slots and jobs."""
    return json_answer(views.overview(cluster.jobs.facts()))


def dashboard(cluster: Cluster, _request: Request) -> Answer:
    """What a dashboard asks first: release, refresh interval, features."""
    return json_answer(views.dashboard(cluster.jobs.facts(with_jobs=False)))


def task_managers(cluster: Cluster, _request: Request) -> Answer:
    """All TaskManagers that are registered."""
    return json_answer(views.task_managers(cluster.jobs.facts(with_jobs=False)))


def task_manager(cluster: Cluster, request: Request) -> Answer:
    """One TaskManager with its worker processes."""
    return json_answer(views.task_manager(task_manager_of(cluster, request), cluster.jobs.facts()))


def task_manager_of(cluster: Cluster, request: Request) -> TaskManagerStatus:
    """The one that the path names. Raises ``Refusal`` (404)."""
    name = request.path["taskmanager"]
    found = cluster.jobs.facts(with_jobs=False).task_managers
    for status in found:
        if status.id == name:
            return status
    raise not_found("TaskManager", name, [status.id for status in found])


def configuration(cluster: Cluster, _request: Request) -> Answer:
    """Every setting as it holds for the JobManager, and who set it."""
    return json_answer(views.configuration(cluster.layers))


def jobmanager_metrics(cluster: Cluster, request: Request) -> Answer:
    """The JobManager's metrics: names, or values with ``?get=a,b``."""
    found = metrics.of_cluster(cluster.jobs.facts())
    return json_answer(metrics.asked(found, request.query.get("get")))


def prometheus_page(cluster: Cluster, _request: Request) -> Answer:
    """Everything for Prometheus, in its text format."""
    page = prometheus.exposition(cluster.jobs.facts())
    return Answer(page.encode(), content_type=prometheus.CONTENT_TYPE)


def alive(_cluster: Cluster, _request: Request) -> Answer:
    """Probe: the process answers."""
    return Answer(b"ok\n", content_type=TEXT)


def ready(cluster: Cluster, _request: Request) -> Answer:
    """Probe: the process is not about to end (else 503)."""
    if cluster.jobs.facts(with_jobs=False).ending:
        raise Refusal(503, "this JobManager is about to end")
    return Answer(b"ok\n", content_type=TEXT)

"""Routes about one vertex of a job and its subtasks."""

from __future__ import annotations

from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.rest.exchange import Answer, Cluster, Refusal, Request, json_answer, not_found
from weir.jobmanager.rest.handlers.jobs import facts_of, number_of
from weir.jobmanager.rest.views import metrics
from weir.jobmanager.rest.views import vertices as views
from weir.rpc.requests import TaskStatus, VertexStatus


def details(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex``."""
    job, vertex, facts = _vertex(cluster, request)
    return json_answer(views.details(vertex, job, facts))


def back_pressure(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex/backpressure``."""
    job, vertex, facts = _vertex(cluster, request)
    return json_answer(views.back_pressure(vertex, job, facts.now_ms))


def watermarks(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex/watermarks``."""
    _, vertex, _ = _vertex(cluster, request)
    return json_answer(views.watermarks(vertex))


def times(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex/subtasktimes``."""
    _, vertex, facts = _vertex(cluster, request)
    return json_answer(views.times(vertex, facts))


def task_managers(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex/taskmanagers``."""
    _, vertex, facts = _vertex(cluster, request)
    return json_answer(views.task_managers(vertex, facts))


def vertex_metrics(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex/metrics``."""
    job, vertex, _ = _vertex(cluster, request)
    return json_answer(metrics.asked(metrics.of_vertex(vertex, job), request.query.get("get")))


def aggregated_metrics(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex/subtasks/metrics``."""
    job, vertex, _ = _vertex(cluster, request)
    found = [metrics.of_subtask(task, job, vertex) for task in vertex.tasks]
    return json_answer(metrics.aggregated(found, request.query.get("get"), request.query.get("agg")))


def subtask(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex/subtasks/:subtask``."""
    job, vertex, facts = _vertex(cluster, request)
    task = _task(vertex, request)
    return json_answer(views.subtask(task, job, views.Placement(facts), facts.now_ms))


def attempt(cluster: Cluster, request: Request) -> Answer:
    """Only the newest attempt is remembered; they count from 0, as in Flink."""
    job, vertex, facts = _vertex(cluster, request)
    task = _task(vertex, request)
    shown = views.subtask(task, job, views.Placement(facts), facts.now_ms)
    if number_of(request, "attempt") != shown.attempt:
        raise Refusal(404, f"only attempt {shown.attempt} of subtask {task.index} is remembered")
    return json_answer(shown)


def subtask_metrics(cluster: Cluster, request: Request) -> Answer:
    """``GET /jobs/:job/vertices/:vertex/subtasks/:subtask/metrics``."""
    job, vertex, _ = _vertex(cluster, request)
    found = metrics.of_subtask(_task(vertex, request), job, vertex)
    return json_answer(metrics.asked(found, request.query.get("get")))


def _vertex(cluster: Cluster, request: Request) -> tuple[JobFacts, VertexStatus, ClusterFacts]:
    job = facts_of(cluster, request)
    name = request.path["vertex"]
    for vertex in job.status.vertices:
        if vertex.id == name:
            return job, vertex, cluster.jobs.facts(with_jobs=False)
    raise not_found("vertex", name, [vertex.id for vertex in job.status.vertices])


def _task(vertex: VertexStatus, request: Request) -> TaskStatus:
    index = number_of(request, "subtask")
    if index >= len(vertex.tasks):
        raise Refusal(404, f"vertex {vertex.name} has subtasks 0 to {len(vertex.tasks) - 1}, not {index}")
    return vertex.tasks[index]

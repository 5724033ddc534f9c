"""Routes about one vertex of a job and its subtasks."""

from __future__ import annotations

from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.rest.exchange import (
    Answer,
    Cluster,
    Refusal,
    Request,
    json_answer,
    not_found,
    whole_number,
)
from weir.jobmanager.rest.handlers.jobs import facts_of, number_of
from weir.jobmanager.rest.views import flames, metrics
from weir.jobmanager.rest.views import vertices as views
from weir.rpc.requests import TaskStatus, VertexStatus


def details(cluster: Cluster, request: Request) -> Answer:
    """One vertex with each of its subtasks."""
    _, vertex, facts = _vertex(cluster, request)
    return json_answer(views.details(vertex, facts))


def back_pressure(cluster: Cluster, request: Request) -> Answer:
    """Shares of busy, idle and back-pressured time of each subtask."""
    _, vertex, facts = _vertex(cluster, request)
    return json_answer(views.back_pressure(vertex, facts.now_ms))


def watermarks(cluster: Cluster, request: Request) -> Answer:
    """The input watermark of each subtask."""
    _, vertex, _ = _vertex(cluster, request)
    return json_answer(views.watermarks(vertex))


def times(cluster: Cluster, request: Request) -> Answer:
    """When each subtask entered its states."""
    _, vertex, facts = _vertex(cluster, request)
    return json_answer(views.times(vertex, facts))


def task_managers(cluster: Cluster, request: Request) -> Answer:
    """The vertex's subtasks by TaskManager."""
    _, vertex, facts = _vertex(cluster, request)
    return json_answer(views.task_managers(vertex, facts))


def flame_graph(cluster: Cluster, request: Request) -> Answer:
    """Where the vertex spends its time, as a tree of calls; sampled for 5 s when first asked for (`?subtaskindex=n`: of one subtask)."""
    job, vertex, _ = _vertex(cluster, request)
    wanted = request.query.get("subtaskindex")
    tasks = vertex.tasks if wanted is None else (_indexed(vertex, whole_number(wanted, "subtaskindex")),)
    workers = frozenset(task.worker for task in tasks if task.worker is not None)
    return json_answer(
        flames.flame_graph(cluster.jobs.stacks.flame_graph(job.status.job_id, vertex.name, workers))
    )


def vertex_metrics(cluster: Cluster, request: Request) -> Answer:
    """The subtasks' metrics, each name with the subtask's index in front."""
    job, vertex, _ = _vertex(cluster, request)
    return json_answer(metrics.asked(metrics.of_vertex(vertex, job), request.query.get("get")))


def aggregated_metrics(cluster: Cluster, request: Request) -> Answer:
    """Metrics over all subtasks; ``?get=a,b``, ``?agg=min,max,avg,sum``."""
    job, vertex, _ = _vertex(cluster, request)
    found = [metrics.of_subtask(task, job, vertex) for task in vertex.tasks]
    return json_answer(metrics.aggregated(found, request.query.get("get"), request.query.get("agg")))


def subtask(cluster: Cluster, request: Request) -> Answer:
    """One subtask in the current attempt."""
    _, vertex, facts = _vertex(cluster, request)
    task = _task(vertex, request)
    return json_answer(views.subtask(task, views.Placement(facts), facts.now_ms))


def attempt(cluster: Cluster, request: Request) -> Answer:
    """One subtask in an attempt, counted from 0; only the newest is remembered."""
    _, vertex, facts = _vertex(cluster, request)
    task = _task(vertex, request)
    shown = views.subtask(task, views.Placement(facts), facts.now_ms)
    if number_of(request, "attempt") != shown.attempt:
        raise Refusal(404, f"only attempt {shown.attempt} of subtask {task.index} is remembered")
    return json_answer(shown)


def subtask_metrics(cluster: Cluster, request: Request) -> Answer:
    """A subtask's metrics: names, or values with ``?get=a,b``."""
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
    return _indexed(vertex, number_of(request, "subtask"))


def _indexed(vertex: VertexStatus, index: int) -> TaskStatus:
    if index >= len(vertex.tasks):
        raise Refusal(404, f"vertex {vertex.name} has subtasks 0 to {len(vertex.tasks) - 1}, not {index}")
    return vertex.tasks[index]

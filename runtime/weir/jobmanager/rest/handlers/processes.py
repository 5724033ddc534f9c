"""Routes about processes as such: their threads, a TaskManager's metrics."""

from __future__ import annotations

import sys
import threading
import traceback

from weir.jobmanager.rest.exchange import Answer, Cluster, Request, json_answer
from weir.jobmanager.rest.handlers.cluster import task_manager_of
from weir.jobmanager.rest.models.cluster import ThreadDump, ThreadInfo
from weir.jobmanager.rest.views import metrics


def task_manager_metrics(cluster: Cluster, request: Request) -> Answer:
    """A TaskManager's metrics: names, or values with `?get=a,b`."""
    found = metrics.of_task_manager(task_manager_of(cluster, request))
    return json_answer(metrics.asked(found, request.query.get("get")))


def task_managers_metrics(cluster: Cluster, request: Request) -> Answer:
    """Metrics over TaskManagers; `?get=a,b`, `?agg=min,max,avg,sum`, `?taskmanagers=a,b`."""
    chosen = _chosen(request, "taskmanagers")
    found = [
        metrics.of_task_manager(status)
        for status in cluster.jobs.facts(with_jobs=False).task_managers
        if not status.lost and (chosen is None or status.id in chosen)
    ]
    return json_answer(metrics.aggregated(found, request.query.get("get"), request.query.get("agg")))


def jobs_metrics(cluster: Cluster, request: Request) -> Answer:
    """Metrics over jobs; `?get=a,b`, `?agg=min,max,avg,sum`, `?jobs=a,b`."""
    chosen = _chosen(request, "jobs")
    facts = cluster.jobs.facts()
    found = [
        metrics.of_job(job, facts.now_ms)
        for job in facts.jobs
        if chosen is None or job.status.job_id in chosen or job.status.name in chosen
    ]
    return json_answer(metrics.aggregated(found, request.query.get("get"), request.query.get("agg")))


def _chosen(request: Request, name: str) -> set[str] | None:
    given = request.query.get(name)
    return set(given.split(",")) if given else None


def thread_dump(_cluster: Cluster, _request: Request) -> Answer:
    """What each thread of the JobManager does at this moment."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = []
    for ident, frame in sys._current_frames().items():  # noqa: SLF001  the only way to see them
        name = names.get(ident, f"thread {ident}")
        found.append(_thread(name, "".join(traceback.format_stack(frame))))
    return json_answer(ThreadDump(thread_infos=tuple(found)))


async def task_manager_threads(cluster: Cluster, request: Request) -> Answer:
    """What each thread of a TaskManager's workers does at this moment."""
    status = task_manager_of(cluster, request)
    workers = await cluster.jobs.stacks.threads(info.worker for info in status.workers)
    found = tuple(
        _thread(f"{worker} {name}", stack)
        for worker, threads in workers.items()
        for name, stack in threads.items()
    )
    return json_answer(ThreadDump(thread_infos=found))


def _thread(name: str, stack: str) -> ThreadInfo:
    return ThreadInfo(thread_name=name, stringified_thread_info=f'"{name}"\n{stack}')

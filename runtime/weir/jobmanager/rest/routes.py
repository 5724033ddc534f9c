"""Every route of REST in one table: method, path, handler, access. Each exists with and without ``/v1``.

A word in braces stands for one part of the path. Of two rows that fit, the one that comes first is taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

from weir.jobmanager.rest.exchange import Access, Handler
from weir.jobmanager.rest.handlers import (
    applications,
    checkpoints,
    cluster,
    jars,
    jobs,
    logs,
    processes,
    report,
    rescales,
    steering,
    vertices,
)

PREFIX: Final = "/v1"


class Route(NamedTuple):
    """One row."""

    method: str
    path: str
    handler: Handler
    access: Access = Access.TOKEN
    #: Whether a body is read before the handler is called.
    reads_body: bool = True


_JOB = "/jobs/{job}"
_CHECKPOINTS = f"{_JOB}/checkpoints"
_VERTEX = f"{_JOB}/vertices/{{vertex}}"
_SUBTASK = f"{_VERTEX}/subtasks/{{subtask}}"

ROUTES: Final = (
    Route("GET", "/overview", cluster.overview),
    Route("GET", "/config", cluster.dashboard),
    Route("GET", "/taskmanagers", cluster.task_managers),
    Route("GET", "/taskmanagers/metrics", processes.task_managers_metrics),
    Route("GET", "/taskmanagers/{taskmanager}", cluster.task_manager),
    Route("GET", "/taskmanagers/{taskmanager}/metrics", processes.task_manager_metrics),
    Route("GET", "/taskmanagers/{taskmanager}/logs", logs.of_task_manager),
    Route("GET", "/taskmanagers/{taskmanager}/logs/{file}", logs.text_of_task_manager),
    Route("GET", "/taskmanagers/{taskmanager}/log", logs.text_of_task_manager),
    Route("GET", "/taskmanagers/{taskmanager}/stdout", logs.stdout),
    Route("GET", "/taskmanagers/{taskmanager}/thread-dump", processes.task_manager_threads),
    Route("GET", "/jobmanager/config", cluster.configuration),
    Route("GET", "/jobmanager/metrics", cluster.jobmanager_metrics),
    Route("GET", "/jobmanager/logs", logs.of_jobmanager),
    Route("GET", "/jobmanager/logs/{file}", logs.text_of_jobmanager),
    Route("GET", "/jobmanager/log", logs.text_of_jobmanager),
    Route("GET", "/jobmanager/stdout", logs.stdout),
    Route("GET", "/jobmanager/thread-dump", processes.thread_dump),
    Route("GET", "/jobs", jobs.ids),
    Route("GET", "/jobs/overview", jobs.overview),
    Route("GET", "/jobs/metrics", processes.jobs_metrics),
    Route("GET", "/jobs/weir", report.only_job),
    Route("GET", f"{_JOB}/weir", report.of_job),
    Route("POST", "/activate", report.activate),
    Route("GET", _JOB, jobs.details),
    Route("PATCH", _JOB, jobs.terminate),
    Route("GET", f"{_JOB}/status", jobs.status),
    Route("GET", f"{_JOB}/profile", jobs.profile),
    Route("GET", f"{_JOB}/plan", jobs.job_plan),
    Route("GET", f"{_JOB}/config", jobs.config),
    Route("GET", f"{_JOB}/exceptions", jobs.exceptions),
    Route("GET", f"{_JOB}/accumulators", jobs.accumulators),
    Route("GET", f"{_JOB}/execution-result", jobs.execution_result),
    Route("GET", f"{_JOB}/metrics", jobs.job_metrics),
    Route("GET", _CHECKPOINTS, checkpoints.checkpoints),
    Route("POST", _CHECKPOINTS, checkpoints.trigger),
    Route("GET", f"{_CHECKPOINTS}/config", checkpoints.config),
    Route("GET", f"{_CHECKPOINTS}/details/{{checkpoint}}", checkpoints.details),
    Route("GET", f"{_CHECKPOINTS}/details/{{checkpoint}}/subtasks/{{vertex}}", checkpoints.subtasks),
    Route("GET", f"{_CHECKPOINTS}/{{trigger}}", checkpoints.outcome),
    Route("POST", f"{_JOB}/savepoints", steering.savepoint),
    Route("GET", f"{_JOB}/savepoints/{{trigger}}", steering.outcome),
    Route("POST", f"{_JOB}/stop", steering.stop),
    Route("GET", f"{_JOB}/resource-requirements", steering.requirements),
    Route("PUT", f"{_JOB}/resource-requirements", steering.require),
    Route("GET", f"{_JOB}/resource-requirements/{{trigger}}", steering.rescale_outcome),
    Route("GET", f"{_JOB}/rescales/overview", rescales.overview),
    Route("GET", f"{_JOB}/rescales/history", rescales.history),
    Route("GET", f"{_JOB}/rescales/summary", rescales.summary),
    Route("GET", f"{_JOB}/rescales/details/{{rescale}}", rescales.details),
    Route("GET", _VERTEX, vertices.details),
    Route("GET", f"{_VERTEX}/backpressure", vertices.back_pressure),
    Route("GET", f"{_VERTEX}/watermarks", vertices.watermarks),
    Route("GET", f"{_VERTEX}/metrics", vertices.vertex_metrics),
    Route("GET", f"{_VERTEX}/subtasktimes", vertices.times),
    Route("GET", f"{_VERTEX}/taskmanagers", vertices.task_managers),
    Route("GET", f"{_VERTEX}/flamegraph", vertices.flame_graph),
    Route("GET", f"{_VERTEX}/subtasks/metrics", vertices.aggregated_metrics),
    Route("GET", _SUBTASK, vertices.subtask),
    Route("GET", f"{_SUBTASK}/metrics", vertices.subtask_metrics),
    Route("GET", f"{_SUBTASK}/attempts/{{attempt}}", vertices.attempt),
    Route("POST", "/savepoint-disposal", steering.dispose),
    Route("GET", "/savepoint-disposal/{trigger}", steering.disposal),
    Route("GET", "/applications/overview", applications.overview),
    Route("GET", "/applications/{application}", applications.details),
    Route("GET", "/applications/{application}/exceptions", applications.exceptions),
    Route("GET", "/applications/{application}/jobmanager/config", applications.configuration),
    Route("POST", "/applications/{application}/cancel", applications.cancel),
    Route("GET", "/jars", jars.jars),
    Route("POST", "/jars/upload", jars.upload, reads_body=False),
    Route("GET", "/jars/{jar}/plan", jars.unknown),
    Route("POST", "/jars/{jar}/plan", jars.unknown, reads_body=False),
    Route("POST", "/jars/{jar}/run", jars.unknown, reads_body=False),
    Route("POST", "/jars/{jar}/run-application", jars.unknown, reads_body=False),
    Route("DELETE", "/jars/{jar}", jars.unknown),
    Route("GET", "/metrics", cluster.prometheus_page),
    Route("GET", "/healthz", cluster.alive, Access.PROBE),
    Route("GET", "/readyz", cluster.ready, Access.PROBE),
)


class Match(NamedTuple):
    """A route that fits, and what its words stand for."""

    route: Route
    words: dict[str, str]


def find(parts: list[str], routes: Iterable[Route] = ROUTES) -> list[Match]:
    """Routes of every method whose path fits ``parts`` (decoded, without ``/v1``); the first of each method."""
    found: dict[str, Match] = {}
    for route in routes:
        words = _fit(route.path.strip("/").split("/"), parts)
        if words is not None:
            found.setdefault(route.method, Match(route, words))
    return list(found.values())


def _fit(pattern: list[str], parts: list[str]) -> dict[str, str] | None:
    if len(pattern) != len(parts):
        return None
    words: dict[str, str] = {}
    for expected, part in zip(pattern, parts, strict=True):
        if expected.startswith("{"):
            words[expected[1:-1]] = part
        elif expected != part:
            return None
    return words

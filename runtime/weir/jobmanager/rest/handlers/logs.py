"""Routes about what processes logged: each has one log, whose end is kept in its memory. No file is ever opened here."""

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
from weir.jobmanager.rest.handlers.cluster import task_manager_of
from weir.jobmanager.rest.models.cluster import LogFile, Logs
from weir.rpc.messages import LogText

JOB_MANAGER, TASK_MANAGER = "jobmanager.log", "taskmanager.log"


def of_jobmanager(cluster: Cluster, _request: Request) -> Answer:
    """The JobManager's log as a list of one file."""
    kept = cluster.log
    return json_answer(
        Logs(logs=(LogFile(name=JOB_MANAGER, size=kept.size, mtime=kept.modified_ms),) if kept.size else ())
    )


def text_of_jobmanager(cluster: Cluster, request: Request) -> Answer:
    """The newest MiB that the JobManager logged."""
    _check_name(request, JOB_MANAGER)
    return Answer(cluster.log.read(), content_type=TEXT)


async def of_task_manager(cluster: Cluster, request: Request) -> Answer:
    """A TaskManager's log, in which its workers' is, as a list of one file."""
    kept = await _read(cluster, request, text=False)
    return json_answer(
        Logs(logs=(LogFile(name=TASK_MANAGER, size=kept.size, mtime=kept.modified_ms),) if kept.size else ())
    )


async def text_of_task_manager(cluster: Cluster, request: Request) -> Answer:
    """The newest MiB that a TaskManager and its workers logged."""
    _check_name(request, TASK_MANAGER)
    return Answer((await _read(cluster, request, text=True)).text, content_type=TEXT)


def stdout(_cluster: Cluster, _request: Request) -> Answer:
    """What a process printed is not kept: always 404."""
    raise Refusal(
        404, "what a process prints is not kept here; it is in the output of the pod, or of `weir run`"
    )


async def _read(cluster: Cluster, request: Request, *, text: bool) -> LogText:
    status = task_manager_of(cluster, request)
    found = await cluster.jobs.read_log(status.id, text=text)
    if found is None:
        raise Refusal(503, f"TaskManager {status.id} does not answer; it may be about to be lost")
    return found


def _check_name(request: Request, known: str) -> None:
    """Raises ``Refusal`` (404) for any other file."""
    name = request.path.get("file", known)
    if name != known:
        raise not_found("log file", name, [known])

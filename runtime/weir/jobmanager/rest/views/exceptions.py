"""What went wrong in a job, newest first; each text begins with the user's file and line. Pure."""

from __future__ import annotations

import re

from weir.ids import WorkerId
from weir.jobmanager.facts import ClusterFacts, JobFacts
from weir.jobmanager.rest.models import jobs as models
from weir.rpc.requests import FailureRecord, JobStatus

#: ``file:line: Name: what it says``, or ``Name: what it says``.
_NAMED = re.compile(r"^(?:\S.*?:\d+: )?([A-Za-z_][\w.]*): ")
#: How an operator is named in failures.
_QUOTED = re.compile(r"^'(.*?)'")


def exceptions(job: JobFacts, cluster: ClusterFacts, limit: int | None = None) -> models.Exceptions:
    """The root cause and the history, cut to ``limit`` entries."""
    status = job.status
    newest_first = list(reversed(status.failures))
    shown = newest_first if limit is None else newest_first[:limit]
    entries = tuple(_entry(record, status, cluster) for record in shown)
    root = newest_first[0] if newest_first else None
    return models.Exceptions(
        root_exception=None if root is None else _text(root),
        timestamp=None if root is None else root.at_ms,
        all_exceptions=tuple(
            models.ExceptionInfo(
                exception=entry.stacktrace,
                task=entry.task_name,
                location=entry.location,
                timestamp=entry.timestamp,
                task_manager_id=entry.task_manager_id,
            )
            for entry in entries
        ),
        truncated=len(shown) < len(newest_first),
        exception_history=models.ExceptionHistory(entries=entries, truncated=len(shown) < len(newest_first)),
    )


def _entry(record: FailureRecord, status: JobStatus, cluster: ClusterFacts) -> models.ExceptionEntry:
    failure = record.failure
    named = _NAMED.match(failure.message)
    task_manager, address = _home(failure.worker, cluster)
    return models.ExceptionEntry(
        exception_name=named[1] if named else failure.kind.value,
        stacktrace=_text(record),
        timestamp=record.at_ms,
        task_name=_task_name(record, status),
        endpoint=address,
        location=address,
        task_manager_id=task_manager,
        failure_labels={"kind": failure.kind.value, "fingerprint": failure.fingerprint},
        message=failure.message,
        attempt=record.attempt,
        fingerprint=failure.fingerprint,
    )


def _home(worker: WorkerId | None, cluster: ClusterFacts) -> tuple[str | None, str | None]:
    """The TaskManager of a worker, and the worker's address, or its id once it is gone."""
    if worker is None:
        return None, None
    for status in cluster.task_managers:
        for info in status.workers:
            if info.worker == worker:
                return status.id, info.data_address
    # A worker is named after its TaskManager, which outlives it.
    names = [status.id for status in cluster.task_managers if worker.startswith(f"{status.id}-")]
    return max(names, key=len, default=None), worker


def _text(record: FailureRecord) -> str:
    failure = record.failure
    trace = failure.traceback.strip()
    return f"{failure.message}\n{trace}" if trace else failure.message


def _task_name(record: FailureRecord, status: JobStatus) -> str | None:
    """As Flink writes it: the operator, and which of its subtasks out of how many."""
    failure = record.failure
    if failure.operator is None or failure.subtask is None:
        return failure.operator
    quoted = _QUOTED.match(failure.operator)
    name = quoted[1] if quoted else failure.operator
    sizes = [vertex.parallelism for vertex in status.vertices if name in vertex.name.split(" -> ")]
    return f"{failure.operator} ({failure.subtask + 1}{f'/{sizes[0]}' if sizes else ''})"

"""The workers that no job holds, and the jobs that wait for some.

A request is granted all at once or not at all; older requests come first, but one that cannot be granted does not
hold up smaller ones behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weir.ids import JobId, TaskManagerId, WorkerId
from weir.jobmanager.slot_matching import Candidate, spread

Grant = Callable[[tuple[WorkerId, ...]], None]


@dataclass(frozen=True)
class _Request:
    count: int
    grant: Grant


class SlotPool:
    """Shared by all jobs of a JobManager."""

    def __init__(self) -> None:
        self._free: dict[WorkerId, TaskManagerId] = {}
        self._waiting: dict[JobId, _Request] = {}

    @property
    def free(self) -> frozenset[WorkerId]:
        """Workers that no job holds."""
        return frozenset(self._free)

    def add(self, worker: WorkerId, task_manager: TaskManagerId) -> None:
        """A fresh worker."""
        self._free[worker] = task_manager
        self._serve()

    def remove(self, worker: WorkerId) -> None:
        """A worker is lost; nothing happens if a job holds it."""
        self._free.pop(worker, None)

    def request(self, job: JobId, count: int, grant: Grant) -> None:
        """Call ``grant`` once, as soon as ``count`` workers are free; maybe at once."""
        self._waiting[job] = _Request(count, grant)
        self._serve()

    def withdraw(self, job: JobId) -> None:
        """Forget the request of ``job``, if it has one."""
        self._waiting.pop(job, None)

    def _serve(self) -> None:
        for job, request in list(self._waiting.items()):
            if request.count <= len(self._free) and self._waiting.pop(job, None) is not None:
                workers = self._take(request.count)
                request.grant(tuple(workers))

    def _take(self, count: int) -> Sequence[WorkerId]:
        candidates = [Candidate(worker, task_manager) for worker, task_manager in self._free.items()]
        workers = spread(candidates, count)
        for worker in workers:
            del self._free[worker]
        return workers

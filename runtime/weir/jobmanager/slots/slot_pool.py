"""The workers that no job holds, and the jobs that wait for some.

A request is granted all at once or not at all; older requests come first, but one that cannot be granted does not
hold up smaller ones behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from weir.ids import JobId, TaskManagerId, WorkerId
from weir.jobmanager.slots.slot_matching import Candidate, spread

Grant = Callable[[tuple[WorkerId, ...]], None]


@dataclass(frozen=True)
class _Request:
    count: int
    grant: Grant
    #: Only workers of these; ``None``: of any.
    among: AbstractSet[TaskManagerId] | None = None


class SlotPool:
    """Shared by all jobs of a JobManager."""

    def __init__(self) -> None:
        self._free: dict[WorkerId, TaskManagerId] = {}
        self._homes: dict[WorkerId, TaskManagerId] = {}
        self._waiting: dict[JobId, _Request] = {}
        #: TaskManagers whose workers are taken last.
        self._shunned: set[TaskManagerId] = set()

    @property
    def free(self) -> frozenset[WorkerId]:
        """Workers that no job holds."""
        return frozenset(self._free)

    def add(self, worker: WorkerId, task_manager: TaskManagerId) -> None:
        """A fresh worker."""
        self._free[worker] = self._homes[worker] = task_manager
        self._serve()

    def remove(self, worker: WorkerId) -> None:
        """A worker is lost; nothing happens if a job holds it."""
        self._free.pop(worker, None)
        self._homes.pop(worker, None)

    def home(self, worker: WorkerId) -> TaskManagerId | None:
        """The TaskManager of a worker that lives."""
        return self._homes.get(worker)

    def shun(self, worker: WorkerId) -> None:
        """Something of the machine of ``worker`` failed: others are preferred, until one of its TaskManager is taken for want of them."""
        home = self.home(worker)
        self._shunned &= set(self._homes.values())
        if home is not None:
            self._shunned.add(home)

    def request(
        self, job: JobId, count: int, grant: Grant, among: AbstractSet[TaskManagerId] | None = None
    ) -> None:
        """Call ``grant`` once, as soon as ``count`` workers (``among`` these TaskManagers) are free; maybe at once."""
        self._waiting[job] = _Request(count, grant, among)
        self._serve()

    def widen(self, job: JobId) -> None:
        """If ``job`` still waits, any TaskManager will do now."""
        request = self._waiting.get(job)
        if request is not None:
            self._waiting[job] = replace(request, among=None)
            self._serve()

    def withdraw(self, job: JobId) -> None:
        """Forget the request of ``job``, if it has one."""
        self._waiting.pop(job, None)

    def _serve(self) -> None:
        for job, request in list(self._waiting.items()):
            candidates = [
                Candidate(worker, home)
                for worker, home in self._free.items()
                if request.among is None or home in request.among
            ]
            if request.count <= len(candidates) and self._waiting.pop(job, None) is not None:
                request.grant(tuple(self._take(candidates, request.count)))

    def _take(self, candidates: Sequence[Candidate], count: int) -> Sequence[WorkerId]:
        good = [each for each in candidates if each.task_manager not in self._shunned]
        workers = spread(good, min(count, len(good)))
        taken = set(workers)
        workers += spread([each for each in candidates if each.worker not in taken], count - len(workers))
        for worker in workers:
            self._shunned.discard(self._free.pop(worker))
        return workers

"""One job's wish for slots: asked of the pool, withdrawn when it is granted, given up when it takes too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from weir.errors import FailureKind
from weir.ids import JobId, TaskManagerId, WorkerId
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.slots.slot_pool import SlotPool
from weir.rpc.messages import Failure

#: Seconds until a job that gets no slots fails.
SLOT_TIMEOUT: Final = 300.0
#: Seconds for which a job that shrinks waits for the TaskManagers that it is to stay on.
STAY_PATIENCE: Final = 10.0


class SlotRequest:
    """See the module; there is at most one at a time."""

    def __init__(self, job: JobId, pool: SlotPool, post: Callable[[ev.Event], None]) -> None:
        """``post`` hears ``SlotsGranted`` or ``SlotsMissing``."""
        self._job = job
        self._pool = pool
        self._post = post
        self._timer: asyncio.TimerHandle | None = None

    def ask(self, count: int, among: frozenset[TaskManagerId] | None) -> None:
        """Want ``count`` workers, for some seconds only of these TaskManagers."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(SLOT_TIMEOUT, self._missing, count)
        if among is not None:
            loop.call_later(STAY_PATIENCE, self._pool.widen, self._job)
        self._pool.request(self._job, count, self._granted, among)

    def withdraw(self) -> None:
        """The workers are not wanted any more."""
        self._pool.withdraw(self._job)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _granted(self, workers: tuple[WorkerId, ...]) -> None:
        self.withdraw()
        self._post(ev.SlotsGranted(workers))

    def _missing(self, count: int) -> None:
        self.withdraw()
        message = (
            f"no {count} free slots within {SLOT_TIMEOUT:g} s; start TaskManagers with more slots, or lower the "
            "parallelism"
        )
        self._post(ev.SlotsMissing(Failure(kind=FailureKind.WORKER_LOST, message=message)))

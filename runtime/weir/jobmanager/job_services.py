"""What a job needs of the world around it, and how the control plane's own errors become failures of a job.

The dispatcher makes one ``JobServices`` for all its jobs; tests and the simulation hand in their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from weir.clock import Clock
from weir.errors import FailureKind, StorageError, UserError, WeirError
from weir.ids import JobId, WorkerId
from weir.jobmanager.checkpoints.checkpointing import Blocking
from weir.jobmanager.history.journal import Journal
from weir.jobmanager.planning import PlannedJob, Planner, plan_job
from weir.jobmanager.slots.slot_pool import SlotPool
from weir.rpc import messages
from weir.rpc.messages import Failure


class Gateway(Protocol):
    """The way to workers; ``sessions.Sessions`` is one."""

    def send(self, worker: WorkerId, message: messages.ToWorkerMessage) -> None:
        """Say something to a worker; dropped if it is lost."""
        ...

    def release(self, worker: WorkerId) -> None:
        """End a worker process; that it is lost is reported later."""
        ...

    def data_address(self, worker: WorkerId) -> str:
        """Where the worker's data plane listens."""
        ...


@dataclass(frozen=True)
class JobServices:
    """What a job needs of the world."""

    clock: Clock
    gateway: Gateway
    pool: SlotPool
    planner: Planner
    journal_of: Callable[[PlannedJob, JobId], Journal]
    #: Called when another process took the job over.
    fenced: Callable[[str], None]
    #: A random number in [-1, 1) for restart delays.
    jitter: Callable[[], float]
    blocking: Blocking = asyncio.to_thread
    #: Loads and plans a specification anew, for another parallelism.
    replan: Planner = plan_job


def failure_of(error: Exception) -> Failure:
    """An error of the control plane as a failure; only storage may be better the next time."""
    if isinstance(error, StorageError):
        return Failure(kind=FailureKind.STORAGE, message=str(error), restartable=error.retryable)
    if isinstance(error, UserError):
        return Failure(kind=FailureKind.USER, message=str(error), restartable=False)
    if isinstance(error, WeirError):
        return Failure(kind=FailureKind.STORAGE, message=str(error), restartable=False)
    return Failure(kind=FailureKind.ENGINE, message=f"a fault of Weir: {error!r}", restartable=False)

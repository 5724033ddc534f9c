"""The calls of a job that wait for somebody else: plan it, claim it in storage, write its end there.

Each tries as long as there is sense in it and answers with what came of it; ``job`` turns that into an event.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from weir.clock import Clock
from weir.errors import FailureKind, Fenced, WeirError
from weir.ids import JobId
from weir.jobmanager import job_events as ev
from weir.jobmanager.checkpointing import Blocking, Checkpointing
from weir.jobmanager.job_services import failure_of
from weir.jobmanager.journal import AlreadyEnded, Claim, Journal, Overtaken
from weir.jobmanager.planning import PlannedJob, Planner, PlanningError
from weir.rpc.messages import Failure, JobSpec

log = structlog.get_logger()

#: Seconds between attempts at storage that does not answer, and for how long the terminal record is tried.
STORAGE_RETRY: Final = 2.0
TERMINAL_PATIENCE: Final = 60.0
#: Seconds between two looks at the log: a process that was frozen and overtaken may have nothing to publish.
OWNERSHIP_CHECK: Final = 10.0


@dataclass(frozen=True)
class Owned:
    """The job belongs to this process."""

    journal: Journal
    claim: Claim


async def plan(planner: Planner, spec: JobSpec, job: JobId) -> PlannedJob | Failure:
    """Load and plan the job's code in a child process."""
    try:
        return await planner(spec)
    except PlanningError as error:
        return error.failure
    except Exception as error:
        log.exception("planning failed", job=job)
        message = f"a fault of Weir while the job was planned: {error!r}"
        return Failure(kind=FailureKind.ENGINE, message=message, restartable=False)


async def claim(
    journal_of: Callable[[], Journal], blocking: Blocking, job: JobId, *, recovering: bool
) -> Owned | AlreadyEnded | Failure:
    """Append this process's start to the job's log; recovering, until storage answers. Raises ``Overtaken``."""
    while True:
        try:
            journal = journal_of()
            claimed = await blocking(journal.claim, recovering=recovering)
        except Overtaken:
            raise
        except WeirError as error:
            if not (recovering and error.retryable):
                return failure_of(error)
            log.warning("storage does not answer", job=job, reason=str(error))
            await asyncio.sleep(STORAGE_RETRY)
        except Exception as error:
            log.exception("claiming the job failed", job=job)
            return failure_of(error)
        else:
            return claimed if isinstance(claimed, AlreadyEnded) else Owned(journal, claimed)


async def watch_ownership(checkpointing: Checkpointing) -> None:
    """Look now and then whether the job still belongs to this process, for ever."""
    while True:
        await asyncio.sleep(OWNERSHIP_CHECK)
        await checkpointing.check_owned()


async def write_end(
    run_journal: Callable[..., Awaitable[Any]],
    journal: Journal,
    order: ev.WriteTerminal,
    retain: bool,
    clock: Clock,
    job: JobId,
) -> str | None:
    """Append the terminal record, then delete what it lets be deleted; why that could not be done. Raises ``Fenced``."""
    end = functools.partial(journal.end, stopped=order.stopped)
    reason = order.failure.message if order.failure else ""
    deadline = clock.monotonic() + TERMINAL_PATIENCE
    while True:
        try:
            await run_journal(end, order.state, reason, retain)
        except Fenced:
            raise
        except WeirError as error:
            log.warning("the end of the job cannot be written", job=job, reason=str(error))
            if not error.retryable or clock.monotonic() > deadline:
                return str(error)
            await asyncio.sleep(STORAGE_RETRY)
        else:
            return None

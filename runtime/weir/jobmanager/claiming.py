"""The calls of a job that wait for somebody else: plan it, claim it in storage, write its end there.

Each tries as long as there is sense in it and answers with what came of it; ``job`` turns that into an event.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import structlog

from weir.checkpoint.retention import JobEnd, deletes_checkpoints
from weir.checkpoint.start_directive import Applied, Outrun, StartDirective, StartRefused
from weir.clock import Clock
from weir.config import CheckpointOptions
from weir.errors import FailureKind, Fenced, WeirError
from weir.ids import JobId
from weir.jobmanager.checkpoints.checkpointing import Blocking, Checkpointing
from weir.jobmanager.history.activation import Activation
from weir.jobmanager.history.journal import AlreadyEnded, Claim, Journal, LostWithoutCheckpoints, Overtaken
from weir.jobmanager.history.restoring import Restore
from weir.jobmanager.job_services import failure_of
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.restart import strategy
from weir.jobmanager.planning import PlannedJob, Planner, PlanningError
from weir.rpc.messages import Failure, JobSpec
from weir.rpc.requests import JobState

log = structlog.get_logger()

#: Seconds between attempts at storage that does not answer, and for how long the terminal record is tried.
STORAGE_RETRY: Final = 2.0
TERMINAL_PATIENCE: Final = 60.0
#: Seconds for which the end of a job waits for deletions that were ordered before.
DELETION_PATIENCE: Final = 10.0
#: Seconds between two looks at the log: a process that was frozen and overtaken may have nothing to publish.
OWNERSHIP_CHECK: Final = 10.0

#: Said to people when a job that failed leaves nothing to go on from.
DELETED_WITH_IT: Final = (
    "its checkpoints are deleted with it, as execution.checkpointing.externalized-checkpoint-retention is "
    "NO_EXTERNALIZED_CHECKPOINTS; by DELETE_ON_CANCELLATION (spec.checkpoints.onCancel: Delete) or RETAIN_ON_CANCELLATION "
    "(Retain) a job that failed keeps them"
)

_JOB_END = {
    JobState.FINISHED: JobEnd.FINISHED,
    JobState.CANCELED: JobEnd.CANCELLED,
    JobState.FAILED: JobEnd.FAILED,
}


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


def planned_event(planned: PlannedJob) -> ev.Planned:
    """What the job's machine is told of a plan."""
    options = planned.options
    return ev.Planned(
        slots=planned.slots,
        subtasks=planned.subtasks,
        strategy=strategy(options),
        checkpointing=options.checkpoints.enabled,
        cancel_grace=options.process.cancellation_timeout,
        regions=planned.regions,
    )


async def claim(
    journal_of: Callable[[], Journal],
    blocking: Blocking,
    job: JobId,
    *,
    recovering: bool,
    activation: Activation,
    damaged: Mapping[str, str],
) -> Owned | AlreadyEnded | StartRefused | Failure:
    """Append this process's start to the job's log. Raises ``Overtaken``.

    Recovering, or told by an operator, it tries until storage answers. ``activation`` says how, and hears what came of it.
    ``damaged``: paths of restore points that proved unusable, and how.
    """
    patient = recovering or activation.directive is not None
    while True:
        try:
            journal = journal_of()
            claimed = await blocking(
                journal.claim, recovering=recovering, directive=activation.directive, damaged=damaged
            )
        except Overtaken:
            raise
        except LostWithoutCheckpoints as error:
            return Failure(kind=FailureKind.WORKER_LOST, message=str(error), restartable=False)
        except WeirError as error:
            if not (patient and error.retryable):
                activation.failed(error)
                return failure_of(error)
            activation.waits(str(error))
            log.warning("storage does not answer", job=job, reason=str(error))
            await asyncio.sleep(STORAGE_RETRY)
        except Exception as error:
            log.exception("claiming the job failed", job=job)
            return failure_of(error)
        else:
            activation.answered(claimed)
            return Owned(journal, claimed) if isinstance(claimed, Claim) else claimed


async def began_before(
    journal_of: Callable[[], Journal], blocking: Blocking, activation: Activation
) -> StartDirective | None:
    """The order to go on, if a process of the same run took the job over before; ``None``: this run has not begun."""
    directive = StartDirective(run=activation.run)
    while True:
        try:
            journal = await blocking(journal_of)
            admission = await blocking(journal.admission, directive)
        except WeirError as error:
            if not error.retryable:
                return None  # the claim will say it
            log.warning("storage does not answer", reason=str(error))
            await asyncio.sleep(STORAGE_RETRY)
        else:
            return directive if isinstance(admission, Applied | Outrun) else None


async def give_up(checkpointing: Checkpointing, watching: asyncio.Task[None] | None) -> Restore:
    """Let go of a claim whose snapshot proved damaged, so that another claim is not hindered by it; that snapshot."""
    assert checkpointing.restore is not None, "something was restored"
    if watching is not None:
        watching.cancel()
    checkpointing.close()
    await checkpointing.wait_idle()
    return checkpointing.restore


async def leave_behind(checkpointing: Checkpointing, job: JobId) -> None:
    """Wait until nothing is being deleted any more, but not for ever."""
    try:
        async with asyncio.timeout(DELETION_PATIENCE):
            await checkpointing.wait_idle()
    except TimeoutError:
        log.warning("files may be left behind; the next start removes them", job=job)


async def watch_ownership(checkpointing: Checkpointing) -> None:
    """Look now and then whether the job still belongs to this process, for ever."""
    while True:
        await asyncio.sleep(OWNERSHIP_CHECK)
        await checkpointing.check_owned()


def takes_checkpoints(
    order: ev.WriteTerminal, checkpointing: Checkpointing, options: CheckpointOptions, *, ran: bool
) -> bool:
    """Whether the job's checkpoints are deleted with it: never one that still owes output to the outside."""
    end = JobEnd.STOPPED if order.stopped else _JOB_END[order.state]
    return checkpointing.uncommitted is None and deletes_checkpoints(end, options.retention, ran=ran)


async def write_end(
    run_journal: Callable[..., Awaitable[Any]],
    journal: Journal,
    order: ev.WriteTerminal,
    deletes: bool,
    clock: Clock,
    job: JobId,
) -> str | None:
    """Append the terminal record, then delete what it lets be deleted; why that could not be done. Raises ``Fenced``."""
    end = functools.partial(journal.end, deletes=deletes, stopped=order.stopped)
    reason = order.failure.message if order.failure else ""
    deadline = clock.monotonic() + TERMINAL_PATIENCE
    while True:
        try:
            await run_journal(end, order.state, reason)
        except Fenced:
            raise
        except WeirError as error:
            log.warning("the end of the job cannot be written", job=job, reason=str(error))
            if not error.retryable or clock.monotonic() > deadline:
                return str(error)
            await asyncio.sleep(STORAGE_RETRY)
        else:
            return None

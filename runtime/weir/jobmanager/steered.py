"""The job that is steered, and what every request of it needs: whether it may begin now, and work beside the job's own steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

import structlog

from weir.checkpoint import events
from weir.clock import Clock
from weir.errors import WeirError, WrongState
from weir.jobmanager.checkpoints.checkpointing import Checkpointing
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.job_phases import EndGoal, Phase
from weir.jobmanager.lifecycle.job_state import JobMachine
from weir.jobmanager.operations import Operation, Operations
from weir.jobmanager.planning import PlannedJob

log = structlog.get_logger()


class Steered(Protocol):
    """The job, as far as it is steered."""

    @property
    def name(self) -> str: ...

    @property
    def machine(self) -> JobMachine: ...

    @property
    def planned(self) -> PlannedJob | None: ...

    @property
    def checkpointing(self) -> Checkpointing | None: ...

    def post(self, event: ev.Event) -> None: ...

    def plan_next(self, planned: PlannedJob) -> None:
        """From the next attempt on this is the plan."""
        ...

    def note(self, text: str) -> None:
        """For people."""
        ...


class Requests:
    """What has been asked of one job, and what is done for it."""

    def __init__(self, job: Steered, clock: Clock) -> None:
        self.job = job
        self.clock = clock
        self.operations = Operations(clock.wall_ms)
        #: The trigger of the stop that is under way.
        self.stopping: str | None = None
        self._work: set[asyncio.Task[None]] = set()

    @property
    def checkpointing(self) -> Checkpointing:
        """Of a job that runs."""
        made = self.job.checkpointing
        assert made is not None, "it runs"
        return made

    def now(self, operation: Operation) -> Operation:
        """The operation as it is by now."""
        return self.operations.get(operation.kind, operation.trigger) or operation

    def check_running(self, what: str) -> None:
        """Raises ``WrongState`` unless the job is in the middle of its work."""
        machine = self.job.machine
        match machine.phase:
            case Phase.RUNNING:
                return
            case Phase.SAVING:
                raise WrongState(self.stopping_already())
            case Phase.COMMITTING | Phase.CLOSING:
                why = "is at the end of its input and about to finish"
            case Phase.SETTLING | Phase.SETTLED:
                why = f"is {machine.state.value}"
            case _ if isinstance(machine.goal, EndGoal):
                why = f"is {machine.state.value}"
            case _:
                why = f"is {machine.state.value} and not all of its tasks run; try again when they do"
        raise WrongState(f"{what} needs a running job, and job {self.job.name} {why}")

    def stopping_already(self) -> str:
        """For whoever asks for something else."""
        by = f" (trigger {self.stopping})" if self.stopping else ""
        return f"job {self.job.name} is being stopped with a savepoint already{by}; wait for that"

    def carry_out(self, work: Coroutine[Any, Any, None], failed: Callable[[str], None]) -> None:
        """Do ``work``; whatever it raises ends the operation, so that no later request waits for it."""
        task = asyncio.ensure_future(_told(work, failed))
        self._work.add(task)
        task.add_done_callback(self._work.discard)


async def _told(work: Coroutine[Any, Any, None], failed: Callable[[str], None]) -> None:
    try:
        await work
    except WeirError as error:
        failed(str(error))
    except Exception as error:
        failed(f"a fault of Weir: {error!r}")
        log.exception("a fault of Weir")


def why(answer: events.RequestAnswered) -> str:
    """Why there is no snapshot."""
    return f"{answer.failure}: {answer.message}"

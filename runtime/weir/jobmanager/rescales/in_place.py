"""A running job gets another parallelism in place: from a checkpoint taken for it, on slots that are waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from msgspec import structs

from weir import crashpoints
from weir.checkpoint import events
from weir.config.options import PARALLELISM
from weir.errors import ConfigError, WrongState
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.job_phases import EndGoal, Phase
from weir.jobmanager.operations import Operation, OperationKind
from weir.jobmanager.planning import PlannedJob, Planner
from weir.jobmanager.rescales import rescaling
from weir.jobmanager.rescales.rescale_history import RescaleHistory
from weir.jobmanager.steered import Requests, why

#: A checkpoint of at most this age, seconds, is good to rescale from.
YOUNG: Final = 1.0
#: Seconds until a rescale gives up waiting for slots; the job runs on meanwhile.
SLOT_PATIENCE: Final = 120.0
_POLL: Final = 0.05


@dataclass
class _Rescale:
    operation: Operation
    parallelism: int
    #: The attempt that is replaced, once it is.
    replaced: int | None = None


class RescalesInPlace:
    """Of one job, one after the other."""

    def __init__(self, requests: Requests, replan: Planner, free_slots: Callable[[], int]) -> None:
        """``replan`` loads and plans a specification; ``free_slots`` are those that no job holds."""
        self.history = RescaleHistory()
        #: Slots that a rescale waits for.
        self.slots_wanted = 0
        self._requests = requests
        self._job = requests.job
        self._replan = replan
        self._free_slots = free_slots
        self._rescale: _Rescale | None = None

    def begin(self, parallelism: int, trigger: str | None = None) -> Operation:
        """Go on with another parallelism, from a checkpoint taken for it. Done when all subtasks run again.

        Who asks again for what is under way gets that; another parallelism has to wait for its end.
        """
        known = self._requests.operations.get(OperationKind.RESCALE, trigger or "")
        if known is not None:
            return known
        if trigger is None and self._rescale is not None and self._rescale.parallelism == parallelism:
            return self._requests.now(self._rescale.operation)
        planned = self._check(parallelism)
        operation, _ = self._requests.operations.begin(OperationKind.RESCALE, trigger)
        before = planned.options.pipeline.parallelism
        vertices = {str(vertex.id): vertex.parallelism for vertex in planned.plan.vertices}
        self.history.began(operation.trigger, before, parallelism, vertices, self._requests.clock.wall_ms())
        if before == parallelism:
            self.history.ended(operation.trigger, self._requests.clock.wall_ms())
            self._requests.operations.finish(operation)
            return self._requests.now(operation)
        rescale = self._rescale = _Rescale(operation, parallelism)
        self._requests.carry_out(
            self._carry_out(rescale, planned), lambda failure: self._end(rescale, failure)
        )
        return operation

    def look(self) -> None:
        """Something happened to the job."""
        rescale = self._rescale
        if rescale is not None and rescale.replaced is not None:
            machine = self._job.machine
            if machine.phase is Phase.RUNNING and machine.attempt > rescale.replaced:
                self._end(rescale)
            elif machine.phase is Phase.SETTLED:
                self._end(rescale, failure=f"the job is {machine.state.value}")

    def _check(self, parallelism: int) -> PlannedJob:
        self._requests.check_running("a rescale")
        planned = self._job.planned
        assert planned is not None, "it runs"
        if not planned.options.checkpoints.enabled:
            raise WrongState(
                f"checkpointing is off for job {self._job.name}, and a rescale goes on from a checkpoint; set "
                "execution.checkpointing.interval (checkpoints.interval of a StreamJob)"
            )
        if self._rescale is not None:
            raise WrongState(
                f"job {self._job.name} is being rescaled to {self._rescale.parallelism} already; wait for that"
            )
        if parallelism < 1:
            raise ConfigError(f"parallelism {parallelism} is impossible; use 1 or more")
        at = planned.options.pipeline.parallelism
        refused = rescaling.refusal(self._job.name, planned.plan, at=at, wanted=parallelism)
        if refused is not None:
            raise ConfigError(refused)
        return planned

    async def _carry_out(self, rescale: _Rescale, planned: PlannedJob) -> None:
        wanted = rescale.parallelism
        spec = planned.spec
        overrides = {**spec.overrides, PARALLELISM.key: str(wanted)}
        # By the job's code again: it may ask for the parallelism.
        following = await self._replan(structs.replace(spec, overrides=overrides))
        refused = rescaling.refusal(self._job.name, following.plan, at=wanted, wanted=wanted)
        if refused is not None:
            raise ConfigError(refused)
        await self._wait_for_slots(following.slots)
        self._requests.check_running("a rescale")
        execution = self._job.machine.execution
        await self._young_checkpoint(rescale)
        self._requests.check_running("a rescale")
        if self._job.machine.execution != execution:
            raise WrongState(f"job {self._job.name} failed meanwhile; ask again")
        crashpoints.hit("jobmanager.rescale.before-restart")
        rescale.replaced = execution.attempt
        self._job.plan_next(following)
        self._job.post(ev.RescaleReady(execution, following.slots, following.subtasks, following.regions))

    async def _wait_for_slots(self, slots: int) -> None:
        """Until the job could have that many. Raises ``WrongState``."""
        self.slots_wanted = slots
        deadline = self._requests.clock.monotonic() + SLOT_PATIENCE
        while (there := self._free_slots() + len(self._job.machine.workers)) < slots:
            if isinstance(self._job.machine.goal, EndGoal):
                self._requests.check_running("a rescale")
            if self._requests.clock.monotonic() > deadline:
                raise WrongState(
                    f"job {self._job.name} would need {slots} slots, there are {there} after {SLOT_PATIENCE:g} s; it goes on "
                    "as before"
                )
            await asyncio.sleep(_POLL)

    async def _young_checkpoint(self, rescale: _Rescale) -> None:
        """Take a checkpoint, unless there is one of just now. Raises ``WrongState``."""
        latest = self._requests.checkpointing.facts().latest_completed
        if latest is not None and self._requests.clock.wall_ms() - latest.ended_ms < YOUNG * 1000:
            return
        answers: asyncio.Future[events.RequestAnswered] = asyncio.get_running_loop().create_future()

        def answered(answer: events.RequestAnswered) -> None:
            if not answers.done():
                answers.set_result(answer)

        order = events.TriggerRequested(f"rescale-{rescale.operation.trigger}")
        self._requests.checkpointing.request(order, answered)
        answer = await answers
        if answer.failure is not None:
            raise WrongState(f"no checkpoint to rescale from: {why(answer)}")

    def _end(self, rescale: _Rescale, failure: str | None = None) -> None:
        if self._rescale is not rescale:
            return
        self._rescale = None
        self.slots_wanted = 0
        self.history.ended(rescale.operation.trigger, self._requests.clock.wall_ms(), failure)
        self._requests.operations.finish(rescale.operation, failure=failure)
        outcome = f"was not rescaled: {failure}" if failure else f"has parallelism {rescale.parallelism} now"
        self._job.note(outcome)

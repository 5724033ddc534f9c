"""What people ask of a running job: a snapshot, a stop with a savepoint, another parallelism.

Each call is refused at once (``WrongState``, ``ConfigError``) or begins an ``Operation``, to be polled by its trigger
id; repeated with the same id it begins nothing. ``job`` owns one of these and calls ``look`` after each of its steps:
a stop is over when the job is, a rescale when all subtasks run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, Protocol

import structlog
from msgspec import structs

from weir import crashpoints
from weir.checkpoint import events
from weir.checkpoint.metadata import Owner, SnapshotKind
from weir.clock import Clock
from weir.config.options import PARALLELISM, SAVEPOINT_DIRECTORY
from weir.errors import ConfigError, WeirError, WrongState
from weir.jobmanager import job_events as ev
from weir.jobmanager import rescaling
from weir.jobmanager.checkpointing import Blocking, Checkpointing
from weir.jobmanager.job_phases import EndGoal, Phase
from weir.jobmanager.job_state import JobMachine
from weir.jobmanager.operations import Operation, OperationKind, Operations
from weir.jobmanager.planning import PlannedJob, Planner
from weir.jobmanager.rescale_history import RescaleHistory
from weir.rpc.messages import Execution
from weir.storage import absolute_uri, open_storage

log = structlog.get_logger()

#: A checkpoint of at most this age, seconds, is good to rescale from.
YOUNG: Final = 1.0
#: Seconds until a rescale gives up waiting for slots; the job runs on meanwhile.
SLOT_PATIENCE: Final = 120.0
_POLL: Final = 0.05


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


@dataclass
class _Stop:
    operation: Operation
    order: events.TriggerRequested
    answer: events.RequestAnswered | None = None


@dataclass
class _Rescale:
    operation: Operation
    parallelism: int
    #: The attempt that is replaced, once it is.
    replaced: int | None = None


class Steering:
    """See the module."""

    def __init__(
        self,
        job: Steered,
        clock: Clock,
        blocking: Blocking,
        replan: Planner,
        free_slots: Callable[[], int],
    ) -> None:
        """``replan`` loads and plans a specification; ``free_slots`` are those that no job holds."""
        self.operations = Operations(clock.wall_ms)
        self.rescales = RescaleHistory()
        #: Slots that a rescale waits for.
        self.slots_wanted = 0
        self._job = job
        self._clock = clock
        self._blocking = blocking
        self._replan = replan
        self._free_slots = free_slots
        self._stop: _Stop | None = None
        self._rescale: _Rescale | None = None
        self._work: set[asyncio.Task[None]] = set()

    # ---- what people ask ------------------------------------------------------------------------------------

    def checkpoint(self, trigger: str | None = None, *, full: bool = False) -> Operation:
        """Take a checkpoint now; ``full``: one that is no increment."""
        operation, new = self.operations.begin(OperationKind.CHECKPOINT, trigger)
        if new:
            self._request(operation, events.TriggerRequested(operation.trigger, whole=full))
        return self._now(operation)

    def savepoint(
        self,
        target: str | None = None,
        trigger: str | None = None,
        owner: Owner = Owner.USER,
        *,
        native: bool = False,
    ) -> Operation:
        """Take a savepoint in a new folder below ``target``, or below the configured folder.

        ``native``: in the files of its backend, which no other backend reads.
        """
        known = self.operations.get(OperationKind.SAVEPOINT, trigger or "")
        if known is not None:
            return known
        self._check_running("a savepoint")
        folder = self._target(target)
        operation, _ = self.operations.begin(OperationKind.SAVEPOINT, trigger)
        self._spawn(
            self._take_savepoint(operation, folder, owner, native),
            lambda failure: self.operations.finish(operation, failure=failure),
        )
        return operation

    def stop(
        self,
        target: str | None = None,
        *,
        drain: bool = False,
        trigger: str | None = None,
        owner: Owner = Owner.USER,
        native: bool = False,
    ) -> Operation:
        """Stop with a savepoint, as one step: nothing is emitted after it. When it fails, the job goes on.

        ``drain``: end the input first, so that every event-time timer fires. Done when the job is over.
        """
        known = self.operations.get(OperationKind.SAVEPOINT, trigger or "")
        if known is not None:
            return known
        self._check_running("a stop with a savepoint")
        if self._stop is not None:
            raise WrongState(self._stopping_already())
        folder = self._target(target)
        operation, _ = self.operations.begin(OperationKind.SAVEPOINT, trigger)
        kind = SnapshotKind.SAVEPOINT
        order = events.TriggerRequested(
            f"stop-{operation.trigger}", kind, folder, owner, final=True, drain=drain, whole=native
        )
        stop = self._stop = _Stop(operation, order)
        self._spawn(self._begin_stop(stop, folder), lambda failure: self._end_stop(stop, failure))
        return operation

    def rescale(self, parallelism: int, trigger: str | None = None) -> Operation:
        """Go on with another parallelism, from a checkpoint taken for it. Done when all subtasks run again.

        Who asks again for what is under way gets that; another parallelism has to wait for its end.
        """
        known = self.operations.get(OperationKind.RESCALE, trigger or "")
        if known is not None:
            return known
        if trigger is None and self._rescale is not None and self._rescale.parallelism == parallelism:
            return self._now(self._rescale.operation)
        planned = self._check_rescale(parallelism)
        operation, _ = self.operations.begin(OperationKind.RESCALE, trigger)
        before = planned.options.pipeline.parallelism
        vertices = {str(vertex.id): vertex.parallelism for vertex in planned.plan.vertices}
        self.rescales.began(operation.trigger, before, parallelism, vertices, self._clock.wall_ms())
        if before == parallelism:
            self.rescales.ended(operation.trigger, self._clock.wall_ms())
            self.operations.finish(operation)
            return self._now(operation)
        rescale = self._rescale = _Rescale(operation, parallelism)
        self._spawn(
            self._carry_out_rescale(rescale, planned), lambda failure: self._end_rescale(rescale, failure)
        )
        return operation

    async def wait(self, operation: Operation, seconds: float | None = None) -> Operation:
        """The operation when it is done, or as it is after ``seconds``."""
        deadline = None if seconds is None else self._clock.monotonic() + seconds
        while True:
            now = self._now(operation)
            if now.done or (deadline is not None and self._clock.monotonic() >= deadline):
                return now
            await asyncio.sleep(_POLL)

    # ---- what the job says ------------------------------------------------------------------------------------

    def take_stop_savepoint(self, execution: Execution) -> None:
        """The job is ready for the savepoint with which it stops."""
        stop = self._stop
        assert stop is not None, "the job is saved on request only"

        def answered(answer: events.RequestAnswered) -> None:
            stop.answer = answer
            if answer.failure is not None:
                self._end_stop(stop, failure=_why(answer))

        crashpoints.hit("jobmanager.stop.before-savepoint")
        self._checkpointing.stop_with(execution, stop.order, answered)

    def look(self) -> None:
        """Something happened to the job."""
        if self._stop is not None and self._stop.answer is not None:
            self._look_at_stop(self._stop, self._stop.answer)
        rescale = self._rescale
        if rescale is not None and rescale.replaced is not None:
            machine = self._job.machine
            if machine.phase is Phase.RUNNING and machine.attempt > rescale.replaced:
                self._end_rescale(rescale)
            elif machine.phase is Phase.SETTLED:
                self._end_rescale(rescale, failure=f"the job is {machine.state.value}")

    # ---- snapshots ----------------------------------------------------------------------------------------------

    def _request(self, operation: Operation, order: events.TriggerRequested) -> None:
        def answered(answer: events.RequestAnswered) -> None:
            failure = None if answer.failure is None else _why(answer)
            self.operations.finish(
                operation, checkpoint=answer.checkpoint_id, path=answer.path, failure=failure
            )

        if self._job.checkpointing is None:
            self.operations.finish(operation, failure="the job's tasks do not run")
        else:
            self._job.checkpointing.request(order, answered)

    async def _take_savepoint(self, operation: Operation, folder: str, owner: Owner, native: bool) -> None:
        await self._blocking(_check_writable, folder, operation.trigger)
        crashpoints.hit("jobmanager.savepoint.before-trigger")
        order = events.TriggerRequested(
            f"savepoint-{operation.trigger}", SnapshotKind.SAVEPOINT, folder, owner, whole=native
        )
        self._request(operation, order)

    def _target(self, given: str | None) -> str:
        """Raises ``ConfigError``."""
        planned = self._job.planned
        folder = given or (planned.options.checkpoints.savepoint_directory if planned else None)
        if not folder:
            raise ConfigError(
                f"no folder for the savepoint of job {self._job.name} was given, and {SAVEPOINT_DIRECTORY.key} "
                "(storage.savepoints of a StreamJob) is not set; name a folder or set it"
            )
        folder = absolute_uri(folder)
        open_storage(folder)
        return folder

    # ---- stop with a savepoint ----------------------------------------------------------------------------------

    async def _begin_stop(self, stop: _Stop, folder: str) -> None:
        await self._blocking(_check_writable, folder, stop.operation.trigger)
        self._check_running("a stop with a savepoint")
        self._job.post(ev.SavepointStopRequested(self._job.machine.execution))

    def _look_at_stop(self, stop: _Stop, answer: events.RequestAnswered) -> None:
        machine = self._job.machine
        if machine.phase in (Phase.SAVING, Phase.CLOSING, Phase.SETTLING):
            return
        goal = machine.goal
        if machine.phase is Phase.SETTLED and isinstance(goal, EndGoal) and goal.stopped:
            self._job.note(f"stopped with savepoint {answer.path}")
            self._end_stop(stop)
        else:
            after = "" if isinstance(goal, EndGoal) else "; it goes on from that savepoint"
            self._end_stop(
                stop,
                failure=f"savepoint {answer.path} is complete, but the job could not stop with it and is "
                f"{machine.state.value} now{after}",
            )

    def _end_stop(self, stop: _Stop, failure: str | None = None) -> None:
        if self._stop is not stop:
            return
        self._stop = None
        answer = stop.answer
        self.operations.finish(
            stop.operation,
            checkpoint=answer.checkpoint_id if answer else None,
            path=answer.path if answer else None,
            failure=failure,
        )
        if failure is not None:
            self._job.note(f"was not stopped: {failure}")

    def _stopping_already(self) -> str:
        by = f" (trigger {self._stop.operation.trigger})" if self._stop else ""
        return f"job {self._job.name} is being stopped with a savepoint already{by}; wait for that"

    # ---- rescaling ----------------------------------------------------------------------------------------------

    def _check_rescale(self, parallelism: int) -> PlannedJob:
        self._check_running("a rescale")
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

    async def _carry_out_rescale(self, rescale: _Rescale, planned: PlannedJob) -> None:
        wanted = rescale.parallelism
        spec = planned.spec
        overrides = {**spec.overrides, PARALLELISM.key: str(wanted)}
        # By the job's code again: it may ask for the parallelism.
        following = await self._replan(structs.replace(spec, overrides=overrides))
        refused = rescaling.refusal(self._job.name, following.plan, at=wanted, wanted=wanted)
        if refused is not None:
            raise ConfigError(refused)
        await self._wait_for_slots(following.slots)
        self._check_running("a rescale")
        execution = self._job.machine.execution
        await self._young_checkpoint(rescale)
        self._check_running("a rescale")
        if self._job.machine.execution != execution:
            raise WrongState(f"job {self._job.name} failed meanwhile; ask again")
        crashpoints.hit("jobmanager.rescale.before-restart")
        rescale.replaced = execution.attempt
        self._job.plan_next(following)
        self._job.post(ev.RescaleReady(execution, following.slots, following.subtasks, following.regions))

    async def _wait_for_slots(self, slots: int) -> None:
        """Until the job could have that many. Raises ``WrongState``."""
        self.slots_wanted = slots
        deadline = self._clock.monotonic() + SLOT_PATIENCE
        while (there := self._free_slots() + len(self._job.machine.workers)) < slots:
            if isinstance(self._job.machine.goal, EndGoal):
                self._check_running("a rescale")
            if self._clock.monotonic() > deadline:
                raise WrongState(
                    f"job {self._job.name} would need {slots} slots, there are {there} after {SLOT_PATIENCE:g} s; it goes on "
                    "as before"
                )
            await asyncio.sleep(_POLL)

    async def _young_checkpoint(self, rescale: _Rescale) -> None:
        """Take a checkpoint, unless there is one of just now. Raises ``WrongState``."""
        latest = self._checkpointing.facts().latest_completed
        if latest is not None and self._clock.wall_ms() - latest.ended_ms < YOUNG * 1000:
            return
        answers: asyncio.Future[events.RequestAnswered] = asyncio.get_running_loop().create_future()

        def answered(answer: events.RequestAnswered) -> None:
            if not answers.done():
                answers.set_result(answer)

        order = events.TriggerRequested(f"rescale-{rescale.operation.trigger}")
        self._checkpointing.request(order, answered)
        answer = await answers
        if answer.failure is not None:
            raise WrongState(f"no checkpoint to rescale from: {_why(answer)}")

    def _end_rescale(self, rescale: _Rescale, failure: str | None = None) -> None:
        if self._rescale is not rescale:
            return
        self._rescale = None
        self.slots_wanted = 0
        self.rescales.ended(rescale.operation.trigger, self._clock.wall_ms(), failure)
        self.operations.finish(rescale.operation, failure=failure)
        outcome = f"was not rescaled: {failure}" if failure else f"has parallelism {rescale.parallelism} now"
        self._job.note(outcome)

    # ---- for all --------------------------------------------------------------------------------------------------

    @property
    def _checkpointing(self) -> Checkpointing:
        made = self._job.checkpointing
        assert made is not None, "it runs"
        return made

    def _now(self, operation: Operation) -> Operation:
        return self.operations.get(operation.kind, operation.trigger) or operation

    def _check_running(self, what: str) -> None:
        """Raises ``WrongState`` unless the job is in the middle of its work."""
        machine = self._job.machine
        match machine.phase:
            case Phase.RUNNING:
                return
            case Phase.SAVING:
                raise WrongState(self._stopping_already())
            case Phase.COMMITTING | Phase.CLOSING:
                why = "is at the end of its input and about to finish"
            case Phase.SETTLING | Phase.SETTLED:
                why = f"is {machine.state.value}"
            case _ if isinstance(machine.goal, EndGoal):
                why = f"is {machine.state.value}"
            case _:
                why = f"is {machine.state.value} and not all of its tasks run; try again when they do"
        raise WrongState(f"{what} needs a running job, and job {self._job.name} {why}")

    def _spawn(self, work: Coroutine[Any, Any, None], failed: Callable[[str], None]) -> None:
        """Carry ``work`` out; whatever it raises ends the operation, so that no later request waits for it."""
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


def _why(answer: events.RequestAnswered) -> str:
    return f"{answer.failure}: {answer.message}"


def _check_writable(folder: str, trigger: str) -> None:
    """Raises ``StorageError`` before any task is troubled."""
    storage = open_storage(folder)
    name = f".weir-probe-{trigger}"
    storage.write(name, b"")
    storage.delete(name)

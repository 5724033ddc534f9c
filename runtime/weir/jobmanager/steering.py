"""What people ask of a running job: a snapshot, a stop with a savepoint, another parallelism.

Each call is refused at once (``WrongState``, ``ConfigError``) or begins an ``Operation``, to be polled by its trigger
id; repeated with the same id it begins nothing. ``job`` owns one of these and calls ``look`` after each of its steps:
a stop is over when the job is, a rescale when all subtasks run again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from weir import crashpoints
from weir.checkpoint import events
from weir.checkpoint.metadata import Owner, SnapshotKind
from weir.clock import Clock
from weir.config.options import SAVEPOINT_DIRECTORY
from weir.errors import ConfigError, WrongState
from weir.jobmanager.checkpoints.checkpointing import Blocking
from weir.jobmanager.lifecycle import job_events as ev
from weir.jobmanager.lifecycle.job_phases import EndGoal, Phase
from weir.jobmanager.operations import Operation, OperationKind
from weir.jobmanager.planning import Planner
from weir.jobmanager.rescales.in_place import RescalesInPlace
from weir.jobmanager.steered import Requests, Steered, why
from weir.rpc.messages import Execution
from weir.storage import absolute_uri, open_storage

_POLL: Final = 0.05


@dataclass
class _Stop:
    operation: Operation
    order: events.TriggerRequested
    answer: events.RequestAnswered | None = None


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
        self._requests = Requests(job, clock)
        self.operations = self._requests.operations
        self.rescales = RescalesInPlace(self._requests, replan, free_slots)
        self._job = job
        self._clock = clock
        self._blocking = blocking
        self._stop: _Stop | None = None

    # ---- what people ask ------------------------------------------------------------------------------------

    def checkpoint(self, trigger: str | None = None, *, full: bool = False) -> Operation:
        """Take a checkpoint now; ``full``: one that is no increment."""
        operation, new = self.operations.begin(OperationKind.CHECKPOINT, trigger)
        if new:
            self._request(operation, events.TriggerRequested(operation.trigger, whole=full))
        return self._requests.now(operation)

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
        self._requests.check_running("a savepoint")
        folder = self._target(target)
        operation, _ = self.operations.begin(OperationKind.SAVEPOINT, trigger)
        self._requests.carry_out(
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
        self._requests.check_running("a stop with a savepoint")
        if self._stop is not None:
            raise WrongState(self._requests.stopping_already())
        folder = self._target(target)
        operation, _ = self.operations.begin(OperationKind.SAVEPOINT, trigger)
        kind = SnapshotKind.SAVEPOINT
        order = events.TriggerRequested(
            f"stop-{operation.trigger}", kind, folder, owner, final=True, drain=drain, whole=native
        )
        stop = self._stop = _Stop(operation, order)
        self._requests.stopping = operation.trigger
        self._requests.carry_out(
            self._begin_stop(stop, folder), lambda failure: self._end_stop(stop, failure)
        )
        return operation

    def rescale(self, parallelism: int, trigger: str | None = None) -> Operation:
        """Go on with another parallelism, from a checkpoint taken for it. Done when all subtasks run again.

        Who asks again for what is under way gets that; another parallelism has to wait for its end.
        """
        return self.rescales.begin(parallelism, trigger)

    async def wait(self, operation: Operation, seconds: float | None = None) -> Operation:
        """The operation when it is done, or as it is after ``seconds``."""
        deadline = None if seconds is None else self._clock.monotonic() + seconds
        while True:
            now = self._requests.now(operation)
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
                self._end_stop(stop, failure=why(answer))

        crashpoints.hit("jobmanager.stop.before-savepoint")
        self._requests.checkpointing.stop_with(execution, stop.order, answered)

    def look(self) -> None:
        """Something happened to the job."""
        if self._stop is not None and self._stop.answer is not None:
            self._look_at_stop(self._stop, self._stop.answer)
        self.rescales.look()

    # ---- snapshots ----------------------------------------------------------------------------------------------

    def _request(self, operation: Operation, order: events.TriggerRequested) -> None:
        def answered(answer: events.RequestAnswered) -> None:
            failure = None if answer.failure is None else why(answer)
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
        self._requests.check_running("a stop with a savepoint")
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
        self._stop = self._requests.stopping = None
        answer = stop.answer
        self.operations.finish(
            stop.operation,
            checkpoint=answer.checkpoint_id if answer else None,
            path=answer.path if answer else None,
            failure=failure,
        )
        if failure is not None:
            self._job.note(f"was not stopped: {failure}")


def _check_writable(folder: str, trigger: str) -> None:
    """Raises ``StorageError`` before any task is troubled."""
    storage = open_storage(folder)
    name = f".weir-probe-{trigger}"
    storage.write(name, b"")
    storage.delete(name)

"""One job over its attempts, in one thread: the real worker runtime and tasks, with a small JobManager's side.

``OneThread.run`` deploys, takes checkpoints all the while, and when the probe's process died, or the job was stopped with a
savepoint, deploys again from the last completed one, until everything ended and is committed. I/O work waits in a queue and is done between rounds. Only what
a connector does on threads of its own is waited for in real time.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Final

from msgspec import structs

from weir.api.environment import StreamExecutionEnvironment
from weir.checkpoint.metadata import FORMAT_VERSION, OperatorState, SnapshotKind, SnapshotMetadata
from weir.ids import AttemptId, CheckpointId, Epoch, JobId, SubtaskId, WorkerId
from weir.jobmanager.deployment.scheduler import deployments
from weir.jobmanager.history.restoring import Restore
from weir.jobmanager.planning import PlannedJob, planned
from weir.rpc import messages
from weir.taskmanager.environment import RunAsync
from weir.taskmanager.exchange.network import Endpoints, PeerLink
from weir.taskmanager.loop import DataLoop
from weir.taskmanager.runtime import Done, WorkerRuntime
from weir.testing.conformance.calls import Probe
from weir.testing.conformance.report import ConformanceError
from weir.testing.manual_clock import ManualClock

_JOB: Final = JobId("c0" * 16)
_WORKER: Final = WorkerId("worker")
#: Rounds of the data loop between two checkpoints.
_ROUNDS: Final = 4
#: Checkpoints while no row comes; then there is none until one does, so that a job that is stuck stands still.
_IDLE_CHECKPOINTS: Final = 3
#: Rounds without a row or an end after which a job is said to run in circles.
_IDLE_ROUNDS: Final = 20_000
#: Checkpoints at the end: the first one may have been triggered just before it.
_FINAL: Final = 2
#: The checkpoint with which a job is stopped; by then some rows are through, and some are not.
_STOP_AT: Final = 2
#: Seconds that a connector's own threads may keep everything waiting, and one look at them.
_PATIENCE: Final = 20.0
_LOOK: Final = 0.002
#: Attempts after which a job is said never to end.
_MOST_ATTEMPTS: Final = 20

Build = Callable[[StreamExecutionEnvironment], None]


class _Loop(DataLoop):
    """Says when something was posted from a thread."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(clock)
        self.awake = threading.Event()

    def post(self, call: Callable[[], None]) -> None:
        super().post(call)
        self.awake.set()


class _Queue:
    """A ``Background`` without threads: work is done in order, when ``work`` is called."""

    def __init__(self, post: Callable[[Callable[[], None]], None]) -> None:
        self._post = post
        self._waiting: deque[tuple[Callable[[], Any], Done]] = deque()

    def run(self, work: Callable[[], Any], done: Done) -> None:
        self._waiting.append((work, done))

    def lane(self, name: str) -> RunAsync:
        return self.run

    def work(self) -> bool:
        """Do one piece; whether there was one."""
        if not self._waiting:
            return False
        work, done = self._waiting.popleft()
        result: Any = None
        error: BaseException | None = None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001  handed on, as from a thread
            error = raised
        self._post(lambda: done(result, error))
        return True


class _NoNetwork:
    """There is one worker."""

    def connect(self, _execution: messages.Execution, peer: WorkerId, _address: str) -> PeerLink:
        raise AssertionError(f"no other worker exists, {peer} does not")

    def open(self, _execution: messages.Execution, _endpoints: Endpoints) -> None:
        """Nobody sends."""

    def flush(self) -> None:
        """Nothing was sent."""


class OneThread:
    """See the module. The n-th attempt has the n-th of ``parallelisms`` (the last one goes on)."""

    def __init__(
        self,
        build: Build,
        probe: Probe,
        parallelisms: Sequence[int] = (1,),
        enough: Callable[[], bool] | None = None,
        *,
        stop_first: bool = False,
    ) -> None:
        """``enough``: when an endless job has done what is looked for; ``None``: it ends by itself.

        ``stop_first``: the first attempt is stopped with a savepoint on the way, if there is time for it.
        """
        self.clock = ManualClock()
        self._build = build
        self._probe = probe
        self._parallelisms = parallelisms
        self._enough = enough
        self._stop_first = stop_first
        #: Whether the job was stopped with a savepoint and went on.
        self.was_stopped = False
        self._completed: SnapshotMetadata | None = None
        self._next = 1
        self._attempts = 0

    def run(self) -> None:
        """To the end. Raises ``ConformanceError`` when a task fails by itself or nothing moves any more."""
        while not self._attempt():
            if self._attempts >= _MOST_ATTEMPTS:
                raise ConformanceError(f"the job has not ended after {_MOST_ATTEMPTS} attempts")

    def _attempt(self) -> bool:
        """One deployment; whether it came to the end."""
        self._attempts += 1
        self._deploy()
        quiet = 0.0
        while not self._is_over():
            moved = self._loop.round()
            moved |= self._queue.work()
            if self._probe.dead or self._failed():
                return False
            self._checkpoint()
            quiet = 0.0 if moved else quiet + self._wait()
            if quiet > _PATIENCE or self._idle_rounds > _IDLE_ROUNDS:
                raise ConformanceError(
                    f"nothing moves any more; ended: {len(self._ended)} of {len(self._subtasks)}"
                )
        self._tell(messages.FinishTasks(execution=self._execution))
        self._loop.round()
        self.was_stopped |= self._stopping
        return not self._stopping

    def _deploy(self) -> None:
        self._probe.begin()
        job, code = self._planned()
        self._execution = messages.Execution(_JOB, Epoch(1), AttemptId(self._attempts))
        self._subtasks = {SubtaskId(v.id, i) for v in job.plan.vertices for i in range(v.parallelism)}
        self._plan = job.plan
        self._running: set[SubtaskId] = set()
        self._ended: set[SubtaskId] = set()
        self._acks: dict[int, dict[SubtaskId, messages.CheckpointAck]] = {}
        #: By subtask: the last checkpoint with which it commits something, and the last that it committed.
        self._owed: dict[SubtaskId, int] = {}
        self._committed: dict[SubtaskId, int] = {}
        self._failure: messages.Failure | None = None
        self._rounds = 0
        #: Rows in and tasks ended; and the checkpoints and rounds since that changed.
        self._progress = (0, 0)
        self._idle_checkpoints = self._idle_rounds = 0
        #: Complete checkpoints that were triggered after the end of all input.
        self._final = 0
        #: A snapshot that stops the job was triggered, and is complete.
        self._stopping = self._stopped = False
        self._loop = _Loop(self.clock)
        self._queue = _Queue(self._loop.post)
        runtime = WorkerRuntime(
            _WORKER,
            self._loop,
            self._hear,
            self._queue,
            clock=self.clock,
            load=lambda _: code,
            on_deployed=lambda: None,
        )
        runtime.network = _NoNetwork()
        self._runtime = runtime
        restore = None if self._completed is None else Restore(self._completed, uri="", own=True)
        slots = {WorkerId(f"slot-{slot}"): "" for slot in range(job.slots)}
        self._tell(_together(list(deployments(self._execution, job, slots, None, restore).values())))

    def _planned(self) -> tuple[PlannedJob, Any]:
        parallelism = self._parallelisms[min(self._attempts, len(self._parallelisms)) - 1]
        env = StreamExecutionEnvironment()
        self._build(env)
        code = env.job_code("conformance")
        spec = messages.JobSpec(name="conformance", entrypoint="conformance:build", parallelism=parallelism)
        return planned(spec, code.graph), code

    # ---- the JobManager's side -----------------------------------------------------------------------------

    def _tell(self, message: messages.ToWorkerMessage) -> None:
        self._loop.post(lambda: self._runtime.handle(message))

    def _hear(self, message: messages.FromWorkerMessage) -> None:
        if isinstance(message, messages.TaskFailed):
            self._failure = message.failure
        elif isinstance(message, messages.TaskRunning):
            self._running.add(SubtaskId(message.vertex, message.index))
        elif isinstance(message, messages.TaskEnded):
            self._ended.add(SubtaskId(message.vertex, message.index))
        elif isinstance(message, messages.CommitsDone):
            self._committed[SubtaskId(message.vertex, message.index)] = message.checkpoint_id
        elif isinstance(message, messages.CheckpointDeclined):
            if self._acks.pop(message.checkpoint_id, None) is not None:
                self._stopping = False
                self._tell(
                    messages.NotifyAborted(execution=self._execution, checkpoint_id=message.checkpoint_id)
                )
        elif isinstance(message, messages.CheckpointAck):
            self._acknowledged(message)

    def _acknowledged(self, ack: messages.CheckpointAck) -> None:
        acks = self._acks.get(ack.checkpoint_id)
        if acks is None:
            return
        subtask = SubtaskId(ack.vertex, ack.index)
        acks[subtask] = ack
        if any(state.has_commits for state in ack.states.values()):
            self._owed[subtask] = ack.checkpoint_id
        if len(acks) == len(self._subtasks):
            self._complete(ack.checkpoint_id, acks)

    def _complete(self, number: int, acks: dict[SubtaskId, messages.CheckpointAck]) -> None:
        """Its record is written: it is the restore point, and commits follow."""
        del self._acks[number]
        operators = tuple(
            OperatorState(
                operator_id=operator.operator_id,
                uid=operator.uid,
                name=operator.name,
                parallelism=vertex.parallelism,
                max_parallelism=vertex.max_parallelism,
                subtasks=tuple(
                    acks[SubtaskId(vertex.id, i)].states[operator.operator_id]
                    for i in range(vertex.parallelism)
                ),
            )
            for vertex in self._plan.vertices
            for operator in vertex.operators
        )
        self._completed = SnapshotMetadata(
            format_version=FORMAT_VERSION,
            job_id=_JOB,
            kind=SnapshotKind.CHECKPOINT,
            checkpoint_id=CheckpointId(number),
            epoch=self._execution.epoch,
            attempt=self._execution.attempt,
            triggered_ms=self.clock.wall_ms(),
            operators=operators,
        )
        self._stopped = self._stopping
        if self._last_words:
            self._final += 1
        self._tell(messages.NotifyComplete(execution=self._execution, checkpoint_id=number))

    @property
    def _last_words(self) -> bool:
        """Whether all rows are through."""
        return self._ended == self._subtasks or (self._enough is not None and self._enough())

    def _checkpoint(self) -> None:
        """Trigger the next one, when it is time and none is under way."""
        self._rounds += 1
        progress = (sum(task.metrics().records_in for task in self._loop.tasks), len(self._ended))
        if progress != self._progress:
            self._progress = progress
            self._idle_checkpoints = self._idle_rounds = 0
        self._idle_rounds += 1
        if self._acks or self._running != self._subtasks or self._final >= _FINAL or self._stopped:
            return
        if self._last_words or (self._rounds >= _ROUNDS and self._idle_checkpoints < _IDLE_CHECKPOINTS):
            self._rounds = 0
            self._idle_checkpoints += 1
            self._acks[self._next] = {}
            due = self._stop_first and self._attempts == 1 and self._next >= _STOP_AT
            self._stopping = due and not self._last_words
            trigger = messages.TriggerCheckpoint(
                execution=self._execution,
                checkpoint_id=self._next,
                timestamp_ms=self.clock.wall_ms(),
                stop=self._stopping,
            )
            self._next += 1
            self._tell(trigger)

    def _is_over(self) -> bool:
        settled = all(self._committed.get(subtask, 0) >= number for subtask, number in self._owed.items())
        return (self._stopped or self._final >= _FINAL) and settled

    def _failed(self) -> bool:
        """A task failed: by what the probe refused (the job restarts), or by itself (raises)."""
        if self._failure is None:
            return False
        if not self._probe.struck:
            raise ConformanceError(f"the job failed: {self._failure.message}\n{self._failure.traceback}")
        return True

    def _wait(self) -> float:
        """Nothing moved: give the connector's threads a moment, then let time pass to the next deadline."""
        self._loop.awake.clear()
        if self._loop.awake.wait(_LOOK):
            return _LOOK
        self.clock.advance(max(0.0, self._loop.idle_timeout()))
        return _LOOK


def _together(deploys: list[messages.Deploy]) -> messages.Deploy:
    """What several workers would run, for one."""
    return structs.replace(
        deploys[0],
        tasks=tuple(task for deploy in deploys for task in deploy.tasks),
        placement=tuple(
            messages.SubtaskRef(ref.vertex, ref.index, _WORKER, "") for ref in deploys[0].placement
        ),
    )

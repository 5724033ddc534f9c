"""A whole deployment in one thread, driven step by step: real workers, tasks and operators; time, network, I/O threads
and the JobManager's side stand in.

``TaskHarness(build)`` deploys what ``build(env)`` records. Each step does one thing: a round of one data loop, one
frame message of one link, one piece of background work, one message of the JobManager. Without a seed the steps go round
in order; with one a random generator chooses, so that a seed names a schedule. Messages and frames pass through their
codecs. A crash throws the attempt away and deploys the last completed checkpoint, at any parallelism.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.support.checkpoints import JOB, ManualClock
from weir.api.environment import StreamExecutionEnvironment
from weir.checkpoint.metadata import OperatorState
from weir.config import JobOptions
from weir.errors import StorageUnavailable
from weir.graph.plan import plan_with
from weir.ids import AttemptId, Epoch, OperatorId, SubtaskId, VertexId, WorkerId
from weir.jobmanager.deployment.scheduler import _task
from weir.rpc import codec, messages
from weir.taskmanager.exchange.network import Endpoints
from weir.taskmanager.exchange.wire import FrameReader
from weir.taskmanager.loop import DataLoop
from weir.taskmanager.runtime import Done, WorkerRuntime

Build = Callable[[StreamExecutionEnvironment], None]
Action = Callable[[], None]
Lane = deque[tuple[Callable[[], Any], Done]]


class JobFailedInHarness(AssertionError):
    """A task failed, and the test did not expect it."""


@dataclass
class Snapshot:
    """A checkpoint on its way, and what its subtasks acknowledged."""

    number: int
    acks: dict[SubtaskId, messages.CheckpointAck] = field(default_factory=dict)
    operators: dict[OperatorId, OperatorState] = field(default_factory=dict)


class QueuedBackground:
    """What threads would do beside the data thread: work waits until a step runs it."""

    def __init__(self, post: Callable[[Action], None]) -> None:
        self._post = post
        self.free: list[tuple[Callable[[], Any], Done]] = []
        self.lanes: dict[str, Lane] = defaultdict(deque)
        #: Names of lanes whose work waits until they are taken out again.
        self.held: set[str] = set()
        #: Called before each piece of free work; may raise what that work then seems to have raised.
        self.before_work: Callable[[], None] = lambda: None

    def run(self, work: Callable[[], Any], done: Done) -> None:
        self.free.append((work, done))

    def lane(self, name: str) -> Callable[[Callable[[], Any], Done], None]:
        return lambda work, done: self.lanes[name].append((work, done))

    def actions(self) -> Iterator[Action]:
        """One for each piece of work that may run now; free work in any order."""
        for item in self.free:
            yield lambda item=item: self._free(item)
        for name, lane in self.lanes.items():
            if lane and name not in self.held:
                yield lambda lane=lane: self._finish(*lane.popleft())

    def _free(self, item: tuple[Callable[[], Any], Done]) -> None:
        self.free.remove(item)
        work, done = item

        def disturbed() -> Any:
            self.before_work()
            return work()

        self._finish(disturbed, done)

    def _finish(self, work: Callable[[], Any], done: Done) -> None:
        try:
            result, error = work(), None
        except BaseException as raised:
            result, error = None, raised
        self._post(lambda: done(result, error))


class FakeLink:
    """One direction between two workers; messages wait in order until a step delivers one."""

    def __init__(self) -> None:
        self.messages: deque[bytes | Action] = deque()
        self._reader = FrameReader()

    def send(self, frames: list[bytes]) -> None:
        self.messages.append(b"".join(frames))

    def deliver(self, post: Callable[[Action], None], handler: Callable[[int, int, bytes], None]) -> None:
        """Hand the next message to the receiving data loop."""
        message = self.messages.popleft()
        if callable(message):
            post(message)
            return
        frames = list(self._reader.read(message))

        def handle() -> None:
            for frame in frames:
                handler(*frame)

        post(handle)


class FakeNetwork:
    """All links of one attempt. A link delivers once its receiver is open, beginning with the connection."""

    def __init__(self) -> None:
        self.down: dict[tuple[WorkerId, WorkerId], FakeLink] = {}
        self.up: dict[tuple[WorkerId, WorkerId], FakeLink] = {}
        self.opened: dict[WorkerId, tuple[Endpoints, Callable[[Action], None]]] = {}
        #: Links (sender, receiver) that deliver nothing until they are taken out again.
        self.held: set[tuple[WorkerId, WorkerId]] = set()

    def of(self, worker: WorkerId, post: Callable[[Action], None]) -> WorkerNetwork:
        return WorkerNetwork(self, worker, post)

    def connect(self, sender: WorkerId, receiver: WorkerId) -> FakeLink:
        pair = (sender, receiver)
        if pair not in self.down:
            self.down[pair], self.up[pair] = FakeLink(), FakeLink()
            self.down[pair].messages.append(
                lambda: self.opened[receiver][0].sender_connected(sender, self.up[pair])
            )
        return self.down[pair]

    def actions(self) -> Iterator[Action]:
        for pair, link in self.down.items():
            if link.messages and pair[1] in self.opened and pair not in self.held:
                endpoints, post = self.opened[pair[1]]
                yield lambda link=link, post=post, end=endpoints: link.deliver(post, end.from_sender)
        for pair, link in self.up.items():
            if link.messages and pair[0] in self.opened:
                endpoints, post = self.opened[pair[0]]
                yield lambda link=link, post=post, end=endpoints: link.deliver(post, end.from_receiver)


@dataclass
class WorkerNetwork:
    """One worker's view of the network."""

    network: FakeNetwork
    worker: WorkerId
    post: Callable[[Action], None]

    def connect(self, execution: messages.Execution, peer: WorkerId, address: str) -> FakeLink:
        return self.network.connect(self.worker, peer)

    def open(self, execution: messages.Execution, endpoints: Endpoints) -> None:
        self.network.opened[self.worker] = (endpoints, self.post)

    def flush(self) -> None:
        """Frames are there at once."""


class HarnessWorker:
    """A worker without a process."""

    def __init__(self, worker: WorkerId, harness: TaskHarness) -> None:
        self.worker = worker
        self.loop = DataLoop(harness.clock)
        self.inbox: deque[bytes] = deque()
        self.background = QueuedBackground(self.loop.post)
        self.runtime = WorkerRuntime(
            worker,
            self.loop,
            lambda message: harness.hear(codec.decode_from_worker(codec.encode(message))),
            self.background,
            clock=harness.clock,
            load=lambda _: harness.code,
            on_deployed=lambda: None,
        )
        self.runtime.network = harness.network.of(worker, self.loop.post)
        self._rng = harness.rng

    def actions(self) -> Iterator[Action]:
        if self.inbox:
            yield self._hear
        yield from self.background.actions()

    def _hear(self) -> None:
        message = codec.decode_to_worker(self.inbox.popleft())
        self.loop.post(lambda: self.runtime.handle(message))

    def round(self) -> bool:
        """One round of the data loop; the tasks' turn is the scheduler's choice."""
        if self._rng is not None:
            self._rng.shuffle(self.loop.tasks)
        return self.loop.round()


class TaskHarness:
    """See the module. ``build`` is called again for each attempt; what must outlive one is made outside of it."""

    def __init__(
        self,
        build: Build,
        *,
        workers: int = 1,
        parallelism: int = 1,
        settings: Mapping[str, str] | None = None,
        seed: int | None = None,
        zombies: bool = False,
    ) -> None:
        self.clock = ManualClock()
        self.clock.now = 1.0
        self.rng = None if seed is None else random.Random(seed)
        random.seed(seed)  # what the shuffle partitioner draws from
        self.settings = dict(settings or {})
        self.failures: list[messages.Failure] = []
        #: Everything that any worker of the present attempt said, metrics apart.
        self.messages: list[Any] = []
        self.completed: list[Snapshot] = []
        self.pending: dict[int, Snapshot] = {}
        self.declined: set[int] = set()
        self.expect_failure = False
        self._build = build
        self._zombies = zombies
        self._undead: list[Action] = []
        self._attempt = 0
        self._next_checkpoint = 1
        self.deploy(parallelism, workers)

    # ---- the JobManager's side -----------------------------------------------------------------------------

    def deploy(self, parallelism: int, workers: int = 1) -> None:
        """A new attempt, from the last completed checkpoint if there is one."""
        self._attempt += 1
        self.execution = messages.Execution(JOB, Epoch(1), AttemptId(self._attempt))
        settings = {**self.settings, "parallelism.default": str(parallelism)}
        env = StreamExecutionEnvironment(settings)
        self._build(env)
        self.code = env.job_code("job")
        self.plan = plan_with(self.code.graph, JobOptions.from_settings(settings).pipeline)
        self.network = FakeNetwork()
        self.messages, self.pending = [], {}
        self.running: set[SubtaskId] = set()
        self.ended: set[SubtaskId] = set()
        self.committed: dict[SubtaskId, int] = {}
        self.stopped = 0
        self.workers = [HarnessWorker(WorkerId(f"w{i}"), self) for i in range(workers)]
        self.subtasks = [SubtaskId(v.id, i) for v in self.plan.vertices for i in range(v.parallelism)]
        where = {subtask: self._place(subtask) for subtask in self.subtasks}
        for worker in self.workers:
            mine = [subtask for subtask in self.subtasks if where[subtask] is worker]
            deployment = self._deployment(mine, where, settings)
            if mine:
                worker.inbox.append(codec.encode(deployment))

    def _place(self, subtask: SubtaskId) -> HarnessWorker:
        if self.rng is not None:
            return self.rng.choice(self.workers)
        return self.workers[subtask.index % len(self.workers)]

    def _deployment(
        self,
        mine: Sequence[SubtaskId],
        where: Mapping[SubtaskId, HarnessWorker],
        settings: dict[str, str],
    ) -> messages.Deploy:
        states = self.completed[-1].operators if self.completed else {}
        return messages.Deploy(
            execution=self.execution,
            job=messages.JobSpec(name="job", entrypoint="test:build"),
            settings=settings,
            plan=self.plan,
            tasks=tuple(_task(self.plan.vertex(s.vertex), s.index, states) for s in mine),
            placement=tuple(
                messages.SubtaskRef(s.vertex, s.index, worker.worker, "") for s, worker in where.items()
            ),
            checkpoint_root=None,
        )

    def hear(self, message: messages.FromWorkerMessage) -> None:
        """A worker says something; what a dead attempt says is dropped, as in the JobManager."""
        if message.execution != self.execution or isinstance(message, messages.MetricsReport):
            return
        self.messages.append(message)
        if isinstance(message, messages.TaskFailed):
            self.failures.append(message.failure)
            return
        if isinstance(message, messages.TasksCancelled):
            self.stopped += 1
            return
        subtask = SubtaskId(message.vertex, message.index)
        if isinstance(message, messages.TaskRunning):
            assert subtask not in self.running
            self.running.add(subtask)
        elif isinstance(message, messages.TaskEnded):
            assert subtask in self.running, f"{subtask} ended before it ran"
            assert subtask not in self.ended, f"{subtask} ended twice"
            self.ended.add(subtask)
        elif isinstance(message, messages.CommitsDone):
            self.committed[subtask] = message.checkpoint_id
        elif isinstance(message, messages.CheckpointDeclined):
            self.declined.add(message.checkpoint_id)
        elif message.checkpoint_id in self.pending:
            acks = self.pending[message.checkpoint_id].acks
            assert subtask not in acks, f"{subtask} acknowledged checkpoint {message.checkpoint_id} twice"
            acks[subtask] = message

    def _tell(self, message: messages.ToWorkerMessage) -> None:
        for worker in self.workers:
            worker.inbox.append(codec.encode(message))

    def trigger(self, savepoint: str = "", *, stop: bool = False, drain: bool = False) -> int:
        """Begin the next snapshot."""
        number = self._next_checkpoint
        self._next_checkpoint += 1
        self.pending[number] = Snapshot(number)
        self._tell(
            messages.TriggerCheckpoint(
                execution=self.execution,
                checkpoint_id=number,
                timestamp_ms=self.clock.wall_ms(),
                savepoint=savepoint,
                stop=stop,
                drain=drain,
            )
        )
        return number

    def acknowledged(self, number: int) -> bool:
        """Whether every subtask acknowledged it."""
        return number in self.pending and len(self.pending[number].acks) == len(self.subtasks)

    def owing(self, number: int) -> set[SubtaskId]:
        """The subtasks that commit something with it."""
        acks = self.pending[number].acks.items()
        return {subtask for subtask, ack in acks if any(state.has_commits for state in ack.states.values())}

    def complete_and_commit(self, number: int) -> Snapshot:
        """Its record is written, and everybody has committed what belongs to it."""
        owing = self.owing(number)
        snapshot = self.complete(number)
        self.run_until(lambda: all(self.committed.get(subtask, 0) >= number for subtask in owing))
        return snapshot

    def complete(self, number: int) -> Snapshot:
        """Its record is written: it is the restore point, commits follow, older ones on their way are dropped."""
        assert self.acknowledged(number)
        snapshot = self.pending.pop(number)
        check_counts(snapshot)
        for vertex in self.plan.vertices:
            for operator in vertex.operators:
                snapshot.operators[operator.operator_id] = OperatorState(
                    operator_id=operator.operator_id,
                    uid=operator.uid,
                    name=operator.name,
                    parallelism=vertex.parallelism,
                    max_parallelism=vertex.max_parallelism,
                    subtasks=tuple(
                        snapshot.acks[SubtaskId(vertex.id, i)].states[operator.operator_id]
                        for i in range(vertex.parallelism)
                    ),
                )
        self.completed.append(snapshot)
        self._tell(messages.NotifyComplete(execution=self.execution, checkpoint_id=number))
        for older in [n for n in self.pending if n < number]:
            self.abort(older)
        return snapshot

    def abort(self, number: int) -> None:
        """It will not complete."""
        self.pending.pop(number, None)
        self._tell(messages.NotifyAborted(execution=self.execution, checkpoint_id=number))

    def checkpoint(self) -> Snapshot:
        """Trigger, wait for all acknowledgements, complete, and let the commits happen."""
        number = self.trigger()
        self.run_until(lambda: self.acknowledged(number))
        snapshot = self.complete(number)
        self.settle_inboxes()
        return snapshot

    def crash(self, parallelism: int = 1, workers: int = 1) -> None:
        """Everything of the attempt is gone; the next one starts from the last completed checkpoint.

        With ``zombies`` work of the old attempt that was under way (commits, uploads) may still happen later.
        """
        if self._zombies:
            self._undead.extend(work for worker in self.workers for work, _ in worker.background.free)
        self.deploy(parallelism, workers)

    # ---- steps ---------------------------------------------------------------------------------------------

    def _actions(self) -> list[Action]:
        actions = [action for worker in self.workers for action in worker.actions()]
        actions.extend(self.network.actions())
        return actions

    def step(self) -> bool:
        """One thing; whether there was any."""
        if self.rng is None:
            return self._step_in_order()
        if self._undead and self.rng.random() < 0.05:
            self._bury(self._undead.pop(self.rng.randrange(len(self._undead))))
        self.clock.now += self.rng.choice((0.0, 0.0001, 0.003))
        actions = self._actions()
        if actions and self.rng.random() < 0.5:
            self.rng.choice(actions)()
            worked = True
        else:
            worked = self.rng.choice(self.workers).round() or bool(actions)
        self._check()
        return worked

    @staticmethod
    def _bury(work: Action) -> None:
        try:
            work()
        except Exception:
            return  # nobody is left who would hear of it

    def _step_in_order(self) -> bool:
        actions = self._actions()
        for action in actions:
            action()
        worked = bool(actions)
        for worker in self.workers:
            worked |= worker.round()
        self._check()
        return worked

    def _check(self) -> None:
        if self.failures and not self.expect_failure:
            failure = self.failures[0]
            raise JobFailedInHarness(f"{failure.message}\n{failure.traceback}")

    def run_until(self, reached: Callable[[], bool], steps: int = 100_000) -> None:
        """Step until ``reached``; time passes when nothing else happens."""
        for _ in range(steps):
            if reached():
                return
            if not self.step():
                self.clock.now += 0.001
        raise AssertionError(f"not reached after {steps} steps; ended: {self.ended}, running: {self.running}")

    def settle(self, quiet: int = 3) -> None:
        """Step until nothing moves any more although a few milliseconds pass (in order only)."""
        calm = 0
        while calm < quiet:
            calm = 0 if self.step() else calm + 1
            self.clock.now += 0.003

    def settle_inboxes(self) -> None:
        """Until the workers heard everything and did what followed at once."""
        self.run_until(lambda: not any(w.inbox or w.background.free for w in self.workers))
        for worker in self.workers:
            worker.round()

    def run_to_end(self) -> None:
        """To the end of all input, with the final checkpoint and its commits, as the JobManager does it."""
        self.run_until(lambda: len(self.ended) == len(self.subtasks))
        for number in list(self.pending):
            self.abort(number)
        final = self.trigger()
        self.run_until(lambda: self.acknowledged(final))
        self.complete_and_commit(final)
        self._tell(messages.FinishTasks(execution=self.execution))
        used = sum(bool(worker.loop.tasks) for worker in self.workers)
        self.run_until(lambda: self.stopped >= used)

    # ---- a look inside ------------------------------------------------------------------------------------

    def vertex(self, name: str) -> VertexId:
        """The vertex whose name contains ``name``."""
        (found,) = (v.id for v in self.plan.vertices if name in v.name and "(enumerator)" not in v.name)
        return found

    def task(self, name: str, index: int = 0) -> Any:
        """A running task by (a part of) its vertex's name."""
        wanted = (self.vertex(name), index)
        (found,) = (
            task
            for worker in self.workers
            for task in worker.loop.tasks
            if (task.identity.vertex.id, task.identity.index) == wanted
        )
        return found

    def of_type(self, kind: type[Any]) -> list[Any]:
        """The messages of one type."""
        return [message for message in self.messages if isinstance(message, kind)]


def check_counts(snapshot: Snapshot) -> None:
    """On each channel what was sent before the barrier was received, or is in the checkpoint as on its way."""
    counts = [ack.counts for ack in snapshot.acks.values()]
    sent = {number: count for of in counts for number, count in of.sent.items()}
    received = {number: count for of in counts for number, count in of.received.items()}
    assert sent.items() <= received.items(), {
        number: (count, received.get(number))
        for number, count in sent.items()
        if received.get(number) != count
    }


def unavailable(rng: random.Random, share: float) -> Callable[[], None]:
    """For ``before_work``: storage that fails now and then."""

    def maybe() -> None:
        if rng.random() < share:
            raise StorageUnavailable("storage answered 503")

    return maybe

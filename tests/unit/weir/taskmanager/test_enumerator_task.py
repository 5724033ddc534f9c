"""The subtask of an enumerator: its code on a lane, what it says in order on the channels to the readers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pytest

from tests.support.checkpoints import JOB, ManualClock
from tests.support.operator_driver import context
from weir.connectors.source import Assignment, EnumeratorContext, Source, SplitEnumerator
from weir.errors import StorageUnavailable, UserError
from weir.graph.physical import ChainedOperator, PhysicalVertex, VertexKind
from weir.ids import AttemptId, Epoch, OperatorId, VertexId
from weir.operators.base import RestoredState
from weir.operators.failures import OperatorFailure
from weir.records import Barrier, EndOfInput, SplitsAssigned
from weir.rpc import messages
from weir.state.snapshot import OperatorSubtaskState
from weir.taskmanager.enumerators import EnumeratorTask
from weir.taskmanager.exchange.channels import CreditGate, InputChannel, LocalChannel
from weir.taskmanager.gate import InputGate
from weir.taskmanager.task import TaskIdentity

VERTEX = PhysicalVertex(
    id=VertexId("e" * 32),
    kind=VertexKind.ENUMERATOR,
    name="numbers (enumerator)",
    operators=(ChainedOperator(node=1, operator_id=OperatorId("e" * 32), name="numbers", uid=None),),
    parallelism=1,
    max_parallelism=128,
    slot_group="default",
)


class Part(msgspec.Struct, frozen=True):
    split_id: str


class Scripted(SplitEnumerator[Part]):
    """Hands out ``splits`` one a request; finds more when it is asked to look."""

    def __init__(self, splits: Sequence[str]) -> None:
        self.splits = list(splits)
        self.found: list[Assignment] = []
        self.fails: Exception | None = None
        self.closed = False

    def start(self) -> list[Assignment]:
        return self.found

    def handle_request(self, reader: int) -> list[Assignment]:
        if self.fails is not None:
            raise self.fails
        taken, self.splits = self.splits[:1], self.splits[1:]
        return [Assignment(reader, [Part(name) for name in taken], no_more=not self.splits)]

    def discover(self) -> list[Assignment]:
        return self.found

    def snapshot(self) -> bytes:
        return msgspec.msgpack.encode(self.splits)

    def close(self) -> None:
        self.closed = True


class ScriptedSource(Source[Any, Part]):
    split_type = Part

    def __init__(self, splits: Sequence[str] = (), interval: float | None = None) -> None:
        self.made: list[Scripted] = []
        self.contexts: list[EnumeratorContext] = []
        self._splits, self._interval = splits, interval

    def create_enumerator(self, context: EnumeratorContext) -> Scripted:
        return self._make(context, self._splits)

    def restore_enumerator(self, context: EnumeratorContext, state: bytes) -> Scripted:
        return self._make(context, msgspec.msgpack.decode(state))

    def _make(self, context: EnumeratorContext, splits: Sequence[str]) -> Scripted:
        self.contexts.append(context)
        self.made.append(Scripted(splits))
        self.made[-1].discovery_interval = self._interval
        return self.made[-1]

    def create_reader(self, context: Any) -> Any:
        raise NotImplementedError


class Enumerating:
    """An enumerator task with the receiving ends of its readers; its lane runs when the test says so."""

    def __init__(
        self, source: ScriptedSource, readers: int = 2, restored: RestoredState | None = None
    ) -> None:
        self.clock = ManualClock()
        self.reports: list[Any] = []
        self.snapshots: list[Any] = []
        self.persist_fails: Exception | None = None
        self.work: deque[tuple[Callable[[], Any], Callable[..., None]]] = deque()
        self.inputs = [InputChannel(0, 0) for _ in range(readers)]
        for channel in self.inputs:
            InputGate([channel])
        self.task = EnumeratorTask(
            TaskIdentity(messages.Execution(JOB, Epoch(1), AttemptId(1)), VERTEX, 0),
            source,
            [LocalChannel(channel, CreditGate()) for channel in self.inputs],
            self,
        )
        self.task.open([context(self.clock, name="numbers", uid=None)], [restored])

    # what the task asks of its worker

    def report(self, message: Any) -> None:
        self.reports.append(message)

    def run_async(self, work: Callable[[], Any], done: Callable[..., None]) -> None:
        self.work.append((work, done))

    def serial(self, name: str) -> Callable[..., None]:
        return self.run_async

    def wake(self) -> None:
        """Nobody sleeps."""

    def persist(self, request: Any) -> Any:
        if self.persist_fails is not None:
            raise self.persist_fails
        self.snapshots.append(request)
        return {VERTEX.operators[0].operator_id: OperatorSubtaskState(subtask=0)}

    # what the test does

    def background(self) -> None:
        while self.work:
            work, done = self.work.popleft()
            try:
                result, error = work(), None
            except BaseException as raised:
                result, error = None, raised
            done(result, error)

    def request(self, reader: int) -> None:
        self.inputs[reader].upstream.request_splits()

    def received(self, reader: int) -> list[Any]:
        found = []
        while self.inputs[reader].queue:
            element = self.inputs[reader].take()
            if isinstance(element, SplitsAssigned):
                splits = [msgspec.msgpack.decode(split, type=Part).split_id for split in element.splits]
                element = (splits, element.no_more)
            found.append(element)
        return found

    def reported(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.reports if isinstance(message, kind)]

    def saved(self) -> RestoredState:
        ((_, snapshot),) = self.snapshots[-1].operators
        return RestoredState(operator=(snapshot.operator,), own_only=True)


def opened(source: ScriptedSource, readers: int = 2, restored: RestoredState | None = None) -> Enumerating:
    made = Enumerating(source, readers, restored)
    made.background()
    return made


def test_it_runs_once_its_enumerator_is_there_and_knows_the_number_of_readers() -> None:
    source = ScriptedSource("ab")
    made = Enumerating(source, readers=3)
    assert (made.task.started, made.reports) == (False, [])
    made.background()
    assert made.task.started
    assert len(made.reported(messages.TaskRunning)) == 1
    assert source.contexts == [EnumeratorContext(parallelism=3)]


def test_a_request_is_answered_to_the_reader_that_asked() -> None:
    made = opened(ScriptedSource("abc"))
    made.request(1)
    made.request(0)
    made.background()
    assert (made.received(0), made.received(1)) == ([(["b"], False)], [(["a"], False)])


def test_a_request_that_comes_before_the_enumerator_is_there_waits_for_it() -> None:
    made = Enumerating(ScriptedSource("a"))
    made.request(0)
    made.background()
    assert made.received(0) == [(["a"], True)]


def test_it_ends_when_every_reader_was_told_that_nothing_more_comes() -> None:
    made = opened(ScriptedSource("a"))
    made.request(0)
    made.background()
    assert not made.task.ended
    made.request(1)
    made.request(1)
    made.background()
    assert made.task.ended
    assert len(made.reported(messages.TaskEnded)) == 1


def test_what_was_assigned_before_a_snapshot_reaches_its_reader_before_the_barrier() -> None:
    made = opened(ScriptedSource("abc"))
    made.request(0)
    made.task.trigger(Barrier(1))
    made.request(1)
    made.background()
    assert made.received(0) == [(["a"], False), Barrier(1)]
    assert made.received(1) == [Barrier(1), (["b"], False)]
    again = opened(ScriptedSource(), restored=made.saved())
    assert again.task._require().splits == ["b", "c"]


def test_every_reader_gets_the_barrier_and_the_snapshot_is_acknowledged() -> None:
    made = opened(ScriptedSource("abc"), readers=4)
    made.task.trigger(Barrier(7, 55, "file:///savepoint"))
    made.background()
    barriers = [made.received(reader) for reader in range(4)]
    assert barriers == [[Barrier(7)]] * 4
    (ack,) = made.reported(messages.CheckpointAck)
    assert (ack.checkpoint_id, ack.finished, set(ack.states)) == (7, False, {"e" * 32})


def test_a_snapshot_that_cannot_be_stored_is_declined_and_the_task_goes_on() -> None:
    made = opened(ScriptedSource("abc"))
    made.persist_fails = StorageUnavailable("503 \udce9")  # a name that is no text
    made.task.trigger(Barrier(7))
    made.background()
    (declined,) = made.reported(messages.CheckpointDeclined)
    assert (declined.checkpoint_id, declined.message) == (7, r"StorageUnavailable: 503 \udce9")
    made.request(0)
    made.background()
    assert made.received(0)[-1] == (["a"], False)


def test_restored_it_knows_who_was_told_although_those_readers_do_not_ask_again() -> None:
    made = opened(ScriptedSource("ab"))
    for reader in (0, 1):
        made.request(reader)
    made.background()
    made.task.trigger(Barrier(1))
    made.background()
    again = opened(ScriptedSource(), restored=made.saved())
    assert not again.task.ended
    again.request(0)
    again.background()
    assert again.task.ended


@pytest.mark.parametrize("readers", [2, 5])
def test_when_all_were_told_all_are_at_any_parallelism(readers: int) -> None:
    made = opened(ScriptedSource("a"))
    made.request(0)
    made.request(1)
    made.background()
    made.task.trigger(Barrier(1))
    made.background()
    again = opened(ScriptedSource(), readers, made.saved())
    assert again.task.ended
    assert len(again.reported(messages.TaskEnded)) == 1


def test_when_some_were_told_another_number_of_readers_asks_anew() -> None:
    made = opened(ScriptedSource("a"))
    made.request(0)
    made.background()
    made.task.trigger(Barrier(1))
    made.background()
    again = opened(ScriptedSource(), 1, made.saved())
    assert not again.task.ended
    again.request(0)
    again.background()
    assert again.task.ended


def test_readers_that_were_told_are_given_more_when_the_source_is_endless_from_now_on() -> None:
    made = opened(ScriptedSource("a"), readers=1)
    made.request(0)
    made.background()
    made.task.trigger(Barrier(1))
    made.background()
    endless = ScriptedSource(interval=10.0)
    endless.endless = True
    again = opened(endless, 1, made.saved())
    assert not again.task.ended
    endless.made[0].found = [Assignment(0, [Part("new")])]
    assert again.task.step(10.0)
    again.background()
    assert again.received(0) == [(["new"], False)]


def test_discovery_is_started_when_it_is_due_and_never_twice_at_once() -> None:
    source = ScriptedSource(interval=10.0)
    made = opened(source)
    assert made.task.next_deadline(0.0) == 10.0
    assert not made.task.step(9.9)
    source.made[0].found = [Assignment(1, [Part("new")])]
    made.clock.now = 10.0
    assert made.task.step(10.0)
    assert not made.task.step(30.0)
    made.clock.now = 12.0
    made.background()
    assert made.received(1) == [(["new"], False)]
    assert made.task.next_deadline(12.0) == 22.0


def test_without_an_interval_there_is_no_discovery() -> None:
    made = opened(ScriptedSource("a"))
    assert made.task.next_deadline(0.0) is None
    assert not made.task.step(1000.0)


def test_an_enumerator_that_fails_is_named_as_the_users_operator() -> None:
    source = ScriptedSource("a")
    made = opened(source)
    source.made[0].fails = UserError("no such folder")
    made.request(0)
    with pytest.raises(OperatorFailure, match=r"UserError: no such folder \(in operator 'numbers'\)"):
        made.background()


def test_an_enumerator_that_leaves_the_process_is_no_silent_end() -> None:
    source = ScriptedSource("a")
    made = opened(source)
    source.made[0].fails = SystemExit(3)
    made.request(0)
    with pytest.raises(SystemExit):
        made.background()


def test_closing_closes_the_enumerator_if_there_is_one() -> None:
    source = ScriptedSource("a")
    Enumerating(source).task.close()
    made = opened(source)
    made.task.close()
    assert source.made[-1].closed


def test_after_the_barrier_of_a_stop_nothing_is_handed_out_or_looked_for() -> None:
    source = ScriptedSource("abc", interval=10.0)
    made = opened(source)
    made.task.trigger(Barrier(1, stop=True))
    made.request(0)
    made.background()
    made.clock.now = 100.0
    assert not made.task.step(100.0)
    assert made.task.next_deadline(100.0) is None
    assert made.received(0) == made.received(1) == [Barrier(1)]
    assert opened(ScriptedSource(), restored=made.saved()).task._require().splits == ["a", "b", "c"]


def test_a_drain_ends_every_reader_before_the_barrier() -> None:
    made = opened(ScriptedSource("abc"))
    made.request(1)
    made.task.trigger(Barrier(1, stop=True), drain=True)
    made.background()
    assert made.received(0) == [EndOfInput(drained=True), Barrier(1)]
    assert made.received(1) == [(["a"], False), EndOfInput(drained=True), Barrier(1)]
    assert not made.task.ended, "who starts from there goes on"

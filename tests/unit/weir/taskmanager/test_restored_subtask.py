"""What a subtask says when it opens: fresh, restored, or restored after its end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.support.checkpoints import JOB, ManualClock
from tests.support.operator_driver import context
from weir.graph.physical import ChainedOperator, PhysicalVertex, VertexKind
from weir.ids import AttemptId, Epoch, OperatorId, VertexId
from weir.operators.base import Operator, RestoredState
from weir.records import MAX_TIMESTAMP, Barrier, EndOfInput, RowBatch, StreamElement, Watermark
from weir.rpc import messages
from weir.taskmanager.alignment import ExactlyOnce
from weir.taskmanager.chain import Chain
from weir.taskmanager.exchange.channels import CreditGate, InputChannel
from weir.taskmanager.task import Task, TaskIdentity


class LastWords(Operator):
    """Has something to say at the end of its input."""

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        yield batch

    def end_input(self) -> Iterator[StreamElement]:
        yield RowBatch(["last words"])


class Sent:
    """An output that keeps what it is given."""

    def __init__(self) -> None:
        self.elements: list[StreamElement] = []
        self.rows_out = 0
        self.channels: list[Any] = []

    def send(self, batch: RowBatch) -> None:
        self.elements.append(batch)

    def control(self, element: StreamElement) -> None:
        self.elements.append(element)

    def flush(self) -> None:
        """Nothing is gathered."""


class Subtask:
    """A task with two inputs and one output."""

    def __init__(self, restored: RestoredState | None) -> None:
        self.clock = ManualClock()
        self.reports: list[Any] = []
        self.snapshots: list[Any] = []
        self.out = Sent()
        operator = ChainedOperator(node=1, operator_id=OperatorId("a" * 32), name="Op", uid=None)
        vertex = PhysicalVertex(
            id=VertexId("a" * 32),
            kind=VertexKind.TASK,
            name="Op",
            operators=(operator,),
            parallelism=1,
            max_parallelism=128,
            slot_group="default",
        )
        self.inputs = [InputChannel(index, 0) for index in range(2)]
        identity = TaskIdentity(messages.Execution(JOB, Epoch(1), AttemptId(2)), vertex, 0)
        chain = Chain(vertex, [LastWords()], [(0, None, self.out)])
        self.task = Task(identity, chain, self.inputs, ExactlyOnce(2), CreditGate(), self)
        self.task.open([context(self.clock)], [restored])

    def report(self, message: Any) -> None:
        self.reports.append(message)

    def run_async(self, work: Any, done: Any) -> None:
        work()

    def persist(self, request: Any) -> None:
        self.snapshots.append(request)

    def put(self, *elements: StreamElement) -> None:
        """The same to both inputs, and let the task take it."""
        for element in elements:
            for channel in self.inputs:
                channel.put(0, element, 0)
        while self.task.step(self.clock.now):
            pass

    @property
    def said(self) -> list[str]:
        return [type(message).__name__ for message in self.reports]


def rows(elements: list[StreamElement]) -> list[Any]:
    return [value for element in elements if isinstance(element, RowBatch) for value in element.values]


def test_a_fresh_subtask_runs_and_speaks_its_last_words_once() -> None:
    subtask = Subtask(None)
    assert subtask.said == ["TaskRunning"]
    subtask.put(EndOfInput())
    assert rows(subtask.out.elements) == ["last words"]
    assert subtask.out.elements[-1] == EndOfInput()
    assert subtask.said == ["TaskRunning", "TaskEnded"]


OVER = RestoredState(finished=True, watermark=MAX_TIMESTAMP)


def test_a_subtask_restored_after_its_end_only_repeats_that_it_ended_when_its_inputs_did() -> None:
    subtask = Subtask(OVER)
    assert (subtask.out.elements, subtask.said) == ([], ["TaskRunning"])
    subtask.put(EndOfInput())
    assert subtask.out.elements == [EndOfInput()]
    assert subtask.said == ["TaskRunning", "TaskEnded"]


def test_restored_after_its_end_it_forwards_barriers_and_stays_finished_before_its_inputs_spoke() -> None:
    subtask = Subtask(OVER)
    subtask.put(Barrier(3))
    assert subtask.out.elements == [Barrier(3)]
    assert subtask.snapshots[-1].finished


def test_rows_for_a_subtask_that_had_ended_wake_it_and_its_end_is_a_new_one() -> None:
    """Its input runs at another parallelism now, and some of it had not ended."""
    subtask = Subtask(OVER)
    subtask.put(RowBatch(["late"]), Watermark(5), Barrier(3))
    assert not subtask.snapshots[-1].finished
    subtask.put(EndOfInput())
    assert rows(subtask.out.elements) == ["late", "late", "last words"]
    controls = [element for element in subtask.out.elements if not isinstance(element, RowBatch)]
    assert controls == [Watermark(5), Barrier(3), Watermark(MAX_TIMESTAMP), EndOfInput()]


def test_an_input_that_was_drained_had_not_ended_so_its_end_is_a_new_one_too() -> None:
    subtask = Subtask(OVER)
    subtask.put(EndOfInput(drained=True), Barrier(3))
    assert subtask.out.elements[-2].drained
    assert not subtask.snapshots[-1].finished


def test_a_subtask_restored_before_its_end_goes_on_and_takes_no_watermark_back() -> None:
    subtask = Subtask(RestoredState(watermark=50))
    assert subtask.out.elements == []
    subtask.put(Watermark(40))
    assert subtask.out.elements == []
    subtask.put(Watermark(60))
    assert subtask.out.elements == [Watermark(60)]

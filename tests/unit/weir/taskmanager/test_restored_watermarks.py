"""Watermarks of a chain after a restore: a snapshot has that of the chain's input, an operator inside may make others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tests.support.checkpoints import JOB, ManualClock
from tests.support.operator_driver import context
from weir.connectors.source import Fetched, ReaderContext, Source, SplitReader
from weir.functions import ProcessFunction
from weir.graph.physical import ChainedOperator, PhysicalVertex, VertexKind
from weir.ids import AttemptId, Epoch, OperatorId, VertexId
from weir.operators.base import Operator, RestoredState
from weir.operators.process import ProcessOperator
from weir.operators.source import SourceOperator
from weir.operators.watermarks import TimestampsAndWatermarksOperator
from weir.records import MIN_TIMESTAMP, Barrier, RowBatch, StreamElement, Watermark
from weir.rpc import messages
from weir.taskmanager.alignment import ExactlyOnce
from weir.taskmanager.chain import Chain
from weir.taskmanager.exchange.channels import CreditGate, InputChannel
from weir.taskmanager.reader import ReaderTask
from weir.taskmanager.task import Task, TaskIdentity
from weir.windows import WatermarkStrategy

ARRIVAL = 1_800_000_000_000
BY_VALUE = WatermarkStrategy.for_monotonous_timestamps().with_timestamp_assigner(lambda value, _: value)


class Looks(ProcessFunction):
    """What a function sees of time."""

    def process_element(self, value: Any, ctx: Any) -> Iterator[Any]:
        self.seen = ctx.timer_service().current_watermark()
        yield value


class Sent:
    """An output that keeps what it is given."""

    rows_out = 0
    watermark = MIN_TIMESTAMP

    def __init__(self) -> None:
        self.elements: list[StreamElement] = []
        self.channels: list[Any] = []

    def send(self, batch: RowBatch) -> None:
        self.elements.append(batch)

    def control(self, element: StreamElement) -> None:
        self.elements.append(element)

    @property
    def marks(self) -> list[int]:
        return [element.timestamp for element in self.elements if isinstance(element, Watermark)]


class Subtask:
    """A task of chained operators, one behind the other."""

    kind: type[Task] = Task

    def __init__(self, operators: list[Operator], restored: int | None = None) -> None:
        """``restored``: from a snapshot with this watermark."""
        self.clock = ManualClock()
        self.snapshots: list[Any] = []
        self.out = Sent()
        count = len(operators)
        ids = [OperatorId(f"{position:032x}") for position in range(count)]
        vertex = PhysicalVertex(
            id=VertexId("a" * 32),
            kind=VertexKind.TASK,
            name="Op",
            operators=tuple(
                ChainedOperator(
                    node=i, operator_id=ids[i], name="Op", uid=None, upstream=i - 1 if i else None
                )
                for i in range(count)
            ),
            parallelism=1,
            max_parallelism=128,
            slot_group="default",
        )
        self.input = InputChannel(0, 0)
        identity = TaskIdentity(messages.Execution(JOB, Epoch(1), AttemptId(2)), vertex, 0)
        chain = Chain(vertex, operators, [(count - 1, None, self.out)])
        self.task = self.kind(identity, chain, [self.input], ExactlyOnce(1), CreditGate(), self)
        state = None if restored is None else RestoredState(watermark=restored)
        self.task.open([context(self.clock)] * count, [state] * count)

    def report(self, message: Any) -> None:
        """Nobody listens."""

    def run_async(self, work: Any, done: Any) -> None:
        work()

    def persist(self, request: Any) -> None:
        self.snapshots.append(request)

    def put(self, *elements: StreamElement) -> None:
        for element in elements:
            self.input.put(0, element, 0)
        self.run()

    def run(self) -> None:
        while self.task.step(self.clock.now):
            pass


def test_watermarks_that_are_made_inside_a_chain_begin_anew_after_a_restore_and_are_not_those_of_its_input() -> (
    None
):
    before, behind = Looks(), Looks()
    operators = [ProcessOperator(before), TimestampsAndWatermarksOperator(BY_VALUE), ProcessOperator(behind)]
    subtask = Subtask(operators, restored=ARRIVAL)
    subtask.put(RowBatch([1000]))
    assert (before.seen, behind.seen) == (ARRIVAL, MIN_TIMESTAMP)
    subtask.put(RowBatch([2000]))
    assert (before.seen, behind.seen) == (ARRIVAL, 999)
    assert subtask.out.marks == [999, 1999]


def test_the_input_of_a_chain_takes_no_watermark_back_and_its_own_are_not_in_the_way() -> None:
    looks = Looks()
    subtask = Subtask([TimestampsAndWatermarksOperator(BY_VALUE), ProcessOperator(looks)], restored=ARRIVAL)
    subtask.put(Watermark(ARRIVAL - 1), RowBatch([1000]), Barrier(3))
    assert subtask.snapshots[-1].watermark == ARRIVAL
    assert subtask.out.marks == [999]


class Part(msgspec.Struct, frozen=True):
    split_id: str


class Two(SplitReader[int, Part]):
    """One row of split ``b``, none of ``a``."""

    def __init__(self) -> None:
        self.rows = [100]

    def add_splits(self, splits: Sequence[Part]) -> None:
        """Both."""

    def fetch(self, max_rows: int) -> Fetched | None:
        return Fetched([self.rows.pop()], None, "b") if self.rows else None

    def finished_splits(self) -> list[str]:
        return []

    def is_idle(self) -> bool:
        return False

    def snapshot(self) -> list[Part]:
        return []


class TwoSplits(Source[int, Part]):
    split_type = Part

    def create_enumerator(self, context: Any) -> Any:
        raise AssertionError("a reader makes no enumerator")

    restore_enumerator = create_enumerator

    def create_reader(self, context: ReaderContext) -> Two:
        return Two()


class Reading(Subtask):
    kind = ReaderTask


def test_a_snapshot_has_the_watermark_that_a_source_sent_when_a_split_fell_silent() -> None:
    source = SourceOperator(TwoSplits(), BY_VALUE.with_idleness("10s"))
    reading = Reading([source])
    source.add_splits([msgspec.msgpack.encode(Part(name)) for name in "ab"], no_more=False)
    reading.clock.now = 5.0
    reading.run()
    assert reading.out.marks == []
    reading.clock.now = 10.1
    reading.put(Barrier(3))
    assert reading.out.marks == [99]
    assert reading.snapshots[-1].watermark == 99

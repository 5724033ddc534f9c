"""A chain of operators: a tree run over one element, with outputs, side outputs and copies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.operator_driver import context
from weir.errors import StorageUnavailable
from weir.functions import DEAD_LETTERS
from weir.graph.physical import ChainedOperator, PhysicalVertex, VertexKind
from weir.ids import OperatorId, VertexId
from weir.operators.base import Operator
from weir.operators.failures import OperatorFailure
from weir.operators.stateless import FilterOperator, FlatMapOperator, MapOperator
from weir.records import EndOfInput, RowBatch, StreamElement, StreamStatus, Watermark
from weir.state.isolation import all_immutable
from weir.taskmanager.chain import Chain
from weir.taskmanager.exchange.fanout import independent, shares


class Sent:
    """An output that keeps what it is given."""

    def __init__(self) -> None:
        self.elements: list[StreamElement] = []
        self.rows_out = 0

    def send(self, batch: RowBatch) -> None:
        self.elements.append(batch)

    def control(self, element: StreamElement) -> None:
        self.elements.append(element)

    @property
    def rows(self) -> list[Any]:
        return [value for e in self.elements if isinstance(e, RowBatch) for value in e.values]


class Tagging(Operator):
    """Odd rows to the side output ``odd``."""

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        yield RowBatch([value for value in batch.values if value % 2 == 0])
        yield RowBatch([value for value in batch.values if value % 2], tag="odd")


class Held(Operator):
    """Keeps rows to the end."""

    def open(self, *arguments: Any) -> None:
        super().open(*arguments)
        self.rows: list[Any] = []

    def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
        self.rows.extend(batch.values)
        return iter(())

    def end_input(self) -> Iterator[StreamElement]:
        yield RowBatch(self.rows)


def chain(
    *operators: tuple[Operator, int | None, str | None],
    outputs: list[tuple[int, str | None, Sent]],
    diverting: frozenset[int] = frozenset(),
) -> Chain:
    described = tuple(
        ChainedOperator(
            node=position,
            operator_id=OperatorId(f"{position:032x}"),
            name=f"Op{position}",
            uid=f"u{position}",
            upstream=upstream,
            side_tag=tag,
        )
        for position, (_, upstream, tag) in enumerate(operators)
    )
    vertex = PhysicalVertex(
        id=VertexId("0" * 32),
        kind=VertexKind.TASK,
        name="chain",
        operators=described,
        parallelism=1,
        max_parallelism=128,
        slot_group="default",
    )
    locations = {i: f"job.py:{i + 1}" for i in range(9)}
    made = Chain(vertex, [op for op, *_ in operators], outputs, locations, diverting)
    for operator in made.operators:
        operator.open(context(), None)
    return made


def run(made: Chain, element: StreamElement) -> int:
    """To the end; how often it paused."""
    return sum(1 for _ in made.run(element))


def test_rows_pass_operator_by_operator_and_are_counted_at_each() -> None:
    out = Sent()
    made = chain(
        (MapOperator(lambda x: x + 1), None, None),
        (FilterOperator(lambda x: x % 2), 0, None),
        (FlatMapOperator(lambda x: [x, x]), 1, None),
        outputs=[(2, None, out)],
    )
    run(made, RowBatch([1, 2, 3, 4]))
    assert out.rows == [3, 3, 5, 5]
    assert (made.rows_in, out.rows_out) == ([4, 4, 2], 4)


def test_a_side_output_reaches_only_those_who_read_it() -> None:
    main, odd, chained = Sent(), Sent(), Sent()
    made = chain(
        (Tagging(), None, None),
        (MapOperator(lambda x: -x), 0, "odd"),
        outputs=[(0, None, main), (0, "odd", odd), (1, None, chained)],
    )
    run(made, RowBatch([1, 2, 3]))
    assert (main.rows, odd.rows, chained.rows) == ([2], [1, 3], [-1, -3])


def test_a_side_output_that_nobody_reads_is_dropped() -> None:
    main = Sent()
    run(chain((Tagging(), None, None), outputs=[(0, None, main)]), RowBatch([1, 2, 3]))
    assert main.rows == [2]


@pytest.mark.parametrize("element", [Watermark(5), StreamStatus(idle=True)], ids=repr)
def test_control_elements_reach_every_output_of_the_tree_once(element: StreamElement) -> None:
    outs = [Sent() for _ in range(4)]
    made = chain(
        (Tagging(), None, None),
        (MapOperator(abs), 0, None),
        (MapOperator(abs), 0, "odd"),
        outputs=[(0, None, outs[0]), (0, "odd", outs[1]), (1, None, outs[2]), (2, None, outs[3])],
    )
    run(made, element)
    assert [out.elements for out in outs] == [[element]] * 4


def test_the_end_of_input_flushes_each_operator_into_the_next_and_is_said_once_and_last() -> None:
    first, last = Sent(), Sent()
    made = chain(
        (Held(), None, None),
        (Held(), 0, None),
        (MapOperator(lambda x: x * 10), 1, None),
        outputs=[(0, None, first), (2, None, last)],
    )
    run(made, RowBatch([1, 2]))
    assert (first.elements, last.elements) == ([], [])
    list(made.end_input())
    assert (first.rows, last.rows) == ([1, 2], [10, 20])
    for out in (first, last):
        assert out.elements.count(EndOfInput()) == 1
        assert out.elements[-1] == EndOfInput()


def test_the_run_pauses_after_each_batch_given_to_an_output_and_goes_on_where_it_was() -> None:
    out = Sent()
    made = chain((FlatMapOperator(lambda n: iter(range(n))), None, None), outputs=[(0, None, out)])
    pausing = made.run(RowBatch([5000]))
    next(pausing)
    assert len(out.rows) == 2000
    next(pausing)
    assert len(out.rows) == 4000
    list(pausing)
    assert out.rows == list(range(5000))


def append_to(mark: str) -> Any:
    def change(row: dict[str, list[str]]) -> dict[str, list[str]]:
        row["seen"].append(mark)
        return row

    return change


def test_consumers_of_one_stream_do_not_see_what_the_others_do_to_mutable_rows() -> None:
    out, first, second = Sent(), Sent(), Sent()
    made = chain(
        (MapOperator(lambda row: row), None, None),
        (MapOperator(append_to("first")), 0, None),
        (MapOperator(append_to("second")), 0, None),
        outputs=[(0, None, out), (1, None, first), (2, None, second)],
    )
    run(made, RowBatch([{"seen": []}]))
    assert [sent.rows for sent in (out, first, second)] == [
        [{"seen": []}],
        [{"seen": ["first"]}],
        [{"seen": ["second"]}],
    ]


def test_two_chained_consumers_alone_are_kept_apart_too() -> None:
    first, second = Sent(), Sent()
    made = chain(
        (MapOperator(lambda row: row), None, None),
        (MapOperator(append_to("first")), 0, None),
        (MapOperator(append_to("second")), 0, None),
        outputs=[(1, None, first), (2, None, second)],
    )
    run(made, RowBatch([{"seen": []}]))
    assert (first.rows, second.rows) == ([{"seen": ["first"]}], [{"seen": ["second"]}])


def test_a_receiver_that_runs_while_the_chain_is_paused_changes_nothing_for_those_still_to_come() -> None:
    out, chained = Sent(), Sent()
    made = chain(
        (MapOperator(lambda row: row), None, None),
        (MapOperator(lambda row: row), 0, None),
        outputs=[(0, None, out), (1, None, chained)],
    )
    pausing = made.run(RowBatch([{"seen": []}]))
    next(pausing)
    out.rows[0]["seen"].append("the receiver was faster")
    list(pausing)
    assert chained.rows == [{"seen": []}]


def test_a_failure_names_the_operator_that_raised_not_the_one_that_fed_it() -> None:
    made = chain(
        (MapOperator(lambda x: x), None, None),
        (MapOperator(lambda x: 1 // x), 0, None),
        (MapOperator(lambda x: x), 1, None),
        outputs=[(2, None, Sent())],
    )
    with pytest.raises(OperatorFailure) as caught:
        run(made, RowBatch([1, 0]))
    assert caught.value.operator == "'Op1' (uid u1)"
    assert "record 0" in str(caught.value)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_failure_behind_a_source_says_where_the_rows_were_read() -> None:
    class Read(MapOperator):
        def origin(self) -> str:
            return "split 'f.csv@0' before position 17"

    made = chain((Read(abs), None, None), (MapOperator(lambda x: 1 // x), 0, None), outputs=[])
    with pytest.raises(OperatorFailure, match=r"record 0, split 'f.csv@0' before position 17\)$"):
        run(made, RowBatch([0]))


def test_an_operator_that_fails_when_it_is_called_is_named_as_well() -> None:
    class Eager(Operator):
        def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
            raise ValueError("at once")

    with pytest.raises(OperatorFailure, match=r"ValueError: at once .in operator 'Op0' .uid u0."):
        run(chain((Eager(), None, None), outputs=[]), RowBatch([1]))


def test_a_fault_that_may_pass_stays_what_it_is_through_the_whole_chain() -> None:
    class Unlucky(Operator):
        def process(self, batch: RowBatch, input_index: int) -> Iterator[StreamElement]:
            raise StorageUnavailable("503")

    made = chain((MapOperator(abs), None, None), (Unlucky(), 0, None), outputs=[])
    with pytest.raises(StorageUnavailable) as caught:
        run(made, RowBatch([1]))
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1, "a", None, 2.5, b"x", True], True),
        ([(1, "a"), (2, "b")], True),
        ([(1, "a"), 3], True),
        ([(1, ["a"])], False),
        ([((1,),)], False),
        ([{}], False),
        ([1, []], False),
        ([], True),
    ],
    ids=repr,
)
def test_rows_that_nobody_can_change_are_told_from_those_that_can(values: list[Any], expected: bool) -> None:
    assert all_immutable(values) is expected


def test_copies_keep_times_keys_and_tag() -> None:
    batch = RowBatch([[1]], [5], ["k"], "tag")
    copied = independent(batch)
    assert (copied.values, copied.timestamps, copied.keys, copied.tag) == ([[1]], [5], ["k"], "tag")
    assert copied.values[0] is not batch.values[0]


def test_rows_that_cannot_be_pickled_are_copied_all_the_same() -> None:
    row = [lambda: 1]
    assert independent(RowBatch([row])).values[0] is not row


def test_a_single_consumer_gets_the_batch_itself() -> None:
    batch = RowBatch([[1]])
    assert shares(batch, 1) == [batch]
    assert len(shares(batch, 3)) == 3
    assert len({id(share.values[0]) for share in shares(batch, 3)}) == 3


def test_a_diverting_operator_whose_dead_letters_are_read_loses_no_other_record() -> None:
    out, dead = Sent(), Sent()
    operators = ((MapOperator(int), None, None), (MapOperator(lambda x: x + 1), 0, None))
    made = chain(*operators, outputs=[(1, None, out), (0, DEAD_LETTERS, dead)], diverting=frozenset({0}))
    run(made, RowBatch(["1", "two", "3"]))
    assert out.rows == [2, 4]
    assert [letter["record"] for letter in dead.rows] == ["two"]
    assert (made.dead_letters, made.rows_in) == (1, [3, 2])


def test_an_operator_fails_where_it_does_not_divert_or_nobody_reads_its_dead_letters() -> None:
    for outputs, diverting in (
        ([(0, DEAD_LETTERS, Sent())], frozenset[int]()),
        ([(0, None, Sent())], frozenset({0})),
    ):
        made = chain((MapOperator(int), None, None), outputs=outputs, diverting=diverting)
        with pytest.raises(OperatorFailure, match=r"ValueError.*record 'two'"):
            run(made, RowBatch(["1", "two", "3"]))

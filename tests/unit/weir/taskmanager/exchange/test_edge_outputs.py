"""How rows are spread over channels."""

from __future__ import annotations

import random
from operator import itemgetter
from typing import Any

import pytest

from weir.graph.logical import Partitioning
from weir.keygroups import key_group, subtask_of
from weir.operators.failures import OperatorFailure
from weir.operators.job_code import EdgeCode
from weir.records import Barrier, RowBatch, StreamElement
from weir.taskmanager.exchange.channels import CreditGate, InputChannel, LocalChannel
from weir.taskmanager.exchange.edge_output import EdgeOutput
from weir.taskmanager.exchange.outputs import make_output
from weir.taskmanager.gate import InputGate


class Recorded:
    """A channel that keeps what it is sent."""

    def __init__(self) -> None:
        self.elements: list[StreamElement] = []
        self.flushed = 0

    def send_rows(self, batch: RowBatch) -> None:
        self.elements.append(batch)

    def send_control(self, element: StreamElement) -> None:
        self.elements.append(element)

    def flush(self) -> None:
        self.flushed += 1

    @property
    def rows(self) -> list[Any]:
        return [value for e in self.elements if isinstance(e, RowBatch) for value in e.values]

    @property
    def keys(self) -> list[Any]:
        return [key for e in self.elements if isinstance(e, RowBatch) for key in e.keys or ()]


def output(
    partitioning: Partitioning, count: int, code: EdgeCode | None = None, subtask: int = 0
) -> tuple[EdgeOutput, list[Recorded]]:
    channels = [Recorded() for _ in range(count)]
    made = make_output(
        partitioning,
        channels,
        code or EdgeCode(),
        label="'Count' (uid count)",
        max_parallelism=128,
        subtask=subtask,
        location="job.py:9",
    )
    return made, channels


@pytest.mark.parametrize("partitioning", [Partitioning.REBALANCE, Partitioning.RESCALE])
def test_rows_go_round_in_turn_over_batches(partitioning: Partitioning) -> None:
    made, channels = output(partitioning, 3)
    for start in range(0, 20, 4):
        made.send(RowBatch(list(range(start, start + 4)), list(range(100 + start, 104 + start))))
    assert sorted(row for channel in channels for row in channel.rows) == list(range(20))
    assert [channel.rows for channel in channels] == [list(range(i, 20, 3)) for i in range(3)]
    assert all(b.timestamps == [v + 100 for v in b.values] for c in channels for b in c.elements)


def test_rebalancing_subtasks_begin_with_different_channels() -> None:
    made, channels = output(Partitioning.REBALANCE, 3, subtask=4)
    made.send(RowBatch(["first"]))
    assert [channel.rows for channel in channels] == [[], ["first"], []]


def test_shuffled_rows_all_arrive_and_every_channel_gets_some() -> None:
    random.seed(5)
    made, channels = output(Partitioning.SHUFFLE, 4)
    for row in range(200):
        made.send(RowBatch([row]))
    assert sorted(row for channel in channels for row in channel.rows) == list(range(200))
    assert all(20 < len(channel.rows) < 80 for channel in channels)


def test_global_sends_rows_to_the_first_and_control_to_all() -> None:
    made, channels = output(Partitioning.GLOBAL, 3)
    made.send(RowBatch([1, 2]))
    made.control(Barrier(1))
    assert [channel.rows for channel in channels] == [[1, 2], [], []]
    assert all(channel.elements[-1] == Barrier(1) for channel in channels)


def test_forward_sends_the_batch_itself() -> None:
    made, (channel,) = output(Partitioning.FORWARD, 1)
    batch = RowBatch([1])
    made.send(batch)
    assert channel.elements[0] is batch


def test_control_elements_and_flushes_reach_every_channel() -> None:
    made, channels = output(Partitioning.HASH, 3, EdgeCode(key_selector=lambda row: row))
    made.control(Barrier(4))
    made.flush()
    assert [(channel.elements, channel.flushed) for channel in channels] == [([Barrier(4)], 1)] * 3


def test_keyed_rows_go_to_the_owner_of_their_key_group_with_key_and_time_in_order() -> None:
    made, channels = output(Partitioning.HASH, 4, EdgeCode(key_selector=itemgetter(0)))
    rows = [(f"k{i % 9}", i) for i in range(100)]
    made.send(RowBatch(rows[:60], list(range(60))))
    made.send(RowBatch(rows[60:], list(range(60, 100))))
    for index, channel in enumerate(channels):
        assert all(subtask_of(key_group(key, 128), 128, 4) == index for key, _ in channel.rows)
        assert channel.keys == [key for key, _ in channel.rows]
        stamps = [stamp for batch in channel.elements for stamp in batch.timestamps]
        assert stamps == [i for _, i in channel.rows]
        assert stamps == sorted(stamps)
    assert sorted(row for channel in channels for row in channel.rows) == sorted(rows)


def test_keyed_rows_without_times_stay_without() -> None:
    made, channels = output(Partitioning.HASH, 2, EdgeCode(key_selector=lambda row: row))
    made.send(RowBatch(list(range(10))))
    assert all(batch.timestamps is None for channel in channels for batch in channel.elements)


def test_equal_keys_of_different_types_meet() -> None:
    made, channels = output(Partitioning.HASH, 4, EdgeCode(key_selector=lambda row: row))
    made.send(RowBatch([1, 1.0, True]))
    assert sorted(len(channel.rows) for channel in channels) == [0, 0, 0, 3]


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize(
    ("bad", "said"),
    [([1], "list"), (float("nan"), "NaN"), ((1, [2]), "list"), (object(), "no stable hash")],
    ids=["list", "nan", "nested", "object"],
)
def test_a_key_that_cannot_be_one_is_refused_at_any_parallelism(count: int, bad: Any, said: str) -> None:
    made, _ = output(Partitioning.HASH, count, EdgeCode(key_selector=lambda row: row))
    with pytest.raises(OperatorFailure, match=said) as caught:
        made.send(RowBatch([0.5, (1, 2), bad]))
    assert "'Count' (uid count)" in str(caught.value)


@pytest.mark.parametrize("count", [1, 2])
def test_a_failing_key_selector_is_named_with_its_line_and_row(count: int) -> None:
    made, _ = output(Partitioning.HASH, count, EdgeCode(key_selector=lambda row: row["id"]))
    with pytest.raises(OperatorFailure) as caught:
        made.send(RowBatch([{"id": 1}, {"name": "x"}, {"id": 2}]))
    message = str(caught.value)
    assert message.startswith(f"{__file__}:")
    assert "KeyError: 'id'" in message
    assert "record {'name': 'x'}" in message


def test_a_builtin_as_key_selector_is_placed_where_the_operator_was_made() -> None:
    made, _ = output(Partitioning.HASH, 2, EdgeCode(key_selector=itemgetter("id")))
    with pytest.raises(OperatorFailure, match=r"^job\.py:9: KeyError: 'id' .*record \{\}"):
        made.send(RowBatch([{"id": 1}, {}]))


@pytest.mark.parametrize("count", [1, 2])
def test_a_key_selector_that_raises_stop_iteration_loses_no_row_in_silence(count: int) -> None:
    nothing = iter(())
    made, _ = output(Partitioning.HASH, count, EdgeCode(key_selector=lambda row: row or next(nothing)))
    with pytest.raises(OperatorFailure, match="raised StopIteration"):
        made.send(RowBatch([1, 0, 2]))


def custom(partitioner: Any, count: int = 3) -> tuple[EdgeOutput, list[Recorded]]:
    return output(Partitioning.CUSTOM, count, EdgeCode(lambda row: row, partitioner))


def test_a_custom_partitioner_chooses_the_channel() -> None:
    made, channels = custom(lambda key, count: key % count)
    made.send(RowBatch(list(range(9))))
    assert [channel.rows for channel in channels] == [[0, 3, 6], [1, 4, 7], [2, 5, 8]]


@pytest.mark.parametrize("answer", [3, -1, 1.0, None, "0", True], ids=repr)
def test_a_custom_partitioner_that_answers_no_channel_is_named_with_the_key(answer: Any) -> None:
    made, channels = custom(lambda key, count: answer if key == "bad" else 0)
    with pytest.raises(OperatorFailure) as caught:
        made.send(RowBatch(["good", "bad", "good"]))
    message = str(caught.value)
    assert message.startswith(f"{__file__}:")
    assert f"answered {answer!r}; expected an int from 0 to 2" in message
    assert "key 'bad'" in message
    assert not any(channel.rows for channel in channels)


def test_a_custom_partitioner_that_raises_is_named_with_the_key_not_with_the_last_row() -> None:
    def fails(key: str, count: int) -> int:
        raise RuntimeError("no") if key == "bad" else KeyError(key)

    made, _ = custom(fails)
    with pytest.raises(OperatorFailure) as caught:
        made.send(RowBatch(["bad", "last"]))
    assert "RuntimeError: no" in str(caught.value)
    assert "key 'bad'" in str(caught.value)
    assert "last" not in str(caught.value)


def local_channels(count: int) -> tuple[list[LocalChannel], list[InputChannel]]:
    targets = [InputChannel(index, 0) for index in range(count)]
    InputGate(targets)
    return [LocalChannel(target, CreditGate()) for target in targets], targets


def broadcast_over(channels: list[Any]) -> EdgeOutput:
    return make_output(Partitioning.BROADCAST, channels, EdgeCode(), label="", max_parallelism=128, subtask=0)


def test_a_broadcast_reaches_all_and_gives_each_local_receiver_rows_of_its_own() -> None:
    channels, targets = local_channels(3)
    broadcast_over(channels).send(RowBatch([{"n": 1}], [5]))
    received = [target.take() for target in targets]
    assert [batch.values for batch in received] == [[{"n": 1}]] * 3
    assert [batch.timestamps for batch in received] == [[5]] * 3
    assert len({id(batch.values[0]) for batch in received}) == 3


def test_immutable_rows_are_broadcast_by_reference() -> None:
    channels, targets = local_channels(2)
    batch = RowBatch([("a", 1)])
    broadcast_over(channels).send(batch)
    assert all(target.take() is batch for target in targets)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_what_a_remote_channel_gathers_is_not_what_a_local_receiver_changes(order: tuple[int, int]) -> None:
    (local,), (target,) = local_channels(1)
    remote = Recorded()
    both: list[Any] = [local, remote]
    broadcast_over([both[i] for i in order]).send(RowBatch([{"n": 1}]))
    target.take().values[0]["n"] = 99
    assert remote.rows == [{"n": 1}]

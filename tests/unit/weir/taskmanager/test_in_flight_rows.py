"""What a barrier overtook: kept as bytes, given back in order, and dealt anew at another parallelism."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weir.errors import SerializationError, SnapshotCorrupt, SnapshotMismatch
from weir.graph.logical import Partitioning
from weir.keygroups import KeyRouter
from weir.operators.job_code import EdgeCode
from weir.records import Barrier, ColumnBatch, EndOfInput, RowBatch, StreamElement, StreamStatus, Watermark
from weir.taskmanager import in_flight
from weir.taskmanager.exchange import wire
from weir.taskmanager.exchange.column_codec import ColumnDecoder, ColumnEncoder
from weir.taskmanager.exchange.row_codec import RowDecoder, RowEncoder
from weir.taskmanager.in_flight import ChannelName, EdgeName, InFlight, Recording
from weir.taskmanager.redistribution import Receiver, ReceivingEdge, redistribute, redistribute_chained

EDGE = EdgeName("a" * 32, None, 0, 0)
GROUPS = 32


def recording(*elements: StreamElement, sender: int = 0, senders: int = 1) -> Recording:
    made = Recording(ChannelName(EDGE, sender, senders), RowDecoder(), ColumnDecoder())
    for element in elements:
        made.add(0, element, 0)
    return made


def stored(parallelism: int, *recordings: Recording) -> InFlight:
    data = in_flight.encode(parallelism, GROUPS, recordings)
    assert data is not None
    return in_flight.decode(data)


def rows(elements: list[tuple[StreamElement, int]]) -> list[Any]:
    return [value for element, _ in elements if isinstance(element, RowBatch) for value in element.values]


def test_elements_come_back_in_order_without_what_is_said_again() -> None:
    overtaken = [
        RowBatch([1, {2}], [5, 6], ["k", "l"]),
        Watermark(6),
        Barrier(1),
        StreamStatus(True),
        EndOfInput(),
    ]
    (channel,) = stored(1, recording(*overtaken)).channels
    (batch, cost), *controls = channel.decoded()
    assert isinstance(batch, RowBatch)
    assert (batch.values, batch.timestamps, batch.keys) == ([1, {2}], [5, 6], ["k", "l"])
    assert cost > 0
    assert controls == [(Watermark(6), 0), (StreamStatus(True), 0)]


def test_nothing_on_its_way_is_nothing_to_store() -> None:
    assert in_flight.encode(1, GROUPS, [recording(), recording(Barrier(1))]) is None


def test_a_payload_that_leans_on_earlier_ones_is_read_with_what_its_channel_had_learned() -> None:
    encoder, decoder = RowEncoder(), RowDecoder()
    first, second = (encoder.encode(RowBatch([("k", i)], None, ["k"])) for i in range(2))
    decoder.decode(first)
    made = Recording(ChannelName(EDGE, 0, 1), decoder, ColumnDecoder())
    made.add(wire.Kind.ROWS, second, 0)
    (channel,) = stored(1, made).channels
    (batch, _) = next(channel.decoded())
    assert isinstance(batch, RowBatch)
    assert (batch.values, batch.keys) == ([("k", 1)], ["k"])


def test_columns_are_kept_too_with_their_schema() -> None:
    encoder, decoder = ColumnEncoder(), ColumnDecoder()
    batches = [ColumnBatch(pa.record_batch({"key": [f"k{i}"]})) for i in range(3)]
    first, second = (encoder.encode(batch) for batch in batches[:2])
    decoder.decode(first)
    made = Recording(ChannelName(EDGE, 0, 1), RowDecoder(), decoder)
    made.add(wire.Kind.COLUMNS, second, 0)
    made.add(0, batches[2], 0)
    (channel,) = stored(1, made).channels
    found = [element.data.to_pydict() for element, _ in channel.decoded() if isinstance(element, ColumnBatch)]
    assert found == [{"key": ["k1"]}, {"key": ["k2"]}]


def test_rows_that_cannot_be_stored_are_named_with_the_way_out() -> None:
    with pytest.raises(
        SerializationError, match="make them of builtin types, or switch unaligned checkpoints off"
    ):
        in_flight.encode(1, GROUPS, [recording(RowBatch([lambda: None]))])


def test_other_bytes_and_other_versions_are_refused() -> None:
    data = in_flight.encode(1, GROUPS, [recording(Watermark(1))])
    assert data is not None
    with pytest.raises(SnapshotCorrupt, match="in-flight data is damaged"):
        in_flight.decode(data[:-2])
    with pytest.raises(SnapshotCorrupt, match="not in-flight data"):
        in_flight.decode(b"something else entirely")
    with pytest.raises(SnapshotMismatch, match="has format version 9, this Weir reads 2"):
        in_flight.decode(data.replace(b"\x02\n", b"\x09\n", 1))


# ---- dealt anew --------------------------------------------------------------------------------------------------


def keyed_edge(senders: int) -> dict[EdgeName, ReceivingEdge]:
    return {EDGE: ReceivingEdge(Partitioning.HASH, EdgeCode(key_selector=lambda row: row[0]), range(senders))}


@given(
    old=st.integers(1, 9),
    new=st.integers(1, 9),
    senders=st.integers(1, 4),
    new_senders=st.integers(1, 4),
    keys=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), max_size=80),
)
def test_every_keyed_row_reaches_its_owner_once_and_in_the_order_of_its_channel(
    old: int, new: int, senders: int, new_senders: int, keys: list[tuple[int, int]]
) -> None:
    router = KeyRouter(GROUPS, old)
    held: dict[tuple[int, int], list[StreamElement]] = {}
    for number, (sender, key) in enumerate(keys):
        place = (router.route([key])[0], sender % senders)
        batch = RowBatch([(key, sender % senders, number)], None, [key])
        held.setdefault(place, []).extend([batch, Watermark(number)])
    files = [
        (
            subtask,
            stored(
                old,
                *(
                    recording(*held[subtask, sender], sender=sender, senders=senders)
                    for sender in range(senders)
                    if (subtask, sender) in held
                ),
            ),
        )
        for subtask in range(old)
        if any((subtask, sender) in held for sender in range(senders))
    ]
    now = KeyRouter(GROUPS, new)
    found: list[tuple[int, int, int]] = []
    for index in range(new):
        given_rows = redistribute(files, Receiver("'op'", index, new, GROUPS), keyed_edge(new_senders))
        for elements in given_rows.values():
            mine = rows(elements)
            assert now.route([key for key, _, _ in mine]) == [index] * len(mine)
            for key in {row[0] for row in mine}:
                for sender in range(senders):
                    of = [n for k, s, n in mine if (k, s) == (key, sender)]
                    assert of == sorted(of)
            found += mine
            kept = any(isinstance(element, Watermark) for element, _ in elements)
            assert kept == (old == new and senders == new_senders)
    assert sorted(number for _, _, number in found) == list(range(len(keys)))


def test_rows_without_a_key_are_dealt_by_old_subtask() -> None:
    files = [(old, stored(3, recording(RowBatch([old])))) for old in range(3)]
    edges = {EDGE: ReceivingEdge(Partitioning.REBALANCE, EdgeCode(), (0, 1))}
    given_rows = [redistribute(files, Receiver("'op'", index, 2, GROUPS), edges) for index in range(2)]
    assert [rows(elements) for of in given_rows for elements in of.values()] == [[0, 2], [1]]


def test_the_users_partitioner_is_asked_again() -> None:
    files = [(0, stored(1, recording(RowBatch(["a", "b", "c"], None, [0, 1, 2]))))]
    code = EdgeCode(partitioner=lambda key, count: key % count)
    edges = {EDGE: ReceivingEdge(Partitioning.CUSTOM, code, (0,))}
    given_rows = [redistribute(files, Receiver("'op'", index, 2, GROUPS), edges) for index in range(2)]
    assert [rows(of[0]) for of in given_rows] == [["a", "c"], ["b"]]


def test_keyed_columns_go_to_their_owners() -> None:
    batch = ColumnBatch(pa.record_batch({"key": [str(i) for i in range(50)]}))
    files = [(0, stored(1, recording(batch)))]
    edges = {EDGE: ReceivingEdge(Partitioning.HASH, EdgeCode(key_columns=("key",)), (0,))}
    found = []
    for index in range(3):
        ((part, _),) = redistribute(files, Receiver("'op'", index, 3, GROUPS), edges)[0]
        assert isinstance(part, ColumnBatch)
        keys = part.data["key"].to_pylist()
        assert KeyRouter(GROUPS, 3).route(keys) == [index] * len(keys)
        found += keys
    assert sorted(found) == sorted(str(i) for i in range(50))


def test_a_channel_that_ended_idle_is_active_again_since_its_sender_does_not_say_so() -> None:
    files = [(0, stored(1, recording(StreamStatus(True))))]
    found = redistribute(files, Receiver("'op'", 0, 1, GROUPS), keyed_edge(1))
    assert [element for element, _ in found[0]] == [StreamStatus(True), StreamStatus(False)]


def test_rows_of_an_edge_that_is_gone_refuse_the_start() -> None:
    files = [(0, stored(1, recording(RowBatch([1]))))]
    receiver = Receiver("'count'", 0, 1, GROUPS)
    with pytest.raises(SnapshotMismatch, match="'count', and the job has no such edge now"):
        redistribute(files, receiver, {})
    with pytest.raises(SnapshotMismatch, match="take a savepoint, which holds no rows on their way"):
        redistribute_chained(files, receiver, "b" * 32, None)


def test_an_operator_that_is_chained_now_gets_its_rows_inside_the_chain() -> None:
    files = [(old, stored(3, recording(RowBatch([old]), Watermark(1)))) for old in range(3)]
    found = redistribute_chained(files, Receiver("'op'", 1, 2, GROUPS), EDGE.source, None)
    assert rows([(element, 0) for element in found]) == [1]

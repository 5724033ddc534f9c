"""Columns arrive as they were sent; what batches have in common is sent once."""

from __future__ import annotations

import struct

import pytest

np = pytest.importorskip("numpy")
pa = pytest.importorskip("pyarrow")

from weir.records import ColumnBatch  # noqa: E402
from weir.taskmanager.exchange.column_codec import ColumnDecoder, ColumnEncoder  # noqa: E402

COLOURS = pa.array(["red", "green", "a very long name of a colour " * 20])


def coded(codes: list[int | None], values: pa.Array = COLOURS) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes, type=pa.int8()), values)


def through(batches: list[ColumnBatch]) -> list[tuple[ColumnBatch, int]]:
    """What arrives of each, and its bytes."""
    encoder, decoder = ColumnEncoder(), ColumnDecoder()
    return [(decoder.decode(payload), len(payload)) for payload in map(encoder.encode, batches)]


BATCHES = {
    "plain": [{"a": [1, 2], "b": ["x", None]}, {"a": [3], "b": ["y"]}],
    "a dictionary": [{"c": coded([0, 2, 1, None])}, {"c": coded([2, 2, 0, 1])}],
    "other values later": [
        {"c": coded([0, 2, 1, 1])},
        {"c": coded([1, 0, 1, 1], pa.array(["blue", "red"]))},
        {"c": coded([0, 2, 1, 1])},
    ],
    "more values than rows": [{"c": coded([2])}, {"c": coded([0, 1, 0, 2])}, {"c": coded([1])}],
    "a slice": [{"c": coded([0, 1, 2, 0, 1, 2, None, 1]).slice(3)}, {"c": coded([0, 1, 2, 0, 1]).slice(1)}],
    "a null value": [{"c": coded([0, 1, 0], pa.array(["x", None]))}],
    "other columns later": [{"a": [1], "c": coded([0])}, {"c": coded([0, 1, 1, 1]), "a": [1, 2, 3, 4]}],
    "no rows": [{"c": coded([])}, {"c": coded([0, 1, 2, 0])}],
}


@pytest.mark.parametrize("columns", BATCHES.values(), ids=BATCHES)
@pytest.mark.parametrize("stamped", [False, True], ids=["without times", "with times"])
def test_batches_arrive_with_their_values_and_times(columns, stamped):
    sent = []
    for each in columns:
        data = pa.record_batch(each)
        sent.append(ColumnBatch(data, np.arange(data.num_rows) + 7 if stamped else None))
    for batch, (found, _) in zip(sent, through(sent), strict=True):
        assert found.data.to_pydict() == batch.data.to_pydict()
        found.data.validate(full=True)
        if stamped:
            assert found.timestamps.tolist() == batch.timestamps.tolist()
        else:
            assert found.timestamps is None


def test_the_values_of_a_dictionary_are_sent_once():
    batch = ColumnBatch(pa.record_batch({"c": coded([0, 1, 2] * 100)}))
    (first, first_bytes), (second, second_bytes) = through([batch, batch])
    assert first.data.equals(batch.data)
    assert second.data.equals(batch.data)
    assert second_bytes < first_bytes - 500


def test_another_decoder_goes_on_with_what_the_first_had_learned():
    encoder, first = ColumnEncoder(), ColumnDecoder()
    batches = [ColumnBatch(pa.record_batch({"c": coded(codes)})) for codes in ([0, 1, 2, 0], [2, 1, 1, 1])]
    first.decode(encoder.encode(batches[0]))
    second = ColumnDecoder(first.common)
    assert second.decode(encoder.encode(batches[1])).data.to_pydict() == batches[1].data.to_pydict()


def test_what_an_older_weir_kept_of_a_channel_is_read():
    data = pa.record_batch({"a": [1, 2], "b": ["x", None]})
    payload = bytes(8) + memoryview(data.serialize())
    found = ColumnDecoder(data.schema.serialize().to_pybytes()).decode(payload)
    assert found.data.equals(data)


def test_times_that_are_a_column_are_sent_once():
    ts = pa.array(range(100, 5100))
    data = pa.record_batch({"a": list(range(5000)), "ts": ts})
    own = ColumnBatch(data, data.column(1).to_numpy())
    apart = ColumnBatch(data, data.column(1).to_numpy().copy())
    [(found, size)], [(_, larger)] = through([own]), through([apart])
    assert larger - size >= 8 * 5000
    assert found.data.equals(data)
    assert found.timestamps.tolist() == ts.to_pylist()


def test_times_that_are_a_column_of_a_slice_are_those_of_the_slice():
    data = pa.record_batch({"c": coded([0, 1, 2] * 10), "ts": pa.array(range(30))}).slice(7, 12)
    batch = ColumnBatch(data, data.column(1).to_numpy())
    [(found, _)] = through([batch])
    assert found.data.to_pydict() == data.to_pydict()
    assert found.timestamps.tolist() == list(range(7, 19))


def test_a_batch_whose_times_went_as_a_column_of_their_own_is_read_as_before():
    """As snapshots hold it that were written before times were looked for among the columns."""
    data = pa.record_batch({"a": [5, 6]}).append_column("\0timestamps", pa.array([7, 8]))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, data.schema):
        pass
    common = sink.getvalue().to_pybytes()
    common += bytes(-len(common) % 8)
    payload = struct.pack("<IBxxx", len(common), 1) + common + data.serialize().to_pybytes()
    found = ColumnDecoder().decode(payload)
    assert (found.data.to_pydict(), found.timestamps.tolist()) == ({"a": [5, 6]}, [7, 8])

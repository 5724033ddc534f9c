"""Elements to frames and back."""

from __future__ import annotations

import pytest

from weir.records import (
    MAX_TIMESTAMP,
    MIN_TIMESTAMP,
    Barrier,
    EndOfInput,
    RowBatch,
    SplitsAssigned,
    StreamElement,
    StreamStatus,
    Watermark,
)
from weir.taskmanager.exchange import wire


def through(*frames: bytes, reader: wire.FrameReader | None = None) -> list[tuple[int, int, bytes]]:
    return list((reader or wire.FrameReader()).read(b"".join(frames)))


@pytest.mark.parametrize(
    "element",
    [
        Watermark(0),
        Watermark(MAX_TIMESTAMP),
        Watermark(MIN_TIMESTAMP),
        Barrier(7, 1_700_000_000_000),
        StreamStatus(idle=True),
        StreamStatus(idle=False),
        EndOfInput(),
        EndOfInput(drained=True),
    ],
    ids=repr,
)
def test_control_elements_come_out_as_they_went_in(element: StreamElement) -> None:
    kind, payload = wire.encode_control(element)
    ((channel, got, data),) = through(*wire.frame(9, kind, payload))
    assert channel == 9
    assert wire.decode_control(got, data) == element


def test_a_barrier_keeps_its_time_where_its_savepoint_goes_and_whether_the_job_stops() -> None:
    folder = "file:///tmp/Grüße/savepoint-1"
    kind, payload = wire.encode_control(Barrier(3, 55, folder, stop=True))
    barrier = wire.decode_control(kind, payload)
    assert isinstance(barrier, Barrier)
    assert (barrier.checkpoint_id, barrier.timestamp) == (3, 55)
    assert (barrier.savepoint, barrier.stop) == (folder, True)
    native = wire.decode_control(*wire.encode_control(Barrier(3, 55, folder, whole=True)))
    assert (native.savepoint, native.stop, native.whole) == (folder, False, True)
    back = wire.decode_control(*wire.encode_control(Barrier(4)))
    assert isinstance(back, Barrier)
    assert (back.savepoint, back.stop) == ("", False)


def test_assigned_splits_come_out_as_they_went_in() -> None:
    kind, payload = wire.encode_control(SplitsAssigned([b"one", b""], no_more=True))
    assigned = wire.decode_control(kind, payload)
    assert isinstance(assigned, SplitsAssigned)
    assert (assigned.splits, assigned.no_more) == ([b"one", b""], True)


def test_rows_are_no_control_element_and_an_unknown_kind_is_refused() -> None:
    with pytest.raises(TypeError, match="RowBatch"):
        wire.encode_control(RowBatch([1]))
    with pytest.raises(ValueError, match="99"):
        wire.decode_control(99, b"")


@pytest.mark.parametrize("size", [0, 1, wire.CHUNK_BYTES, wire.CHUNK_BYTES + 1, 3 * wire.CHUNK_BYTES])
def test_a_payload_above_the_chunk_size_is_cut_and_joined(size: int) -> None:
    payload = bytes(size)
    frames = wire.frame(4, wire.Kind.ROWS, payload)
    assert max(len(frame) for frame in frames) <= wire.CHUNK_BYTES + wire.HEADER.size
    assert len(frames) == max(1, -(-size // wire.CHUNK_BYTES))
    assert through(*frames) == [(4, wire.Kind.ROWS, payload)]


def test_chunks_may_come_in_messages_of_their_own_with_other_channels_between() -> None:
    payload = bytes(range(256)) * 10_000
    first, *others = wire.frame(1, wire.Kind.ROWS, payload)
    reader = wire.FrameReader()
    end = wire.frame(2, wire.Kind.END, b"")
    assert through(first, *end, reader=reader) == [(2, wire.Kind.END, b"")]
    assert through(*others, *end, reader=reader) == [(1, wire.Kind.ROWS, payload), (2, wire.Kind.END, b"")]


def test_forty_mebibytes_pass_in_chunks() -> None:
    payload = bytes(40 << 20)
    frames = wire.frame(1, wire.Kind.ROWS, payload)
    assert len(frames) == 40
    reader = wire.FrameReader()
    found = [joined for frame in frames for joined in reader.read(frame)]
    assert [(channel, kind, len(data)) for channel, kind, data in found] == [(1, wire.Kind.ROWS, 40 << 20)]


def test_credit_and_requests_go_upstream() -> None:
    (credit, request) = through(wire.credit_frame(5, 123_456_789_012, 1 << 40), wire.request_frame(6))
    assert credit[:2] == (5, wire.Kind.CREDIT)
    assert wire.decode_credit(credit[2]) == (123_456_789_012, 1 << 40)
    assert request == (6, wire.Kind.REQUEST, b"")

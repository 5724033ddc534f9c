"""Credit of local and remote channels, and what remote ones gather."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec
import pytest

from weir.records import Barrier, EndOfInput, RowBatch, Watermark
from weir.taskmanager.exchange import wire
from weir.taskmanager.exchange.channels import (
    GATHER_ROWS,
    CreditGate,
    InputChannel,
    LocalChannel,
    RemoteChannel,
    estimated_bytes,
)
from weir.taskmanager.exchange.credit_windows import WINDOW_BYTES, WindowRange
from weir.taskmanager.exchange.network import Endpoints
from weir.taskmanager.exchange.row_codec import RowDecoder, RowEncoder
from weir.taskmanager.gate import InputGate


def local() -> tuple[LocalChannel, InputChannel, CreditGate]:
    target, gate = InputChannel(0, 0), CreditGate()
    InputGate([target])
    return LocalChannel(target, gate), target, gate


class Remote:
    """A remote channel and what it sent."""

    def __init__(self, granted: bool = True) -> None:
        self.gate = CreditGate()
        self.frames: list[tuple[int, int, bytes]] = []
        reader = wire.FrameReader()
        self.channel = RemoteChannel(
            3, lambda frames: self.frames.extend(reader.read(b"".join(frames))), self.gate
        )
        if granted:
            self.channel.on_credit(WINDOW_BYTES, WINDOW_BYTES)

    def sent(self) -> list[Any]:
        decoder = RowDecoder()
        return [
            decoder.decode(payload) if kind == wire.Kind.ROWS else wire.decode_control(kind, payload)
            for _, kind, payload in self.frames
        ]

    def batches(self) -> list[list[Any]]:
        return [element.values for element in self.sent() if isinstance(element, RowBatch)]

    def in_flight(self) -> int:
        return sum(len(payload) for _, kind, payload in self.frames if kind == wire.Kind.ROWS)


BIG = "x" * (WINDOW_BYTES + 1)


def test_an_empty_local_channel_takes_a_batch_of_any_size_and_then_no_more() -> None:
    channel, target, gate = local()
    channel.send_rows(RowBatch([BIG] * 10))
    assert gate.exhausted == 1
    assert target.queued_bytes > 10 * WINDOW_BYTES
    target.take()
    assert (gate.exhausted, target.queued_bytes) == (0, 0)


def test_control_elements_cost_no_credit_and_keep_their_place() -> None:
    channel, target, gate = local()
    channel.send_rows(RowBatch([BIG]))
    channel.send_control(Watermark(1))
    channel.send_control(Barrier(1))
    assert gate.exhausted == 1
    assert [type(target.take()) for _ in range(3)] == [RowBatch, Watermark, Barrier]
    assert gate.exhausted == 0


def test_a_task_with_several_outputs_runs_only_when_all_have_credit() -> None:
    gate = CreditGate()
    targets = [InputChannel(i, 0) for i in range(2)]
    InputGate(targets)
    for channel in [LocalChannel(target, gate) for target in targets]:
        channel.send_rows(RowBatch([BIG]))
        channel.send_rows(RowBatch([BIG]))
    assert gate.exhausted == 2
    targets[0].take()
    assert gate.exhausted == 2
    targets[0].take()
    assert gate.exhausted == 1
    targets[1].take()
    targets[1].take()
    assert gate.exhausted == 0


def test_local_rows_go_by_reference() -> None:
    channel, target, _ = local()
    row = {"a": 1}
    channel.send_rows(RowBatch([row]))
    assert target.take().values[0] is row


def test_nothing_may_be_sent_to_another_worker_before_it_granted_its_window() -> None:
    remote = Remote(granted=False)
    assert remote.gate.exhausted == 1
    remote.channel.on_credit(WINDOW_BYTES, WINDOW_BYTES)
    assert remote.gate.exhausted == 0


def test_an_idle_remote_channel_sends_at_once_and_gathers_while_something_is_under_way() -> None:
    remote = Remote()
    remote.channel.send_rows(RowBatch([1]))
    remote.channel.send_rows(RowBatch([2]))
    remote.channel.send_rows(RowBatch([3]))
    assert remote.batches() == [[1]]
    remote.channel.flush()
    assert remote.batches() == [[1], [2, 3]]
    remote.channel.flush()
    assert len(remote.frames) == 2


def test_gathered_rows_leave_when_there_are_many() -> None:
    remote = Remote()
    remote.channel.send_rows(RowBatch([0]))
    for i in range(GATHER_ROWS):
        remote.channel.send_rows(RowBatch([i]))
    assert remote.batches() == [[0], list(range(GATHER_ROWS))]


def test_large_rows_are_not_gathered_beyond_what_credit_counts() -> None:
    remote = Remote()
    for _ in range(20):
        remote.channel.send_rows(RowBatch(["y" * 100_000]))
    assert sum(map(len, remote.batches())) == 20
    assert remote.gate.exhausted == 1


def test_gathered_rows_leave_when_the_last_credit_is_back_although_the_task_never_rests() -> None:
    remote = Remote()
    remote.channel.send_rows(RowBatch(["rare"]))
    remote.channel.send_rows(RowBatch(["row"]))
    remote.channel.on_credit(remote.in_flight(), WINDOW_BYTES)
    assert remote.batches() == [["rare"], ["row"]]


def test_while_credit_is_missing_a_flush_sends_nothing() -> None:
    remote = Remote()
    remote.channel.send_rows(RowBatch([BIG]))
    remote.channel.send_rows(RowBatch([1]))
    assert remote.gate.exhausted == 1
    remote.channel.flush()
    assert len(remote.frames) == 1
    remote.channel.on_credit(remote.in_flight(), WINDOW_BYTES)
    assert remote.gate.exhausted == 0
    assert remote.batches()[1:] == [[1]]


def test_gathered_rows_go_before_a_control_element() -> None:
    remote = Remote()
    remote.channel.send_rows(RowBatch([1]))
    remote.channel.send_rows(RowBatch([2], None, ["k"]))
    remote.channel.send_control(EndOfInput())
    assert [type(element) for element in remote.sent()] == [RowBatch, RowBatch, EndOfInput]


def test_rows_with_and_without_times_are_not_mixed_in_one_batch() -> None:
    remote = Remote()
    remote.channel.send_rows(RowBatch([1]))
    remote.channel.send_rows(RowBatch([2]))
    remote.channel.send_rows(RowBatch([3], [30]))
    remote.channel.send_rows(RowBatch([4], [40]))
    remote.channel.flush()
    assert [(b.values, b.timestamps) for b in remote.sent()] == [([1], None), ([2], None), ([3, 4], [30, 40])]


def test_gathering_does_not_change_the_batches_it_was_given() -> None:
    remote = Remote()
    remote.channel.send_rows(RowBatch([0]))
    first, second = RowBatch([1], [1], ["a"]), RowBatch([2], [2], ["b"])
    remote.channel.send_rows(first)
    remote.channel.send_rows(second)
    assert (first.values, first.timestamps, first.keys) == ([1], [1], ["a"])


def test_a_channel_with_a_window_of_its_own_grants_and_counts_that() -> None:
    window = 4 * WINDOW_BYTES
    endpoints, channel, gate = Endpoints(), InputChannel(0, 0, window=window), CreditGate()
    endpoints.add_input(3, channel, "peer")
    sender = RemoteChannel(3, lambda frames: None, gate, window)
    assert sender.used() == window

    class Link:
        def send(self, frames: list[bytes]) -> None:
            for _, _, payload in wire.FrameReader().read(b"".join(frames)):
                sender.on_credit(*wire.decode_credit(payload))

    endpoints.sender_connected("peer", Link())
    assert (sender.used(), gate.exhausted) == (0, 0)
    sender.send_rows(RowBatch([BIG] * 3))
    assert gate.exhausted == 0, "there is room for more"
    sender.send_rows(RowBatch([BIG] * 2))
    assert gate.exhausted == 1

    local = LocalChannel(InputChannel(0, 0, window=window), gate)
    local.send_rows(RowBatch([BIG] * 3))
    assert (gate.exhausted, local.window) == (1, window)


def test_credit_goes_back_to_the_sender_once_a_round_and_in_encoded_bytes() -> None:
    endpoints, channel = Endpoints(), InputChannel(0, 0)
    InputGate([channel])
    endpoints.add_input(3, channel, "peer")
    back: list[tuple[int, int, bytes]] = []

    class Link:
        def send(self, frames: list[bytes]) -> None:
            back.extend(wire.FrameReader().read(b"".join(frames)))

    endpoints.sender_connected("peer", Link())
    assert [wire.decode_credit(payload)[0] for *_, payload in back] == [WINDOW_BYTES]
    payloads = [RowEncoder().encode(RowBatch([i])) for i in range(3)]
    for payload in payloads:
        endpoints.from_sender(3, wire.Kind.ROWS, payload)
    endpoints.from_sender(3, wire.Kind.END, b"")
    assert [channel.take().values for _ in range(3)] == [[0], [1], [2]]
    assert channel.take() == EndOfInput()
    endpoints.flush()
    endpoints.flush()
    assert [wire.decode_credit(payload)[0] for *_, payload in back[1:]] == [sum(map(len, payloads))]


class Adapting:
    """A channel between two workers whose window moves, and a clock."""

    def __init__(self, within: WindowRange) -> None:
        self.now, self.gate = 0.0, CreditGate()
        self.endpoints, self.receiver = (
            Endpoints(lambda: self.now),
            InputChannel(0, 0, window=within.smallest),
        )
        InputGate([self.receiver])
        self.endpoints.add_input(3, self.receiver, "peer", within)
        self.sender = RemoteChannel(3, self.arrive, self.gate, within.smallest)
        self.arrived = wire.FrameReader()
        self.endpoints.sender_connected("peer", self)

    def arrive(self, frames: list[bytes]) -> None:
        for number, kind, payload in self.arrived.read(b"".join(frames)):
            self.endpoints.from_sender(number, kind, payload)

    def send(self, frames: list[bytes]) -> None:
        for _, _, payload in wire.FrameReader().read(b"".join(frames)):
            self.sender.on_credit(*wire.decode_credit(payload))

    def fill(self) -> int:
        """Send until there is no credit; how many batches."""
        count = 0
        while not self.gate.exhausted:
            self.sender.send_rows(RowBatch([ROW] * 1000))
            count += 1
        return count

    def take(self, batches: int, seconds: float) -> None:
        for _ in range(batches):
            self.receiver.take()
        self.now += seconds
        self.endpoints.flush()


ROW = "r" * 100
RANGE = WindowRange(WINDOW_BYTES, 4 * WINDOW_BYTES)


def test_the_window_of_a_receiver_that_takes_much_grows_and_that_of_a_slow_one_shrinks_again() -> None:
    pair = Adapting(RANGE)
    few = pair.fill()
    pair.take(few, 0.004)
    assert pair.receiver.window == pair.sender.window == RANGE.largest
    many = pair.fill()
    assert many > 3 * few
    assert pair.sender.used() >= RANGE.largest
    for _ in range(many):
        pair.take(1, 1.0)
    assert pair.receiver.window == pair.sender.window == RANGE.smallest
    assert (pair.receiver.queued_bytes, pair.sender.used(), pair.gate.exhausted) == (0, 0, 0)
    assert pair.fill() == few


def test_a_window_that_shrinks_takes_nothing_back_that_was_sent() -> None:
    pair = Adapting(RANGE)
    pair.take(pair.fill(), 0.004)
    many = pair.fill()
    for _ in range(many - 1):
        pair.take(1, 1.0)
        assert pair.sender.used() == pair.receiver.queued_bytes
        assert pair.sender.window == pair.receiver.window
    assert pair.gate.exhausted == 0, "one batch of a hundred kilobytes is queued"


def test_a_window_that_may_not_move_stays() -> None:
    pair = Adapting(WindowRange(WINDOW_BYTES, WINDOW_BYTES))
    pair.take(pair.fill(), 0.001)
    assert pair.sender.window == WINDOW_BYTES
    pair.fill()
    pair.take(1, 9.0)
    assert pair.sender.window == WINDOW_BYTES


def test_a_request_for_splits_waits_until_the_enumerators_worker_is_there() -> None:
    endpoints, channel = Endpoints(), InputChannel(0, 0)
    endpoints.add_input(3, channel, "peer")
    channel.upstream.request_splits()
    kinds: list[int] = []

    class Link:
        def send(self, frames: list[bytes]) -> None:
            kinds.extend(kind for _, kind, _ in wire.FrameReader().read(b"".join(frames)))

    endpoints.sender_connected("peer", Link())
    assert kinds == [wire.Kind.CREDIT, wire.Kind.REQUEST]
    channel.upstream.request_splits()
    assert kinds.count(wire.Kind.REQUEST) == 2


class Plain:
    def __init__(self, payload: str) -> None:
        self.payload = payload


@dataclass(slots=True)
class Slotted:
    payload: str


class Packed(msgspec.Struct):
    payload: str


@pytest.mark.parametrize(
    "wrap",
    [
        lambda x: x,
        lambda x: (1, x),
        lambda x: [[x]],
        lambda x: {"nested": {"deep": x}},
        lambda x: {x: 1},
        lambda x: {x},
        Plain,
        Slotted,
        Packed,
        lambda x: (Plain(x),),
    ],
    ids=["str", "tuple", "lists", "dicts", "dict-key", "set", "object", "slots", "struct", "tuple-of-object"],
)
def test_what_a_row_holds_counts_wherever_it_hides(wrap: Any) -> None:
    cost = estimated_bytes(RowBatch([wrap("z" * 1_000_000)] * 3))
    assert 3_000_000 < cost < 3_100_000


def test_estimates_of_small_rows_and_of_long_or_recursive_ones_are_sane() -> None:
    assert estimated_bytes(RowBatch([])) == 0
    assert 50_000 < estimated_bytes(RowBatch([(i, i) for i in range(1000)])) < 200_000
    assert 7_000_000 < estimated_bytes(RowBatch([list(range(1_000_000))])) < 60_000_000
    loop: list[Any] = []
    loop.append(loop)
    assert estimated_bytes(RowBatch([loop])) < 10_000

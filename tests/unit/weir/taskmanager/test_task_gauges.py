"""What a subtask says of itself besides its counters: how full its channels are, its output watermark, its timers."""

from __future__ import annotations

from tests.support.checkpoints import ManualClock
from weir.records import RowBatch, Watermark
from weir.taskmanager.exchange.channels import CreditGate, InputChannel, LocalChannel
from weir.taskmanager.exchange.credit_windows import WINDOW_BYTES
from weir.taskmanager.exchange.most_starved import MostStarved
from weir.taskmanager.exchange.outputs import SingleOutput
from weir.taskmanager.gate import InputGate
from weir.taskmanager.gauges import gauges
from weir.taskmanager.loop import DataLoop


class FakeOperator:
    timers_fired = 3
    late_rows = 4


class FakeChain:
    dead_letters = 5

    def __init__(self, *outputs: SingleOutput) -> None:
        self.operators = [FakeOperator(), FakeOperator()]
        self.outputs = list(outputs)
        self.most_starved = MostStarved(self.outputs)


def channel_pair() -> tuple[SingleOutput, InputChannel]:
    target = InputChannel(0, 0)
    return SingleOutput([LocalChannel(target, CreditGate())]), target


def test_a_queue_counts_at_both_of_its_ends_until_it_is_taken() -> None:
    output, target = channel_pair()
    output.send(RowBatch(["x" * (WINDOW_BYTES // 4)]))
    sender, receiver = (
        gauges(FakeChain(output), InputGate([]), 0, 0.0),
        gauges(FakeChain(), InputGate([target]), 0, 0.0),
    )
    assert sender.output_used == receiver.input_used
    assert 0.25 <= sender.output_used < 0.3
    assert sender.window_bytes == WINDOW_BYTES
    target.take()
    assert gauges(FakeChain(output), InputGate([]), 0, 0.0).output_used == 0.0
    assert gauges(FakeChain(), InputGate([target]), 0, 0.0).input_used == 0.0


def test_a_channel_that_one_batch_overdraws_is_full_and_not_more() -> None:
    output, target = channel_pair()
    output.send(RowBatch(["x" * (3 * WINDOW_BYTES)]))
    assert gauges(FakeChain(output), InputGate([target]), 0, 0.0).output_used == 1.0


def test_the_output_watermark_is_the_one_that_was_sent_and_a_last_vertex_lets_its_own_through() -> None:
    output, _ = channel_pair()
    assert gauges(FakeChain(output), InputGate([]), 7, 0.0).output_watermark is None
    output.control(Watermark(5))
    assert gauges(FakeChain(output), InputGate([]), 7, 0.0).output_watermark == 5
    assert gauges(FakeChain(), InputGate([]), 7, 0.0).output_watermark == 7


def test_timers_of_all_operators_of_the_chain_are_counted() -> None:
    found = gauges(FakeChain(), InputGate([]), 0, 0.0)
    assert (found.timers_fired, found.late_dropped, found.dead_letters) == (6, 8, 5)


def test_the_mailbox_tells_its_longest_wait_once() -> None:
    clock = ManualClock()
    loop = DataLoop(clock)
    loop.post(lambda: None)
    assert loop.take_mailbox() == (1, 0.0)
    clock.now += 0.25
    loop.round()
    assert loop.take_mailbox() == (0, 250.0)
    assert loop.take_mailbox() == (0, 0.0)

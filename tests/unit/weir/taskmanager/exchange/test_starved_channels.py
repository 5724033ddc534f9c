"""How long a channel was without credit, and which one of a subtask most."""

from __future__ import annotations

from tests.support.checkpoints import ManualClock
from weir.ids import VertexId
from weir.records import RowBatch
from weir.taskmanager.exchange.channels import CreditGate, InputChannel, LocalChannel, RemoteChannel
from weir.taskmanager.exchange.credit_windows import WINDOW_BYTES
from weir.taskmanager.exchange.most_starved import MostStarved
from weir.taskmanager.exchange.outputs import BroadcastOutput, SingleOutput

BATCH = RowBatch(["x" * WINDOW_BYTES])


def test_a_channel_starves_from_its_last_credit_to_the_next() -> None:
    clock = ManualClock()
    target = InputChannel(0, 0)
    channel = LocalChannel(target, CreditGate(clock.monotonic))
    clock.now = 10
    channel.send_rows(BATCH)
    clock.now = 13
    assert channel.starved.seconds() == 3
    target.take()
    clock.now = 20
    assert channel.starved.seconds() == 3


def test_a_channel_to_another_worker_starves_until_it_is_granted_its_window() -> None:
    clock = ManualClock()
    channel = RemoteChannel(1, lambda frames: None, CreditGate(clock.monotonic))
    clock.now = 2
    channel.on_credit(WINDOW_BYTES, WINDOW_BYTES)
    clock.now = 5
    assert channel.starved.seconds() == 2


def test_the_one_that_starves_longest_is_told_with_what_got_through() -> None:
    clock = ManualClock()
    gate = CreditGate(clock.monotonic)
    slow, fast = InputChannel(0, 0), InputChannel(1, 0)
    output = BroadcastOutput([LocalChannel(fast, gate), LocalChannel(slow, gate)])
    output.target, output.subtasks = VertexId("count"), (4, 7)
    other = SingleOutput([LocalChannel(InputChannel(0, 0), gate)])
    most = MostStarved([other, output])
    assert most.since_last(clock.now) is None
    clock.now = 2
    output.send(BATCH)
    fast.take()
    clock.now = 10
    found = most.since_last(clock.now)
    assert found is not None
    assert (found.vertex, found.index, found.starved_ms) == ("count", 7, 800)
    assert found.bytes_out >= WINDOW_BYTES / 10
    slow.take()
    clock.now = 12
    assert most.since_last(clock.now) == found, "asked again too soon for a rate"
    clock.now = 20
    assert most.since_last(clock.now) is None

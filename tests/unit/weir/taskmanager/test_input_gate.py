"""Which channel is read next."""

from __future__ import annotations

from weir.taskmanager.exchange.channels import CreditGate, InputChannel, LocalChannel
from weir.taskmanager.exchange.credit_windows import WINDOW_BYTES
from weir.taskmanager.gate import InputGate


def gate_of(count: int) -> tuple[InputGate, list[InputChannel]]:
    channels = [InputChannel(index, 0) for index in range(count)]
    return InputGate(channels), channels


def put(channel: InputChannel, *items: str) -> None:
    for item in items:
        channel.put(0, item, 1)


def drain(gate: InputGate) -> list[str]:
    found = []
    while (element := gate.next()) is not None:
        found.append(element[1])
    return found


def test_channels_take_turns() -> None:
    gate, (a, b) = gate_of(2)
    put(a, "a1", "a2", "a3")
    put(b, "b1")
    assert drain(gate) == ["a1", "b1", "a2", "a3"]


def test_an_empty_gate_has_nothing_and_fills_again() -> None:
    gate, (a, _) = gate_of(2)
    assert gate.next() is None
    put(a, "a1")
    assert drain(gate) == ["a1"]
    put(a, "a2")
    assert drain(gate) == ["a2"]


def test_a_blocked_channel_is_left_out_whether_it_had_something_or_gets_it_later() -> None:
    gate, (a, b, c) = gate_of(3)
    put(a, "a1")
    gate.block(a)
    gate.block(b)
    put(b, "b1")
    put(c, "c1")
    assert drain(gate) == ["c1"]
    assert gate.queued_bytes() == 2


def test_what_was_held_back_goes_first_and_in_order() -> None:
    gate, (a, b) = gate_of(2)
    gate.block(a)
    put(a, "a1", "a2", "a3")
    put(b, "b1", "b2")
    assert gate.next() == (b, "b1")
    gate.unblock({0, 1})
    put(a, "a4")
    assert drain(gate) == ["a1", "a2", "a3", "b2", "a4"]


def test_backlogs_of_several_channels_go_one_after_the_other() -> None:
    gate, (a, b, c) = gate_of(3)
    gate.block(a)
    gate.block(b)
    put(b, "b1", "b2")
    put(a, "a1", "a2")
    put(c, "c1")
    gate.unblock([0, 1, 2])
    assert drain(gate) == ["a1", "a2", "b1", "b2", "c1"]


def test_a_channel_blocked_again_inside_its_backlog_waits_with_the_rest() -> None:
    gate, (a, b) = gate_of(2)
    gate.block(a)
    put(a, "barrier", "a2")
    put(b, "b1")
    gate.unblock([0])
    assert gate.next() == (a, "barrier")
    gate.block(a)
    assert drain(gate) == ["b1"]
    gate.unblock([0])
    assert drain(gate) == ["a2"]


def test_unblocking_a_channel_that_was_not_blocked_does_not_give_it_two_turns() -> None:
    gate, (a, b) = gate_of(2)
    put(a, "a1", "a2", "a3")
    put(b, "b1", "b2", "b3")
    for _ in range(5):
        gate.unblock([0])
    assert drain(gate) == ["a1", "b1", "a2", "b2", "a3", "b3"]
    assert len(gate._ready) == 0


def test_many_checkpoints_under_load_do_not_lengthen_the_line() -> None:
    gate, (a, b) = gate_of(2)
    put(a, *(f"a{i}" for i in range(100)))
    put(b, *(f"b{i}" for i in range(100)))
    for _ in range(40):
        channel, _ = gate.next()
        gate.block(channel)
        gate.unblock([0, 1])
        assert len(gate._ready) == 2


def test_what_is_put_back_goes_next() -> None:
    gate, (a, b) = gate_of(2)
    put(a, "a1", "a2")
    put(b, "b1")
    channel, _ = gate.next() or (a, "")
    gate.put_back(channel, "rest")
    assert drain(gate) == ["rest", "b1", "a2"]


def test_the_rest_of_the_last_element_makes_its_channel_ready_again() -> None:
    gate, (a, _) = gate_of(2)
    put(a, "a1")
    gate.next()
    gate.put_back(a, "rest")
    assert drain(gate) == ["rest"]
    put(a, "a2")
    assert drain(gate) == ["a2"]


def test_a_barrier_that_overtook_is_gone_from_its_queue() -> None:
    gate, (a, b) = gate_of(2)
    put(a, "a1", "barrier", "a2")
    put(b, "barrier")
    gate.remove(a, 1)
    gate.remove(b, 0)
    assert drain(gate) == ["a1", "a2"]
    put(b, "b1")
    assert drain(gate) == ["b1"]


def test_what_is_restored_goes_before_all_that_arrives_on_any_channel() -> None:
    gate, (a, b, c) = gate_of(3)
    gate.restore(b, [("b1", 3), ("b2", 3)])
    gate.restore(c, [("c1", 3)])
    put(a, "new a")
    put(b, "new b")
    assert drain(gate) == ["b1", "b2", "c1", "new a", "new b"]


def test_what_is_restored_takes_its_share_of_the_window_until_it_is_processed() -> None:
    gate, (a,) = gate_of(1)
    sender = LocalChannel(a, CreditGate())
    gate.restore(a, [("a1", WINDOW_BYTES + 5)])
    assert sender.used() == WINDOW_BYTES + 5
    drain(gate)
    assert sender.used() == 0

"""When a barrier may overtake, and whose data it then is that goes into the checkpoint."""

from __future__ import annotations

import pytest

from weir.taskmanager.alignment import Outcome
from weir.taskmanager.unaligned import Announcement, Overtaken, Unaligned


def of(channels: int, *aligned: int) -> Unaligned:
    return Unaligned(channels, overtakable=frozenset(range(channels)) - set(aligned))


def test_the_first_barrier_overtakes_and_the_others_end_their_recordings() -> None:
    alignment = of(3)
    assert alignment.announce(1, 1) is Announcement.FIRST
    assert alignment.may_overtake
    assert alignment.overtake() == Overtaken(frozenset(), frozenset({1}), frozenset({0, 2}))
    assert alignment.announce(0, 1) is Announcement.RECORDED
    assert alignment.announce(2, 1) is Announcement.RECORDED
    assert not alignment.missing
    assert not alignment.waiting


def test_as_long_as_nobody_overtakes_barriers_are_aligned() -> None:
    alignment = of(2)
    for channel in range(2):
        alignment.announce(channel, 1)
    assert alignment.on_barrier(0, 1).block
    decision = alignment.on_barrier(1, 1)
    assert (decision.outcome, decision.unblock) == (Outcome.COMPLETE, frozenset({0, 1}))
    assert not alignment.waiting


def test_an_alignment_that_takes_too_long_is_left_half_way() -> None:
    alignment = of(3)
    alignment.announce(0, 1)
    alignment.on_barrier(0, 1)
    alignment.announce(1, 1)
    assert alignment.overtake() == Overtaken(frozenset({0}), frozenset({1}), frozenset({2}))


def test_channels_that_cannot_be_overtaken_are_waited_for() -> None:
    alignment = of(2, 1)
    alignment.announce(0, 1)
    assert not alignment.may_overtake
    with pytest.raises(ValueError, match="checkpoint 1 cannot overtake now"):
        alignment.overtake()
    alignment.on_barrier(1, 1)
    assert alignment.may_overtake
    assert alignment.overtake() == Overtaken(frozenset({1}), frozenset({0}), frozenset())


def test_an_aborted_checkpoint_neither_overtakes_nor_goes_on_recording() -> None:
    alignment = of(2)
    alignment.announce(0, 1)
    alignment.abort(1)
    assert not alignment.may_overtake
    alignment.announce(0, 2)
    alignment.overtake()
    alignment.abort(2)
    assert not alignment.missing
    assert alignment.announce(1, 2) is Announcement.IGNORE


def test_a_newer_checkpoint_takes_the_place_of_one_whose_barriers_never_came() -> None:
    alignment = of(2)
    alignment.announce(0, 1)
    alignment.on_barrier(0, 1)
    assert alignment.announce(1, 2) is Announcement.FIRST
    overtaken = alignment.overtake()
    assert overtaken.unblock == {0}
    assert overtaken.missing == {0}, "what came after the older barrier is before the newer one"
    assert alignment.announce(1, 1) is Announcement.IGNORE
    assert alignment.announce(0, 2) is Announcement.RECORDED

"""Barriers of all inputs, as a state machine."""

from __future__ import annotations

import pytest

from weir.taskmanager.alignment import AtLeastOnce, Decision, ExactlyOnce, Outcome

WAIT, COMPLETE, IGNORE = Outcome.WAIT, Outcome.COMPLETE, Outcome.IGNORE


def test_one_channel_needs_no_alignment() -> None:
    alignment = ExactlyOnce(1)
    assert alignment.on_barrier(0, 1) == Decision(COMPLETE, unblock=frozenset({0}))
    assert alignment.on_barrier(0, 2).outcome is COMPLETE


def test_a_channel_is_blocked_from_its_barrier_until_all_had_it() -> None:
    alignment = ExactlyOnce(3)
    assert alignment.on_barrier(1, 1) == Decision(WAIT, block=True)
    assert alignment.on_barrier(0, 1) == Decision(WAIT, block=True)
    last = alignment.on_barrier(2, 1)
    assert (last.outcome, last.block, last.unblock) == (COMPLETE, False, frozenset({0, 1, 2}))


def test_many_channels_of_a_union_complete_once_whatever_their_order() -> None:
    alignment = ExactlyOnce(50)
    outcomes = [alignment.on_barrier(channel, 7).outcome for channel in range(49, -1, -1)]
    assert outcomes == [WAIT] * 49 + [COMPLETE]


def test_after_a_completion_the_next_checkpoint_aligns_from_the_start() -> None:
    alignment = ExactlyOnce(2)
    for number in (1, 2, 5):
        assert alignment.on_barrier(0, number).block
        assert alignment.on_barrier(1, number).outcome is COMPLETE


def test_an_aborted_alignment_opens_its_channels_and_ignores_the_barriers_to_come() -> None:
    alignment = ExactlyOnce(3)
    alignment.on_barrier(0, 1)
    alignment.on_barrier(2, 1)
    assert alignment.abort(1) == frozenset({0, 2})
    assert alignment.on_barrier(1, 1) == Decision(IGNORE)
    assert alignment.on_barrier(0, 2).outcome is WAIT


def test_a_checkpoint_aborted_before_any_barrier_came_is_ignored_on_all_channels() -> None:
    alignment = ExactlyOnce(2)
    assert alignment.abort(1) == frozenset()
    assert alignment.on_barrier(0, 1).outcome is IGNORE
    assert alignment.on_barrier(1, 1).outcome is IGNORE
    assert alignment.on_barrier(0, 2).block
    assert alignment.on_barrier(1, 2).outcome is COMPLETE
    assert alignment.aborted == set()


def test_an_abort_of_the_past_changes_nothing() -> None:
    alignment = ExactlyOnce(2)
    alignment.on_barrier(0, 3)
    alignment.on_barrier(1, 3)
    alignment.on_barrier(0, 4)
    assert alignment.abort(3) == frozenset()
    assert alignment.arrived == {0}


def test_an_abort_of_another_checkpoint_leaves_the_present_alignment_alone() -> None:
    alignment = ExactlyOnce(2)
    alignment.on_barrier(0, 3)
    assert alignment.abort(4) == frozenset()
    assert alignment.on_barrier(1, 3).outcome is COMPLETE
    assert alignment.on_barrier(0, 4).outcome is IGNORE


def test_a_newer_barrier_overtakes_an_alignment_whose_barrier_never_comes() -> None:
    alignment = ExactlyOnce(3)
    alignment.on_barrier(0, 1)
    alignment.on_barrier(1, 1)
    overtaking = alignment.on_barrier(2, 2)
    assert overtaking == Decision(WAIT, block=True, unblock=frozenset({0, 1}), abandoned=1)
    assert alignment.on_barrier(0, 2).outcome is WAIT
    assert alignment.on_barrier(1, 2).outcome is COMPLETE


def test_with_two_channels_the_overtaken_one_is_read_on_until_the_newer_barrier() -> None:
    alignment = ExactlyOnce(2)
    alignment.on_barrier(0, 1)
    assert alignment.on_barrier(1, 2).unblock == frozenset({0})
    assert alignment.on_barrier(0, 2) == Decision(COMPLETE, unblock=frozenset({0, 1}))


def test_a_late_barrier_of_an_overtaken_checkpoint_is_ignored() -> None:
    alignment = ExactlyOnce(3)
    alignment.on_barrier(0, 1)
    alignment.on_barrier(1, 2)
    assert alignment.on_barrier(2, 1).outcome is IGNORE
    assert alignment.current == 2


@pytest.mark.parametrize("kind", [ExactlyOnce, AtLeastOnce])
def test_the_same_barrier_twice_on_one_channel_is_refused(kind: type) -> None:
    alignment = kind(2)
    alignment.on_barrier(0, 1)
    with pytest.raises(ValueError, match="channel 0 brought barrier 1 twice"):
        alignment.on_barrier(0, 1)


def test_at_least_once_blocks_nothing_and_snapshots_with_the_last_barrier() -> None:
    alignment = AtLeastOnce(3)
    assert [alignment.on_barrier(channel, 1) for channel in (2, 0, 1)] == [
        Decision(WAIT),
        Decision(WAIT),
        Decision(COMPLETE),
    ]


def test_at_least_once_counts_several_checkpoints_at_a_time() -> None:
    alignment = AtLeastOnce(2)
    assert alignment.on_barrier(0, 1).outcome is WAIT
    assert alignment.on_barrier(0, 2).outcome is WAIT
    assert alignment.on_barrier(1, 1).outcome is COMPLETE
    assert alignment.on_barrier(1, 2).outcome is COMPLETE
    assert alignment.pending == {}


def test_at_least_once_a_newer_one_that_completes_ends_the_older_ones() -> None:
    alignment = AtLeastOnce(2)
    alignment.on_barrier(0, 1)
    alignment.on_barrier(0, 2)
    assert alignment.on_barrier(1, 2).outcome is COMPLETE
    assert alignment.on_barrier(1, 1).outcome is IGNORE
    assert alignment.pending == {}


def test_at_least_once_ignores_an_aborted_checkpoint() -> None:
    alignment = AtLeastOnce(2)
    alignment.on_barrier(0, 1)
    assert alignment.abort(1) == frozenset()
    assert alignment.on_barrier(1, 1).outcome is IGNORE
    alignment.on_barrier(0, 2)
    assert alignment.on_barrier(1, 2).outcome is COMPLETE
    assert alignment.aborted == set()

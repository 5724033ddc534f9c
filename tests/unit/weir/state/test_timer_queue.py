"""Timer queues: order, duplicates, firing while registering, and stopping in the middle."""

import pytest

from weir.errors import StateAccessError, UserError
from weir.state import NO_KEY, TimerQueue


def queue_of(*timers):
    queue = TimerQueue()
    for key, timestamp in timers:
        queue.register(key, timestamp)
    return queue


def test_timers_fire_by_timestamp_and_within_one_in_order_of_registration():
    queue = queue_of(("b", 20), ("z", 10), ("a", 10), ("c", 30))
    assert queue.next_timestamp() == 10
    assert list(queue.pop_due(20)) == [(10, ["z", "a"]), (20, ["b"])]
    assert queue.next_timestamp() == 30
    assert list(queue.pop_due(29)) == []


def test_an_empty_queue_has_no_next_timestamp():
    queue = TimerQueue()
    assert queue.next_timestamp() is None
    assert list(queue.pop_due(100)) == []
    assert len(queue) == 0


def test_a_timer_registered_twice_fires_once():
    queue = queue_of(("a", 10), ("a", 10), ("a", 11))
    assert len(queue) == 2
    assert list(queue.pop_due(11)) == [(10, ["a"]), (11, ["a"])]


def test_a_deleted_timer_does_not_fire_and_deleting_an_unknown_one_is_a_no_op():
    queue = queue_of(("a", 10), ("b", 10), ("c", 20))
    queue.delete("a", 10)
    queue.delete("c", 20)
    queue.delete("c", 20)
    queue.delete("a", 99)
    assert queue.next_timestamp() == 10
    assert list(queue.pop_due(100)) == [(10, ["b"])]


def test_a_timer_registered_while_firing_fires_in_the_same_round_if_it_is_due():
    queue = queue_of(("a", 10), ("b", 30))
    fired = []
    for timestamp, keys in queue.pop_due(20):
        fired.append((timestamp, keys))
        if timestamp == 10:
            queue.register("late", 5)
            queue.register("same", 20)
            queue.register("later", 21)
    assert fired == [(10, ["a"]), (5, ["late"]), (20, ["same"])]
    assert queue.next_timestamp() == 21


def test_a_timer_deleted_while_firing_does_not_fire():
    queue = queue_of(("a", 10), ("b", 15))
    for timestamp, _ in queue.pop_due(20):
        assert timestamp == 10
        queue.delete("b", 15)


def test_a_consumer_that_stops_in_the_middle_loses_only_what_it_was_handed():
    queue = queue_of(("a", 10), ("b", 20), ("c", 30))
    firing = queue.pop_due(100)
    assert next(firing) == (10, ["a"])
    assert queue.columns() == (["b", "c"], [20, 30])
    firing.close()
    assert list(queue.pop_due(100)) == [(20, ["b"]), (30, ["c"])]


def test_a_suspended_round_goes_on_beside_another_one():
    queue = queue_of(("a", 10), ("b", 20), ("c", 30))
    suspended = queue.pop_due(100)
    next(suspended)
    assert next(queue.pop_due(100)) == (20, ["b"])
    assert list(suspended) == [(30, ["c"])]


def test_columns_list_all_timers_in_firing_order():
    assert queue_of(("b", 20), ("z", 10), ("a", 10)).columns() == (["z", "a", "b"], [10, 10, 20])


def test_registering_and_deleting_for_ever_does_not_grow_the_queue():
    queue = queue_of(("keep", 10**9))
    for timestamp in range(10_000):
        queue.register("a", timestamp)
        queue.delete("a", timestamp)
    assert len(queue._heap) < 100
    assert queue.next_timestamp() == 10**9


@pytest.mark.parametrize("timestamp", [1.5, "10", None, True], ids=repr)
def test_a_timestamp_that_is_no_int_is_refused(timestamp):
    with pytest.raises(UserError, match=rf"int timestamp in milliseconds, got {type(timestamp).__name__}"):
        TimerQueue().register("a", timestamp)


def test_a_timer_without_a_key_is_refused_and_leaves_nothing():
    queue = TimerQueue()
    with pytest.raises(StateAccessError, match=r"without a key"):
        queue.register(NO_KEY, 10)
    assert queue.next_timestamp() is None

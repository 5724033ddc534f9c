"""The timer queue against a sorted list, with consumers that stop anywhere and users that register while firing."""

from hypothesis import given
from hypothesis import strategies as st

from weir.state import TimerQueue

timestamps = st.integers(0, 8)
keys = st.integers(0, 3)
changes = st.lists(st.tuples(st.sampled_from(["register", "delete"]), keys, timestamps), max_size=6)
#: Fire until a timestamp, hand out at most so many buckets, and make these changes after each.
rounds = st.lists(st.tuples(changes, timestamps, st.integers(0, 6), changes), max_size=8)


class Naive:
    """All timers in order of registration."""

    def __init__(self):
        self.timers = []

    def change(self, action, key, timestamp):
        if action == "register":
            if (timestamp, key) not in self.timers:
                self.timers.append((timestamp, key))
        elif (timestamp, key) in self.timers:
            self.timers.remove((timestamp, key))

    def pop_bucket(self, until):
        due = [timestamp for timestamp, _ in self.timers if timestamp <= until]
        if not due:
            return None
        first = min(due)
        keys = [key for timestamp, key in self.timers if timestamp == first]
        self.timers = [timer for timer in self.timers if timer[0] != first]
        return first, keys


@given(rounds)
def test_a_queue_fires_like_a_sorted_list(program):
    queue, naive = TimerQueue(), Naive()

    def change(some):
        for action, key, timestamp in some:
            (queue.register if action == "register" else queue.delete)(key, timestamp)
            naive.change(action, key, timestamp)

    for before, until, limit, during in program:
        change(before)
        firing = queue.pop_due(until)
        for _ in range(limit):
            bucket = next(firing, None)
            assert bucket == naive.pop_bucket(until)
            if bucket is None:
                break
            change(during)
        firing.close()
        ordered = sorted(naive.timers, key=lambda timer: timer[0])
        assert list(zip(*reversed(queue.columns()), strict=True)) == ordered
        assert len(queue) == len(ordered)
        assert queue.next_timestamp() == (ordered[0][0] if ordered else None)

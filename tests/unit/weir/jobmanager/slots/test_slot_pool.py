"""Free workers and the jobs that wait for them."""

from __future__ import annotations

from weir.ids import JobId, TaskManagerId, WorkerId
from weir.jobmanager.slots.slot_pool import SlotPool

FIRST, SECOND = JobId("1" * 32), JobId("2" * 32)
TM = TaskManagerId("tm")


def pool(*workers: str) -> SlotPool:
    made = SlotPool()
    for worker in workers:
        made.add(WorkerId(worker), TM)
    return made


def test_a_request_is_granted_at_once_if_it_can_be() -> None:
    granted: list = []
    free = pool("a", "b", "c")
    free.request(FIRST, 2, granted.append)
    assert granted == [("a", "b")]
    assert free.free == {"c"}


def test_a_request_is_granted_whole_or_not_at_all() -> None:
    granted: list = []
    free = pool("a")
    free.request(FIRST, 2, granted.append)
    assert granted == []
    assert free.free == {"a"}
    free.add(WorkerId("b"), TM)
    assert granted == [("a", "b")]


def test_a_large_request_does_not_hold_up_a_small_one() -> None:
    large: list = []
    small: list = []
    free = pool()
    free.request(FIRST, 2, large.append)
    free.request(SECOND, 1, small.append)
    free.add(WorkerId("a"), TM)
    assert (large, small) == ([], [("a",)])


def test_the_older_of_two_equal_requests_comes_first() -> None:
    order: list[str] = []
    free = pool()
    free.request(FIRST, 1, lambda workers: order.append("first"))
    free.request(SECOND, 1, lambda workers: order.append("second"))
    free.add(WorkerId("a"), TM)
    assert order == ["first"]


def test_a_request_is_granted_once() -> None:
    granted: list = []
    free = pool("a", "b")
    free.request(FIRST, 1, granted.append)
    free.add(WorkerId("c"), TM)
    assert len(granted) == 1


def test_a_withdrawn_request_is_not_granted() -> None:
    granted: list = []
    free = pool()
    free.request(FIRST, 1, granted.append)
    free.withdraw(FIRST)
    free.add(WorkerId("a"), TM)
    assert granted == []


def test_a_lost_worker_is_not_granted() -> None:
    granted: list = []
    free = pool("a", "b")
    free.remove(WorkerId("a"))
    free.remove(WorkerId("held by a job"))
    free.request(FIRST, 1, granted.append)
    assert granted == [("b",)]


def test_a_grant_may_ask_for_more() -> None:
    granted: list = []
    free = pool("a", "b")

    def greedy(workers: tuple) -> None:
        granted.append(workers)
        free.request(FIRST, 1, granted.append)

    free.request(FIRST, 1, greedy)
    assert granted == [("a",), ("b",)]


def test_workers_beside_one_whose_machine_failed_are_taken_last_and_once() -> None:
    granted: list = []
    free = pool("a", "b")
    for name in ("c", "d", "e"):
        free.add(WorkerId(name), TaskManagerId("zone"))
    free.shun(WorkerId("a"))
    free.request(FIRST, 2, granted.append)
    free.request(SECOND, 3, granted.append)
    assert granted == [("c", "d"), ("e", "a", "b")]
    free.add(WorkerId("f"), TM)
    free.add(WorkerId("g"), TaskManagerId("zone"))
    free.request(FIRST, 1, granted.append)
    assert granted[-1] == ("f",), "it was needed, so it is no worse than others"
